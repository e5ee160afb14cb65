//! The live state and the naive reference agree after every prefix of random histories; controls break each rule.

use proptest::prelude::*;
use rollcall::domain::Filter;
use rollcall::live::{State, View};
use rollcall::query::state::self_check::check;

use super::archive::Archive;
use super::compare::{Compared, agree, agree_on_outcome, answers, leases, relations};
use super::generate::{History, Mix, TENANT, filters, large, small, users_to_name};
use super::histories::{agree_on_conversations, listed};
use super::reference::{Answers, Flaw, Reference};
use super::{cases, fails, holds_at_large};

fn questions() -> impl Strategy<Value = Vec<Filter>> {
    filters(users_to_name(6))
}

/// Applies a history to both, and compares them at the entries after which readers look.
fn compare(history: &History, filters: &[Filter], flaw: Option<Flaw>) -> Compared {
    let mut state = State::new(TENANT);
    let mut reference = Reference::with_flaw(TENANT, flaw);
    let mut first_look = None;
    // Without checkpoints the archive stays empty.
    let archive = Archive::default();
    for (n, entry) in history.entries.iter().enumerate() {
        let outcome = state.apply(&archive.mark(&state, entry)).map_err(|gap| TestCaseError::fail(gap.to_string()))?;
        agree_on_outcome(&outcome, reference.record(entry))?;
        if history.looks[n] || n + 1 == history.entries.len() {
            let view = state.publish();
            prop_assert_eq!(view.position(), entry.seq);
            agree(&view, &reference, filters)?;
            agree_on_conversations(&view, &reference)?;
            prop_assert_eq!(leases(&state), reference.leases());
            first_look.get_or_insert_with(|| (all_answers(&view, filters), listed(&view), view));
        }
    }
    if let Some((before, listed_before, view)) = first_look {
        prop_assert_eq!(before, all_answers(&view, filters), "a published view does not change");
        prop_assert_eq!(listed_before, listed(&view), "nor do its conversations");
    }
    Ok(())
}

fn all_answers(view: &View, filters: &[Filter]) -> Vec<Answers> {
    filters.iter().map(|filter| answers(view, filter)).collect()
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn live_and_the_reference_agree_after_every_prefix(history in small(Mix::EVERYTHING), filters in questions()) {
        compare(&history, &filters, None)?;
    }

    #[test]
    fn the_numbers_of_one_view_are_consistent(history in small(Mix::EVERYTHING), filters in questions()) {
        let mut state = State::new(TENANT);
        for (entry, look) in history.entries.iter().zip(&history.looks) {
            state.apply(entry).map_err(|gap| TestCaseError::fail(gap.to_string()))?;
            if *look {
                relations(&mut state, &filters)?;
            }
        }
        relations(&mut state, &filters)?;
    }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn a_self_check_finds_no_differences(
        history in prop_oneof![small(Mix::EVERYTHING), small(Mix::CONVERSATIONS), small(Mix::TURNOVER)],
        filters in questions(),
    ) {
        let mut state = State::new(TENANT);
        for (entry, look) in history.entries.iter().zip(&history.looks) {
            state.apply(entry).map_err(|gap| TestCaseError::fail(gap.to_string()))?;
            if *look {
                agree_with_self_check(&state)?;
                // Asked, so that counts are kept.
                let view = state.publish();
                filters.iter().for_each(|filter| drop(answers(&view, filter)));
                agree_with_self_check(&state)?;
            }
        }
        agree_with_self_check(&state)?;
    }
}

/// Checks a copy of a state, with a view of its newest position or without.
fn agree_with_self_check(state: &State) -> Compared {
    let checked = check(state.clone(), &|| false).expect("it is not given up");
    prop_assert_eq!((checked.position, checked.findings.texts()), (state.position(), &[][..]));
    Ok(())
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn live_and_the_reference_agree_about_conversations(history in small(Mix::CONVERSATIONS), filters in questions()) {
        compare(&history, &filters, None)?;
    }

    #[test]
    fn live_and_the_reference_agree_during_user_turnover(history in small(Mix::TURNOVER), filters in questions()) {
        compare(&history, &filters, None)?;
    }
}

#[test]
fn live_and_the_reference_agree_across_index_blocks() {
    let questions = filters(vec![1, 64, 8_191, 8_192, 8_193, 9_000, 9_001]);
    holds_at_large(&(large(Mix::EVERYTHING), questions), |(mut history, filters)| {
        // The reference is slow with 9,000 users, so readers look only three times.
        let every = history.looks.len() / 3 + 1;
        history.looks.iter_mut().enumerate().for_each(|(n, look)| *look = n % every == every - 1);
        compare(&history, &filters, None)
    });
}

/// The control of every rule: each is broken in turn, and some history must differ by it and agree without it.
#[test]
fn control_every_broken_rule_is_detected() {
    let given = (prop_oneof![2 => small(Mix::EVERYTHING), 1 => small(Mix::CONVERSATIONS)], questions());
    let is_detected = |flaw: Flaw| {
        fails(1_000, &given, |(history, filters)| {
            let broken = compare(&history, &filters, Some(flaw));
            if broken.is_err() && compare(&history, &filters, None).is_ok() { broken } else { Ok(()) }
        })
    };
    let undetected: Vec<_> = Flaw::ALL.into_iter().filter(|flaw| !is_detected(*flaw)).collect();
    assert_eq!(undetected, []);
}
