//! Quotas that small random histories do not reach.

use rollcall::domain::conversation::Medium;
use rollcall::domain::directory::{Document, EntityPatch};
use rollcall::domain::event::{Rejection, Surface};
use rollcall::domain::{Channel, ConversationId, Entry, Event, EventBody, Outcome, Quotas, UserRef};
use rollcall::live::State;
use uuid::Uuid;

use super::compare::{agree, agree_on_outcome};
use super::generate::{TENANT, at, event, journal, upsert, user};
use super::reference::Reference;
use super::regressions::Scenario;

fn refused(name: &'static str, limit: u32) -> Outcome {
    Outcome::Rejected(Rejection::Limit { name, limit })
}

fn connected(session: &str, socket: bool) -> EventBody {
    let (user, session) = (UserRef::id(1), session.into());
    EventBody::DeskConnected { user, session, lease_seconds: None, device: None, surface: Surface::Desk, socket }
}

fn disconnected(session: &str) -> EventBody {
    EventBody::DeskDisconnected { user: UserRef::id(1), session: session.into(), opened: None }
}

fn named(count: usize) -> Vec<ConversationId> {
    (0..count).map(|n| ConversationId::new(&format!("c{n}")).unwrap()).collect()
}

fn synced(conversations: Vec<ConversationId>) -> EventBody {
    EventBody::SlotsSynced { user: UserRef::id(1), channel: Channel::Chat, conversations }
}

#[test]
fn sockets_and_other_sessions_are_limited_separately() {
    let mut scenario = Scenario::new();
    scenario.add(user(1));
    for n in 0..16 {
        assert_eq!(scenario.apply(1, connected(&format!("socket {n}"), true)), Outcome::Applied);
    }
    assert_eq!(scenario.apply(1, connected("socket 16", true)), refused("sockets_per_user", 16));
    assert_eq!(
        scenario.apply(2, connected("socket 3", true)),
        Outcome::Applied,
        "reopening an open session takes no further place"
    );
    for n in 0..100 {
        assert_eq!(scenario.apply(1, connected(&format!("session {n}"), false)), Outcome::Applied);
    }
    assert_eq!(scenario.apply(1, connected("session 100", false)), refused("sessions_per_user", 100));
    assert_eq!(
        scenario.apply(3, connected("session 5", true)),
        refused("sockets_per_user", 16),
        "the session would become a socket"
    );
    scenario.state = scenario.reloaded();
    assert_eq!(
        scenario.apply(3, connected("socket 16", true)),
        refused("sockets_per_user", 16),
        "also after a restart"
    );
    assert_eq!(scenario.apply(4, disconnected("socket 3")), Outcome::Applied);
    assert_eq!(scenario.apply(4, connected("socket 16", true)), Outcome::Applied);
    assert_eq!(scenario.apply(5, EventBody::DeskClosedAll { user: UserRef::id(1) }), Outcome::Applied);
    assert_eq!(scenario.apply(6, connected("session 100", false)), Outcome::Applied);
}

#[test]
fn events_past_a_quota_change_nothing() {
    let mut scenario = Scenario::new();
    scenario.add(user(1));
    let limits = Quotas { slots_per_user: Some(3), sessions: Some(1), ..Quotas::default() };
    assert_eq!(scenario.apply(0, EventBody::LimitsSet { limits }), Outcome::Applied);
    scenario.apply(1, synced(named(2)));
    scenario.apply(1, connected("a", false));
    let before = scenario.state.rows();
    let other = ConversationId::new("other").unwrap();
    let over = [named(2), vec![other.clone(), ConversationId::new("more").unwrap()]].concat();
    assert_eq!(scenario.apply(2, synced(over)), refused("slots_per_user", 3));
    assert_eq!(scenario.apply(2, connected("b", true)), refused("sessions", 1));
    let mut after = scenario.state.rows();
    let mut expected = before;
    after.sort_by(|a, b| a.key.cmp(&b.key));
    expected.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(after, expected);
    let swapped = vec![other.clone(), ConversationId::new("c0").unwrap(), ConversationId::new("c9").unwrap()];
    assert_eq!(
        scenario.apply(3, synced(swapped)),
        Outcome::Applied,
        "slots that the sync ends free places for those it takes"
    );
}

#[test]
fn a_sync_is_limited_to_the_slots_of_a_user() {
    let mut scenario = Scenario::new();
    scenario.add(user(1));
    assert_eq!(scenario.apply(1, synced(named(1_000))), Outcome::Applied);
    assert_eq!(scenario.held(1), [[1_000, 0, 0, 0]; 2]);
    assert_eq!(scenario.apply(2, synced(named(1_001))), refused("slots_per_user", 1_000));
    assert_eq!(scenario.apply(3, synced(vec![])), Outcome::Applied);
    assert_eq!(scenario.held(1), [[0; 4]; 2]);
}

const USERS: i64 = 270;

fn conversation() -> ConversationId {
    ConversationId::new("passed on").unwrap()
}

fn taken(id: i64) -> EventBody {
    EventBody::SlotTaken { user: UserRef::id(id), channel: Channel::Chat, conversation: conversation() }
}

fn released(id: i64) -> EventBody {
    EventBody::SlotReleased { user: Some(UserRef::id(id)), conversation: conversation() }
}

/// Applies the events in this order, and compares the final state with the reference. Returns the holders, and the
/// conversations that each user handled.
fn played(events: &[Event]) -> (Vec<i64>, Vec<u64>) {
    let directory = Document { users: (1..=USERS).map(user).collect(), ..Document::default() };
    let (mut state, mut reference) = (State::new(TENANT), Reference::new(TENANT));
    let entries: Vec<Entry> = journal(&directory, events);
    for entry in &entries {
        let outcome = state.apply(entry).unwrap();
        assert!(!matches!(outcome, Outcome::Rejected(_)), "{outcome:?} of {:?}", entry.event);
        agree_on_outcome(&outcome, reference.record(entry)).unwrap();
    }
    let loaded = State::load(TENANT, state.position(), state.rows()).unwrap();
    for mut state in [state.clone(), loaded] {
        agree(&state.publish(), &reference, &[]).unwrap();
    }
    let view = state.publish();
    let users = (1..=USERS).map(|id| (id, view.directory().find(&UserRef::id(id)).unwrap()));
    let handled = users.clone().map(|(_, ix)| view.detail(ix).handled).collect();
    (users.filter(|(_, ix)| view.columns(*ix).current.0[0] > 0).map(|(id, _)| id).collect(), handled)
}

/// More users than are remembered of a conversation take and release it: no take and no release is lost, and the state
/// does not depend on the order of arrival.
#[test]
fn a_conversation_passes_through_any_number_of_users() {
    let last = USERS as usize - 1;
    for (ends, holder) in [(vec![], Some(USERS)), (vec![USERS], None), ((1..=USERS).collect(), None)] {
        let takes = (1..=USERS).map(|id| (id, taken(id)));
        let releases = ends.iter().map(|id| (USERS + id, released(*id)));
        let early = (1..USERS).map(|id| (id, released(id)));
        let events: Vec<_> = takes.chain(releases).chain(early).enumerate().collect();
        let events: Vec<Event> = events.into_iter().map(|(n, (minute, body))| event(n, at(minute), body)).collect();
        let (holders, handled) = played(&events);
        assert_eq!(holders, holder.into_iter().collect::<Vec<_>>());
        assert_eq!(handled.iter().sum::<u64>(), 256, "of one conversation");
        assert_eq!((handled[0], handled[last]), (1, 0), "the lowest ids are counted");
        // A stable sort: a take and the early release by its user have the same time, so they keep their order.
        let mut backwards = events.clone();
        backwards.sort_by_key(|event| std::cmp::Reverse(event.fact.time));
        assert_eq!(played(&backwards), (holders, handled));
    }
}

#[test]
fn a_release_by_the_holder_ends_the_claim_whatever_others_released() {
    let others = (1..USERS).map(|id| (id, released(id)));
    let events = others.chain([(USERS, taken(USERS)), (USERS + 1, released(USERS))]).enumerate();
    let events: Vec<Event> = events.map(|(n, (minute, body))| event(n, at(minute), body)).collect();
    assert_eq!(played(&events[..events.len() - 1]).0, [USERS]);
    assert_eq!(played(&events).0, [0; 0]);
}

#[test]
fn a_full_history_does_not_keep_a_slot() {
    let id = Uuid::from_u128(7);
    let push = |user: i64| EventBody::ConversationPushed {
        user: UserRef::id(user),
        conversation: id,
        channel: Medium::Chat,
        project: None,
    };
    let removed = || EventBody::ConversationRemoved { conversation: id };
    let mut scenario = Scenario::new();
    scenario.add(user(1));
    scenario.add(user(2));
    for minute in 0..999 {
        let routed = EventBody::ConversationRouted { conversation: id, routing_rule: None, routing_group: None };
        assert_eq!(scenario.apply(minute, routed), Outcome::Applied);
    }
    assert_eq!(scenario.apply(1_000, push(1)), Outcome::Applied);
    let slot_only = Outcome::SlotOnly(Rejection::ConversationFull);
    assert_eq!(scenario.apply(1_010, push(2)), slot_only);
    assert_eq!((scenario.held(1), scenario.held(2)), ([[0; 4]; 2], [[1, 0, 0, 0]; 2]));
    assert_eq!(scenario.apply(1_020, removed()), slot_only);
    assert_eq!(scenario.held(2), [[0; 4]; 2]);
    assert_eq!(scenario.apply(1_015, push(1)), Outcome::Rejected(Rejection::ConversationFull), "before the end");
    assert_eq!(scenario.held(1), [[0; 4]; 2]);
}

#[test]
fn a_refused_take_ends_the_previous_holders_claim_in_either_order() {
    for refused_first in [false, true] {
        let mut scenario = Scenario::new();
        scenario.add(user(1));
        scenario.add(user(2));
        let limits = Quotas { slots_per_user: Some(1), ..Quotas::default() };
        scenario.apply(0, EventBody::LimitsSet { limits });
        let one = || EventBody::SlotsSynced { user: UserRef::id(2), channel: Channel::Chat, conversations: named(1) };
        scenario.apply(1, one());
        let full = Rejection::Limit { name: "slots_per_user", limit: 1 };
        if refused_first {
            assert_eq!(scenario.apply(3, taken(2)), Outcome::Rejected(full));
            assert_eq!(scenario.apply(2, taken(1)), Outcome::Stale);
        } else {
            assert_eq!(scenario.apply(2, taken(1)), Outcome::Applied);
            assert_eq!(scenario.apply(3, taken(2)), Outcome::HolderReleased(full));
        }
        assert_eq!((scenario.held(1), scenario.held(2)), ([[0; 4]; 2], [[1, 0, 0, 0]; 2]));
    }
}

#[test]
fn entities_are_limited_and_those_that_exist_stay() {
    let groups = |ids: std::ops::RangeInclusive<i64>| {
        let group = |id| EntityPatch { id: Some(id), name: Some(format!("Group {id}")), ..EntityPatch::default() };
        upsert(Document { groups: ids.map(group).collect(), ..Document::default() })
    };
    let mut scenario = Scenario::new();
    assert!(matches!(scenario.apply(0, groups(1..=5)), Outcome::Upserted(_)));
    let limits = Quotas { entities: Some(3), ..Quotas::default() };
    scenario.apply(0, EventBody::LimitsSet { limits });
    assert!(matches!(scenario.apply(0, groups(2..=5)), Outcome::Upserted(_)), "nothing is added");
    let Outcome::Rejected(Rejection::Document(problems)) = scenario.apply(0, groups(5..=6)) else {
        panic!("a sixth entity is refused")
    };
    let problems: Vec<_> = problems.iter().map(|problem| (problem.pointer.as_str(), problem.detail.as_str())).collect();
    assert_eq!(problems, [("/groups", "the limit entities of 3 is reached")]);
}
