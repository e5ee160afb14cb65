//! Plays every word again, in the order of docs/reference/events.md.

use std::collections::{BTreeSet, HashMap};

use rollcall::domain::directory::Kind;
use rollcall::domain::event::Surface;
use rollcall::domain::presence::DefinitionCategory;
use rollcall::domain::{Category, Channel, ConversationId, PerChannel};
use uuid::Uuid;

use super::{Flaw, Individual, Opening, Reference, Said, Whose, Word};

/// Whose session, and its name.
type SessionKey = (Whose, Box<str>);

impl Reference {
    /// The words by time, and at equal times by their place in the journal.
    fn in_order(&self) -> Vec<&Word> {
        let mut words: Vec<&Word> = self.words.iter().collect();
        if self.has(Flaw::TimesAreIgnored) {
            words.sort_by_key(|word| word.seq);
        } else if self.has(Flaw::FirstOfEqualsWins) {
            words.sort_by_key(|word| (word.time, std::cmp::Reverse(word.seq)));
        } else {
            words.sort_by_key(|word| (word.time, word.seq));
        }
        words
    }

    /// Who holds each conversation.
    pub(super) fn holders(&self) -> HashMap<ConversationId, (Whose, Channel)> {
        let mut held: HashMap<ConversationId, (Whose, Channel, u64)> = HashMap::new();
        for word in self.in_order() {
            match &word.said {
                Said::Taken(whose, channel, conversation) => {
                    held.insert(conversation.clone(), (*whose, *channel, word.seq));
                }
                Said::Gone(conversation) => {
                    held.remove(conversation);
                }
                Said::Released(whose, conversation) => {
                    let ends = |holder: Whose| whose.is_none_or(|whose| whose == holder);
                    if held.get(conversation).is_some_and(|(w, ..)| ends(*w) || self.has(Flaw::AnyoneReleases)) {
                        held.remove(conversation);
                    }
                }
                Said::Synced(whose, channel, named) => {
                    held.retain(|_, (w, c, taken)| {
                        let spared =
                            self.has(Flaw::SyncOnlyAdds) || self.has(Flaw::SyncHasNoFloor) && *taken > word.seq;
                        (*w, *c) != (*whose, *channel) || spared
                    });
                    for conversation in named {
                        held.insert(conversation.clone(), (*whose, *channel, word.seq));
                    }
                }
                _ => {}
            }
        }
        let live = held.into_iter().filter(|(_, (whose, ..))| self.directory.accounts[*whose].is_live());
        live.map(|(conversation, (whose, channel, _))| (conversation, (whose, channel))).collect()
    }

    /// The sessions that are open, with the position of the connection that opened each.
    pub(super) fn open_sessions(&self) -> HashMap<SessionKey, (u64, Opening)> {
        let mut open: HashMap<SessionKey, (u64, Opening)> = HashMap::new();
        for word in self.in_order() {
            match &word.said {
                Said::Opened(whose, session, opening) => {
                    open.insert((*whose, session.clone()), (word.seq, *opening));
                }
                Said::Closed(whose, session) => {
                    open.remove(&(*whose, session.clone()));
                }
                Said::ClosedAll(whose) => open.retain(|(w, _), _| w != whose),
                _ => {}
            }
        }
        // The end of an incarnation is no word about the session: a connection that ran out hides the older ones still.
        open.retain(|_, (position, _)| !self.expired.contains(position));
        open
    }

    /// Every open session that has a lease: whose, its name, the position that opened it, and how long it lasts.
    pub fn leases(&self) -> BTreeSet<(i64, Box<str>, u64, u32)> {
        let open = self.open_sessions().into_iter();
        let of_live = open.filter(|((whose, _), _)| self.directory.accounts[*whose].is_live());
        let leases = of_live.filter_map(|((whose, session), (position, opening))| {
            Some((self.directory.accounts[whose].id, session, position, opening.lease_seconds?))
        });
        leases.collect()
    }

    /// Every user of the directory, recounted from the beginning.
    pub fn individuals(&self) -> Vec<Individual<'_>> {
        let accounts = &self.directory.accounts;
        let mut everyone: Vec<Individual<'_>> = accounts
            .iter()
            .enumerate()
            .map(|(whose, account)| Individual {
                account,
                connected: false,
                seen: self.seen.contains(&whose),
                presence: Category::Ready,
                shown: Uuid::nil(),
                updated: self.updated.get(&whose).copied(),
                handled: self.handled.get(&whose).copied().unwrap_or_default(),
                toggles: PerChannel([true; 4]),
                current: PerChannel([0; 4]),
                flaw: self.flaw,
            })
            .collect();
        let mut chosen: HashMap<Whose, i64> = HashMap::new();
        for word in self.in_order() {
            match &word.said {
                Said::Presence(whose, category, definition) => {
                    everyone[*whose].presence = *category;
                    chosen.remove(whose);
                    chosen.extend(definition.map(|definition| (*whose, definition)));
                }
                Said::Toggle(whose, channel, on) => everyone[*whose].toggles[*channel] = *on,
                _ => {}
            }
        }
        for ((whose, _), (_, opening)) in self.open_sessions() {
            everyone[whose].connected |= opening.surface == Surface::Desk || self.has(Flaw::AdministrationConnects);
        }
        for (whose, channel) in self.holders().into_values() {
            everyone[whose].current[channel] += 1;
        }
        for (whose, one) in everyone.iter_mut().enumerate() {
            one.shown = self.shown(one, chosen.get(&whose).copied());
        }
        everyone.retain(|individual| individual.account.is_live());
        everyone
    }

    /// The definition that a person shows: the one chosen as long as it means what it did; without a desk the first of
    /// the directory's for that; else the built-in one.
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
