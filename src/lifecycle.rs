//! The only place that starts tasks. Each is tracked, cancelled on shutdown, and waited for.

use std::future::Future;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::domain::Fault;
use crate::limits::{Budget, Budgets, FairQueue, QueueLimits, TurnKey};

/// Most pieces of long work that wait for one tenant, and for all unauthenticated callers together.
const WAITING_PER_KEY: usize = 256;
/// Most pieces of long work that wait in all.
const WAITING: usize = 4_096;

/// The tasks of a running service. Clones share them.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    tasks: TaskTracker,
    stopping: CancellationToken,
    engine_stopping: CancellationToken,
    failed: Arc<AtomicBool>,
    cpu: FairQueue,
}

impl Default for Lifecycle {
    /// A lifecycle with the system clock and every budget in force.
    fn default() -> Self {
        Lifecycle::new(&Clock::system(), Budgets::default())
    }
}

/// Returns the number of permits for CPU-bound work: half of the cores, at least one. The others stay free for short
/// requests.
pub fn cpu_permits() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    (cores / 2).max(1)
}

impl Lifecycle {
    /// A lifecycle without tasks.
    pub fn new(clock: &Clock, budgets: Budgets) -> Self {
        let permits = cpu_permits();
        let limits =
            QueueLimits { permits, permits_per_key: permits, waiting_per_key: WAITING_PER_KEY, waiting: WAITING };
        let cpu = if budgets.has(Budget::HeavyReads) {
            FairQueue::new(limits, clock)
        } else {
            FairQueue::first_come(permits, clock)
        };
        Lifecycle {
            tasks: TaskTracker::default(),
            stopping: CancellationToken::default(),
            engine_stopping: CancellationToken::default(),
            failed: Arc::default(),
            cpu,
        }
    }

    /// Starts an essential task: if it fails or panics, the whole service stops.
    pub fn spawn<E: std::fmt::Display>(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let lifecycle = self.clone();
        drop(self.spawn_tracked(async move {
            // If the task panics, the guard is dropped while armed.
            let mut guard = StopOnDrop { lifecycle, armed: true };
            match task.await {
                Ok(()) => guard.armed = false,
                Err(error) => tracing::error!(task = name, %error, "a task failed; stopping"),
            }
        }));
    }

    /// Starts a task that may fail without stopping anything else, such as one that serves a single caller.
    #[expect(clippy::disallowed_methods, reason = "this is where tasks are started")]
    pub fn spawn_tracked<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        tokio::spawn(self.tasks.track_future(task))
    }

    /// Runs blocking work on the blocking pool. The permit is held until the work is done, even if the returned handle
    /// is dropped: work that has begun cannot be cancelled.
    pub fn spawn_blocking<P: Send + 'static, T: Send + 'static>(
        &self,
        permit: P,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        self.spawn_at_start(permit, move || {
            lower_priority();
            work()
        })
    }

    /// Runs blocking work on the blocking pool while the service starts, at the full priority: nothing else runs yet, and
    /// everybody waits for it. The permit is held until the work is done.
    pub fn spawn_at_start<P: Send + 'static, T: Send + 'static>(
        &self,
        permit: P,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        self.tasks.spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        })
    }

    /// Runs CPU-bound work on the blocking pool, when it is the turn of `key`.
    ///
    /// [`Fault::TooMany`] or [`Fault::Unavailable`] if too much is waiting, [`Fault::Internal`] if the work panicked.
    pub async fn run_cpu_bound<T: Send + 'static>(
        &self,
        key: TurnKey,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let permit = self.cpu.enter(key).await?;
        self.spawn_blocking(permit, work).await.map_err(|_| Fault::Internal)
    }

    /// Runs a further slice of work that [`Lifecycle::run_cpu_bound`] began. It waits for its turn but is never
    /// refused, since its response has already begun.
    pub async fn continue_cpu_bound<T: Send + 'static>(
        &self,
        key: TurnKey,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let permit = self.cpu.enter_again(key).await?;
        self.spawn_blocking(permit, work).await.map_err(|_| Fault::Internal)
    }

    /// The queue for CPU-bound work.
    pub const fn cpu(&self) -> &FairQueue {
        &self.cpu
    }

    /// Cancels [`Lifecycle::stopping`]; the engine stops later, on [`Lifecycle::engine_stopping`].
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// The token that is cancelled when the service is to stop.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// The token that is cancelled when the engine is to stop, after everything that depends on it.
    pub fn engine_stopping(&self) -> &CancellationToken {
        &self.engine_stopping
    }

    /// Waits for every task to end.
    pub async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Returns whether an essential task failed.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

/// How much less of a core the threads for long work get than the others, as a nice value: about a tenth while both want
/// it, and all of it otherwise.
#[cfg(target_os = "linux")]
const LONG_WORK_NICE: i32 = 10;

/// Lets the threads that answer everybody go first. A thread of the pool stays at the lower priority, as only a privileged
/// process may raise it again; nothing else runs there.
#[cfg(target_os = "linux")]
fn lower_priority() {
    thread_local! {
        static IS_LOWERED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }
    // On Linux the priority is the calling thread's, not the process's as POSIX has it.
    if !IS_LOWERED.replace(true)
        && let Err(error) = rustix::process::setpriority_process(None, LONG_WORK_NICE)
    {
        tracing::debug!(%error, "the priority of a thread for long work cannot be lowered");
    }
}

#[cfg(not(target_os = "linux"))]
fn lower_priority() {}

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

    const KEY: TurnKey = TurnKey::Unauthenticated;

    #[tokio::test]
    async fn cpu_bound_work_takes_at_most_half_of_the_cores() {
        let lifecycle = Lifecycle::default();
        let (begun, beginnings) = mpsc::channel();
        let mut ends = Vec::new();
        let mut works = Vec::new();
        for _ in 0..=cpu_permits() {
            let (begun, (end, until)) = (begun.clone(), mpsc::channel::<()>());
            ends.push(end);
            let work = move || {
                begun.send(()).unwrap();
                until.recv().unwrap_err();
            };
            let lifecycle = lifecycle.clone();
            works.push(lifecycle.clone().spawn_tracked(async move { lifecycle.run_cpu_bound(KEY, work).await }));
        }
        for _ in 0..cpu_permits() {
            while beginnings.try_recv().is_err() {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!((lifecycle.cpu.running(), lifecycle.cpu.waiting()), (cpu_permits(), 1));
        assert!(beginnings.try_recv().is_err(), "one waits for its turn");
        ends.clear();
        for work in works {
            assert_eq!(work.await.unwrap(), Ok(()));
        }
        assert_eq!((lifecycle.cpu.running(), lifecycle.cpu.waiting()), (0, 0));
    }

    #[tokio::test]
    async fn cancelled_work_keeps_its_permit_and_panicking_work_returns_it() {
        let lifecycle = Lifecycle::default();
        let (end, until) = mpsc::channel::<()>();
        let (begun, beginning) = mpsc::channel();
        let work = move || {
            begun.send(()).unwrap();
            until.recv().unwrap_err();
        };
        let waiting = lifecycle.clone().spawn_tracked({
            let lifecycle = lifecycle.clone();
            async move { lifecycle.run_cpu_bound(KEY, work).await }
        });
        while beginning.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        assert_eq!(lifecycle.cpu.running(), 1);
        drop(end);
        assert_eq!(lifecycle.run_cpu_bound(KEY, || -> u8 { panic!("on purpose") }).await, Err(Fault::Internal));
        lifecycle.ended().await;
        assert_eq!(lifecycle.cpu.running(), 0);
    }

    #[tokio::test]
    async fn without_the_budget_the_queue_has_no_keys() {
        let lifecycle = Lifecycle::new(&Clock::system(), Budgets::without([Budget::HeavyReads]));
        assert!(!lifecycle.cpu().is_fair() && Lifecycle::default().cpu().is_fair());
        assert_eq!(lifecycle.run_cpu_bound(KEY, || 7).await, Ok(7));
    }
}
