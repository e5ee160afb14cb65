//! docs/promises.md W3: the order of arrival does not matter, except among events with equal times; and a late
//! disconnect of an old session disconnects no user.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rollcall::domain::directory::Document;
use rollcall::domain::event::Surface;
use rollcall::domain::{Entry, Event, EventBody, EventId, Outcome, UserRef};
use rollcall::live::State;

use super::compare::{Compared, leases, same};
use super::generate::{History, Mix, TENANT, at, event, is_internal, journal, single_value_filters, small};
use super::histories::same_conversations;
use super::{cases, fails};

/// Applies a journal; returns the state and the rejected events.
fn play(entries: &[Entry]) -> Result<(State, BTreeSet<EventId>), TestCaseError> {
    let mut state = State::new(TENANT);
    let mut refused = BTreeSet::new();
    for entry in entries {
        let outcome = state.apply(entry).map_err(|gap| TestCaseError::fail(gap.to_string()))?;
        // Whether a take by an unknown user ends a claim depends on the order, so it counts as rejected either way.
        if matches!(outcome, Outcome::Rejected(_) | Outcome::HolderReleased(_) | Outcome::SlotOnly(_)) {
            refused.insert(entry.event.id.clone());
        }
    }
    Ok((state, refused))
}

/// Returns the initial directory of a history, and the events of sources after it.
fn sent(history: &History) -> (Document, Vec<Event>) {
    let EventBody::DirectoryUpserted { document, .. } = &history.entries[0].event.fact.body else {
        panic!("a history starts with a directory")
    };
    let mut state = State::new(TENANT);
    state.apply(&history.entries[0]).expect("it is the first");
    let view = state.publish();
    // A push to an unknown user is a contact only if it ends a claim, so its order matters; it is left out.
    let is_ordered = |event: &Event| match &event.fact.body {
        EventBody::ConversationPushed { user, .. } => view.directory().find(user).is_none(),
        _ => false,
    };
    let events = history.entries[1..].iter().map(|entry| entry.event.clone());
    let events: Vec<_> = events.filter(|event| !is_ordered(event)).collect();
    assert!(!events.iter().any(is_internal), "events of the server's own are order-dependent");
    (Document::clone(document), events)
}

/// Reorders events, and keeps the order among events with equal times.
fn permuted(events: &[Event], order: &[usize]) -> Vec<Event> {
    let mut of_time: BTreeMap<_, std::collections::VecDeque<&Event>> = BTreeMap::new();
    for event in events {
        of_time.entry(event.fact.time).or_default().push_back(event);
    }
    let next = |n: &usize| of_time.get_mut(&events[*n].fact.time)?.pop_front().cloned();
    order.iter().filter(|n| **n < events.len()).filter_map(next).collect()
}

/// Checks that two orders give the same state and the same rejected events.
fn same_result(directory: &Document, events: &[Event], again: &[Event]) -> Compared {
    // The journals span less than a day of recorded time, so that nothing is forgotten.
    let (mut one, refused) = play(&journal(directory, events))?;
    let (mut other, refused_again) = play(&journal(directory, again))?;
    indistinguishable(&mut one, &mut other, directory.users.len() as i64)?;
    prop_assert_eq!(refused, refused_again, "with a fixed directory rejections do not depend on the order");
    Ok(())
}

/// Generates a history of sources' events only, and an order of delivery.
fn shuffled() -> impl Strategy<Value = (History, Vec<usize>)> {
    let histories = prop_oneof![2 => small(Mix::FROM_SOURCES), 1 => small(Mix::CONVERSATIONS_FROM_SOURCES)];
    histories.prop_flat_map(|history| {
        let places: Vec<usize> = (0..history.entries.len() - 1).collect();
        (Just(history), Just(places).prop_shuffle())
    })
}

/// Checks that two states are the same to readers: all numbers, users, conversations and leases. The times since which
/// values are as they are depend on the order, and are left out (docs/reference/events.md, "Since when").
fn indistinguishable(one: &mut State, other: &mut State, users: i64) -> Compared {
    let (one_view, other_view) = (one.publish(), other.publish());
    same(&one_view, &other_view, &single_value_filters(users))?;
    same_conversations(&one_view, &other_view)?;
    // Leases are compared without the opening position, which depends on the order.
    let of_any_position = |state: &State| -> BTreeSet<_> {
        leases(state).into_iter().map(|(user, session, _, seconds)| (user, session, seconds)).collect()
    };
    prop_assert_eq!(of_any_position(one), of_any_position(other));
    Ok(())
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn every_order_that_keeps_equal_times_gives_the_same_state((history, order) in shuffled()) {
        let (directory, events) = sent(&history);
        let again = permuted(&events, &order);
        prop_assert_eq!(again.len(), events.len());
        same_result(&directory, &events, &again)?;
    }
}

/// The control: the property fails if events with equal times are reordered.
#[test]
fn control_reordered_equal_times_are_detected() {
    assert!(fails(100, &shuffled(), |(history, order)| {
        let (directory, events) = sent(&history);
        let again: Vec<_> = order.iter().filter_map(|n| events.get(*n).cloned()).collect();
        same_result(&directory, &events, &again)
    }));
}

/// The user of these histories.
fn ann() -> UserRef {
    UserRef::id(1)
}

fn connected(session: &str, minute: i64) -> (i64, EventBody) {
    let session = session.into();
    (
        minute,
        EventBody::DeskConnected {
            user: ann(),
            session,
            lease_seconds: None,
            device: None,
            surface: Surface::Desk,
            socket: false,
        },
    )
}

fn disconnected(session: &str, minute: i64) -> (i64, EventBody) {
    (minute, EventBody::DeskDisconnected { user: ann(), session: session.into(), opened: None })
}

/// The minute at which the user connected; the session stays open.
const NOW: i64 = 100;

/// Generates the events of a new, open session and of an old one whose disconnects are late. Both sessions may have the
/// same name, as two tabs of one browser may.
fn old_and_new() -> impl Strategy<Value = Vec<(i64, EventBody)>> {
    let old = prop::collection::vec((0..NOW, any::<bool>()), 0..5);
    let late = prop::collection::vec(0..2 * NOW, 0..5);
    (any::<bool>(), old, late).prop_flat_map(|(renamed, old, late)| {
        let new_name = if renamed { "new" } else { "old" };
        let mut story = vec![connected(new_name, NOW)];
        story.extend(
            old.into_iter()
                .map(|(minute, comes)| if comes { connected("old", minute) } else { disconnected("old", minute) }),
        );
        // A disconnect of another session may have any time; one of the same name is older than the new connection.
        story.extend(late.into_iter().map(|minute| disconnected("old", if renamed { minute } else { minute % NOW })));
        Just(story).prop_shuffle()
    })
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn late_disconnects_of_old_sessions_keep_users_connected(story in old_and_new(), hours in 0..60i64) {
        let mut story = story;
        if hours > 0 {
            // A day later a new connection could be below the floor, so it comes first; the late events change nothing
            // then.
            let is_new = |(minute, body): &(i64, EventBody)| {
                *minute == NOW && matches!(body, EventBody::DeskConnected { .. })
            };
            story.sort_by_key(|event| !is_new(event));
        }
        let events: Vec<_> = story.into_iter().enumerate().map(|(n, (minute, body))| event(n, at(minute), body)).collect();
        let directory = Document { users: vec![super::generate::user(1)], ..Document::default() };
        let mut entries = journal(&directory, &events);
        // The events may be recorded hours apart.
        for entry in &mut entries {
            entry.recorded = entry.recorded.plus_seconds(3_600 * hours * entry.seq as i64);
        }
        let (mut state, refused) = play(&entries)?;
        prop_assert_eq!(refused.len(), 0);
        let view = state.publish();
        let ix = view.directory().find(&ann()).unwrap();
        prop_assert!(view.columns(ix).has(rollcall::live::count::index::Plane::Connected), "{:?}", events);
    }
}
