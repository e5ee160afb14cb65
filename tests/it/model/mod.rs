//! Model tests: random histories are applied to `live` and to a naive reference that recounts everything
//! (docs/promises.md W2, W3, R1). `PROPTEST_CASES=5000` checks each property on 5,000 cases.

mod agreement;
mod archive;
mod boards;
mod breakdown;
mod checkpoint;
pub mod compare;
mod floors;
pub mod generate;
mod histories;
mod order;
mod outcomes;
mod quotas;
pub mod reference;
mod regressions;
mod since;
mod slices;

use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRng, TestRunner};

/// The time limit of shrinking a failed case, in milliseconds.
const SHRINK_MILLIS: u32 = 30_000;

/// Returns the configuration of a property with `usual` cases, which `PROPTEST_CASES` overrides.
fn cases(usual: u32) -> ProptestConfig {
    ProptestConfig {
        cases: usual,
        max_shrink_iters: 1 << 14,
        max_shrink_time: SHRINK_MILLIS,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Checks a property of large histories on one case for every 128 of the other properties.
fn holds_at_large<S: Strategy>(given: &S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let few = (ProptestConfig::default().cases / 128).max(1);
    if let Err(error) = TestRunner::new(cases(few)).run(given, property) {
        panic!("{error}");
    }
}

/// Returns whether a property fails within `cases` cases, which are the same in every run.
fn fails<S: Strategy>(cases: u32, given: &S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) -> bool {
    let config = ProptestConfig { max_shrink_iters: 0, ..self::cases(cases) };
    let random = TestRng::deterministic_rng(config.rng_algorithm);
    let result = TestRunner::new_with_rng(config, random).run(given, property);
    matches!(result, Err(TestError::Fail(..)))
}
