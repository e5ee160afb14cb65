//! Regression tests: minimal histories of earlier defects.

use rollcall::domain::conversation::Medium;
use rollcall::domain::directory::{Document, UserPatch};
use rollcall::domain::json::Field;
use rollcall::domain::{Channel, ConversationId, Entry, Event, EventBody, Outcome, UserRef};
use rollcall::live::{State, View};
use uuid::Uuid;

use super::generate::{TENANT, at, event, upsert, user};

/// A tenant whose events are applied one at a time.
pub struct Scenario {
    pub state: State,
    pub hour: i64,
}

impl Scenario {
    /// Returns an empty tenant.
    pub fn new() -> Self {
        Scenario { state: State::new(TENANT), hour: 0 }
    }

    /// Applies an event with the time `minute`, recorded in the current hour; returns its outcome.
    pub fn apply(&mut self, minute: i64, body: EventBody) -> Outcome {
        let n = self.state.position() + 1;
        let ours = matches!(
            body,
            EventBody::DirectoryUpserted { .. }
                | EventBody::UserDeleted { .. }
                | EventBody::LimitsSet { .. }
                | EventBody::DeskClosedAll { .. }
        );
        let event = match ours {
            true => Event::internal("rollcall:test", Uuid::from_u128(n.into()), at(minute), body),
            false => event(n as usize, at(minute), body),
        };
        let recorded = at(60).plus_seconds(3_600 * self.hour);
        self.state.apply(&Entry { seq: n, recorded, event }).unwrap()
    }

    /// Adds a user to the directory.
    pub fn add(&mut self, user: UserPatch) {
        let outcome = self.apply(0, upsert(Document { users: vec![user], ..Document::default() }));
        assert!(matches!(outcome, Outcome::Upserted(_)), "{outcome:?}");
    }

    /// Deletes a user.
    pub fn delete(&mut self, id: i64) {
        assert_eq!(self.apply(0, EventBody::UserDeleted { user: UserRef::id(id) }), Outcome::Applied);
    }

    /// Returns the number of slots that a user holds by channel, now and after a restart.
    pub fn held(&mut self, id: i64) -> [[u32; 4]; 2] {
        let current = |view: &View| view.columns(view.directory().find(&UserRef::id(id)).unwrap()).current.0;
        let mut loaded = self.reloaded();
        [current(&self.state.publish()), current(&loaded.publish())]
    }

    /// Returns the state as a restart loads it.
    pub fn reloaded(&self) -> State {
        State::load(TENANT, self.state.position(), self.state.rows()).unwrap()
    }
}

fn conversation() -> ConversationId {
    ConversationId::new("c").unwrap()
}

fn taken(id: i64, channel: Channel) -> EventBody {
    EventBody::SlotTaken { user: UserRef::id(id), channel, conversation: conversation() }
}

fn released(id: i64) -> EventBody {
    EventBody::SlotReleased { user: Some(UserRef::id(id)), conversation: conversation() }
}

/// The id is free a day after the deletion; a late event keeps the slot in the state for longer.
#[test]
fn a_user_recreated_with_an_old_id_holds_nothing() {
    let mut scenario = Scenario::new();
    scenario.add(user(1));
    scenario.add(user(2));
    scenario.apply(10, taken(1, Channel::Chat));
    scenario.delete(1);
    scenario.hour = 1;
    scenario.apply(5, released(2));
    scenario.hour = 24;
    scenario.add(user(1));
    assert_eq!(scenario.held(1), [[0; 4]; 2], "the new user took nothing");
    scenario.apply(6, released(2));
    assert_eq!(scenario.held(1), [[0; 4]; 2], "an event of another user changes nothing");
}

#[test]
fn a_user_recreated_with_an_old_id_has_released_nothing() {
    let mut scenario = Scenario::new();
    scenario.add(user(1));
    scenario.add(user(2));
    scenario.apply(1, taken(2, Channel::Chat));
    scenario.apply(20, released(1));
    scenario.delete(1);
    scenario.hour = 24;
    scenario.add(user(1));
    scenario.apply(15, taken(1, Channel::Chat));
    assert_eq!(scenario.held(1), [[1, 0, 0, 0]; 2], "the release was of the deleted user");
}

#[test]
fn a_reassigned_external_id_is_found_after_a_restart() {
    let mut scenario = Scenario::new();
    let named = |id| UserPatch { external_id: Field::Set(String::from("x")), ..user(id) };
    scenario.add(user(1));
    scenario.add(named(2));
    scenario.delete(2);
    scenario.add(named(1));
    let find = |state: &mut State| state.publish().directory().find(&UserRef::External("x".into())).is_some();
    assert!(find(&mut scenario.state));
    assert!(find(&mut scenario.reloaded()), "the deleted user no longer has the external id");
}

/// docs/reference/events.md, "Outcomes": an event is stale if newer ones override all of its effects. Here the end of
/// the other claim is not overridden.
#[test]
fn a_late_take_that_ends_another_claim_is_applied() {
    let mut scenario = Scenario::new();
    scenario.add(user(1));
    scenario.add(user(2));
    scenario.apply(1, taken(2, Channel::Chat));
    let nothing = EventBody::SlotsSynced { user: UserRef::id(1), channel: Channel::Chat, conversations: vec![] };
    scenario.apply(20, nothing);
    assert_eq!(scenario.held(2), [[1, 0, 0, 0]; 2]);
    let outcome = scenario.apply(10, taken(1, Channel::Chat));
    assert_eq!(scenario.held(2), [[0; 4]; 2], "the earlier claim ends");
    assert_eq!(outcome, Outcome::Applied);
}

/// The archive has the version of the checkpoint; a change while it was being written must not be lost.
#[test]
fn changes_during_a_checkpoint_are_in_the_next() {
    let mut scenario = Scenario::new();
    scenario.add(user(1));
    let conversation = Uuid::from_u128(7);
    let (user, channel) = (UserRef::id(1), Medium::Chat);
    scenario.apply(1, EventBody::ConversationPushed { user, conversation, channel, project: None });
    scenario.apply(2, EventBody::ConversationClosed { conversation, reason: None });
    let begun = scenario.state.checkpoint();
    scenario.apply(1, EventBody::ConversationRouted { conversation, routing_rule: None, routing_group: None });
    scenario.hour = 24;
    scenario.add(super::generate::user(2));
    assert!(scenario.state.is_closed(conversation));
    scenario.state.checkpoint_written(begun.archived.iter().map(|listed| &listed.conversation));
    let history = |state: &mut State| state.publish().conversations().get(conversation).map(|c| c.history().len());
    assert_eq!(history(&mut scenario.state), Some(3), "the archive has a version with two");
    let next = scenario.state.checkpoint();
    assert_eq!(next.archived.len(), 1);
    scenario.state.checkpoint_written(next.archived.iter().map(|listed| &listed.conversation));
    assert_eq!(history(&mut scenario.state), None, "the archive has the newest version");
}
