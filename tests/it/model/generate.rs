//! Random tenants and histories, with few users, names and distinct times, so that they collide.

mod documents;
mod events;
mod filters;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;
use rollcall::domain::directory::{Document, Kind};
use rollcall::domain::event::Fact;
use rollcall::domain::event::INTERNAL_SOURCE;
use rollcall::domain::{Entry, Event, EventBody, EventId, RoleGrant, TenantId, Time, UserRef};
use uuid::Uuid;

pub use documents::user;
use documents::{document_of, large_document};
pub use events::Mix;
pub use filters::{filters, single_value_filters};

/// The tenant of every history.
pub const TENANT: TenantId = TenantId(Uuid::from_u128(0x5f0c_0000_0000_4000_8000_0000_0000_0001));

/// 2021-03-01T09:00:00Z, in microseconds.
const START: i64 = 1_614_589_200_000_000;

/// The number of distinct times of events.
const TIMES: i64 = 8;

/// Returns one of the few times of events.
pub fn at(minute: i64) -> Time {
    Time::from_micros(START).plus_seconds(60 * minute)
}

/// Returns the GUID of an entity or user: documents give one for odd ids, the others are assigned theirs
/// (docs/reference/native.md, "Directory").
pub fn guid_of(kind: &str, id: i64) -> Uuid {
    if id % 2 == 0 {
        return Uuid::new_v5(&TENANT.0, format!("{kind}/{id}").as_bytes());
    }
    let kind = Kind::ALL.iter().position(|k| k.name() == kind).map_or(0xff, |n| n as u128);
    Uuid::from_u128(0x4000_8000_0000_0000_0000 + (kind << 96) + id as u128)
}

/// One step of a history.
#[derive(Clone, Debug)]
pub enum Step {
    /// A new event.
    New { when: Option<i64>, internal: bool, body: EventBody },
    /// The expiry of an earlier connection's lease.
    Expire { which: Index },
    /// A repeated event, perhaps with other content. The journal drops it, unless it is so late that its id is
    /// forgotten, which makes a difference only to conversations.
    Repeat { which: Index, body: Option<EventBody>, is_late: bool },
}

/// A step, the seconds between it and the one before in the journal, and whether readers look after it.
#[derive(Clone, Debug)]
pub struct Draft {
    pub step: Step,
    pub gap: i64,
    pub look: bool,
}

/// A tenant's journal.
#[derive(Clone)]
pub struct History {
    pub entries: Vec<Entry>,
    /// Whether readers look after the entry.
    pub looks: Vec<bool>,
}

/// Prints one line an entry, for failed cases.
impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (entry, look) in self.entries.iter().zip(&self.looks) {
            let Entry { seq, recorded, event } = entry;
            let fact = serde_json::to_string(&event.fact).map_err(|_| fmt::Error)?;
            let look = if *look { "look" } else { "" };
            write!(f, "\n{seq:>4} recorded {recorded} from {} {fact} {look}", event.id.source)?;
        }
        Ok(())
    }
}

impl History {
    /// Returns the journal of a tenant that starts with a directory.
    pub fn new(directory: Document, drafts: &[Draft]) -> Self {
        let first = Event::internal("rollcall:directory", Uuid::from_u128(0), at(0), upsert(directory));
        let mut history =
            History { entries: vec![Entry { seq: 1, recorded: at(TIMES), event: first }], looks: vec![true] };
        let mut taken = HashSet::new();
        for (n, draft) in drafts.iter().enumerate() {
            let last = history.entries[history.entries.len() - 1].recorded;
            let is_late = matches!(draft.step, Step::Repeat { is_late: true, .. });
            if let Some(event) = history.event(n, &draft.step)
                && (taken.insert(event.id.clone()) || is_late && event.fact.body.conversation().is_some())
            {
                let seq = history.entries.len() as u64 + 1;
                history.entries.push(Entry { seq, recorded: last.plus_seconds(draft.gap), event });
                history.looks.push(draft.look);
            }
        }
        history
    }

    /// Returns the recorded time since the first entry, in microseconds.
    fn elapsed(&self) -> i64 {
        let last = self.entries[self.entries.len() - 1].recorded;
        last.micros() - at(TIMES).micros()
    }

    fn event(&self, n: usize, step: &Step) -> Option<Event> {
        let sent = &self.entries[1..];
        match step {
            Step::New { when, internal, body } => {
                let mut time = at(when.unwrap_or(n as i64 / 8));
                // Two thirds of the events have a time of the current day, the others one of the first.
                if !n.is_multiple_of(3) {
                    time = Time::from_micros(time.micros() + self.elapsed());
                }
                if body.conversation().is_some() {
                    // Times within one millisecond that are not always equal.
                    time = Time::from_micros(time.micros() + 300 * (n as i64 % 2));
                }
                let id = Uuid::from_u128(n as u128 + 1);
                Some(if *internal {
                    Event::internal("rollcall:dialect", id, time, body.clone())
                } else {
                    let source = if n.is_multiple_of(2) { "/acd" } else { "/desk" };
                    let id = EventId { source: source.into(), id: id.to_string().into() };
                    Event { id, fact: Fact::new(time, body.clone()) }
                })
            }
            Step::Expire { which } => {
                let opened: Vec<_> = sent.iter().filter_map(connection).collect();
                let (user, session, opened) = opened.get(which.index(opened.len().max(1)))?.clone();
                let body = EventBody::DeskLeaseExpired { user, session, opened };
                let time = Time::from_micros(at(TIMES).micros() + self.elapsed());
                Some(Event::internal("rollcall:lease", Uuid::from_u128(n as u128 + 1), time, body))
            }
            Step::Repeat { which, body, .. } => {
                let mut event = sent.get(which.index(sent.len().max(1)))?.event.clone();
                if let Some(body) = body {
                    event.fact.body = body.clone();
                }
                Some(event)
            }
        }
    }
}

fn connection(entry: &Entry) -> Option<(UserRef, Box<str>, u64)> {
    match &entry.event.fact.body {
        EventBody::DeskConnected { user, session, .. } => Some((user.clone(), session.clone(), entry.seq)),
        _ => None,
    }
}

/// Returns the event body of a directory document.
pub fn upsert(document: Document) -> EventBody {
    EventBody::DirectoryUpserted { document: Arc::new(document), roles: RoleGrant::default() }
}

/// Returns a journal of a directory and events, recorded a second apart.
pub fn journal(directory: &Document, events: &[Event]) -> Vec<Entry> {
    let first = Event::internal("rollcall:directory", Uuid::from_u128(0), at(0), upsert(directory.clone()));
    let all = std::iter::once(&first).chain(events).cloned().enumerate();
    all.map(|(n, event)| Entry { seq: n as u64 + 1, recorded: at(TIMES).plus_seconds(n as i64), event }).collect()
}

/// Returns the `n`th event of a source.
pub fn event(n: usize, time: Time, body: EventBody) -> Event {
    Event { id: EventId { source: "/desk".into(), id: n.to_string().into() }, fact: Fact::new(time, body) }
}

/// Returns whether an event is of the server's own, for which the order in the journal matters beside the time.
pub fn is_internal(event: &Event) -> bool {
    event.id.source.starts_with(INTERNAL_SOURCE)
}

/// Generates histories of tenants with 1 to 40 users.
pub fn small(mix: Mix) -> BoxedStrategy<History> {
    let users = prop_oneof![3 => 1..=mix.users.min(5), 1 => 1..=mix.users];
    users
        .prop_flat_map(move |users| {
            let drafts = prop::collection::vec(draft(users_to_name(users), mix), 1..mix.steps);
            (document_of(users), drafts, prop::bool::weighted(0.5 / f64::from(mix.turnover))).prop_map(
                |(directory, mut drafts, calm)| {
                    if calm {
                        // Calm histories end before anything is forgotten.
                        drafts.iter_mut().for_each(|draft| draft.gap = draft.gap.min(1));
                    }
                    History::new(directory, &drafts)
                },
            )
        })
        .boxed()
}

/// Generates histories of tenants with about 9,000 users, more than one block of the index.
pub fn large(mix: Mix) -> impl Strategy<Value = History> {
    let ids = vec![1, 2, 63, 64, 65, 4_095, 8_190, 8_191, 8_192, 8_193, 8_194, 8_256, 8_257, 9_000, 9_001];
    let drafts = prop::collection::vec(draft(ids, mix), 20..mix.steps);
    (large_document(9_000), drafts).prop_map(|(directory, drafts)| History::new(directory, &drafts))
}

/// Returns the user ids of events: the first few often, and one that does not exist.
pub fn users_to_name(users: i64) -> Vec<i64> {
    let few = (1..=users.min(4)).cycle().take(12);
    few.chain(1..=users + 1).collect()
}

fn draft(ids: Vec<i64>, mix: Mix) -> impl Strategy<Value = Draft> {
    const HOUR: i64 = 3_600;
    let hours = prop_oneof![3 => Just(7 * HOUR), 3 => Just(17 * HOUR), 2 => Just(24 * HOUR)];
    let gap = prop_oneof![60 => Just(0), 60 => Just(1), 4 + 4 * mix.turnover => hours];
    (events::step(ids, mix), gap, prop::bool::weighted(0.4)).prop_map(|(step, gap, look)| Draft { step, gap, look })
}
