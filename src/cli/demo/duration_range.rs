//! Ranges from which the simulation picks random durations.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

/// The shortest and longest duration of an activity or contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DurationRange {
    shortest_seconds: u64,
    longest_seconds: u64,
}

impl DurationRange {
    /// Makes a range from durations in seconds. `longest` must be greater than `shortest`.
    pub const fn seconds(shortest: u64, longest: u64) -> Self {
        DurationRange { shortest_seconds: shortest, longest_seconds: longest }
    }

    /// Picks a random duration, to the millisecond. The longest itself is excluded.
    pub fn pick(self, rng: &mut StdRng) -> Duration {
        Duration::from_millis(rng.random_range(self.shortest_seconds * 1_000..self.longest_seconds * 1_000))
    }
}
