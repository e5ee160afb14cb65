//! The background check: one tenant after the other, always, at a hundredth of a core at most.

use std::collections::HashSet;
use std::convert::Infallible;
use std::time::Duration;

use metrics::{counter, gauge};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::domain::TenantId;
use crate::engine::Reader;
use crate::lifecycle::Lifecycle;
use crate::query::state::newest::NewestChecks;
use crate::query::state::self_check::{Checked, check};

/// The least time from the start of one round of all tenants to the start of the next, and before the first.
const ROUND_INTERVAL: Duration = Duration::from_secs(60);
/// The least pause after a check, which bounds the checks of small tenants.
const LEAST_PAUSE: Duration = Duration::from_secs(1);
/// The pause after a check, as a multiple of its duration: a check takes at most a hundredth of the time.
const PAUSE_FACTOR: u32 = 99;

/// What checks the tenants of this server.
#[derive(Debug)]
pub struct BackgroundCheck {
    /// Copies the states.
    pub reader: Reader,
    /// Measures the checks, and the pauses between them.
    pub clock: Clock,
    /// Runs the checks, at the low priority of long work.
    pub lifecycle: Lifecycle,
    /// Where the results are kept.
    pub newest: NewestChecks,
}

impl BackgroundCheck {
    /// Checks the tenants in service in turn until `stopping` is cancelled. A check that runs then is given up.
    pub async fn run(self, stopping: CancellationToken) -> Result<(), Infallible> {
        stopping.run_until_cancelled(self.check_all()).await;
        Ok(())
    }

    async fn check_all(&self) {
        let mut round = self.clock.monotonic();
        loop {
            self.clock.sleep_until(round + ROUND_INTERVAL).await;
            round = self.clock.monotonic();
            let served: HashSet<TenantId> = self.reader.all().into_iter().map(|(tenant, _)| tenant).collect();
            self.newest.retain(&served);
            let mut tenants: Vec<TenantId> = served.into_iter().collect();
            tenants.sort_unstable();
            for tenant in tenants {
                let took = self.check(tenant).await;
                self.clock.sleep(pause(took)).await;
            }
        }
    }

    /// Checks one tenant, and returns how long the check itself took. Does nothing if there is no state to copy: a tenant
    /// that is applying a document has one after it.
    async fn check(&self, tenant: TenantId) -> Duration {
        let Ok(Some(state)) = self.reader.state(tenant).await else { return Duration::ZERO };
        let (clock, stopping) = (self.clock.clone(), self.lifecycle.stopping().clone());
        // Without a permit of the queue for long work: callers that wait there must not wait for this.
        let checking = self.lifecycle.spawn_blocking((), move || {
            let began = clock.monotonic();
            (check(state, &|| stopping.is_cancelled()), clock.monotonic().saturating_sub(began))
        });
        // Without a result it was given up, or panicked, which is logged where all panics are.
        let Ok((Some(checked), took)) = checking.await else { return Duration::ZERO };
        self.note(tenant, checked);
        took
    }

    fn note(&self, tenant: TenantId, checked: Checked) {
        let (position, differences) = (checked.position, checked.findings.differences());
        if let Some(first) = checked.findings.texts().first() {
            tracing::error!(%tenant, position, differences, first, "the self-check found differences; this is a bug");
        }
        self.newest.note(tenant, self.clock.now(), checked);
        counter!("rollcall_self_checks_total").increment(1);
        let summary = self.newest.summary();
        gauge!("rollcall_self_check_differences").set(summary.differences as f64);
        if let Some(oldest) = summary.oldest {
            gauge!("rollcall_self_check_oldest_timestamp_seconds").set(oldest.micros() as f64 / 1e6);
        }
    }
}

/// Returns the pause after a check that took this long.
fn pause(took: Duration) -> Duration {
    took.saturating_mul(PAUSE_FACTOR).max(LEAST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_takes_at_most_a_hundredth_of_the_time() {
        for millis in [0, 1, 10, 11, 1_000, 60_000] {
            let took = Duration::from_millis(millis);
            let pause = pause(took);
            assert!(pause >= LEAST_PAUSE && took * 100 <= took + pause, "{millis} ms: {pause:?}");
        }
        assert_eq!(pause(Duration::from_millis(10)), LEAST_PAUSE);
    }
}
