//! Background tasks of tests, and waiting for a condition.

use std::future::Future;
use std::time::Duration;

use rollcall::clock::Clock;
use rollcall::lifecycle::Lifecycle;
use tokio::task::JoinHandle;

/// The default timeout of a condition: far longer than any takes, since a test machine may be busy.
pub const TIMEOUT: Duration = Duration::from_secs(15);
/// The pause between two checks of a condition.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Starts a task in the background.
pub fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    Lifecycle::default().spawn_tracked(task)
}

/// Waits until a condition holds. Panics with its description after [`TIMEOUT`].
pub async fn eventually(what: &str, condition: impl AsyncFnMut() -> bool) {
    eventually_within(TIMEOUT, what, condition).await;
}

/// Waits until a condition holds. Panics with its description after `timeout`.
pub async fn eventually_within(timeout: Duration, what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let watch = Stopwatch::start();
    while !condition().await {
        assert!(watch.elapsed() < timeout, "still not true after {timeout:?}: {what}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Measures elapsed time of the machine's clock.
pub struct Stopwatch(Clock);

impl Stopwatch {
    /// Starts measuring.
    pub fn start() -> Self {
        Stopwatch(Clock::system())
    }

    /// Returns the time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.monotonic()
    }
}
