//! The engine's health: reachability of the store, ownership of its lock, and the time since the state was last confirmed
//! to be current.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::watch;

use super::following::Confirmations;
use crate::clock::{Clock, millis};
use crate::domain::{Fault, TenantId};
use crate::journal::JournalError;

/// The time after a failed append in which the service is not ready, unless a later append succeeds. Without an end, a
/// service that gets no writes because it is not ready would never be ready again.
const FAILURE_PERIOD: Duration = Duration::from_secs(10);

/// The time without a confirmation from which on the service is not ready: eight times the interval at which an idle engine
/// or a follower confirms, since a single slow answer is no outage.
const UNCONFIRMED: Duration = Duration::from_secs(2);

/// The longest wait of a write for a confirmation: one second, less the time for the append and 100 ms for the response.
const CONFIRMATION_TIMEOUT: Duration = Duration::from_millis(500);

/// The time without a confirmation up to which a state that was confirmed is good enough for reads, where no server has a
/// newer one, as while PostgreSQL fails over.
const STALE: Duration = Duration::from_secs(60);

/// The time without a committed write from which on the service is not ready. The engine writes at least each second.
const UNWRITTEN: Duration = Duration::from_secs(2);

/// The interval at which a write that waits for a confirmation looks for it.
const CONFIRMATION_INTERVAL: Duration = Duration::from_millis(10);

/// The lock of a server of the store, as far as is known (decisions 67 and 117).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ownership {
    /// This process holds it.
    Held,
    /// Its session was given up or has ended.
    Unknown,
    /// Something that needs the store alone has it. Stays until this process has it again, also if the store becomes
    /// unreachable.
    Taken,
}

/// Written by the engine; read by the submitter and, through [`Reader`](super::Reader), by request handlers.
#[derive(Debug)]
pub struct Health {
    clock: Clock,
    /// The confirmed looks at the heads, on a server that follows others.
    looks: Option<Arc<Confirmations>>,
    /// Milliseconds of monotonic time at which the journal last answered.
    confirmed: AtomicU64,
    /// True while the journal does not answer and writes are rejected.
    away: watch::Sender<bool>,
    ownership: RwLock<Ownership>,
    /// Milliseconds of monotonic time of the newest failed append, 1 at least; 0 if an append succeeded since.
    failed: AtomicU64,
    /// Milliseconds of monotonic time of the newest committed write.
    written: AtomicU64,
    /// True if the newest small write was answered with an error.
    refused: AtomicBool,
    /// True from the engine's first turn until it ends.
    running: AtomicBool,
}

impl Health {
    /// Of a server with the store; with the looks at the heads of one that follows others.
    pub(super) fn new(clock: Clock, looks: Option<Arc<Confirmations>>) -> Self {
        let now = millis(clock.monotonic());
        // Until the first probe is due, a new service is ready.
        let (confirmed, written) = (AtomicU64::new(now), AtomicU64::new(now));
        let ownership = RwLock::new(Ownership::Held);
        let (away, failed) = (watch::Sender::new(false), AtomicU64::new(0));
        let (refused, running) = (AtomicBool::new(false), AtomicBool::new(false));
        Health { clock, looks, confirmed, away, ownership, failed, written, refused, running }
    }

    /// Notes that the journal answered, on the session that holds the lock, a statement that was sent at monotonic time
    /// `sent`. What the answer shows was so then: the process may have been paused before it read the answer.
    pub(super) fn confirm(&self, sent: Duration) {
        self.confirmed.fetch_max(millis(sent), Ordering::AcqRel);
        // Only on a change, since sending wakes every waiter.
        if self.is_away() {
            *self.ownership.write() = Ownership::Held;
            self.away.send_replace(false);
        }
    }

    /// Notes that the journal does not answer, or does without the lock: writes are rejected until it is confirmed.
    pub(super) fn lose(&self, ownership: Ownership) {
        *self.ownership.write() = ownership;
        self.away.send_replace(true);
    }

    /// Notes that an append was committed just now.
    pub(super) fn note_append(&self) {
        self.failed.store(0, Ordering::Release);
        self.note_write();
    }

    /// Notes that the store answers, and failed an append.
    pub(super) fn note_failed_append(&self) {
        self.failed.store(millis(self.clock.monotonic()).max(1), Ordering::Release);
    }

    /// Notes that a write was committed just now.
    pub(super) fn note_write(&self) {
        self.written.store(millis(self.clock.monotonic()), Ordering::Release);
        self.refused.store(false, Ordering::Release);
    }

    /// Notes that the store answered a small write with an error. Only the first of a series is logged.
    pub(super) fn note_refused_write(&self, error: &JournalError) {
        if !self.refused.swap(true, Ordering::AcqRel) {
            tracing::warn!(%error, "the store answers, and does not accept writes");
        }
    }

    /// Returns the time since a write was committed.
    fn write_age(&self) -> Duration {
        let now = millis(self.clock.monotonic());
        Duration::from_millis(now.saturating_sub(self.written.load(Ordering::Acquire)))
    }

    pub(super) fn set_running(&self, running: bool) {
        self.running.store(running, Ordering::Release);
    }

    /// Returns true from the engine's first turn until it ends.
    pub(super) fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    /// Returns true while the journal does not answer and writes are rejected.
    pub fn is_away(&self) -> bool {
        *self.away.borrow()
    }

    /// Returns whether this process holds the store's lock.
    pub(super) fn ownership(&self) -> Ownership {
        *self.ownership.read()
    }

    /// Returns [`Fault::Unavailable`] while another server has the store: no request is answered then.
    pub fn reject_if_taken(&self) -> Result<(), Fault> {
        if self.ownership() == Ownership::Taken { Err(Fault::Unavailable(TAKEN)) } else { Ok(()) }
    }

    /// Returns once writes are rejected; at once if they already are.
    pub(super) async fn until_away(&self) {
        let mut away = self.away.subscribe();
        // The sender is this struct's own, so waiting cannot fail.
        let _away = away.wait_for(|away| *away).await;
    }

    /// Returns the milliseconds since the journal last confirmed that every tenant's state is its newest.
    pub fn staleness_ms(&self) -> u64 {
        // Where others append, an answer of the journal alone confirms nothing.
        self.looks.as_ref().map_or_else(|| self.answer_age_ms(), |looks| looks.oldest_ms())
    }

    /// Returns the milliseconds since the journal last confirmed that a tenant's state at `position` is its newest.
    pub(super) fn staleness_of(&self, tenant: TenantId, position: u64) -> u64 {
        self.looks.as_ref().map_or_else(|| self.answer_age_ms(), |looks| looks.staleness_ms(tenant, position))
    }

    /// Waits until a server that follows others has confirmed the heads within the last two seconds: one that was paused
    /// does so in a moment.
    ///
    /// [`Fault::Unavailable`] if it does not.
    pub(super) async fn until_confirmed(&self) -> Result<(), Fault> {
        let Some(looks) = &self.looks else { return Ok(()) };
        let confirmed = async {
            while looks.unconfirmed_ms() >= millis(UNCONFIRMED) {
                tokio::time::sleep(CONFIRMATION_INTERVAL).await;
            }
        };
        let late = |_| Fault::Unavailable("the store has not confirmed the state");
        tokio::time::timeout(CONFIRMATION_TIMEOUT, confirmed).await.map_err(late)
    }

    /// Returns the milliseconds since the journal last answered.
    fn answer_age_ms(&self) -> u64 {
        // Saturating: the engine may confirm between the two readings.
        millis(self.clock.monotonic()).saturating_sub(self.confirmed.load(Ordering::Acquire))
    }

    /// Returns the reason why the service is not ready; `None` if the engine runs, holds the lock, had its state
    /// confirmed by the journal within the last two seconds, and the store committed a write within these.
    pub fn obstacle(&self) -> Option<String> {
        if let Some(reason) = self.not_serving() {
            return Some(reason);
        }
        let failed = self.failed.load(Ordering::Acquire);
        let is_failing = failed > 0 && millis(self.clock.monotonic()) < failed + millis(FAILURE_PERIOD);
        let unconfirmed = self.unconfirmed_for(UNCONFIRMED);
        // Where others append, the commit that confirms a look is refused as well.
        let is_refused = self.refused.load(Ordering::Acquire);
        if unconfirmed.is_some() && !is_refused {
            unconfirmed
        } else if unconfirmed.is_some() || is_failing || self.write_age() >= UNWRITTEN {
            Some(String::from(REFUSED))
        } else {
            None
        }
    }

    /// Returns the reason why the service should not even answer reads from an older state: it is not a server of the
    /// store, or the state was never confirmed, or not within the last minute. `None` also while the store is away.
    pub fn obstacle_to_reads(&self) -> Option<String> {
        self.not_serving().or_else(|| self.unconfirmed_for(STALE))
    }

    /// Returns the reason why this is not a server of the store; `None` if it is one, as far as is known.
    fn not_serving(&self) -> Option<String> {
        match self.ownership() {
            Ownership::Taken => Some(String::from(TAKEN)),
            Ownership::Held | Ownership::Unknown => None,
        }
    }

    /// Returns the reason why no state was confirmed within the time `limit`; `None` if one was.
    fn unconfirmed_for(&self, limit: Duration) -> Option<String> {
        let is_unknown = self.looks.as_ref().is_some_and(|looks| !looks.is_confirmed());
        let staleness_ms = self.staleness_ms();
        let is_old = !self.running.load(Ordering::Acquire) || is_unknown || staleness_ms >= millis(limit);
        is_old.then(|| format!("the store has not confirmed the state for {staleness_ms} ms"))
    }
}

/// The reason why a server is not ready whose store commits nothing.
const REFUSED: &str = "the store answers, and does not accept writes";
/// The reason with which requests are rejected while another server has the store.
const TAKEN: &str = "another server is running on this store";
