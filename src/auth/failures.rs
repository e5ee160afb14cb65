//! The failed log-ins of the last minutes, by network address. They decide which addresses are served first while more
//! passwords are tried than can be hashed.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Clock;

/// The time after which a failure no longer counts.
const WINDOW: Duration = Duration::from_secs(10 * 60);
/// The most failures that are remembered, some 5 MiB; the oldest are forgotten beyond it.
const MOST: usize = 100_000;

/// The failed log-ins of the last ten minutes. A clone is another handle to the same record.
#[derive(Clone, Debug)]
pub(super) struct RecentFailures {
    clock: Clock,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Monotonic time and address of each failure, oldest first.
    failures: VecDeque<Failure>,
    counts: HashMap<IpAddr, u32>,
}

#[derive(Debug)]
struct Failure {
    time: Duration,
    network: IpAddr,
}

impl RecentFailures {
    /// Makes an empty record.
    pub fn new(clock: &Clock) -> Self {
        RecentFailures { clock: clock.clone(), state: Arc::default() }
    }

    /// Counts a failed log-in from a network address, and returns the number of those in the last ten minutes.
    pub fn add(&self, network: IpAddr) -> u32 {
        let time = self.clock.monotonic();
        let mut state = self.state.lock();
        state.forget_before(time);
        state.failures.push_back(Failure { time, network });
        let count = state.counts.entry(network).or_default();
        *count += 1;
        *count
    }

    /// Returns the number of failed log-ins of a network address in the last ten minutes.
    pub fn of(&self, network: IpAddr) -> u32 {
        let mut state = self.state.lock();
        state.forget_before(self.clock.monotonic());
        state.counts.get(&network).copied().unwrap_or_default()
    }
}

impl State {
    fn forget_before(&mut self, now: Duration) {
        while self.failures.len() >= MOST || self.failures.front().is_some_and(|oldest| oldest.time + WINDOW <= now) {
            let Some(Failure { network, .. }) = self.failures.pop_front() else { return };
            let Some(count) = self.counts.get_mut(&network) else { continue };
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Time;

    #[test]
    fn each_failure_counts_for_ten_minutes() {
        let clock = Clock::manual(Time::from_micros(0));
        let failures = RecentFailures::new(&clock);
        let [home, away] = [1, 2].map(|n| IpAddr::from([192, 0, 2, n]));
        assert_eq!(failures.add(home), 1);
        clock.advance(Duration::from_secs(60));
        assert_eq!([home, away].map(|network| failures.add(network)), [2, 1]);
        assert_eq!([home, away].map(|network| failures.of(network)), [2, 1]);
        clock.advance(WINDOW - Duration::from_secs(60));
        assert_eq!([home, away].map(|network| failures.of(network)), [1, 1]);
        clock.advance(Duration::from_secs(60));
        assert_eq!([home, away].map(|network| failures.of(network)), [0, 0]);
        let state = failures.state.lock();
        assert!(state.counts.is_empty() && state.failures.is_empty());
    }
}
