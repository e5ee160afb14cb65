//! The effects that outcomes promise (docs/reference/events.md, "Outcomes").

use proptest::prelude::*;
use rollcall::domain::directory::Document;
use rollcall::domain::{Channel, Entry, Outcome};
use rollcall::live::count::index::{Columns, Plane};
use rollcall::live::state::Gap;
use rollcall::live::{State, View};

use super::archive::Archive;
use super::cases;
use super::compare::{columns, same};
use super::generate::{Mix, TENANT, journal, small, user};
use super::histories::same_conversations;

/// Returns what readers see of every user, except for whether they were ever logged in, which also a stale connection
/// sets.
fn seen(view: &View) -> Vec<(i64, [u32; 4], Vec<bool>)> {
    let planes = |columns: &Columns| {
        let of_channels = |plane: fn(Channel) -> Plane| Channel::ALL.map(|channel| columns.has(plane(channel)));
        let of_person = [Plane::Connected, Plane::Away, Plane::ExtendedAway].map(|plane| columns.has(plane));
        [&of_person[..], &of_channels(Plane::Available), &of_channels(Plane::Busy)].concat()
    };
    let people = columns(view).into_iter();
    people.map(|(id, columns)| (id, columns.current.0, planes(&columns))).collect()
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn rejected_and_stale_events_change_nothing_visible(history in prop_oneof![small(Mix::EVERYTHING), small(Mix::CONVERSATIONS)]) {
        let mut state = State::new(TENANT);
        let mut before = state.publish();
        for entry in &history.entries {
            let entry = Archive::default().mark(&state, entry);
            let outcome = state.apply(&entry).map_err(|gap| TestCaseError::fail(gap.to_string()))?;
            let after = state.publish();
            match outcome {
                Outcome::Rejected(_) => {
                    same(&before, &after, &[])?;
                    same_conversations(&before, &after)?;
                }
                Outcome::Stale => {
                    prop_assert_eq!(seen(&before), seen(&after), "stale: {}", entry.seq);
                    same_conversations(&before, &after)?;
                }
                _ => {}
            }
            before = after;
        }
    }
}

#[test]
fn an_entry_out_of_sequence_is_a_gap() {
    let mut state = State::new(TENANT);
    let entries = journal(&Document { users: vec![user(1)], ..Document::default() }, &[]);
    assert_eq!(state.apply(&Entry { seq: 2, ..entries[0].clone() }), Err(Gap { at: 0, next: 2 }));
    state.apply(&entries[0]).unwrap();
    let before = state.digest();
    assert_eq!(state.apply(&entries[0]), Err(Gap { at: 1, next: 1 }));
    assert_eq!(state.digest(), before);
}
