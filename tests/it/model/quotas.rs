//! Quotas that small random histories do not reach.

use rollcall::domain::event::{Rejection, Surface};
use rollcall::domain::{Channel, ConversationId, EventBody, Outcome, Quotas, UserRef};

use super::generate::user;
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
