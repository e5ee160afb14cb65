//! Keeps heartbeats in the store: writes them, and looks there before a lease ends.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, histogram};
use tokio_util::sync::CancellationToken;

use super::super::duties::Duties;
use super::super::health::{Health, Ownership};
use super::unwritten::Unwritten;
use super::{Incarnation, LeaseTable};
use crate::clock::Clock;
use crate::store::{HeartbeatTable, Mark, Reading, StoreError};

/// The shortest time between two writes.
const WRITE_INTERVAL: Duration = Duration::from_millis(100);
/// The longest time between two writes, without heartbeats too: twice as long counts as a gap.
const RENEWAL_INTERVAL: Duration = Duration::from_millis(250);
/// The interval at which leases are looked for that ran out.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// The time after a deadline at which the session's row is read: a heartbeat that was received before it is written by
/// then, or was not acknowledged.
const SILENCE: Duration = Duration::from_millis(300);
/// The longest wait for the store.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The most signs in one statement.
const PIECE: usize = 25_000;

/// A lease that ran out here. Its session may have been heard at another server.
#[derive(Debug)]
struct Candidate {
    /// Real time at which it was found.
    found: Duration,
    of: Incarnation,
}

/// The task that writes heartbeats.
#[derive(Debug)]
pub struct Keeper {
    table: HeartbeatTable,
    leases: Arc<LeaseTable>,
    health: Arc<Health>,
    duties: Arc<Duties>,
    clock: Clock,
    /// Real time, by which the intervals go also where a test drives the clock.
    pace: Clock,
    candidates: VecDeque<Candidate>,
    /// Real time of the newest attempt to write.
    tried: Duration,
    /// Monotonic time of the newest write after a gap. Signs from before it were received in a stretch that does not count.
    after_gap: Duration,
    /// True if the newest attempt failed, which is logged once.
    is_failing: bool,
    /// True if heartbeats were not written for a while after they were.
    was_away: bool,
    /// True from the first write on.
    has_written: bool,
}

/// The parts of the engine that a [`Keeper`] uses.
pub(in crate::engine) struct KeeperParts {
    pub leases: Arc<LeaseTable>,
    pub health: Arc<Health>,
    pub duties: Arc<Duties>,
}

impl Keeper {
    pub(in crate::engine) fn new(table: HeartbeatTable, parts: KeeperParts, clock: Clock) -> Self {
        let KeeperParts { leases, health, duties } = parts;
        Keeper {
            table,
            leases,
            health,
            duties,
            clock,
            pace: Clock::system(),
            candidates: VecDeque::new(),
            tried: Duration::ZERO,
            after_gap: Duration::ZERO,
            is_failing: false,
            was_away: false,
            has_written: false,
        }
    }

    /// Runs until `stopping` is cancelled, then writes what is left.
    pub async fn run(mut self, stopping: CancellationToken) -> Result<(), Infallible> {
        let leases = self.leases.clone();
        // Without a table of heartbeats there is no keeper.
        let Some(unwritten) = leases.unwritten() else { return Ok(()) };
        loop {
            tokio::select! {
                biased;
                () = stopping.cancelled() => break,
                () = self.until_due(unwritten) => {}
            }
            self.round(unwritten).await;
        }
        // The engine may have deleted this server's row already, which is no failure then.
        self.is_failing = true;
        self.renew(unwritten).await;
        Ok(())
    }

    /// Waits for signs to write, and for at most [`LOOK_INTERVAL`] more than the pause after the last write.
    async fn until_due(&self, unwritten: &Unwritten) {
        self.pace.sleep_until(self.tried + WRITE_INTERVAL).await;
        tokio::select! {
            () = unwritten.wait() => {}
            () = self.pace.sleep(LOOK_INTERVAL) => {}
        }
    }

    /// Writes if that is due, and looks for the leases that ran out.
    async fn round(&mut self, unwritten: &Unwritten) {
        let now = self.pace.monotonic();
        // Those of another server's duty wait in their order, for the case that this one takes it over.
        if self.duties.ends_leases() {
            let found = self.leases.candidates().into_iter().map(|of| Candidate { found: now, of });
            self.candidates.extend(found);
        }
        let ripe = self.candidates.iter().take_while(|candidate| now >= candidate.found + SILENCE).count();
        if unwritten.is_empty() && ripe == 0 && now < self.tried + RENEWAL_INTERVAL {
            return;
        }
        self.tried = now;
        let Some(mark) = self.renew(unwritten).await else { return };
        // Not earlier than the clock that the ages go by, so that no lease ends early.
        let as_of = self.clock.monotonic();
        let ripe: Vec<Incarnation> = self.candidates.iter().take(ripe).map(|candidate| candidate.of.clone()).collect();
        if ripe.is_empty() {
            return;
        }
        match in_time(self.table.ages(&ripe, &mark)).await {
            Ok(ages) => {
                self.candidates.drain(..ripe.len());
                ripe.into_iter().zip(ages).for_each(|(of, age)| self.leases.judge(of, age, as_of));
                self.leases.wake();
            }
            // They stay, and are looked for again after the next write.
            Err(error) => self.note_failure(&error),
        }
    }

    /// Writes everything that waits, and renews this server's row. `None` after an error, and while heartbeats are
    /// rejected: that time must not look like one in which they were taken.
    async fn renew(&mut self, unwritten: &Unwritten) -> Option<Mark> {
        let is_taking = self.health.is_running() && self.health.ownership() == Ownership::Held;
        if !is_taking || self.clock.is_unsettled() {
            self.was_away = self.has_written;
            return None;
        }
        let (batch, sent) = (unwritten.take(), self.clock.monotonic());
        let is_manual = self.clock.is_manual();
        // The steps of a clock that a test drives are no gaps, unless heartbeats were not written meanwhile.
        let counts_gaps = !is_manual || self.was_away;
        let reading = Reading { now: is_manual.then(|| self.clock.now()), counts_gaps };
        let began = self.pace.monotonic();
        let mut newest = None;
        for signs in batch.pieces(PIECE, sent, self.after_gap) {
            match in_time(self.table.write(&signs, reading)).await {
                Ok(mark) => {
                    if mark.is_after_gap {
                        self.after_gap = self.clock.monotonic();
                    }
                    newest = Some(mark);
                }
                Err(error) => {
                    unwritten.put_back(batch);
                    self.was_away = self.has_written;
                    self.note_failure(&error);
                    return None;
                }
            }
        }
        histogram!("rollcall_heartbeat_write_seconds").record((self.pace.monotonic() - began).as_secs_f64());
        unwritten.note_written(&batch);
        (self.was_away, self.has_written) = (false, true);
        self.leases.note_renewed(sent);
        if std::mem::take(&mut self.is_failing) && newest.is_some() {
            tracing::info!("heartbeats are written again");
        }
        newest
    }

    fn note_failure(&mut self, error: &StoreError) {
        counter!("rollcall_failed_writes_total", "write" => "heartbeats").increment(1);
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::warn!(%error, "heartbeats cannot be written; they are rejected, and no lease ends");
        }
    }
}

/// The time since each session of the store was heard.
pub(in crate::engine) type StoredAges = HashMap<Incarnation, Duration>;

/// Reads the table at the start. Without it, and if it cannot be read, it is empty: every lease gets a full term.
pub(in crate::engine) async fn stored_ages(table: Option<HeartbeatTable>, clock: &Clock) -> StoredAges {
    let Some(mut table) = table else { return StoredAges::new() };
    match in_time(table.begin(clock.is_manual().then(|| clock.now()))).await {
        Ok(heard) => heard.into_iter().map(|heard| (heard.of, heard.age)).collect(),
        Err(error) => {
            tracing::warn!(%error, "the heartbeats of before cannot be read; every lease gets a full term");
            StoredAges::new()
        }
    }
}

async fn in_time<T>(asking: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(TIMEOUT, asking).await.map_err(|_| StoreError::TimedOut)?
}
