//! The only place that starts tasks: each is tracked, asked to stop, and waited for.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of a running service.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    tasks: TaskTracker,
    stopping: CancellationToken,
    last_stopping: CancellationToken,
    failed: Arc<AtomicBool>,
}

impl Lifecycle {
    /// Starts a task that the service cannot do without: should it fail or panic, everything stops.
    pub fn spawn<E: std::fmt::Display>(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let this = self.clone();
        drop(self.track(async move {
            // Dropped without being disarmed when the task panics.
            let mut guard = StopOnDrop { lifecycle: this, armed: true };
            match task.await {
                Ok(()) => guard.armed = false,
                Err(error) => tracing::error!(task = name, %error, "a task failed; stopping"),
            }
        }));
    }

    /// Starts a task that serves one caller; its end is nobody else's business.
    #[expect(clippy::disallowed_methods, reason = "this is where tasks are started")]
    pub fn track<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        tokio::spawn(self.tasks.track_future(task))
    }

    /// Does work that keeps a thread busy, beside the threads that the tasks share.
    pub fn block<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        self.tasks.spawn_blocking(work)
    }

    /// Asks every task to stop.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// Cancelled when the service is to stop.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Cancelled when what others depend on is to stop: after them.
    pub fn last_stopping(&self) -> &CancellationToken {
        &self.last_stopping
    }

    /// Waits for every task to end.
    pub async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Whether a task failed.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

struct StopOnDrop {
    lifecycle: Lifecycle,
    armed: bool,
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        if self.armed {
            self.lifecycle.failed.store(true, Ordering::Relaxed);
            self.lifecycle.stop();
        }
    }
}
