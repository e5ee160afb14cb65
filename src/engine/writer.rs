//! The engine's loop: append, apply, publish, answer. Events that arrive during one turn form the batch of the next, so
//! no timer delays them.

mod alone;
mod recovery;

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge};
use tokio_util::sync::CancellationToken;

use alone::Alone;
pub use alone::LONE_APPENDS;

use super::appender::{AppendResult, Appender, DraftOutcome, UnknownAppend};
use super::checkpoints::Checkpoints;
use super::duties::{Duties, Others};
use super::following::Links;
use super::health::Health;
use super::leases::{LeaseTable, stored_ages};
use super::pace::{Pace, TURN_WORK};
use super::queue::{FairQueue, Item};
use super::request::EventResult;
use super::tenants::{Captures, PendingEntry, Removals, Repeat, Tenants};
use crate::clock::Clock;
use crate::domain::event::Rejection;
use crate::domain::{Entry, Event, EventBody, Fault, Outcome, TenantId, UserRef};
use crate::journal::{Draft, JournalError};
use crate::lifecycle::Lifecycle;
use crate::live::State;
use crate::store::{HeartbeatTable, Store};

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

/// The single writer of all tenants.
#[derive(Debug)]
pub struct Engine {
    tenants: Tenants,
    appender: Appender,
    queue: Arc<FairQueue>,
    removals: Arc<Removals>,
    captures: Arc<Captures>,
    links: Links,
    /// Appends of tenants that others lock.
    alone: Alone,
    leases: Arc<LeaseTable>,
    /// Read once, at the start.
    heartbeats: Option<HeartbeatTable>,
    health: Arc<Health>,
    clock: Clock,
    lifecycle: Lifecycle,
    /// The store, for the checkpoint of a tenant that fell behind.
    store: Store,
    checkpoints: Checkpoints,
    duties: Arc<Duties>,
    others: Others,
    /// False if turns are not bounded by their duration, as a control for measurements.
    takes_turns: bool,
    pace: Pace,
    /// Monotonic time of the newest confirmation of the store.
    confirmed_at: Duration,
    /// Monotonic time of the newest write of this server's row. `None` if another server may have removed it.
    probed_at: Option<Duration>,
    /// True while the database's clock is known to differ from the server's: nothing is written.
    are_clocks_apart: bool,
}

/// The parts of an [`Engine`].
pub(super) struct EngineParts {
    pub tenants: Tenants,
    pub appender: Appender,
    pub queue: Arc<FairQueue>,
    pub removals: Arc<Removals>,
    pub captures: Arc<Captures>,
    pub links: Links,
    pub leases: Arc<LeaseTable>,
    pub heartbeats: Option<HeartbeatTable>,
    pub health: Arc<Health>,
    pub clock: Clock,
    pub lifecycle: Lifecycle,
    pub store: Store,
    pub checkpoints: Checkpoints,
    pub duties: Arc<Duties>,
    pub takes_turns: bool,
    pub lone_appends: usize,
}

impl Engine {
    pub(super) fn new(parts: EngineParts) -> Self {
        let EngineParts { tenants, appender, queue, removals, captures, leases, health, .. } = parts;
        let EngineParts {
            heartbeats,
            clock,
            lifecycle,
            store,
            checkpoints,
            duties,
            takes_turns,
            links,
            lone_appends,
            ..
        } = parts;
        let (pace, confirmed_at, are_clocks_apart) = (Pace::default(), clock.monotonic(), clock.is_apart());
        let others = Others::new(duties.clone());
        let alone = Alone::new(&appender.journal, &links, &clock, lone_appends);
        Engine {
            tenants,
            appender,
            queue,
            removals,
            captures,
            links,
            alone,
            leases,
            heartbeats,
            health,
            clock,
            lifecycle,
            store,
            checkpoints,
            duties,
            others,
            takes_turns,
            pace,
            confirmed_at,
            probed_at: None,
            are_clocks_apart,
        }
    }

    /// Runs until `stopping` is cancelled, then appends what is still queued, writes the last checkpoints and ends. Returns
    /// the states of all tenants.
    pub async fn run(mut self, stopping: CancellationToken) -> Result<HashMap<TenantId, State>, Infallible> {
        self.tenants.open_leases(stored_ages(self.heartbeats.take(), &self.clock).await);
        // The states were loaded just now. The row is written before anything is served, or no server would wait for us.
        let loaded = self.clock.monotonic();
        self.probe(&stopping).await;
        self.health.confirm(loaded);
        self.health.set_running(true);
        loop {
            let confirmation = self.confirmed_at + CONFIRM_INTERVAL;
            // While no lease may be ended, one that is due would wake the engine without a pause.
            let lease = self.leases.next().filter(|_| self.ends_leases());
            let deadline = lease.map_or(confirmation, |next| next.min(confirmation));
            tokio::select! {
                // Stopping is checked first: if the store does not answer, each further turn takes seconds.
                biased;
                () = stopping.cancelled() => break,
                () = self.queue.wait() => {}
                () = self.removals.wait() => {}
                () = self.captures.wait() => {}
                () = self.links.feed.wait() => {}
                () = self.alone.wait() => {}
                () = self.leases.wait() => {}
                () = self.clock.sleep_until(deadline) => {}
                // Work left over from the last turn: `wait` returns for new events only.
                () = std::future::ready(()), if self.has_work() => {}
            }
            self.turn(&stopping).await;
        }
        // Closed first, so that the loop below ends.
        self.queue.close();
        while (self.queue.len() > 0 || self.alone.is_any()) && self.write(&stopping).await {
            self.end_alone(&stopping).await;
            // What is left may all wait for an append that is under way.
            if self.alone.is_any() && !self.queue.has_any(|tenant| !self.alone.is_under_way(tenant)) {
                self.alone.wait().await;
            }
        }
        self.tenants.apply_pending(None);
        // Before the checkpoints, which may take long: what this server does for all, another one does from now on.
        let gone = self.others.claim(self.clock.monotonic()).gone;
        let is_last = self.appender.end(&gone).await;
        if is_last {
            self.reach_heads().await;
        }
        self.checkpoints.finish(&mut self.tenants.states, is_last).await;
        self.health.set_running(false);
        Ok(self.tenants.states)
    }

    /// Applies what other servers appended before they ended: the last checkpoints are to be at the heads.
    async fn reach_heads(&mut self) {
        let reached = match self.appender.heads().await {
            Ok(heads) => self.follow(&heads).await,
            Err(error) => Err(error),
        };
        if let Err(error) = reached {
            tracing::warn!(%error, "the newest entries were not read; the next start applies them");
        }
        self.tenants.apply_pending(None);
    }

    /// Runs one turn: appends and applies a bounded batch, confirms the store if that is due, and steps the
    /// checkpoints.
    async fn turn(&mut self, stopping: &CancellationToken) {
        let now = self.clock.monotonic();
        self.remove_deleted();
        self.end_alone(stopping).await;
        self.receive();
        self.write(stopping).await;
        self.tenants.answer(&self.captures);
        // Not while stopping: a store that does not answer would delay the end by its timeout.
        if now >= self.confirmed_at + CONFIRM_INTERVAL && !stopping.is_cancelled() {
            self.confirmed_at = now;
            let sent = self.clock.monotonic();
            match self.appender.confirm().await {
                Ok(()) => {
                    self.health.confirm(sent);
                    self.note_clocks();
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

    /// Returns true if the next turn has work already.
    fn has_work(&self) -> bool {
        // What has to wait for the append of a tenant alone is no work, or the engine would not rest meanwhile.
        let can_go_on = |tenant| !self.alone.is_under_way(tenant);
        self.tenants.are_busy() || self.queue.has_any(can_go_on) || self.links.feed.has_any(can_go_on)
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
        let probed = self.appender.round(&self.others.claim(now)).await;
        if probed.is_err() {
            counter!("rollcall_failed_writes_total", "write" => "probe").increment(1);
        }
        match probed {
            Ok(round) => {
                self.others.note(&round, now);
                self.links.note_others(!round.others.is_empty());
                self.health.note_write();
            }
            Err(error) if self.appender.is_reported(&error) => self.health.note_refused_write(&error),
            Err(error) => drop(self.recover(None, &error, stopping).await),
        }
    }

    /// Notes whether the clocks agree. Once they do so again, every lease gets a full term, since its end could not be
    /// journalled before.
    fn note_clocks(&mut self) {
        let were_apart = std::mem::replace(&mut self.are_clocks_apart, self.clock.is_apart());
        if were_apart && !self.are_clocks_apart {
            self.leases.restart();
        } else if self.are_clocks_apart && !were_apart {
            tracing::warn!("this server's clock and the database's differ; writes are rejected until they agree");
        }
    }

    /// Appends, applies, publishes and answers one batch: events that end expired leases, and queued events. Returns
    /// false if the engine must stop while the store is unavailable.
    async fn write(&mut self, stopping: &CancellationToken) -> bool {
        // Before the queued events: under any load the session of a silent desk must end. Not while stopping, since the
        // next start does so as well, and not before the time is certain, at which it would be recorded.
        let mut items = if self.ends_leases() && !stopping.is_cancelled() { self.expired() } else { Vec::new() };
        let tenants = &self.tenants;
        let limit = if self.takes_turns { self.pace.work } else { TURN_WORK.1 };
        let alone = &self.alone;
        items.extend(self.queue.take(limit, |tenant| tenants.is_busy(tenant) || alone.is_under_way(tenant)));
        gauge!("rollcall_queue_depth").set((items.len() + self.queue.len()) as f64);
        // A caller that gave up was answered that the outcome is unknown, and may have sent the events again: they are
        // not appended any more.
        items.retain(|item| item.request.as_ref().is_none_or(|(request, _)| !request.is_gone()));
        items.retain(|item| {
            // Queued before the tenant was put in quarantine or deleted.
            let rejected = self.tenants.reject_absent(item.draft.tenant);
            rejected.map_err(|fault| refuse(item, fault)).is_ok()
        });
        let items = self.start_alone(items, stopping);
        let (began, work) = (self.clock.monotonic(), items.iter().map(Item::work).sum());
        let is_answered = self.append(items, stopping).await;
        let until = self.takes_turns.then(|| self.clock.monotonic() + APPLY_TIME);
        self.tenants.apply_pending(until);
        self.pace.note(work, self.clock.monotonic() - began);
        is_answered
    }

    /// Returns true if this server may end leases: the time is certain, and the work is its duty.
    fn ends_leases(&self) -> bool {
        !self.are_clocks_apart && self.duties.ends_leases()
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
            let result = self.appender.append(&drafts).await;
            // A complete append shows as much as a confirmation does.
            if result.failure.is_none() {
                self.health.confirm(sent);
            }
            // The store answered, and would go on to fail: confirmations alone do not show that.
            if result.failure.as_ref().is_some_and(|error| self.appender.is_reported(error)) {
                self.health.note_failed_append();
            }
            if result.failure.is_some() {
                counter!("rollcall_failed_writes_total", "write" => "append").increment(1);
            }
            let batches = result.batches.clone();
            let rest =
                drafts.into_iter().zip(waiting).map(|(draft, (request, received))| Item { draft, request, received });
            let (undecided, failure) = self.take_result(rest.collect(), result).await;
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

    /// Takes the result of an append: adds the placed events to their tenants' backlogs, after the entries of other servers
    /// that precede them, and settles the others. Returns the undecided ones, and the error that left them so.
    async fn take_result(&mut self, items: Vec<Item>, mut result: AppendResult) -> (Vec<Item>, Option<JournalError>) {
        if result.is_untimed {
            counter!("rollcall_failed_writes_total", "write" => "clock").increment(1);
            self.note_clocks();
        } else if result.failure.is_none() {
            self.health.note_append();
        }
        // Entries of another server precede the placed ones, which cannot be applied without them.
        if let Err(error) = self.follow(&result.heads).await {
            result.undecide(error);
        }
        let AppendResult { outcomes, mut failure, .. } = result;
        let placed = |(item, outcome): (&Item, &DraftOutcome)| {
            matches!(outcome, DraftOutcome::Placed { .. }).then_some(item.draft.tenant)
        };
        self.links.announce(items.iter().zip(&outcomes).filter_map(placed));
        let undecided = self.place(items.into_iter().zip(outcomes).collect(), &mut failure).await;
        (undecided, failure)
    }

    /// Adds placed events to their tenants' backlogs and settles the others. Returns the undecided ones, and sets `failure`
    /// if entries that lie before a placed event cannot be read: it is undecided then, and found when they are.
    async fn place(&mut self, items: Vec<(Item, DraftOutcome)>, failure: &mut Option<JournalError>) -> Vec<Item> {
        let mut is_unread = false;
        let mut undecided = Vec::new();
        let mut busy: HashMap<TenantId, Vec<Item>> = HashMap::new();
        for (item, outcome) in items {
            let tenant = item.draft.tenant;
            let position = outcome.position();
            // An append of several batches leaves room for other servers' entries between them.
            if let Some(seq) = position.filter(|_| !is_unread)
                && let Err(error) = self.follow_before(tenant, seq).await
            {
                failure.get_or_insert(error);
                is_unread = true;
            }
            if outcome == DraftOutcome::Undecided || (is_unread && position.is_some()) {
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
                DraftOutcome::OtherVersion(version) => {
                    let fault = self.tenants.unsettle(tenant, version > self.apply_version());
                    refuse(&item, fault);
                    continue;
                }
                DraftOutcome::Placed { seq, recorded, batch } => {
                    self.alone.note_free(tenant);
                    let Item { draft, request, received } = item;
                    let (entry, batch) = (Entry { seq, recorded, event: draft.event }, Some(batch));
                    self.tenants.accept(tenant, PendingEntry { entry, batch, request, received: Some(received) });
                    continue;
                }
                DraftOutcome::Untimed => {
                    refuse(&item, Fault::Unavailable("this server's clock and the database's differ"));
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
        self.put_back(busy).await;
        undecided
    }

    /// Puts the events of tenants back that were left out, since their heads were locked.
    async fn put_back(&mut self, busy: HashMap<TenantId, Vec<Item>>) {
        if !busy.is_empty() && !self.alone.has_session() {
            // The lock may be held for a while: retrying at once would only delay the other tenants.
            tokio::time::sleep(LOCKED_BACKOFF).await;
        }
        for (tenant, items) in busy {
            self.alone.note_left_out(tenant);
            self.queue.put_back(tenant, items);
        }
    }
}

/// Answers an event's request with a fault.
fn refuse(item: &Item, fault: Fault) {
    if let Some((request, _)) = &item.request {
        request.refuse(fault);
    }
}
