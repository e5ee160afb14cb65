//! Events of every type.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use rollcall::domain::conversation::Medium;
use rollcall::domain::event::{PasswordHash, Surface};
use rollcall::domain::ids::EntityRef;
use rollcall::domain::{Body, Category, Channel, ConversationId, Quotas, UserRef};
use uuid::Uuid;

use super::{Step, TIMES, at, documents, guid_of, upsert};

/// What a history is made of.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Events that only the server makes: directory changes, deletions, dialects' writes, leases that run out.
    pub internal: bool,
    /// How often users are deleted and made again, and hours go by.
    pub turnover: u32,
    /// How often something happens in a conversation.
    pub talk: u32,
    /// Users, at most.
    pub users: i64,
    /// Conversations there are, at most [`CONVERSATIONS`].
    pub conversations: usize,
    /// Steps, at most.
    pub steps: usize,
}

impl Mix {
    /// Events of all types.
    pub const EVERYTHING: Mix = Mix { internal: true, turnover: 1, talk: 14, users: 40, conversations: 6, steps: 70 };
    /// Users come and go, and so do the days.
    pub const TURNOVER: Mix = Mix { internal: true, turnover: 8, talk: 6, users: 2, conversations: 2, steps: 80 };
    /// What sources send: no event of the server's own.
    pub const FROM_SOURCES: Mix =
        Mix { internal: false, turnover: 1, talk: 14, users: 40, conversations: 6, steps: 60 };
    /// What sources send, mostly of conversations.
    pub const TALK_FROM_SOURCES: Mix = Mix { talk: 120, users: 3, ..Mix::FROM_SOURCES };
    /// Conversations, and days that go by.
    pub const TALK: Mix = Mix { internal: true, turnover: 5, talk: 120, users: 3, conversations: 3, steps: 80 };
}

/// Few, so that users take them from one another; two of them differ in case alone, and one is a GUID in upper case.
const CONVERSATIONS: [&str; 6] = ["c1", TALKS[1], "CBE51CD9-0000-4000-8000-00000000000A", "C1", "c3", "c4"];

/// Those that have a history, the same ids as slots have among them. The first is in none of the slots' own events.
const TALKS: [&str; 3] = [
    "5107f7ee-0000-4000-8000-000000000001",
    "0b5e77ed-0000-4000-8000-000000000002",
    "cbe51cd9-0000-4000-8000-00000000000a",
];

/// One step of a history about these users.
pub fn step(ids: Vec<i64>, mix: Mix) -> BoxedStrategy<Step> {
    let from_source =
        (when(), said(ids.clone(), mix)).prop_map(|(when, body)| Step::Say { when, internal: false, body });
    let repeat = (any::<Index>(), prop::option::of(said(ids.clone(), mix))).prop_map(|(which, body)| Step::Repeat {
        which,
        body,
        is_late: false,
    });
    if !mix.internal {
        return prop_oneof![20 => from_source, 1 => repeat].boxed();
    }
    let internal = (when(), ours(ids, mix)).prop_map(|(when, body)| Step::Say { when, internal: true, body });
    let expire = any::<Index>().prop_map(|which| Step::Expire { which });
    let late = any::<Index>().prop_map(|which| Step::Repeat { which, body: None, is_late: true });
    prop_oneof![20 => from_source, 1 => repeat, 1 => late, 4 + mix.turnover => internal, 2 => expire].boxed()
}

/// One of the few times, or that which goes on with the history.
fn when() -> impl Strategy<Value = Option<i64>> {
    prop::option::of(0..TIMES)
}

/// What sources may say. Where users come and go it is mostly about conversations, which outlive them.
fn said(ids: Vec<i64>, mix: Mix) -> impl Strategy<Value = Body> {
    let who = || who(ids.clone());
    let of_sessions = if mix.turnover > 1 { 1 } else { 3 };
    prop_oneof![
        2 * of_sessions => (who(), session(), prop::option::of(Just(60)), surface()).prop_map(
            |(user, session, lease_seconds, surface)| {
                Body::DeskConnected { user, session, lease_seconds, device: None, surface, socket: false }
            }
        ),
        of_sessions => (who(), session()).prop_map(|(user, session)| Body::DeskDisconnected { user, session, opened: None }),
        1 + of_sessions => status(ids.clone()),
        8 => (who(), channel(), conversation(mix))
            .prop_map(|(user, channel, conversation)| Body::SlotTaken { user, channel, conversation }),
        4 => (prop::option::weighted(0.7, who()), conversation(mix))
            .prop_map(|(user, conversation)| Body::SlotReleased { user, conversation }),
        3 => (who(), channel(), prop::collection::vec(conversation(mix), 0..4))
            .prop_map(|(user, channel, conversations)| Body::SlotsSynced { user, channel, conversations }),
        mix.talk => talk(ids, mix),
    ]
}

/// What happens in conversations: mostly pushes and closes, which all else depends on.
fn talk(ids: Vec<i64>, mix: Mix) -> BoxedStrategy<Body> {
    let which = || select(&TALKS[..mix.conversations.min(TALKS.len())]).prop_map(|id| Uuid::try_parse(id).unwrap());
    let who = || who(ids.clone());
    let some = || prop::option::of(entity());
    prop_oneof![
        2 => (which(), entity(), medium())
            .prop_map(|(conversation, project, channel)| Body::ConversationStarted { conversation, project, channel }),
        4 => (which(), some(), some()).prop_map(|(conversation, routing_rule, routing_group)| {
            Body::ConversationRouted { conversation, routing_rule, routing_group }
        }),
        6 => (who(), which(), medium(), some()).prop_map(|(user, conversation, channel, project)| {
            Body::ConversationPushed { user, conversation, channel, project }
        }),
        3 => (prop::option::of(who()), which(), prop::option::of(Just("Hello"))).prop_map(
            |(user, conversation, text)| {
                Body::ConversationMessage { user, conversation, author: "visitor".into(), text: text.map(Box::from) }
            }
        ),
        2 => (which(), some(), some()).prop_map(|(conversation, to_group, to_rule)| {
            Body::ConversationTransferred { conversation, to_group, to_rule }
        }),
        2 => (which(), prop::option::of((0..TIMES).prop_map(at)))
            .prop_map(|(conversation, until)| Body::ConversationSnoozed { conversation, until }),
        1 => which().prop_map(|conversation| Body::ConversationRemoved { conversation }),
        6 => (which(), prop::option::of(select(vec!["done", "left"])))
            .prop_map(|(conversation, reason)| Body::ConversationClosed { conversation, reason: reason.map(Box::from) }),
    ]
    .boxed()
}

/// A project, a rule or a routing group, by either form; the last of them nobody knows.
fn entity() -> impl Strategy<Value = EntityRef> {
    (1..=4i64, any::<bool>()).prop_map(|(id, by_guid)| match by_guid {
        true => EntityRef::Guid(guid_of("routing_group", id)),
        false => EntityRef::Id(id),
    })
}

fn medium() -> impl Strategy<Value = Medium> {
    prop_oneof![3 => Just(Medium::Chat), 2 => Just(Medium::Call), 1 => select(Medium::ALL.to_vec())]
}

/// What only the server says. Leases that run out are apart: they name an earlier connection.
fn ours(ids: Vec<i64>, mix: Mix) -> impl Strategy<Value = Body> {
    let who = || who(ids.clone());
    prop_oneof![
        2 => who().prop_map(|user| Body::DeskClosedAll { user }),
        3 => status(ids.clone()),
        1 => (who(), session()).prop_map(|(user, session)| Body::DeskDisconnected { user, session, opened: None }),
        1 => (who(), session(), any::<bool>()).prop_map(|(user, session, socket)| {
            Body::DeskConnected { user, session, lease_seconds: None, device: None, surface: Surface::Desk, socket }
        }),
        2 * mix.turnover => who().prop_map(|user| Body::UserDeleted { user }),
        1 => (who(), 0..3u8).prop_map(|(user, n)| {
            Body::PasswordSet { user, hash: PasswordHash::new(&format!("hash {n}")) }
        }),
        1 => limits().prop_map(|limits| Body::LimitsSet { limits }),
        5 => documents::change(ids.clone()).prop_map(upsert),
        2 * mix.turnover - 1 => documents::again(ids.clone()).prop_map(upsert),
    ]
}

/// Limits so small that they are reached.
fn limits() -> impl Strategy<Value = Quotas> {
    let few = || prop::option::weighted(0.4, 1..5u32);
    let tombstones = prop::option::weighted(0.3, 1..8u32);
    let users = prop::option::weighted(0.3, 1..45u32);
    (users, few(), few(), few(), few(), few(), tombstones).prop_map(
        |(users, sessions, sessions_per_user, slots, slots_per_user, conversations, tombstones)| Quotas {
            users,
            sessions,
            sessions_per_user,
            slots,
            slots_per_user,
            conversations,
            tombstones,
        },
    )
}

fn status(ids: Vec<i64>) -> impl Strategy<Value = Body> {
    let presence = prop::option::of(select(vec![Category::Ready, Category::Away, Category::ExtendedAway]));
    let presence_id = prop::option::weighted(0.3, (1..=6i64).prop_map(|id| guid_of("presence_definition", id)));
    let channels = prop::collection::btree_map(channel(), any::<bool>(), 0..3);
    (who(ids), presence, presence_id, channels).prop_map(|(user, presence, presence_id, channels)| {
        Body::StatusChanged { user, presence, presence_id, channels: channels.into_iter().collect() }
    })
}

/// A user in any of the three forms; the external ids wander from user to user.
fn who(ids: Vec<i64>) -> impl Strategy<Value = UserRef> {
    let id = select(ids);
    prop_oneof![
        6 => id.clone().prop_map(UserRef::id),
        2 => id.prop_map(|id| UserRef::Entity(EntityRef::Guid(guid_of("user", id)))),
        2 => (1..=5i64).prop_map(|n| UserRef::External(format!("x{n}").into())),
    ]
}

/// Few sessions, so that users close and open the same.
fn session() -> impl Strategy<Value = Box<str>> {
    select(vec!["a", "b", "c"]).prop_map(Box::from)
}

fn surface() -> impl Strategy<Value = Surface> {
    prop_oneof![4 => Just(Surface::Desk), 1 => Just(Surface::Administration)]
}

/// Channels, chat and call more often than the others.
pub fn channel() -> impl Strategy<Value = Channel> {
    prop_oneof![
        4 => Just(Channel::Chat),
        3 => Just(Channel::Call),
        1 => Just(Channel::Video),
        1 => Just(Channel::ThirdParty)
    ]
}

fn conversation(mix: Mix) -> impl Strategy<Value = ConversationId> {
    select(&CONVERSATIONS[..mix.conversations]).prop_map(|name| ConversationId::new(name).unwrap())
}
