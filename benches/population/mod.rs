//! Generated people, the same in every run, and the state of their tenant. It is built as the service builds it, from
//! directory documents and desk events, entry by entry.

mod journal;
pub mod person;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use journal::Journal;
pub use person::SyntheticUser;
use rollcall::domain::directory::{Document, EntityPatch, MAX_ENTITIES};
use rollcall::domain::{Category, Channel, ConversationId, EventBody, Quotas, RoleGrant, UserRef};

/// The sizes of tenants to measure. Only the smallest if the benchmark runs as a test.
pub fn sizes() -> &'static [u32] {
    let all = &[1_000, 10_000, 100_000, 1_000_000];
    if std::env::args().any(|arg| arg == "--bench") { all } else { &all[..1] }
}

/// Makes a journal with `users` people in the directory, at their desks and in conversations.
pub fn tenant(users: u32) -> Journal {
    let mut journal = users_only(users);
    for n in 0..users {
        start_working(&mut journal, &SyntheticUser::new(n));
    }
    journal
}

/// Makes a journal with `users` people in the directory, of whom none was ever at a desk.
pub fn users_only(users: u32) -> Journal {
    let mut journal = Journal::new();
    // A million people hold two million conversations, beyond the default.
    let limits = Quotas { slots: Some(10_000_000), ..Quotas::default() };
    journal.append(EventBody::LimitsSet { limits });
    journal.append(EventBody::DirectoryUpserted { document: Arc::new(reference_data()), roles: RoleGrant::default() });
    let all: Vec<u32> = (0..users).collect();
    for some in all.chunks(MAX_ENTITIES) {
        let users = some.iter().map(|n| SyntheticUser::new(*n).patch()).collect();
        journal.append(EventBody::DirectoryUpserted {
            document: Arc::new(Document { users, ..Document::default() }),
            roles: RoleGrant::default(),
        });
    }
    journal
}

fn reference_data() -> Document {
    let entities = |count: u32, name: &str| {
        let entity = |n: u32| EntityPatch {
            id: Some(i64::from(n)),
            name: Some(format!("{name} {n}")),
            ..EntityPatch::default()
        };
        (1..=count).map(entity).collect()
    };
    Document {
        groups: entities(person::GROUPS, "Group"),
        skills: entities(person::SKILLS, "Skill"),
        projects: entities(person::PROJECTS, "Project"),
        queues: entities(person::QUEUES, "Queue"),
        ..Document::default()
    }
}

fn start_working(journal: &mut Journal, person: &SyntheticUser) {
    let user = UserRef::id(person.id);
    if person.facts.connected {
        let session = "desk".into();
        let connected = EventBody::DeskConnected {
            socket: false,
            user: user.clone(),
            session,
            lease_seconds: None,
            device: None,
            surface: Default::default(),
        };
        journal.append(connected);
    }
    let away = (person.facts.presence != Category::Ready).then_some(person.facts.presence);
    let off: BTreeSet<_> =
        person.facts.lanes.iter().filter(|(_, lane)| !lane.toggle).map(|(channel, _)| channel).collect();
    if away.is_some() || !off.is_empty() {
        let channels = off.into_iter().map(|channel| (channel, false)).collect();
        journal.append(EventBody::StatusChanged { user: user.clone(), presence: away, presence_id: None, channels });
    }
    for channel in Channel::ALL {
        for k in 0..person.facts.lanes[channel].current {
            let conversation = conversation(&format!("{}-{}-{k}", channel.name(), person.id));
            journal.append(EventBody::SlotTaken { user: user.clone(), channel, conversation });
        }
    }
}

/// Makes a conversation's id. All names here are short enough.
pub fn conversation(name: &str) -> ConversationId {
    ConversationId::new(name).expect("1 to 128 bytes")
}
