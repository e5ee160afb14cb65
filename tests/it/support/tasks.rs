//! Tasks beside a test, and waiting for what must come to pass.

use std::future::Future;
use std::time::Duration;

use rollcall::clock::Clock;
use rollcall::lifecycle::Lifecycle;
use tokio::task::JoinHandle;

/// How long what must come to pass may take: far longer than it does, since a test machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// Starts something beside the test.
pub fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    Lifecycle::default().track(task)
}

/// Looks until it is so; panics with what was waited for when it does not come to pass.
pub async fn eventually(what: &str, is_so: impl AsyncFnMut() -> bool) {
    eventually_within(PATIENCE, what, is_so).await;
}

/// The same with another patience.
pub async fn eventually_within(patience: Duration, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let watch = Stopwatch::start();
    while !is_so().await {
        assert!(watch.elapsed() < patience, "waited in vain: {what}");
        tokio::time::sleep(LOOK).await;
    }
}

/// Measures time as it passes.
pub struct Stopwatch(Clock);

impl Stopwatch {
    /// From now on.
    pub fn start() -> Self {
        Stopwatch(Clock::system())
    }

    /// Since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.monotonic()
    }
}
