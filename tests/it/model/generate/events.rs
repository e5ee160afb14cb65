//! Random events of every type.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use rollcall::domain::board::{Board, built_in};
use rollcall::domain::conversation::Medium;
use rollcall::domain::event::{PasswordHash, Surface};
use rollcall::domain::ids::EntityRef;
use rollcall::domain::{Category, Channel, ConversationId, EventBody, Quotas, UserRef};
use uuid::Uuid;

use super::{Step, TIMES, at, documents, guid_of, upsert};

/// The proportions of a history.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Whether to include events that only the server makes: directory changes, deletions, writes of dialects,
    /// expiries.
    pub internal: bool,
    /// The weight of deletions and recreations of users, and of passing hours.
    pub turnover: u32,
    /// The weight of conversations' events.
    pub conversation_events: u32,
    /// The most users.
    pub users: i64,
    /// The number of slot ids, of [`SLOT_IDS`].
    pub conversations: usize,
    /// The most steps.
    pub steps: usize,
}

impl Mix {
    /// Events of all types.
    pub const EVERYTHING: Mix =
        Mix { internal: true, turnover: 1, conversation_events: 14, users: 40, conversations: 6, steps: 70 };
    /// Mostly deletions and recreations of users, and passing days.
    pub const TURNOVER: Mix =
        Mix { internal: true, turnover: 8, conversation_events: 6, users: 2, conversations: 2, steps: 80 };
    /// Events of sources only, none of the server's own.
    pub const FROM_SOURCES: Mix =
        Mix { internal: false, turnover: 1, conversation_events: 14, users: 40, conversations: 6, steps: 60 };
    /// Events of sources only, mostly of conversations.
    pub const CONVERSATIONS_FROM_SOURCES: Mix = Mix { conversation_events: 120, users: 3, ..Mix::FROM_SOURCES };
    /// Mostly conversations, and passing days.
    pub const CONVERSATIONS: Mix =
        Mix { internal: true, turnover: 5, conversation_events: 120, users: 3, conversations: 3, steps: 80 };
}

/// The ids of slots: few, so that users take them from each other. Two differ only in case, and one is a GUID in upper
/// case.
const SLOT_IDS: [&str; 6] = ["c1", CONVERSATION_IDS[1], "CBE51CD9-0000-4000-8000-00000000000A", "C1", "c3", "c4"];

/// The ids of conversations, some of which are also ids of slots. The first is not.
const CONVERSATION_IDS: [&str; 3] = [
    "5107f7ee-0000-4000-8000-000000000001",
    "0b5e77ed-0000-4000-8000-000000000002",
    "cbe51cd9-0000-4000-8000-00000000000a",
];

/// Generates a step of a history about these users.
pub fn step(ids: Vec<i64>, mix: Mix) -> BoxedStrategy<Step> {
    let from_source =
        (when(), source_event(ids.clone(), mix)).prop_map(|(when, body)| Step::New { when, internal: false, body });
    let repeat = (any::<Index>(), prop::option::of(source_event(ids.clone(), mix)))
        .prop_map(|(which, body)| Step::Repeat { which, body, is_late: false });
    if !mix.internal {
        return prop_oneof![20 => from_source, 1 => repeat].boxed();
    }
    let internal = (when(), internal_event(ids, mix)).prop_map(|(when, body)| Step::New { when, internal: true, body });
    let expire = any::<Index>().prop_map(|which| Step::Expire { which });
    let late = any::<Index>().prop_map(|which| Step::Repeat { which, body: None, is_late: true });
    prop_oneof![20 => from_source, 1 => repeat, 1 => late, 4 + mix.turnover => internal, 2 => expire].boxed()
}

/// Generates one of the few times, or `None` for a time that advances with the history.
fn when() -> impl Strategy<Value = Option<i64>> {
    prop::option::of(0..TIMES)
}

/// Generates an event of a source. With much turnover most are about slots and conversations, which outlive users.
fn source_event(ids: Vec<i64>, mix: Mix) -> impl Strategy<Value = EventBody> {
    let user = || user_ref(ids.clone());
    let of_sessions = if mix.turnover > 1 { 1 } else { 3 };
    prop_oneof![
        2 * of_sessions => (user(), session(), prop::option::of(Just(60)), surface()).prop_map(
            |(user, session, lease_seconds, surface)| {
                EventBody::DeskConnected { user, session, lease_seconds, device: None, surface, socket: false }
            }
        ),
        of_sessions => (user(), session())
            .prop_map(|(user, session)| EventBody::DeskDisconnected { user, session, opened: None }),
        1 + of_sessions => status(ids.clone()),
        8 => (user(), channel(), conversation(mix))
            .prop_map(|(user, channel, conversation)| EventBody::SlotTaken { user, channel, conversation }),
        4 => (prop::option::weighted(0.7, user()), conversation(mix))
            .prop_map(|(user, conversation)| EventBody::SlotReleased { user, conversation }),
        3 => (user(), channel(), prop::collection::vec(conversation(mix), 0..4))
            .prop_map(|(user, channel, conversations)| EventBody::SlotsSynced { user, channel, conversations }),
        mix.conversation_events => conversation_event(ids, mix),
    ]
}

/// Generates an event of a conversation: mostly pushes and closes, which the others depend on.
fn conversation_event(ids: Vec<i64>, mix: Mix) -> BoxedStrategy<EventBody> {
    let which = || {
        select(&CONVERSATION_IDS[..mix.conversations.min(CONVERSATION_IDS.len())])
            .prop_map(|id| Uuid::try_parse(id).unwrap())
    };
    let user = || user_ref(ids.clone());
    let some = || prop::option::of(entity());
    prop_oneof![
        2 => (which(), entity(), medium()).prop_map(|(conversation, project, channel)| {
            EventBody::ConversationStarted { conversation, project, channel }
        }),
        4 => (which(), some(), some()).prop_map(|(conversation, routing_rule, routing_group)| {
            EventBody::ConversationRouted { conversation, routing_rule, routing_group }
        }),
        6 => (user(), which(), medium(), some()).prop_map(|(user, conversation, channel, project)| {
            EventBody::ConversationPushed { user, conversation, channel, project }
        }),
        3 => (prop::option::of(user()), which(), prop::option::of(Just("Hello"))).prop_map(
            |(user, conversation, text)| {
                let text = text.map(Box::from);
                EventBody::ConversationMessage { user, conversation, author: "visitor".into(), text }
            }
        ),
        2 => (which(), some(), some()).prop_map(|(conversation, to_group, to_rule)| {
            EventBody::ConversationTransferred { conversation, to_group, to_rule }
        }),
        2 => (which(), prop::option::of((0..TIMES).prop_map(at)))
            .prop_map(|(conversation, until)| EventBody::ConversationSnoozed { conversation, until }),
        1 => which().prop_map(|conversation| EventBody::ConversationRemoved { conversation }),
        6 => (which(), prop::option::of(select(vec!["done", "left"]))).prop_map(|(conversation, reason)| {
            EventBody::ConversationClosed { conversation, reason: reason.map(Box::from) }
        }),
    ]
    .boxed()
}

/// Generates a reference to a project, rule or routing group, in either form; the last id is unknown.
fn entity() -> impl Strategy<Value = EntityRef> {
    (1..=4i64, any::<bool>()).prop_map(|(id, by_guid)| match by_guid {
        true => EntityRef::Guid(guid_of("routing_group", id)),
        false => EntityRef::Id(id),
    })
}

fn medium() -> impl Strategy<Value = Medium> {
    prop_oneof![3 => Just(Medium::Chat), 2 => Just(Medium::Call), 1 => select(Medium::ALL.to_vec())]
}

/// Generates an event of the server's own. Expiries are generated separately, since they refer to a connection.
fn internal_event(ids: Vec<i64>, mix: Mix) -> impl Strategy<Value = EventBody> {
    let user = || user_ref(ids.clone());
    prop_oneof![
        2 => user().prop_map(|user| EventBody::DeskClosedAll { user }),
        3 => status(ids.clone()),
        1 => (user(), session())
            .prop_map(|(user, session)| EventBody::DeskDisconnected { user, session, opened: None }),
        1 => (user(), session(), any::<bool>()).prop_map(|(user, session, socket)| {
            let surface = Surface::Desk;
            EventBody::DeskConnected { user, session, lease_seconds: None, device: None, surface, socket }
        }),
        2 * mix.turnover => user().prop_map(|user| EventBody::UserDeleted { user }),
        1 => (user(), 0..3u8).prop_map(|(user, n)| {
            EventBody::PasswordSet { user, hash: PasswordHash::new(&format!("hash {n}")), by: None }
        }),
        1 => user().prop_map(|user| EventBody::UserLoggedIn { user }),
        1 => limits().prop_map(|limits| EventBody::LimitsSet { limits }),
        1 => board(),
        5 => documents::change(ids.clone()).prop_map(upsert),
        2 * mix.turnover - 1 => documents::recreated_user(ids.clone()).prop_map(upsert),
    ]
}

/// Generates a wallboard that is put under one of two names. It has no filters, so that it is never refused.
fn board() -> impl Strategy<Value = EventBody> {
    (select(vec!["a", "default"]), 0..3usize).prop_map(|(name, title)| {
        let board = Board { title: Some(format!("title {title}")), ..Board::clone(built_in()) };
        EventBody::WallboardPut { name: name.into(), board: Arc::new(board), expected: None }
    })
}

/// Generates quotas small enough to be reached.
fn limits() -> impl Strategy<Value = Quotas> {
    let few = || prop::option::weighted(0.4, 1..5u32);
    let tombstones = prop::option::weighted(0.3, 1..8u32);
    let users = prop::option::weighted(0.3, 1..45u32);
    let entities = prop::option::weighted(0.3, 1..60u32);
    (users, entities, few(), few(), few(), few(), few(), tombstones).prop_map(
        |(users, entities, sessions, sessions_per_user, slots, slots_per_user, conversations, tombstones)| Quotas {
            users,
            entities,
            sessions,
            sessions_per_user,
            slots,
            slots_per_user,
            conversations,
            tombstones,
        },
    )
}

fn status(ids: Vec<i64>) -> impl Strategy<Value = EventBody> {
    let presence = prop::option::of(select(vec![Category::Ready, Category::Away, Category::ExtendedAway]));
    let presence_id = prop::option::weighted(0.3, (1..=7i64).prop_map(|id| guid_of("presence_definition", id)));
    let channels = prop::collection::btree_map(channel(), any::<bool>(), 0..3);
    (user_ref(ids), presence, presence_id, channels).prop_map(|(user, presence, presence_id, channels)| {
        EventBody::StatusChanged { user, presence, presence_id, channels: channels.into_iter().collect() }
    })
}

/// Generates a user reference in any of the three forms; external ids are reassigned among users.
fn user_ref(ids: Vec<i64>) -> impl Strategy<Value = UserRef> {
    let id = select(ids);
    prop_oneof![
        6 => id.clone().prop_map(UserRef::id),
        2 => id.prop_map(|id| UserRef::Entity(EntityRef::Guid(guid_of("user", id)))),
        2 => (1..=5i64).prop_map(|n| UserRef::External(format!("x{n}").into())),
    ]
}

/// Generates one of few session names, so that sessions are closed and reopened.
fn session() -> impl Strategy<Value = Box<str>> {
    select(vec!["a", "b", "c"]).prop_map(Box::from)
}

fn surface() -> impl Strategy<Value = Surface> {
    prop_oneof![4 => Just(Surface::Desk), 1 => Just(Surface::Administration)]
}

/// Generates a channel, chat and call more often than the others.
pub fn channel() -> impl Strategy<Value = Channel> {
    prop_oneof![
        4 => Just(Channel::Chat),
        3 => Just(Channel::Call),
        1 => Just(Channel::Video),
        1 => Just(Channel::ThirdParty)
    ]
}

fn conversation(mix: Mix) -> impl Strategy<Value = ConversationId> {
    select(&SLOT_IDS[..mix.conversations]).prop_map(|name| ConversationId::new(name).unwrap())
}
