//! The only place that starts tasks: each is tracked, asked to stop, and waited for.

use std::future::Future;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of a running service.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    tasks: TaskTracker,
    stopping: CancellationToken,
    last_stopping: CancellationToken,
    failed: Arc<AtomicBool>,
    /// Work that keeps cores busy takes turns, for half of them: the other half is for what is done quickly.
    turns: Arc<Semaphore>,
}

impl Default for Lifecycle {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Lifecycle {
            tasks: TaskTracker::default(),
            stopping: CancellationToken::default(),
            last_stopping: CancellationToken::default(),
            failed: Arc::default(),
            turns: Arc::new(Semaphore::new(cores.div_ceil(2))),
        }
    }
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

    /// Does work that keeps a thread busy, beside the threads that the tasks share. It keeps its turn to the end, even
    /// when nobody waits for it any more.
    pub fn block<T: Send + 'static>(
        &self,
        turn: OwnedSemaphorePermit,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        self.tasks.spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        })
    }

    /// The same when one of everybody's turns comes; nothing if it panicked.
    pub async fn block_in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let turn = self.turns.clone().acquire_owned().await.ok()?;
        self.block(turn, work).await.ok()
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn what_keeps_cores_busy_takes_turns_and_is_in_nobodys_way() {
        let lifecycle = Lifecycle::default();
        let turns = lifecycle.turns.available_permits();
        let (begun, beginnings) = mpsc::channel();
        let mut ends = Vec::new();
        let mut works = Vec::new();
        for _ in 0..=turns {
            let (begun, (end, until)) = (begun.clone(), mpsc::channel::<()>());
            ends.push(end);
            let work = move || {
                begun.send(()).unwrap();
                until.recv().unwrap_err();
            };
            let lifecycle = lifecycle.clone();
            works.push(lifecycle.clone().track(async move { lifecycle.block_in_turn(work).await }));
        }
        for _ in 0..turns {
            while beginnings.try_recv().is_err() {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(lifecycle.turns.available_permits(), 0);
        assert!(beginnings.try_recv().is_err(), "one waits for its turn");
        ends.clear();
        for work in works {
            assert_eq!(work.await.unwrap(), Some(()));
        }
        assert_eq!(lifecycle.turns.available_permits(), turns);
    }

    #[tokio::test]
    async fn work_keeps_its_turn_when_nobody_waits_and_gives_it_back_when_it_panics() {
        let lifecycle = Lifecycle::default();
        let turns = lifecycle.turns.available_permits();
        let (end, until) = mpsc::channel::<()>();
        let (begun, beginning) = mpsc::channel();
        let work = move || {
            begun.send(()).unwrap();
            until.recv().unwrap_err();
        };
        let waiting = lifecycle.clone().track({
            let lifecycle = lifecycle.clone();
            async move { lifecycle.block_in_turn(work).await }
        });
        while beginning.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        assert_eq!(lifecycle.turns.available_permits(), turns - 1);
        drop(end);
        assert_eq!(lifecycle.block_in_turn(|| -> u8 { panic!("on purpose") }).await, None);
        lifecycle.ended().await;
        assert_eq!(lifecycle.turns.available_permits(), turns);
    }
}
