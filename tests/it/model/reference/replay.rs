//! Recounts the state from all statements, in the order of docs/reference/events.md.

use std::collections::{BTreeSet, HashMap};

use rollcall::domain::directory::Kind;
use rollcall::domain::event::Surface;
use rollcall::domain::presence::DefinitionCategory;
use rollcall::domain::{Category, Channel, ConversationId, PerChannel, Time};
use uuid::Uuid;

use super::{AccountIx, Effect, Flaw, Individual, Opening, REMEMBERED_USERS, Reference, Statement};

/// The account and name of a session.
type SessionKey = (AccountIx, Box<str>);

impl Reference {
    /// Returns the statements by time, and at equal times by position.
    fn in_order(&self) -> Vec<&Statement> {
        let mut statements: Vec<&Statement> = self.statements.iter().collect();
        if self.has(Flaw::TimesAreIgnored) {
            statements.sort_by_key(|statement| statement.seq);
        } else if self.has(Flaw::FirstOfEqualsWins) {
            statements.sort_by_key(|statement| (statement.time, std::cmp::Reverse(statement.seq)));
        } else {
            statements.sort_by_key(|statement| (statement.time, statement.seq));
        }
        statements
    }

    /// Returns the holder of each conversation.
    pub(super) fn holders(&self) -> HashMap<ConversationId, (AccountIx, Channel)> {
        let mut held: HashMap<ConversationId, (AccountIx, Channel, u64)> = HashMap::new();
        let merged = self.merged_releases();
        for statement in self.in_order() {
            match &statement.effect {
                Effect::Taken(ix, channel, conversation) => {
                    held.insert(conversation.clone(), (*ix, *channel, statement.seq));
                }
                Effect::TakenByOther(conversation) => {
                    held.remove(conversation);
                }
                Effect::Released(ix, conversation) => {
                    let is_merged = merged.get(conversation).is_some_and(|to| (statement.time, statement.seq) <= *to);
                    let ends = |holder: AccountIx| is_merged || ix.is_none_or(|ix| ix == holder);
                    if held.get(conversation).is_some_and(|(w, ..)| ends(*w) || self.has(Flaw::AnyUserReleases)) {
                        held.remove(conversation);
                    }
                }
                Effect::Synced(ix, channel, named) => {
                    held.retain(|_, (w, c, taken)| {
                        let spared =
                            self.has(Flaw::SyncOnlyAdds) || self.has(Flaw::SyncHasNoFloor) && *taken > statement.seq;
                        (*w, *c) != (*ix, *channel) || spared
                    });
                    for conversation in named {
                        held.insert(conversation.clone(), (*ix, *channel, statement.seq));
                    }
                }
                _ => {}
            }
        }
        let live = held.into_iter().filter(|(_, (ix, ..))| self.directory.accounts[*ix].is_live());
        live.map(|(conversation, (ix, channel, _))| (conversation, (ix, channel))).collect()
    }

    /// Returns the newest release of each conversation that counts as one without a subject because 256 other users
    /// released the conversation after it.
    fn merged_releases(&self) -> HashMap<&ConversationId, (Time, u64)> {
        let mut newest: HashMap<&ConversationId, HashMap<AccountIx, (Time, u64)>> = HashMap::new();
        for statement in &self.statements {
            if let Effect::Released(Some(ix), conversation) = &statement.effect {
                let at = (statement.time, statement.seq);
                let known = newest.entry(conversation).or_default().entry(*ix).or_insert(at);
                *known = at.max(*known);
            }
        }
        let merged = newest.into_iter().filter_map(|(conversation, by_user)| {
            let mut times: Vec<_> = by_user.into_values().collect();
            times.sort_by_key(|at| std::cmp::Reverse(*at));
            Some((conversation, *times.get(REMEMBERED_USERS)?))
        });
        merged.collect()
    }

    /// Returns the open sessions, with the position of the connection that opened each.
    pub(super) fn open_sessions(&self) -> HashMap<SessionKey, (u64, Opening)> {
        let mut open: HashMap<SessionKey, (u64, Opening)> = HashMap::new();
        for statement in self.in_order() {
            match &statement.effect {
                Effect::Opened(ix, session, opening) => {
                    open.insert((*ix, session.clone()), (statement.seq, *opening));
                }
                Effect::Closed(ix, session) => {
                    open.remove(&(*ix, session.clone()));
                }
                Effect::ClosedAll(ix) => open.retain(|(w, _), _| w != ix),
                _ => {}
            }
        }
        // An expiry is no statement about the session: an expired connection still hides older ones.
        open.retain(|_, (position, _)| !self.expired.contains(position));
        open
    }

    /// Returns every open session with a lease: user id, name, opening position, and seconds.
    pub fn leases(&self) -> BTreeSet<(i64, Box<str>, u64, u32)> {
        let open = self.open_sessions().into_iter();
        let of_live = open.filter(|((ix, _), _)| self.directory.accounts[*ix].is_live());
        let leases = of_live.filter_map(|((ix, session), (position, opening))| {
            Some((self.directory.accounts[ix].id, session, position, opening.lease_seconds?))
        });
        leases.collect()
    }

    /// Returns every user of the directory, recounted from the beginning.
    pub fn individuals(&self) -> Vec<Individual<'_>> {
        let accounts = &self.directory.accounts;
        let mut everyone: Vec<Individual<'_>> = accounts
            .iter()
            .enumerate()
            .map(|(ix, account)| Individual {
                account,
                connected: false,
                seen: self.seen.contains(&ix),
                settings: self.directory.settings,
                logged_in: self.logged_in.get(&ix).copied().unwrap_or(Time::NEVER),
                presence: Category::Ready,
                definition: None,
                routable: true,
                shown: Uuid::nil(),
                updated: self.updated.get(&ix).copied(),
                handled: self.handled.get(&ix).copied().unwrap_or_default(),
                toggles: PerChannel([true; 4]),
                current: PerChannel([0; 4]),
                flaw: self.flaw,
            })
            .collect();
        let mut chosen: HashMap<AccountIx, i64> = HashMap::new();
        for statement in self.in_order() {
            match &statement.effect {
                Effect::Presence(ix, choice) => {
                    everyone[*ix].presence = choice.category;
                    everyone[*ix].routable = choice.routable;
                    chosen.remove(ix);
                    chosen.extend(choice.definition.map(|definition| (*ix, definition)));
                }
                Effect::Toggle(ix, channel, on) => everyone[*ix].toggles[*channel] = *on,
                _ => {}
            }
        }
        for ((ix, _), (_, opening)) in self.open_sessions() {
            everyone[ix].connected |= opening.surface == Surface::Desk || self.has(Flaw::AdministrationConnects);
        }
        for (ix, channel) in self.holders().into_values() {
            everyone[ix].current[channel] += 1;
        }
        for (ix, one) in everyone.iter_mut().enumerate() {
            one.definition = chosen.get(&ix).copied();
            one.shown = self.shown(one, one.definition);
            if self.has(Flaw::RoutableIsNotCopied) {
                let definitions = self.directory.entities(Kind::PresenceDefinition).iter();
                let now = definitions.filter(|entity| chosen.get(&ix) == Some(&entity.id));
                one.routable = now.map(|entity| entity.routable != Some(false)).next().unwrap_or(true);
            }
        }
        everyone.retain(|individual| individual.account.is_live());
        everyone
    }

    /// Returns the presence definition that a user shows: the chosen one while its category is the chosen one; for an
    /// offline user the directory's first of the category; otherwise the built-in one.
    fn shown(&self, one: &Individual<'_>, chosen: Option<i64>) -> Uuid {
        let (name, category) = match one.presence {
            _ if !one.connected => ("LoggedOut", DefinitionCategory::LoggedOut),
            Category::Ready => ("Ready", DefinitionCategory::Ready),
            Category::Away => ("Away", DefinitionCategory::Away),
            Category::ExtendedAway => ("ExtendedAway", DefinitionCategory::ExtendedAway),
        };
        let definitions = self.directory.entities(Kind::PresenceDefinition).iter();
        let candidates = definitions.filter(|entity| {
            let is_chosen = chosen == Some(entity.id) && !self.has(Flaw::DefinitionsAreNotShown);
            entity.category == Some(category) && (is_chosen || !one.connected)
        });
        let built_in = || Uuid::new_v5(&self.directory.tenant().0, format!("presence/{name}").as_bytes());
        candidates.min_by_key(|entity| entity.id).map_or_else(built_in, |entity| entity.guid)
    }
}
