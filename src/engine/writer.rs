//! The engine's loop: append, apply, publish, answer. Events that arrive during one turn form the batch of the next, so
//! no timer delays them.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge};
use tokio_util::sync::CancellationToken;

use super::appender::{AppendResult, Appender, DraftOutcome, UnknownAppend};
use super::checkpoints::Checkpoints;
use super::health::{Health, Ownership};
use super::leases::LeaseTable;
use super::pace::{Pace, TURN_WORK};
use super::queue::{FairQueue, Item};
use super::replay::{ReplayError, replay};
use super::request::EventResult;
use super::tenants::{PendingEntry, Removals, Repeat, Tenants};
use crate::clock::Clock;
use crate::domain::event::Rejection;
use crate::domain::{Entry, Event, EventBody, EventId, Fault, Outcome, TenantId, UserRef};
use crate::journal::{Draft, Head, JournalError, Logged};
use crate::lifecycle::Lifecycle;

/// The most leases ended in one turn.
const MAX_EXPIRIES: usize = 500;
/// The time in one turn for applying entries. What is left of a document is applied in the next turn.
const APPLY_TIME: Duration = Duration::from_millis(3);
/// The pause between two attempts to reach the store.
const RETRY_BACKOFF: Duration = Duration::from_millis(100);
/// The pause before the next append after a head was locked by another session.
const LOCKED_BACKOFF: Duration = Duration::from_millis(10);
/// The interval at which an idle engine confirms the store and looks for due checkpoints.
///
/// On PostgreSQL it is also the longest time for which a lost lock goes unnoticed. A server that takes the lock over lets
/// a multiple of it pass (`TAKEOVER_PAUSE` in `src/journal/postgres.rs`).
const CONFIRM_INTERVAL: Duration = Duration::from_millis(250);

/// The events of a failed append that were found in the journal, with their positions and outcomes.
type Found = HashMap<(TenantId, EventId), (u64, Outcome)>;

/// The single writer of all tenants.
#[derive(Debug)]
pub struct Engine {
    tenants: Tenants,
    appender: Appender,
    queue: Arc<FairQueue>,
    removals: Arc<Removals>,
    leases: Arc<LeaseTable>,
    health: Arc<Health>,
    clock: Clock,
    lifecycle: Lifecycle,
    checkpoints: Checkpoints,
    /// False if turns are not bounded by their duration, as a control for measurements.
    takes_turns: bool,
    pace: Pace,
    /// Monotonic time of the newest confirmation of the store.
    confirmed_at: Duration,
    /// Monotonic time of the newest write of this server's row. `None` if another server may have removed it.
    probed_at: Option<Duration>,
    /// True from the start until wall clock and database's clock have agreed: nothing is written.
    is_unsettled: bool,
}

/// The parts of an [`Engine`].
pub(super) struct EngineParts {
    pub tenants: Tenants,
    pub appender: Appender,
    pub queue: Arc<FairQueue>,
    pub removals: Arc<Removals>,
    pub leases: Arc<LeaseTable>,
    pub health: Arc<Health>,
    pub clock: Clock,
    pub lifecycle: Lifecycle,
    pub checkpoints: Checkpoints,
    pub takes_turns: bool,
}

impl Engine {
    pub(super) fn new(parts: EngineParts) -> Self {
        let EngineParts { tenants, appender, queue, removals, leases, health, .. } = parts;
        let EngineParts { clock, lifecycle, checkpoints, takes_turns, .. } = parts;
        let (pace, confirmed_at, is_unsettled) = (Pace::default(), clock.monotonic(), clock.is_unsettled());
        Engine {
            tenants,
            appender,
            queue,
            removals,
            leases,
            health,
            clock,
            lifecycle,
            checkpoints,
            takes_turns,
            pace,
            confirmed_at,
            probed_at: None,
            is_unsettled,
        }
    }

    /// Runs until `stopping` is cancelled, then appends what is still queued, writes the last checkpoints and ends.
    pub async fn run(mut self, stopping: CancellationToken) -> Result<(), Infallible> {
        self.tenants.open_leases();
        // The states were loaded just now. The row is written before anything is served, or no server would wait for us.
        let loaded = self.clock.monotonic();
        self.probe(&stopping).await;
        self.health.confirm(loaded);
        self.health.set_running(true);
        loop {
            let confirmation = self.confirmed_at + CONFIRM_INTERVAL;
            // While the clocks are unsettled no lease ends, and one that is due would wake the engine without a pause.
            let lease = self.leases.next().filter(|_| !self.is_unsettled);
            let deadline = lease.map_or(confirmation, |next| next.min(confirmation));
            tokio::select! {
                // Stopping is checked first: if the store does not answer, each further turn takes seconds.
                biased;
                () = stopping.cancelled() => break,
                () = self.queue.wait() => {}
                () = self.removals.wait() => {}
                () = self.clock.sleep_until(deadline) => {}
                // Work left over from the last turn: `wait` returns for new events only.
                () = std::future::ready(()), if self.tenants.are_busy() || self.queue.len() > 0 => {}
            }
            self.turn(&stopping).await;
        }
        // Closed first, so that the loop below ends.
        self.queue.close();
        while self.queue.len() > 0 && self.write(&stopping).await {}
        self.tenants.apply_pending(None);
        self.checkpoints.finish(&mut self.tenants.states).await;
        self.appender.end().await;
        self.health.set_running(false);
        Ok(())
    }

    /// Runs one turn: appends and applies a bounded batch, confirms the store if that is due, and steps the
    /// checkpoints.
    async fn turn(&mut self, stopping: &CancellationToken) {
        let now = self.clock.monotonic();
        self.remove_deleted();
        self.write(stopping).await;
        // Not while stopping: a store that does not answer would delay the end by its timeout.
        if now >= self.confirmed_at + CONFIRM_INTERVAL && !stopping.is_cancelled() {
            self.confirmed_at = now;
            let sent = self.clock.monotonic();
            match self.appender.confirm().await {
                Ok(()) => {
                    self.health.confirm(sent);
                    self.settle_clocks();
                    self.probe(stopping).await;
                }
                // No append is under way, so there are no events to look for in the journal.
                Err(error) => drop(self.recover(None, &error, stopping).await),
            }
        }
        self.checkpoints.step(&mut self.tenants.states).await;
        // The engine shares its thread with handlers.
        tokio::task::yield_now().await;
    }

    /// Drops the deleted tenants.
    fn remove_deleted(&mut self) {
        for tenant in self.removals.take() {
            self.checkpoints.remove(tenant);
            // None if it was removed before: both the registry and an append may have found it deleted.
            let Some(removed) = self.tenants.remove(tenant) else { continue };
            tracing::info!(%tenant, "a tenant was deleted");
            let leases = self.leases.clone();
            // A large state takes long to drop, and this thread has other tenants' events to write.
            drop(self.lifecycle.spawn_blocking((), move || removed.release(&leases)));
        }
    }

    /// Writes this server's row if that is due, whether events are appended or not: reads alone would not show a full
    /// disk, nor a database that was made read-only.
    async fn probe(&mut self, stopping: &CancellationToken) {
        let now = self.clock.monotonic();
        if self.probed_at.is_some_and(|last| now < last + self.appender.probe_interval()) {
            return;
        }
        self.probed_at = Some(now);
        let probed = self.appender.probe().await;
        if probed.is_err() {
            counter!("rollcall_failed_writes_total", "write" => "probe").increment(1);
        }
        match probed {
            Ok(()) => self.health.note_write(),
            Err(error) if self.appender.is_reported(&error) => self.health.note_refused_write(&error),
            Err(error) => drop(self.recover(None, &error, stopping).await),
        }
    }

    /// Notes that the clocks have agreed since the start. Every lease gets a full term then, since its end could not be
    /// journalled before.
    fn settle_clocks(&mut self) {
        if self.is_unsettled && !self.clock.is_unsettled() {
            self.is_unsettled = false;
            self.leases.restart();
        }
    }

    /// Appends, applies, publishes and answers one batch: events that end expired leases, and queued events. Returns
    /// false if the engine must stop while the store is unavailable.
    async fn write(&mut self, stopping: &CancellationToken) -> bool {
        // Before the queued events: under any load the session of a silent desk must end. Not while stopping, since the
        // next start gives every lease a full term, and not before the time is certain, at which it would be recorded.
        let ends_leases = !stopping.is_cancelled() && !self.is_unsettled;
        let mut items = if ends_leases { self.expired() } else { Vec::new() };
        let tenants = &self.tenants;
        let limit = if self.takes_turns { self.pace.work } else { TURN_WORK.1 };
        items.extend(self.queue.take(limit, |tenant| tenants.is_busy(tenant)));
        gauge!("rollcall_queue_depth").set((items.len() + self.queue.len()) as f64);
        // A caller that gave up was answered that the outcome is unknown, and may have sent the events again: they are
        // not appended any more.
        items.retain(|item| item.request.as_ref().is_none_or(|(request, _)| !request.is_gone()));
        items.retain(|item| {
            // Queued before the tenant was put in quarantine or deleted.
            let rejected = self.tenants.reject_absent(item.draft.tenant);
            rejected.map_err(|fault| refuse(item, fault)).is_ok()
        });
        let (began, work) = (self.clock.monotonic(), items.iter().map(Item::work).sum());
        let is_answered = self.append(items, stopping).await;
        let until = self.takes_turns.then(|| self.clock.monotonic() + APPLY_TIME);
        self.tenants.apply_pending(until);
        self.pace.note(work, self.clock.monotonic() - began);
        is_answered
    }

    /// Makes the events that end expired leases.
    fn expired(&mut self) -> Vec<Item> {
        let mut items = Vec::new();
        for lease in self.leases.expire(MAX_EXPIRIES) {
            let user = UserRef::id(lease.user);
            let open = self.tenants.states.get(&lease.tenant).map(|state| state.lease(&user, &lease.session));
            // Skipped if another incarnation is open by now, or the session was closed meanwhile.
            if matches!(open, Some(Ok(open)) if open.opened == lease.opened) {
                let body = EventBody::DeskLeaseExpired { user, session: lease.session, opened: lease.opened };
                let event = Event::internal("rollcall:lease", self.clock.new_id(), self.clock.now(), body);
                let draft = Draft::new(lease.tenant, event);
                items.push(Item { draft, request: None, received: self.clock.monotonic() });
            }
        }
        items
    }

    /// Appends the items and adds them to their tenants' backlogs, retrying through outages of the store. Returns false
    /// if the engine must stop while the store is unavailable; the remaining requests are not answered then.
    async fn append(&mut self, mut items: Vec<Item>, stopping: &CancellationToken) -> bool {
        let mut attempts = 0;
        while !items.is_empty() {
            let (drafts, waiting): (Vec<Draft>, Vec<_>) =
                items.into_iter().map(|item| (item.draft, (item.request, item.received))).unzip();
            let sent = self.clock.monotonic();
            let mut result = self.appender.append(&drafts).await;
            // A complete append shows as much as a confirmation does.
            if result.failure.is_none() {
                self.health.confirm(sent);
            }
            match &result.failure {
                None => self.health.note_append(),
                // The store answered, and would go on to fail: confirmations alone do not show that.
                Some(error) if self.appender.is_reported(error) => self.health.note_failed_append(),
                Some(_) => {}
            }
            if result.failure.is_some() {
                counter!("rollcall_failed_writes_total", "write" => "append").increment(1);
            }
            // Entries of another server precede the placed ones, which cannot be applied without them.
            if let Err(error) = self.follow(&result.heads).await {
                result.undecide(error);
            }
            let AppendResult { outcomes, batches, failure, .. } = result;
            let rest =
                drafts.into_iter().zip(waiting).map(|(draft, (request, received))| Item { draft, request, received });
            let undecided = self.place(rest.zip(outcomes).collect()).await;
            let Some(error) = failure else { break };
            attempts += 1;
            // The store may answer and still fail each append, as a full one does: retries need a pause.
            if attempts > 1 {
                tokio::time::sleep(RETRY_BACKOFF).await;
            }
            let tenants: HashSet<TenantId> = undecided.iter().map(|item| item.draft.tenant).collect();
            let unknown = UnknownAppend { batches, tenants: tenants.into_iter().collect() };
            let Some(found) = self.recover(Some(&unknown), &error, stopping).await else { return false };
            items = self.answer_found(undecided, found);
        }
        true
    }

    /// Adds placed events to their tenants' backlogs and settles the others. Returns the undecided ones.
    async fn place(&mut self, items: Vec<(Item, DraftOutcome)>) -> Vec<Item> {
        let mut undecided = Vec::new();
        let mut busy: HashMap<TenantId, Vec<Item>> = HashMap::new();
        for (item, outcome) in items {
            let tenant = item.draft.tenant;
            if outcome == DraftOutcome::Undecided {
                undecided.push(item);
                continue;
            }
            // It may be journalled: in quarantine it is then applied by the next start at the earliest, and the outcome is
            // unknown until then.
            if let Err(fault) = self.tenants.reject_absent(tenant) {
                refuse(&item, fault);
                continue;
            }
            let settled = match outcome {
                DraftOutcome::Undecided => continue,
                DraftOutcome::Busy => {
                    busy.entry(tenant).or_default().push(item);
                    continue;
                }
                DraftOutcome::Deleted => {
                    // Another process deleted the tenant, which the registry's next poll would show as well.
                    self.tenants.end_service(tenant);
                    self.removals.add(tenant);
                    refuse(&item, Fault::CredentialInvalid);
                    continue;
                }
                DraftOutcome::Placed { seq, recorded } => {
                    let Item { draft, request, received } = item;
                    let entry = Entry { seq, recorded, event: draft.event };
                    self.tenants.accept(tenant, PendingEntry { entry, request, received });
                    continue;
                }
                DraftOutcome::Missing => {
                    tracing::error!(%tenant, "the tenant has no head in the journal: its events cannot be written");
                    refuse(&item, Fault::Unavailable("the tenant's journal is missing"));
                    continue;
                }
                DraftOutcome::Duplicate(recorded) => {
                    let repeat = Repeat { id: item.draft.event.id, recorded, request: item.request };
                    self.tenants.repeat(tenant, repeat);
                    continue;
                }
                DraftOutcome::Refused => EventResult::unplaced(Outcome::Rejected(Rejection::Unstorable)),
            };
            self.tenants.settle(tenant, item.request.as_ref(), settled);
        }
        if !busy.is_empty() {
            // The lock may be held for a while: retrying at once would only delay the other tenants.
            tokio::time::sleep(LOCKED_BACKOFF).await;
        }
        for (tenant, items) in busy {
            self.queue.put_back(tenant, items);
        }
        undecided
    }

    /// Brings tenants to the heads that an append found, so that its entries follow their states: another server may
    /// have appended entries before them. After an error some of the tenants are not brought up.
    async fn follow(&mut self, heads: &HashMap<TenantId, Head>) -> Result<(), JournalError> {
        for (tenant, head) in heads {
            if self.tenants.end(*tenant) != head.seq && !self.tenants.is_absent(*tenant) {
                tracing::warn!(%tenant, head = head.seq, "the state is not at the head of its journal");
                self.tenants.apply_pending(None);
                // The entries in memory were applied above, since they precede those to be read.
                self.bring_to(*tenant, head.seq, |_, _| {}).await?;
            }
        }
        Ok(())
    }

    /// Applies the journal's entries beyond a tenant's state, up to position `seq`, and calls `applied` with each entry
    /// and its outcome. Puts the tenant in quarantine if its entries are at fault; an error is the store's.
    async fn bring_to(
        &mut self,
        tenant: TenantId,
        seq: u64,
        mut applied: impl FnMut(&Logged, Outcome),
    ) -> Result<(), JournalError> {
        let end = self.tenants.end(tenant);
        if end == seq || self.tenants.is_absent(tenant) {
            return Ok(());
        }
        if end > seq {
            let reason = format!("the journal ends at {seq}, the state is at {end}: history was lost");
            self.tenants.quarantine(tenant, &reason);
            return Ok(());
        }
        let Self { tenants, appender, .. } = self;
        let applying = replay(&mut appender.journal, tenant, end, seq, |logged| {
            let outcome = tenants.replayed(tenant, &logged.entry)?;
            applied(&logged, outcome);
            Ok(())
        });
        match applying.await {
            Err(ReplayError::Journal(error)) if !ReplayError::is_tenants(&error) => return Err(error),
            Err(error) => self.tenants.quarantine(tenant, &error.to_string()),
            Ok(()) => {}
        }
        Ok(())
    }

    /// Settles the events that the failed append had placed after all. Returns those to be appended again.
    fn answer_found(&mut self, undecided: Vec<Item>, mut found: Found) -> Vec<Item> {
        let mut retried = Vec::new();
        for item in undecided {
            let tenant = item.draft.tenant;
            match found.remove(&(tenant, item.draft.event.id.clone())) {
                Some((seq, outcome)) => {
                    let result = EventResult { outcome, position: Some(seq), first: None };
                    self.tenants.settle(tenant, item.request.as_ref(), result);
                }
                None => retried.push(item),
            }
        }
        self.tenants.publish();
        // Events without a caller would end leases, which got another term by the recovery.
        retried.retain(|item| item.request.as_ref().is_some_and(|(request, _)| !request.is_gone()));
        retried
    }

    /// Waits until the store answers again, and brings every tenant to its head. Returns the events of a failed append
    /// that were found in the journal; `None` if the engine must stop meanwhile.
    async fn recover(
        &mut self,
        unknown: Option<&UnknownAppend>,
        error: &JournalError,
        stopping: &CancellationToken,
    ) -> Option<Found> {
        // First, so that new requests are rejected at once instead of running into their timeout.
        self.health.lose(self.appender.ownership(error));
        match unknown {
            Some(_) => tracing::warn!(%error, "an append failed; its outcome is unknown until the store is back"),
            None => tracing::warn!(%error, "the store does not answer; writes are rejected until it does"),
        }
        self.tenants.apply_pending(None);
        let mut reported = String::new();
        // Kept across attempts: an entry that an attempt applied before it failed is not read again by the next.
        let mut found = Found::new();
        let sent = loop {
            let sent = self.clock.monotonic();
            match self.catch_up(unknown, &mut found).await {
                Ok(()) => break sent,
                Err(error) => {
                    self.note_lock(&error);
                    let error = error.to_string();
                    // Each cause is logged once rather than ten times a second.
                    if error != reported {
                        tracing::warn!(%error, "waiting for the store");
                        reported = error;
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY_BACKOFF) => {}
                () = stopping.cancelled() => return None,
            }
        };
        self.probed_at = None;
        self.tenants.publish();
        self.leases.restart();
        // Last: writes are accepted again once the views are current and the leases have their full term.
        self.health.confirm(sent);
        tracing::info!(entries = found.len(), "the store is back");
        Some(found)
    }

    /// Notes after a failed attempt to recover which server may have the store's lock.
    fn note_lock(&self, error: &JournalError) {
        match (self.health.ownership(), self.appender.ownership(error)) {
            // This state is known to be behind until it is brought to the heads, whatever the store answers.
            (Ownership::Taken, _) => {}
            (_, Ownership::Taken) => {
                tracing::error!("another server has the store; requests are rejected until this one has it again");
                self.health.lose(Ownership::Taken);
            }
            (Ownership::Held, Ownership::Held) => {}
            // The lock was regained, and entries that another server may have appended are not applied yet.
            (_, Ownership::Held) => self.health.lose(Ownership::Lost),
            // No session was made: the store is away for this process, and perhaps for all.
            (_, Ownership::Lost | Ownership::Unknown) => self.health.lose(Ownership::Unknown),
        }
    }

    /// Reconnects and brings every tenant to its head. A tenant with faulty entries does not stop the others.
    async fn catch_up(&mut self, unknown: Option<&UnknownAppend>, found: &mut Found) -> Result<(), JournalError> {
        let (batches, fenced) = unknown.map_or((&[][..], &[][..]), |unknown| (&unknown.batches, &unknown.tenants));
        for (tenant, head) in self.appender.reconnect(fenced).await? {
            self.bring_to(tenant, head.seq, |logged, outcome| {
                // Entries of other batches are applied too, but no request waits for them.
                if logged.batch.is_some_and(|batch| batches.contains(&batch)) {
                    found.insert((tenant, logged.entry.event.id.clone()), (logged.entry.seq, outcome));
                }
            })
            .await?;
        }
        Ok(())
    }
}

/// Answers an event's request with a fault.
fn refuse(item: &Item, fault: Fault) {
    if let Some((request, _)) = &item.request {
        request.refuse(fault);
    }
}
