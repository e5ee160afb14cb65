//! Slices: a document that is applied in slices of any size gives the same state as one that is applied at once.

use proptest::prelude::*;
use rollcall::domain::{Entry, Outcome};
use rollcall::live::state::Step;
use rollcall::live::{Checkpoint, State};

use super::cases;
use super::compare::same;
use super::generate::{Mix, TENANT, filters, small, users_to_name};

/// Applies an entry in slices of `size` units of work; returns its outcome and the number of slices.
fn apply_in_slices(state: &mut State, entry: &Entry, size: usize) -> Result<(Outcome, usize), TestCaseError> {
    let (position, recorded) = (state.position(), state.recorded());
    let mut step = state.begin(entry, size).map_err(|gap| TestCaseError::fail(gap.to_string()))?;
    for slices in 1.. {
        match step {
            Step::Done(outcome) => {
                prop_assert!(!state.is_applying());
                return Ok((outcome, slices));
            }
            Step::More => {
                prop_assert!(state.is_applying());
                prop_assert_eq!(
                    (state.position(), state.recorded()),
                    (position, recorded),
                    "the position changes with the last slice"
                );
                step = state.resume(size);
            }
        }
    }
    unreachable!("the range is unbounded")
}

/// Sorts the parts of a checkpoint.
fn sorted(mut checkpoint: Checkpoint) -> Checkpoint {
    checkpoint.upserts.sort_by(|a, b| a.key.cmp(&b.key));
    checkpoint.deletes.sort();
    checkpoint.reopened.sort();
    checkpoint
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn slices_of_any_size_give_the_same_state(
        history in prop_oneof![small(Mix::EVERYTHING), small(Mix::TURNOVER)],
        size in prop_oneof![Just(1usize), Just(7), Just(usize::MAX)],
        filters in filters(users_to_name(4)),
        pause in 1usize..4,
    ) {
        let (mut whole, mut sliced) = (State::new(TENANT), State::new(TENANT));
        let mut most = 0;
        for (n, entry) in history.entries.iter().enumerate() {
            let outcome = whole.apply(entry).map_err(|gap| TestCaseError::fail(gap.to_string()))?;
            let (in_slices, slices) = apply_in_slices(&mut sliced, entry, size)?;
            prop_assert_eq!(outcome, in_slices, "entry {}", entry.seq);
            prop_assert_eq!(whole.digest(), sliced.digest(), "entry {}", entry.seq);
            most = most.max(slices);
            if n % pause == 0 {
                same(&whole.publish(), &sliced.publish(), &filters)?;
            }
        }
        let (one, other) = (sorted(whole.checkpoint()), sorted(sliced.checkpoint()));
        prop_assert_eq!(one.upserts, other.upserts);
        prop_assert_eq!(one.deletes, other.deletes);
        // A history begins with a document, which takes several slices of one unit.
        prop_assert!(size != 1 || most > 1);
    }
}
