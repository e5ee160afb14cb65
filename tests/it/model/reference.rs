//! A naive reference for `live`, written from docs/reference/events.md alone: it keeps what accepted events said,
//! and recounts everything from the beginning for every answer. It shares no logic with `live`, nor its status function.
//!
//! To recount it plays all words again in the order of their times, and at equal times in that of the journal: the last
//! word about a field decides. Where that is not obviously what docs/reference/events.md says, or where it needs help:
//!
//! * Slots. "Held iff its newest take is newer than both releases that apply to it, and not below a sync's floor" needs no
//!   stamps here: played in order, a take makes a holder, a release or a sync that does not name the conversation ends
//!   that, and a release by somebody else does not. A take that came late is simply played at its place.
//! * "Takes at or before it that it does not name": a take with the sync's own time that was journalled after it is
//!   after it ("equal times: the one journalled later wins"), and holds.
//! * A sync's set is a take of each conversation it names; a name that stands in an older sync is an older take.
//! * A deleted user's takes stay words: whoever held before does not get a conversation back by a deletion. Nobody holds
//!   what the deleted user took. The directory itself is in the order of the journal, whatever the times.
//! * Authoritative writes are as late as the newest word about the field they set. That depends on what was journalled
//!   before them, so it is settled when they are recorded. `desk.closed_all` sets every open session: each closes at
//!   the later of that session's time and its own, and sessions nobody has heard of yet close at its own time.
//! * A lease's expiry is no word about the session but the end of one incarnation: the session keeps the time of its
//!   connection, so that any later word of the desk, whose clock may be behind ours, still wins.
//! * "Remembered for 24 h of recorded time": what ended is forgotten word by word, counted from the newest entry that
//!   spoke of it or ended it. What a sync says of the channel, and a `closed_all` of the person, is never forgotten.
//! * A take by a user whom the directory does not know is a word like others: nobody holds the conversation after it.
//! * `ever_logged_in`: a connection that came too late to open anything still tells that the person was there.
//! * `updated`: the newest word about a presence, or about a session when it was said; it outlives them. A `closed_all` is
//!   one about each session that it ends, at the time it ends them, and an expiry is one by the server's time.

mod answers;
mod conversations;
mod directory;
mod flaw;
mod forgetting;
mod individual;
mod quotas;
mod replay;

use std::collections::{BTreeSet, HashMap, HashSet};

use rollcall::domain::event::Surface;
use rollcall::domain::{Body, Category, Channel, ConversationId, Entry, Event, Quota, Quotas, TenantId, Time, UserRef};

pub use answers::Answers;
use conversations::Conversations;
pub use conversations::{Contact, Told};
pub use directory::Counts;
use directory::Directory;
pub use flaw::Flaw;
pub use individual::Individual;

/// A day: how long what ended stays remembered, in seconds.
const REMEMBERED: i64 = 86_400;

/// The number of an account: a user from creation to deletion.
type Whose = usize;

/// A presence chosen, with the id of its definition where one was.
type Choice = (Category, Option<i64>);

/// One thing that an accepted event said.
#[derive(Clone, Debug)]
enum Said {
    Presence(Whose, Category, Option<i64>),
    Toggle(Whose, Channel, bool),
    Opened(Whose, Box<str>, Opening),
    Closed(Whose, Box<str>),
    ClosedAll(Whose),
    Taken(Whose, Channel, ConversationId),
    /// Taken by a user whom the directory does not know.
    Gone(ConversationId),
    Released(Option<Whose>, ConversationId),
    Synced(Whose, Channel, BTreeSet<ConversationId>),
}

/// How a session was opened.
#[derive(Clone, Copy, Debug)]
struct Opening {
    surface: Surface,
    lease_seconds: Option<u32>,
    socket: bool,
}

/// When, and at which place in the journal.
#[derive(Clone, Debug)]
struct Word {
    time: Time,
    seq: u64,
    said: Said,
}

/// What becomes of an event, as far as the reference tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Applied or stale.
    Taken,
    Applied,
    /// The user is unknown, and the take ended somebody's claim.
    HolderReleased,
    Stale,
    Rejected,
    Upserted(Counts),
}

/// Everything that was said to one tenant.
pub struct Reference {
    flaw: Option<Flaw>,
    directory: Directory,
    words: Vec<Word>,
    /// Connections that ended because their lease ran out, by position.
    expired: HashSet<u64>,
    seen: HashSet<Whose>,
    /// When a presence was chosen or a session came or went, at the latest.
    updated: HashMap<Whose, Time>,
    /// Who took each conversation that is remembered, and how many each ever took.
    took: HashMap<ConversationId, HashSet<Whose>>,
    handled: HashMap<Whose, u64>,
    /// Since when nobody holds a conversation, and since when a session is closed, by recorded time.
    released_since: HashMap<ConversationId, Time>,
    closed_since: HashMap<(Whose, Box<str>), Time>,
    conversations: Conversations,
    /// The newest time of all words about what was forgotten.
    floor: Time,
    limits: Quotas,
}

impl Reference {
    /// A tenant to whom nothing has happened.
    pub fn new(tenant: TenantId) -> Self {
        Reference {
            flaw: None,
            directory: Directory::new(tenant),
            words: Vec::new(),
            expired: HashSet::new(),
            seen: HashSet::new(),
            updated: HashMap::new(),
            took: HashMap::new(),
            handled: HashMap::new(),
            released_since: HashMap::new(),
            closed_since: HashMap::new(),
            conversations: Conversations::default(),
            floor: Time::NEVER,
            limits: Quotas::default(),
        }
    }

    /// The same with one rule broken, to see whether anybody notices.
    pub fn with_flaw(tenant: TenantId, flaw: Option<Flaw>) -> Self {
        let floor = if flaw == Some(Flaw::FreshTenantsHaveAFloor) { super::generate::at(2) } else { Time::NEVER };
        Reference { flaw, floor, conversations: Conversations::with_flaw(flaw), ..Reference::new(tenant) }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// Takes the next entry of the journal.
    pub fn record(&mut self, entry: &Entry) -> Verdict {
        self.forget(entry);
        let before = self.holders();
        let verdict = match &entry.event.fact.body {
            Body::DirectoryUpserted { document } => self.upsert(document),
            body if body.conversation().is_some() => self.converse(entry),
            Body::SlotTaken { user, channel, conversation } => match self.directory.find(user) {
                Some(whose) => self.hear_take(entry, whose, *channel, conversation),
                None => self.hear_unknown_take(entry, conversation),
            },
            _ => self.listen(entry).map_or(Verdict::Rejected, |()| Verdict::Taken),
        };
        self.note_endings(entry, &before);
        verdict
    }

    /// Everything but documents and conversations. `None` is a rejection.
    fn listen(&mut self, entry: &Entry) -> Option<()> {
        let event = &entry.event;
        match &event.fact.body {
            Body::DeskDisconnected { opened: Some(_), .. } => panic!("no story has it"),
            Body::DeskConnected { user, session, surface, lease_seconds, socket, .. } => {
                let whose = self.directory.find(user)?;
                let opening = Opening { surface: *surface, lease_seconds: *lease_seconds, socket: *socket };
                let (_, wins) = self.word_of_session(entry, whose, session);
                if wins && !self.has_room_for_session(whose, session, *socket) {
                    return None;
                }
                self.say_of_session(entry, whose, session, Said::Opened(whose, session.clone(), opening));
                if *surface == Surface::Desk && (wins || !self.has(Flaw::LateConnectionsAreNotSeen)) {
                    self.seen.insert(whose);
                }
            }
            Body::DeskDisconnected { user, session, opened: None } => {
                let whose = self.directory.find(user)?;
                self.say_of_session(entry, whose, session, Said::Closed(whose, session.clone()));
            }
            Body::DeskClosedAll { user } => self.close_all(entry, user)?,
            Body::DeskLeaseExpired { user, session, opened } => {
                let whose = self.directory.find(user)?;
                let open = self.open_sessions();
                open.get(&(whose, session.clone())).filter(|(position, _)| position == opened)?;
                if self.has(Flaw::ExpiryIsAWord) {
                    self.say(entry, event.fact.time, Said::Closed(whose, session.clone()));
                }
                self.update(whose, event.fact.time);
                self.expired.insert(*opened);
                self.closed_since.insert((whose, session.clone()), entry.recorded);
            }
            Body::StatusChanged { user, presence, presence_id, channels } => {
                let whose = self.directory.find(user)?;
                let chosen = self.chosen(*presence, *presence_id)?;
                if let Some((category, definition)) = chosen {
                    let time = self.moment(event, |said| matches!(said, Said::Presence(w, ..) if *w == whose));
                    self.say(entry, time, Said::Presence(whose, category, definition));
                    self.update(whose, time);
                }
                for (channel, on) in channels {
                    let same = |said: &Said| matches!(said, Said::Toggle(w, c, _) if (*w, *c) == (whose, *channel));
                    let time = self.moment(event, same);
                    self.say(entry, time, Said::Toggle(whose, *channel, *on));
                }
            }
            Body::SlotReleased { user, conversation } => {
                let whose = match user {
                    Some(user) => Some(self.directory.find(user)?),
                    None => None,
                };
                if !self.is_late_for_slot(event, conversation) {
                    self.say(entry, event.fact.time, Said::Released(whose, conversation.clone()));
                }
            }
            Body::SlotsSynced { user, channel, conversations } => {
                let whose = self.directory.find(user)?;
                let named: BTreeSet<_> = conversations.iter().cloned().collect();
                if !self.has_room(Quota::SlotsPerUser, 0, named.len()) {
                    return None;
                }
                let heard: BTreeSet<_> =
                    named.into_iter().filter(|conversation| !self.is_late_for_slot(event, conversation)).collect();
                if !self.say_of_slots(entry, whose, Said::Synced(whose, *channel, heard.clone())) {
                    return None;
                }
                for conversation in &heard {
                    self.take(whose, conversation);
                }
            }
            Body::PasswordSet { user, hash } => {
                let whose = self.directory.find(user)?;
                self.directory.accounts[whose].password = Some((hash.clone(), entry.seq));
            }
            Body::UserDeleted { user } => {
                let whose = self.directory.find(user)?;
                self.directory.accounts[whose].deleted = Some(entry.recorded);
                self.closed_since.retain(|(w, _), _| *w != whose);
                if self.has(Flaw::DeletionGivesBack) {
                    self.words.retain(|word| !matches!(&word.said, Said::Taken(w, ..) if *w == whose));
                }
            }
            Body::LimitsSet { limits } => self.limits = *limits,
            // Heartbeats say nothing; documents and conversations are heard elsewhere.
            _ => {}
        }
        Some(())
    }

    /// A document, which may not make more users than there is room for.
    fn upsert(&mut self, document: &rollcall::domain::directory::Document) -> Verdict {
        let before = self.directory.clone();
        let Some(counts) = self.directory.upsert(document) else { return Verdict::Rejected };
        if !self.has_room(Quota::Users, before.taken(), self.directory.taken()) {
            self.directory = before;
            return Verdict::Rejected;
        }
        Verdict::Upserted(counts)
    }

    fn hear_take(&mut self, entry: &Entry, whose: Whose, channel: Channel, conversation: &ConversationId) -> Verdict {
        if self.is_late_for_slot(&entry.event, conversation) {
            return Verdict::Stale;
        }
        if !self.say_of_slots(entry, whose, Said::Taken(whose, channel, conversation.clone())) {
            return Verdict::Rejected;
        }
        self.take(whose, conversation);
        Verdict::Taken
    }

    /// The conversation went to a user whom nobody knows.
    fn hear_unknown_take(&mut self, entry: &Entry, conversation: &ConversationId) -> Verdict {
        if self.is_late_for_slot(&entry.event, conversation) || self.has(Flaw::UnknownUsersReleaseNobody) {
            return Verdict::Rejected;
        }
        let was_held = self.holders().contains_key(conversation);
        self.say(entry, entry.event.fact.time, Said::Gone(conversation.clone()));
        let is_held = self.holders().contains_key(conversation);
        if was_held && !is_held { Verdict::HolderReleased } else { Verdict::Rejected }
    }

    fn say(&mut self, entry: &Entry, time: Time, said: Said) {
        self.words.push(Word { time, seq: entry.seq, said });
    }

    /// Each conversation counts once for each who takes it, late or not.
    fn take(&mut self, whose: Whose, conversation: &ConversationId) {
        let first = self.took.entry(conversation.clone()).or_default().insert(whose);
        *self.handled.entry(whose).or_default() += u64::from(first || self.has(Flaw::EveryTakeCounts));
    }

    fn update(&mut self, whose: Whose, time: Time) {
        let updated = self.updated.entry(whose).or_insert(time);
        *updated = time.max(*updated);
    }

    /// When an event counts as said: an authoritative one never before the newest word about the same.
    fn moment(&self, event: &Event, same: impl Fn(&Said) -> bool) -> Time {
        let newest = self.words.iter().filter(|word| same(&word.said)).map(|word| word.time).max();
        match newest {
            Some(newest) if event.is_authoritative() && !self.has(Flaw::DialectsCanBeStale) => {
                event.fact.time.max(newest)
            }
            _ => event.fact.time,
        }
    }

    /// The time of a word about a session, and whether it is the newest.
    fn word_of_session(&self, entry: &Entry, whose: Whose, session: &str) -> (Time, bool) {
        let about = |said: &Said| is_about_session(said, whose, session) || is_closed_all(said, whose);
        let mut time = self.moment(&entry.event, about);
        if !self.knows_session(whose, session) && !self.has(Flaw::FloorIsForConversationsOnly) {
            if self.is_late(&entry.event) {
                return (time, false);
            }
            // What the server itself writes is never late: it counts as said no earlier than what was forgotten.
            time = time.max(self.floor);
        }
        (time, self.words.iter().filter(|word| about(&word.said)).all(|word| word.time <= time))
    }

    /// Says a word about a session, unless it comes too late for one that is not known.
    fn say_of_session(&mut self, entry: &Entry, whose: Whose, session: &str, said: Said) {
        let (time, wins) = self.word_of_session(entry, whose, session);
        if wins {
            if !self.has(Flaw::DesksUpdateNothing) {
                self.update(whose, time);
            }
            let key = (whose, Box::from(session));
            if matches!(said, Said::Closed(..)) {
                self.closed_since.insert(key, entry.recorded);
            } else {
                self.closed_since.remove(&key);
            }
            self.say(entry, time, said);
        } else if self.knows_session(whose, session) || !self.is_late(&entry.event) {
            self.say(entry, time, said);
        }
    }

    fn close_all(&mut self, entry: &Entry, user: &UserRef) -> Option<()> {
        let whose = self.directory.find(user)?;
        let time = entry.event.fact.time;
        let open: Vec<_> = self.open_sessions().into_keys().filter(|(w, _)| *w == whose).collect();
        for (_, session) in open {
            if !self.has(Flaw::ClosedAllIsStale) {
                let same = |said: &Said| is_about_session(said, whose, &session);
                let time = self.moment(&entry.event, same);
                self.say(entry, time, Said::Closed(whose, session.clone()));
                self.update(whose, time);
            }
            self.closed_since.insert((whose, session), entry.recorded);
        }
        self.say(entry, time, Said::ClosedAll(whose));
        Some(())
    }

    /// The category an event chose, and the id of its definition, `None` inside where it chose none; `None` when it cannot
    /// be chosen.
    fn chosen(&self, given: Option<Category>, definition: Option<uuid::Uuid>) -> Option<Option<Choice>> {
        use rollcall::domain::directory::Kind;
        use rollcall::domain::presence::DefinitionCategory;
        let Some(guid) = definition else { return Some(given.map(|given| (given, None))) };
        let known = self.directory.entities(Kind::PresenceDefinition).iter().find(|entity| entity.guid == guid)?;
        let meant = match known.category? {
            DefinitionCategory::Ready => Category::Ready,
            DefinitionCategory::Away => Category::Away,
            DefinitionCategory::ExtendedAway => Category::ExtendedAway,
            DefinitionCategory::LoggedOut => return None,
        };
        given.is_none_or(|given| given == meant).then_some(Some((meant, Some(known.id))))
    }

    /// Notes which conversations nobody holds after this entry, if it spoke of them or ended that.
    fn note_endings(&mut self, entry: &Entry, before: &HashMap<ConversationId, (Whose, Channel)>) {
        let after = self.holders();
        let spoken = self.words.iter().filter(|word| word.seq == entry.seq).flat_map(|word| match &word.said {
            Said::Taken(_, _, about) | Said::Released(_, about) | Said::Gone(about) => vec![about.clone()],
            Said::Synced(_, _, named) => named.iter().cloned().collect(),
            _ => Vec::new(),
        });
        for conversation in spoken.chain(before.keys().cloned()).collect::<HashSet<_>>() {
            if !after.contains_key(&conversation) {
                self.released_since.insert(conversation, entry.recorded);
            } else {
                self.released_since.remove(&conversation);
            }
        }
    }
}

fn is_about_session(said: &Said, whose: Whose, session: &str) -> bool {
    match said {
        Said::Opened(w, name, _) | Said::Closed(w, name) => *w == whose && name.as_ref() == session,
        _ => false,
    }
}

fn is_closed_all(said: &Said, whose: Whose) -> bool {
    matches!(said, Said::ClosedAll(w) if *w == whose)
}
