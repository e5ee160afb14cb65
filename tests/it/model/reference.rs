//! A naive reference for `live`, written from docs/reference/events.md alone: it keeps every effect of accepted
//! events as a statement, and recounts everything from the beginning for every answer. It shares no logic with `live`,
//! and not its status function either.
//!
//! A recount replays all statements in the order of their times, and at equal times in the order of the journal: the
//! last statement about a field decides. Where that is not obviously what docs/reference/events.md says, or needs an
//! addition:
//!
//! * Slots. "Held iff its newest take is newer than both releases that apply to it, and not below a sync's floor" needs
//!   no stamps here: in order, a take makes a holder; a release, or a sync that does not name the conversation, ends
//!   the claim; and a release by another user does not. A late take is replayed at its place.
//! * "Takes at or before it that it does not name": a take with the sync's own time that was journalled after it is
//!   after it ("equal times: the one journalled later wins"), and holds.
//! * A sync's set is a take of each conversation it names; a name that stands in an older sync is an older take.
//! * A deleted user's takes remain statements: a deletion does not give a conversation back to its earlier holder, and
//!   what the deleted user took has no holder. The directory is in the order of the journal, whatever the times.
//! * An authoritative write has at least the time of the newest statement about the field that it sets. That depends on
//!   the journal before it, so it is computed when the write is recorded. `desk.closed_all` sets every open session:
//!   each closes at the later of that session's time and its own, and sessions that are still unknown close at its own
//!   time.
//! * A lease's expiry is no statement about the session but the end of one incarnation: the session keeps the time of
//!   its connection, so that any later event of the desk, whose clock may be behind, still wins.
//! * "Remembered for 24 h of recorded time": statements are forgotten one by one, counted from the newest entry that
//!   mentions or ends their subject. A sync's effect on the channel, and a `closed_all` of a user, is never forgotten.
//! * A take that is refused, by a user that is not in the directory or past a quota, is a statement too: the
//!   conversation has no holder after it.
//! * Of the users who released a conversation, the 256 who did so last are remembered; older releases count as releases
//!   without a subject. Of those who took it, the 256 with the lowest ids are counted.
//! * `ever_logged_in`: a connection that is too late to open a session sets it nevertheless. So do connections to the
//!   administration, and log-ins with a password.
//! * `routable` is what the definition says when it is chosen, in the order of the journal.
//! * `updated`: the newest time of a presence choice, or of a statement about a session that any statement ascribes to a
//!   desk, as far as they open or end it; it outlives them. A `closed_all` counts for each session that it closes, at the time of the close, and an expiry at the server's time.

mod answers;
mod breakdown;
mod conversations;
mod directory;
mod flaw;
mod forgetting;
mod individual;
mod quotas;
mod replay;
mod updated;

use std::collections::{BTreeSet, HashMap, HashSet};

use rollcall::domain::event::Surface;
use rollcall::domain::{
    Category, Channel, ConversationId, Entry, Event, EventBody, Quota, Quotas, TenantId, Time, UserRef,
};

pub use answers::{Answers, Counted};
pub use breakdown::{Broke, Broken};
use conversations::Conversations;
pub use conversations::{Contact, Summary};
pub use directory::Counts;
use directory::Directory;
pub use flaw::Flaw;
pub use individual::Individual;

/// A day in seconds: the time that ended sessions, slots and conversations, and deleted users, are remembered.
const REMEMBERED: i64 = 86_400;

/// The number of takers, and of releasers, that are remembered of one conversation.
const REMEMBERED_USERS: usize = 256;

/// The index of an account: a user from creation to deletion.
type AccountIx = usize;

/// A chosen presence.
#[derive(Clone, Copy, Debug)]
struct Choice {
    category: Category,
    /// The id of the definition, if one was chosen.
    definition: Option<i64>,
    /// Whether a ready definition was routable when it was chosen; true without a definition.
    routable: bool,
}

/// One effect of an accepted event.
#[derive(Clone, Debug)]
enum Effect {
    Presence(AccountIx, Choice),
    Toggle(AccountIx, Channel, bool),
    Opened(AccountIx, Box<str>, Opening),
    Closed(AccountIx, Box<str>),
    ClosedAll(AccountIx),
    Taken(AccountIx, Channel, ConversationId),
    /// A take that is refused: by a user that is not in the directory, or past a quota.
    TakenByOther(ConversationId),
    Released(Option<AccountIx>, ConversationId),
    Synced(AccountIx, Channel, BTreeSet<ConversationId>),
}

/// The properties of a session's connection.
#[derive(Clone, Copy, Debug)]
struct Opening {
    surface: Surface,
    lease_seconds: Option<u32>,
    socket: bool,
}

/// An effect with its time and position.
#[derive(Clone, Debug)]
struct Statement {
    time: Time,
    seq: u64,
    effect: Effect,
}

/// The outcome of an event, as far as the reference determines it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Applied or stale.
    Accepted,
    Applied,
    /// The take is refused, and ended a claim.
    HolderReleased,
    /// The history has no room, and the slot changed.
    SlotOnly,
    Stale,
    Rejected,
    Upserted(Counts),
}

/// All statements about one tenant.
pub struct Reference {
    flaw: Option<Flaw>,
    directory: Directory,
    statements: Vec<Statement>,
    /// Connections that ended because their lease ran out, by position.
    expired: HashSet<u64>,
    seen: HashSet<AccountIx>,
    /// The latest time of a connection.
    logged_in: HashMap<AccountIx, Time>,
    /// The latest time at which a presence was chosen, or a session opened or closed.
    updated: HashMap<AccountIx, Time>,
    /// The users who took each remembered conversation, and the number that each user ever took.
    took: HashMap<ConversationId, HashSet<AccountIx>>,
    handled: HashMap<AccountIx, u64>,
    /// The recorded time since which a conversation has no holder, and since which a session is closed.
    released_since: HashMap<ConversationId, Time>,
    closed_since: HashMap<(AccountIx, Box<str>), Time>,
    /// The sessions that a desk opened, and the latest end of each other one.
    of_desks: HashSet<(AccountIx, Box<str>)>,
    uncounted: HashMap<(AccountIx, Box<str>), Time>,
    conversations: Conversations,
    /// The newest time of all forgotten statements.
    floor: Time,
    limits: Quotas,
}

impl Reference {
    /// Returns the reference of a tenant without events.
    pub fn new(tenant: TenantId) -> Self {
        Reference {
            flaw: None,
            directory: Directory::new(tenant),
            statements: Vec::new(),
            expired: HashSet::new(),
            seen: HashSet::new(),
            logged_in: HashMap::new(),
            updated: HashMap::new(),
            took: HashMap::new(),
            handled: HashMap::new(),
            released_since: HashMap::new(),
            closed_since: HashMap::new(),
            of_desks: HashSet::new(),
            uncounted: HashMap::new(),
            conversations: Conversations::default(),
            floor: Time::NEVER,
            limits: Quotas::default(),
        }
    }

    /// Returns the reference with one rule broken, for controls.
    pub fn with_flaw(tenant: TenantId, flaw: Option<Flaw>) -> Self {
        let floor = if flaw == Some(Flaw::FreshTenantsHaveAFloor) { super::generate::at(2) } else { Time::NEVER };
        Reference { flaw, floor, conversations: Conversations::with_flaw(flaw), ..Reference::new(tenant) }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// Applies the next entry of the journal; returns its outcome.
    pub fn record(&mut self, entry: &Entry) -> Verdict {
        self.forget(entry);
        let before = self.holders();
        let verdict = match &entry.event.fact.body {
            EventBody::DirectoryUpserted { document, .. } => self.upsert(document),
            body if body.conversation().is_some() => self.record_conversation(entry),
            EventBody::SlotTaken { user, channel, conversation } => match self.directory.find(user) {
                Some(ix) => self.record_take(entry, ix, *channel, conversation),
                None => self.record_refused_take(entry, conversation),
            },
            _ => self.record_other(entry).map_or(Verdict::Rejected, |()| Verdict::Accepted),
        };
        self.record_endings(entry, &before);
        verdict
    }

    /// Applies an entry that is no document, take or event of a conversation. `None` is a rejection.
    fn record_other(&mut self, entry: &Entry) -> Option<()> {
        let event = &entry.event;
        match &event.fact.body {
            EventBody::DeskDisconnected { opened: Some(_), .. } => panic!("histories do not contain this event"),
            EventBody::DeskConnected { user, session, surface, lease_seconds, socket, .. } => {
                let ix = self.directory.find(user)?;
                let opening = Opening { surface: *surface, lease_seconds: *lease_seconds, socket: *socket };
                let (time, wins) = self.session_time(entry, ix, session);
                if wins && !self.has_room_for_session(ix, session, *socket) {
                    return None;
                }
                self.add_session_statement(entry, ix, session, Effect::Opened(ix, session.clone(), opening));
                if wins || !self.has(Flaw::LateConnectionsAreNotSeen) {
                    let logged_in = self.logged_in.entry(ix).or_insert(Time::NEVER);
                    *logged_in = (*logged_in).max(if wins { time } else { event.fact.time });
                }
                let counts = *surface == Surface::Desk || !self.has(Flaw::AdministrationIsNotSeen);
                if counts && (wins || !self.has(Flaw::LateConnectionsAreNotSeen)) {
                    self.seen.insert(ix);
                }
            }
            EventBody::DeskDisconnected { user, session, opened: None } => {
                let ix = self.directory.find(user)?;
                self.add_session_statement(entry, ix, session, Effect::Closed(ix, session.clone()));
            }
            EventBody::DeskClosedAll { user } => self.close_all(entry, user)?,
            EventBody::DeskLeaseExpired { user, session, opened } => {
                let ix = self.directory.find(user)?;
                let open = self.open_sessions();
                open.get(&(ix, session.clone())).filter(|(position, _)| position == opened)?;
                if self.has(Flaw::ExpiryClosesTheSession) {
                    self.add_statement(entry, event.fact.time, Effect::Closed(ix, session.clone()));
                }
                self.count_end(ix, session, event.fact.time);
                self.expired.insert(*opened);
                self.closed_since.insert((ix, session.clone()), entry.recorded);
            }
            EventBody::StatusChanged { user, presence, presence_id, channels } => {
                let ix = self.directory.find(user)?;
                let chosen = self.chosen(*presence, *presence_id)?;
                if let Some(choice) = chosen {
                    let time =
                        self.effective_time(event, |effect| matches!(effect, Effect::Presence(w, ..) if *w == ix));
                    self.add_statement(entry, time, Effect::Presence(ix, choice));
                    self.update(ix, time);
                }
                for (channel, on) in channels {
                    let same =
                        |effect: &Effect| matches!(effect, Effect::Toggle(w, c, _) if (*w, *c) == (ix, *channel));
                    let time = self.effective_time(event, same);
                    self.add_statement(entry, time, Effect::Toggle(ix, *channel, *on));
                }
            }
            EventBody::SlotReleased { user, conversation } => {
                let ix = match user {
                    Some(user) => Some(self.directory.find(user)?),
                    None => None,
                };
                if !self.is_late_for_slot(event, conversation) {
                    self.add_statement(entry, event.fact.time, Effect::Released(ix, conversation.clone()));
                }
            }
            EventBody::SlotsSynced { user, channel, conversations } => {
                let ix = self.directory.find(user)?;
                let named: BTreeSet<_> = conversations.iter().cloned().collect();
                if !self.has_room(Quota::SlotsPerUser, 0, named.len()) {
                    return None;
                }
                let kept: BTreeSet<_> =
                    named.into_iter().filter(|conversation| !self.is_late_for_slot(event, conversation)).collect();
                if !self.add_slot_statement(entry, ix, Effect::Synced(ix, *channel, kept.clone())) {
                    return None;
                }
                for conversation in &kept {
                    self.count_take(entry, ix, conversation);
                }
            }
            EventBody::PasswordSet { user, hash, .. } => {
                let ix = self.directory.find(user)?;
                self.directory.accounts[ix].password = Some((hash.clone(), entry.seq));
            }
            EventBody::UserLoggedIn { user } => {
                let ix = self.directory.find(user)?;
                if !self.has(Flaw::LogInsAreNotSeen) {
                    self.seen.insert(ix);
                }
            }
            EventBody::UserDeleted { user } => {
                let ix = self.directory.find(user)?;
                self.directory.accounts[ix].deleted = Some(entry.recorded);
                self.closed_since.retain(|(w, _), _| *w != ix);
                if self.has(Flaw::DeletionRestoresHolders) {
                    self.statements.retain(|statement| !matches!(&statement.effect, Effect::Taken(w, ..) if *w == ix));
                }
            }
            EventBody::LimitsSet { limits } => self.limits = *limits,
            // Heartbeats have no effect; documents and conversations are applied elsewhere.
            _ => {}
        }
        Some(())
    }

    /// Applies a document, unless it exceeds the quota of users or of entities.
    fn upsert(&mut self, document: &rollcall::domain::directory::Document) -> Verdict {
        let before = self.directory.clone();
        let Some(counts) = self.directory.upsert(document) else { return Verdict::Rejected };
        let (old, new) = (&before, &self.directory);
        if !self.has_room(Quota::Users, old.taken(), new.taken())
            || !self.has_room(Quota::Entities, old.entity_count(), new.entity_count())
        {
            self.directory = before;
            return Verdict::Rejected;
        }
        Verdict::Upserted(counts)
    }

    fn record_take(
        &mut self,
        entry: &Entry,
        ix: AccountIx,
        channel: Channel,
        conversation: &ConversationId,
    ) -> Verdict {
        if self.is_late_for_slot(&entry.event, conversation) {
            return Verdict::Stale;
        }
        if !self.add_slot_statement(entry, ix, Effect::Taken(ix, channel, conversation.clone())) {
            return self.record_refused_take(entry, conversation);
        }
        self.count_take(entry, ix, conversation);
        Verdict::Accepted
    }

    /// Applies a take by an unknown user or past a quota, which ends the claim.
    fn record_refused_take(&mut self, entry: &Entry, conversation: &ConversationId) -> Verdict {
        if self.is_late_for_slot(&entry.event, conversation) || self.has(Flaw::RefusedTakesReleaseNoClaim) {
            return Verdict::Rejected;
        }
        let was_held = self.holders().contains_key(conversation);
        self.add_statement(entry, entry.event.fact.time, Effect::TakenByOther(conversation.clone()));
        let is_held = self.holders().contains_key(conversation);
        if was_held && !is_held { Verdict::HolderReleased } else { Verdict::Rejected }
    }

    fn add_statement(&mut self, entry: &Entry, time: Time, effect: Effect) {
        self.statements.push(Statement { time, seq: entry.seq, effect });
    }

    /// Counts a take: each conversation once for each user who takes it, late or not. Of more than 256 users the one
    /// with the highest id is not counted.
    fn count_take(&mut self, entry: &Entry, ix: AccountIx, conversation: &ConversationId) {
        let was_pushed = self.conversations.was_taken(conversation, ix, entry.seq);
        let takers = self.took.entry(conversation.clone()).or_default();
        let first = takers.insert(ix);
        let highest = takers.iter().copied().max_by_key(|ix| self.directory.accounts[*ix].id);
        let evicted = highest.filter(|_| takers.len() > REMEMBERED_USERS);
        let counts = first && (!was_pushed || self.has(Flaw::ForgottenTakesCountAgain));
        *self.handled.entry(ix).or_default() += u64::from(counts || self.has(Flaw::EveryTakeCounts));
        if let Some(evicted) = evicted {
            self.took.entry(conversation.clone()).or_default().remove(&evicted);
            *self.handled.entry(evicted).or_default() -= 1;
        }
    }

    /// Returns the effective time of an event: for an authoritative one not before the newest statement about the same.
    fn effective_time(&self, event: &Event, same: impl Fn(&Effect) -> bool) -> Time {
        let newest =
            self.statements.iter().filter(|statement| same(&statement.effect)).map(|statement| statement.time).max();
        match newest {
            Some(newest) if event.is_authoritative() && !self.has(Flaw::DialectsCanBeStale) => {
                event.fact.time.max(newest)
            }
            _ => event.fact.time,
        }
    }

    /// Returns the effective time of an event about a session, and whether it is the newest.
    fn session_time(&self, entry: &Entry, ix: AccountIx, session: &str) -> (Time, bool) {
        let about = |effect: &Effect| is_about_session(effect, ix, session) || is_closed_all(effect, ix);
        let mut time = self.effective_time(&entry.event, about);
        if !self.knows_session(ix, session) && !self.has(Flaw::FloorIsForConversationsOnly) {
            if self.is_late(&entry.event) {
                return (time, false);
            }
            // Events of the server's own are never late: their effective time is not before the floor.
            time = time.max(self.floor);
        }
        (
            time,
            self.statements.iter().filter(|statement| about(&statement.effect)).all(|statement| statement.time <= time),
        )
    }

    /// Adds a statement about a session, unless it is too late for an unknown one.
    fn add_session_statement(&mut self, entry: &Entry, ix: AccountIx, session: &str, effect: Effect) {
        let (time, wins) = self.session_time(entry, ix, session);
        if wins || self.knows_session(ix, session) {
            let time = if wins { time } else { entry.event.fact.time };
            match &effect {
                Effect::Opened(_, _, opening) => self.count_beginning(ix, session, *opening, time),
                _ => self.count_end(ix, session, time),
            }
        }
        if wins {
            let key = (ix, Box::from(session));
            if matches!(effect, Effect::Closed(..)) {
                self.closed_since.insert(key, entry.recorded);
            } else {
                self.closed_since.remove(&key);
            }
            self.add_statement(entry, time, effect);
        } else if self.knows_session(ix, session) || !self.is_late(&entry.event) {
            self.add_statement(entry, time, effect);
        }
    }

    fn close_all(&mut self, entry: &Entry, user: &UserRef) -> Option<()> {
        let ix = self.directory.find(user)?;
        let time = entry.event.fact.time;
        let open: Vec<_> = self.open_sessions().into_keys().filter(|(w, _)| *w == ix).collect();
        for (_, session) in open {
            if !self.has(Flaw::ClosedAllIsStale) {
                let same = |effect: &Effect| is_about_session(effect, ix, &session);
                let time = self.effective_time(&entry.event, same);
                self.add_statement(entry, time, Effect::Closed(ix, session.clone()));
                self.count_end(ix, &session, time);
            }
            self.closed_since.insert((ix, session), entry.recorded);
        }
        self.add_statement(entry, time, Effect::ClosedAll(ix));
        Some(())
    }

    /// Returns the presence that an event chooses: `Some(None)` if it chooses none, `None` if the choice is invalid.
    fn chosen(&self, given: Option<Category>, definition: Option<uuid::Uuid>) -> Option<Option<Choice>> {
        use rollcall::domain::directory::Kind;
        use rollcall::domain::presence::DefinitionCategory;
        let alone = |category| Choice { category, definition: None, routable: true };
        let Some(guid) = definition else { return Some(given.map(alone)) };
        let known = self.directory.entities(Kind::PresenceDefinition).iter().find(|entity| entity.guid == guid)?;
        let meant = match known.category? {
            DefinitionCategory::Ready => Category::Ready,
            DefinitionCategory::Away => Category::Away,
            DefinitionCategory::ExtendedAway => Category::ExtendedAway,
            DefinitionCategory::LoggedOut => return None,
        };
        let choice = Choice { category: meant, definition: Some(known.id), routable: known.routable != Some(false) };
        given.is_none_or(|given| given == meant).then_some(Some(choice))
    }

    /// Records which conversations have no holder after this entry, among those that it affects.
    fn record_endings(&mut self, entry: &Entry, before: &HashMap<ConversationId, (AccountIx, Channel)>) {
        let after = self.holders();
        let affected =
            self.statements.iter().filter(|statement| statement.seq == entry.seq).flat_map(
                |statement| match &statement.effect {
                    Effect::Taken(_, _, about) | Effect::Released(_, about) | Effect::TakenByOther(about) => {
                        vec![about.clone()]
                    }
                    Effect::Synced(_, _, named) => named.iter().cloned().collect(),
                    _ => Vec::new(),
                },
            );
        for conversation in affected.chain(before.keys().cloned()).collect::<HashSet<_>>() {
            if !after.contains_key(&conversation) {
                self.released_since.insert(conversation, entry.recorded);
            } else {
                self.released_since.remove(&conversation);
            }
        }
    }
}

fn is_about_session(effect: &Effect, ix: AccountIx, session: &str) -> bool {
    match effect {
        Effect::Opened(w, name, _) | Effect::Closed(w, name) => *w == ix && name.as_ref() == session,
        _ => false,
    }
}

fn is_closed_all(effect: &Effect, ix: AccountIx) -> bool {
    matches!(effect, Effect::ClosedAll(w) if *w == ix)
}
