//! Floors: events that are too late for something forgotten (docs/reference/events.md, "Order").

use rollcall::domain::conversation::Medium;
use rollcall::domain::event::{Rejection, Surface};
use rollcall::domain::{Channel, ConversationId, EventBody, Outcome, Time, UserRef};
use rollcall::live::State;
use rollcall::live::count::index::Plane;
use uuid::Uuid;

use super::generate::{TENANT, at, user};
use super::regressions::Scenario;

fn connected(id: i64, session: &str) -> EventBody {
    let (user, session) = (UserRef::id(id), session.into());
    EventBody::DeskConnected { user, session, lease_seconds: None, device: None, surface: Surface::Desk, socket: false }
}

fn disconnected(id: i64, session: &str) -> EventBody {
    EventBody::DeskDisconnected { user: UserRef::id(id), session: session.into(), opened: None }
}

fn taken(id: i64, name: &str) -> EventBody {
    let conversation = ConversationId::new(name).unwrap();
    EventBody::SlotTaken { user: UserRef::id(id), channel: Channel::Chat, conversation }
}

fn released(name: &str) -> EventBody {
    EventBody::SlotReleased { user: None, conversation: ConversationId::new(name).unwrap() }
}

fn pushed(id: i64, conversation: Uuid) -> EventBody {
    EventBody::ConversationPushed { user: UserRef::id(id), conversation, channel: Medium::Chat, project: None }
}

fn is_connected(state: &mut State, id: i64) -> bool {
    let view = state.publish();
    view.columns(view.directory().find(&UserRef::id(id)).unwrap()).has(Plane::Connected)
}

fn handled(state: &mut State, id: i64) -> u64 {
    let view = state.publish();
    view.detail(view.directory().find(&UserRef::id(id)).unwrap()).handled
}

#[test]
fn forgotten_sessions_do_not_reopen() {
    let mut scenario = Scenario::new();
    scenario.add(user(1));
    scenario.apply(1, connected(1, "a"));
    scenario.apply(9, disconnected(1, "a"));
    scenario.hour = 25;
    // The same event again, after its id is no longer remembered.
    assert_eq!(scenario.apply(1, connected(1, "a")), Outcome::Stale);
    assert!(!is_connected(&mut scenario.state, 1));
    assert_eq!(scenario.state.floor(), at(9));
    let mut restarted = scenario.reloaded();
    assert_eq!(restarted.floor(), at(9), "the floor is stored");
    assert!(!is_connected(&mut restarted, 1));
    assert_eq!(scenario.apply(10, connected(1, "a")), Outcome::Applied, "an event above the floor is applied");
}

#[test]
fn a_forgotten_users_log_in_raises_the_floor() {
    let mut scenario = Scenario::new();
    scenario.add(user(1));
    let user = UserRef::id(1);
    let surface = Surface::Administration;
    let (session, lease_seconds, device) = ("a".into(), None, None);
    scenario.apply(9, EventBody::DeskConnected { user, session, lease_seconds, device, surface, socket: false });
    scenario.delete(1);
    scenario.hour = 25;
    scenario.add(super::generate::user(2));
    assert_eq!(scenario.state.floor(), at(9), "the user and all of their times are forgotten");
    assert_eq!(scenario.reloaded().floor(), at(9), "the floor is stored");
}

#[test]
fn forgotten_slots_are_not_taken_again() {
    let mut scenario = Scenario::new();
    scenario.add(user(1));
    scenario.apply(1, taken(1, "c"));
    scenario.apply(9, released("c"));
    scenario.hour = 25;
    assert_eq!(scenario.apply(1, taken(1, "c")), Outcome::Stale);
    assert_eq!(scenario.apply(9, taken(1, "d")), Outcome::Stale, "the floor applies to every unknown conversation");
    assert_eq!(scenario.held(1), [[0; 4]; 2]);
    assert_eq!(scenario.apply(10, taken(1, "c")), Outcome::Applied);
}

#[test]
fn forgotten_conversations_do_not_reopen() {
    let mut scenario = Scenario::new();
    scenario.add(user(1));
    let conversation = Uuid::from_u128(7);
    scenario.apply(1, pushed(1, conversation));
    scenario.apply(9, EventBody::ConversationClosed { conversation, reason: None });
    scenario.hour = 25;
    // The event is not marked final.
    assert_eq!(scenario.apply(1, pushed(1, conversation)), Outcome::Stale);
    assert_eq!(scenario.held(1), [[0; 4]; 2]);
}

#[test]
fn a_new_tenant_accepts_old_events() {
    let mut scenario = Scenario::new();
    scenario.hour = 24 * 365;
    scenario.add(user(1));
    assert_eq!(scenario.state.floor(), Time::NEVER);
    assert_eq!(scenario.apply(1, connected(1, "a")), Outcome::Applied);
    assert_eq!(scenario.apply(1, taken(1, "c")), Outcome::Applied);
    assert_eq!(scenario.apply(1, pushed(1, Uuid::from_u128(7))), Outcome::Applied);
    assert!(is_connected(&mut scenario.state, 1));
}

/// A device that opens a new session each time does not make other users' events late.
#[test]
fn a_users_ended_sessions_are_bounded_by_a_floor_of_that_user() {
    let mut scenario = Scenario::new();
    scenario.add(user(1));
    scenario.add(user(2));
    for n in 0..300 {
        scenario.apply(n, connected(1, &format!("s{n}")));
        scenario.apply(n, disconnected(1, &format!("s{n}")));
    }
    let row = scenario.state.rows().into_iter().map(|row| row.body).find(|body| body.contains("\"s299\"")).unwrap();
    assert_eq!(row.matches("\"session\"").count(), 256);
    assert_eq!(scenario.state.floor(), Time::NEVER);
    assert_eq!(scenario.apply(10, connected(1, "s10")), Outcome::Stale);
    assert_eq!(scenario.apply(10, connected(2, "s10")), Outcome::Applied);
    assert_eq!(scenario.reloaded().digest(), scenario.state.digest());
    assert_eq!(scenario.apply(300, connected(1, "s10")), Outcome::Applied);
}

/// An open conversation keeps its history for longer than the claim on its slot is remembered.
#[test]
fn a_conversation_that_returns_after_days_counts_once() {
    let mut scenario = Scenario::new();
    scenario.add(user(1));
    scenario.add(user(2));
    let conversation = Uuid::from_u128(7);
    let snoozed = || EventBody::ConversationSnoozed { conversation, until: None };
    scenario.apply(1, pushed(1, conversation));
    scenario.apply(2, snoozed());
    scenario.hour = 25;
    assert_eq!(scenario.apply(3, pushed(2, conversation)), Outcome::Applied);
    assert_eq!(scenario.apply(4, pushed(1, conversation)), Outcome::Applied);
    assert_eq!([1, 2].map(|id| handled(&mut scenario.state, id)), [1, 1]);
    scenario.apply(5, snoozed());
    scenario.hour = 50;
    scenario.state = scenario.reloaded();
    let ids = vec![ConversationId::from(conversation)];
    scenario.apply(6, EventBody::SlotsSynced { user: UserRef::id(1), channel: Channel::Chat, conversations: ids });
    assert_eq!(scenario.held(1)[0][0], 1, "it is held again");
    assert_eq!(handled(&mut scenario.state, 1), 1, "by whatever event it returns");
}

/// Rows of the previous release have neither a floor nor the positions of takes and users.
#[test]
fn rows_of_the_previous_release_are_read() {
    let mut scenario = Scenario::new();
    scenario.add(user(1));
    scenario.apply(1, taken(1, "c"));
    scenario.apply(2, taken(1, "d"));
    scenario.apply(3, released("d"));
    let members = ["created", "takers_at", "newest", "floor", "limits", "sessions_floor", "socket"];
    let mut rows = scenario.state.rows();
    for row in &mut rows {
        let mut body: serde_json::Map<_, _> = serde_json::from_str(&row.body).unwrap();
        // In a profile `created` is a time, in a row a position; both are removed.
        body.retain(|name, _| !members.contains(&name.as_str()));
        row.body = serde_json::to_string(&body).unwrap();
    }
    let mut loaded = State::load(TENANT, scenario.state.position(), rows).unwrap();
    assert_eq!(loaded.floor(), Time::NEVER);
    let handled = |state: &mut State| {
        let view = state.publish();
        let ix = view.directory().find(&UserRef::id(1)).unwrap();
        (view.columns(ix).current.0, view.detail(ix).handled)
    };
    assert_eq!(handled(&mut loaded), ([1, 0, 0, 0], 2));
    scenario.state = loaded;
    assert_eq!(scenario.apply(4, taken(1, "d")), Outcome::Applied);
    assert_eq!(handled(&mut scenario.state), ([2, 0, 0, 0], 2), "the same user took it before");
}

#[test]
fn a_take_by_an_unknown_user_ends_the_claim_in_either_order() {
    let rejected = Outcome::Rejected(Rejection::UnknownUser);
    for newest_first in [false, true] {
        let mut scenario = Scenario::new();
        scenario.add(user(1));
        let outcomes = match newest_first {
            false => [scenario.apply(1, taken(1, "c")), scenario.apply(2, taken(9, "c"))],
            true => [scenario.apply(2, taken(9, "c")), scenario.apply(1, taken(1, "c"))],
        };
        let expected = match newest_first {
            false => [Outcome::Applied, Outcome::HolderReleased(Rejection::UnknownUser)],
            true => [rejected.clone(), Outcome::Stale],
        };
        assert_eq!(outcomes, expected);
        assert_eq!(scenario.held(1), [[0; 4]; 2]);
    }
}
