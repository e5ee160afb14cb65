//! The only place that starts tasks: each is tracked, asked to stop, and waited for.

use std::future::Future;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::domain::Fault;
use crate::limits::{Budget, Budgets, FairQueue, QueueLimits, TurnKey};

/// Pieces of long work that may wait for one tenant, and for all unauthenticated callers together.
const WAITING_PER_KEY: usize = 256;
/// Pieces of long work that may wait in all.
const WAITING: usize = 4_096;

/// The tasks of a running service.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    tasks: TaskTracker,
    stopping: CancellationToken,
    last_stopping: CancellationToken,
    failed: Arc<AtomicBool>,
    cpu: FairQueue,
}

impl Default for Lifecycle {
    /// With the machine's clock and every budget.
    fn default() -> Self {
        Lifecycle::new(&Clock::system(), Budgets::default())
    }
}

/// Permits for work that keeps a core busy: half of the cores stay free for what is done quickly.
pub fn cpu_permits() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    (cores / 2).max(1)
}

impl Lifecycle {
    /// No tasks yet.
    pub fn new(clock: &Clock, budgets: Budgets) -> Self {
        let limits = QueueLimits { permits: cpu_permits(), waiting_per_key: WAITING_PER_KEY, waiting: WAITING };
        let cpu = if budgets.has(Budget::HeavyReads) {
            FairQueue::new(limits, clock)
        } else {
            FairQueue::first_come(limits.permits, clock)
        };
        Lifecycle {
            tasks: TaskTracker::default(),
            stopping: CancellationToken::default(),
            last_stopping: CancellationToken::default(),
            failed: Arc::default(),
            cpu,
        }
    }

    /// Starts a task that the service cannot do without: when it fails or panics, everything stops.
    pub fn spawn<E: std::fmt::Display>(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        drop(self.track(needed(self.clone(), name, task)));
    }

    /// Starts such a task on a thread of its own: it may keep the thread busy for milliseconds, for which others would
    /// have to wait.
    pub fn spawn_thread<E: std::fmt::Display + 'static>(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) -> std::io::Result<()> {
        let (runtime, task) = (Handle::current(), self.tasks.track_future(needed(self.clone(), name, task)));
        std::thread::Builder::new().name(name.to_owned()).spawn(move || runtime.block_on(task)).map(drop)
    }

    /// Starts a task that serves one caller: its end, however it ends, concerns only that caller.
    #[expect(clippy::disallowed_methods, reason = "this is where tasks are started")]
    pub fn track<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        tokio::spawn(self.tasks.track_future(task))
    }

    /// Does work that keeps a thread busy, beside the threads that the tasks share. The permit is held until the work
    /// is done, also when its caller went away.
    pub fn block<P: Send + 'static, T: Send + 'static>(
        &self,
        permit: P,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        self.tasks.spawn_blocking(move || {
            lower_priority();
            let done = work();
            drop(permit);
            done
        })
    }

    /// Does work that keeps a core busy, beside the threads that the tasks share, when it is the turn of `key`.
    ///
    /// [`Fault::TooMany`] or [`Fault::Unavailable`] when too much is waiting, [`Fault::Internal`] if the work panicked.
    pub async fn run_cpu_bound<T: Send + 'static>(
        &self,
        key: TurnKey,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let permit = self.cpu.enter(key).await?;
        self.block(permit, work).await.map_err(|_| Fault::Internal)
    }

    /// Does a further slice of work that [`Lifecycle::run_cpu_bound`] began, which is not refused for what is waiting.
    pub async fn continue_cpu_bound<T: Send + 'static>(
        &self,
        key: TurnKey,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let permit = self.cpu.enter_again(key).await?;
        self.block(permit, work).await.map_err(|_| Fault::Internal)
    }

    /// The queue for work that keeps a core busy.
    pub const fn cpu(&self) -> &FairQueue {
        &self.cpu
    }

    /// Asks every task to stop.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// Cancelled when the service is to stop.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Cancelled when the engine is to stop: after all that depends on it.
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

/// Runs a task that the service cannot do without, and stops everything unless it ends well.
async fn needed<E: std::fmt::Display>(
    lifecycle: Lifecycle,
    name: &'static str,
    task: impl Future<Output = Result<(), E>>,
) {
    // Dropped without being disarmed when the task panics.
    let mut guard = StopOnDrop { lifecycle, armed: true };
    match task.await {
        Ok(()) => guard.armed = false,
        Err(error) => tracing::error!(task = name, %error, "a task failed; stopping"),
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

    const KEY: TurnKey = TurnKey::Strangers;

    #[tokio::test]
    async fn at_most_half_of_the_cores_are_busy_and_the_rest_waits() {
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
            works.push(lifecycle.clone().track(async move { lifecycle.run_cpu_bound(KEY, work).await }));
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
    async fn work_holds_its_permit_without_a_caller_and_gives_it_back_when_it_panics() {
        let lifecycle = Lifecycle::default();
        let (end, until) = mpsc::channel::<()>();
        let (begun, beginning) = mpsc::channel();
        let work = move || {
            begun.send(()).unwrap();
            until.recv().unwrap_err();
        };
        let waiting = lifecycle.clone().track({
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
