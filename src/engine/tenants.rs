//! The states of all tenants. Entries are applied in turn and in steps, then published in views, then answered.

mod captures;
mod inbox;

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge};
use uuid::Uuid;

use super::first_outcomes::FirstOutcomes;
use super::leases::{LeaseTable, StoredAges};
use super::replay::{ReplayError, Tail};
use super::request::{EventResult, PendingRequest};
use super::views::{NEWER, OUT_OF_SERVICE, UNSETTLED, Views};
use crate::clock::Clock;
use crate::domain::{Entry, EventBody, EventId, Fault, Outcome, TenantId, Time};
use crate::journal::Logged;
use crate::live::State;
use crate::live::state::{Gap, Lease, Step};
use crate::store::Incarnation;

use captures::Capture;
pub(super) use inbox::Inbox;

/// Deleted tenants that the engine has yet to drop, from those that notice the deletion.
pub(super) type Removals = Inbox<TenantId>;
/// Requests for states.
pub(super) type Captures = Inbox<Capture>;

/// Units of work that are done for a tenant between two readings of the clock: some hundreds of microseconds.
const STEPS: usize = 128;

/// An entry that is journalled and not yet applied.
#[derive(Debug)]
pub(super) struct PendingEntry {
    pub entry: Entry,
    /// The batch that appended it, if known.
    pub batch: Option<Uuid>,
    /// The request and the event's index in it; `None` for events made by the engine.
    pub request: Option<(Arc<PendingRequest>, usize)>,
    /// Monotonic time of receipt, from which a lease runs; `None` for an entry that was read from the journal, which does not
    /// have it.
    pub received: Option<Duration>,
}

/// An event that was journalled before.
#[derive(Debug)]
pub(super) struct Repeat {
    pub id: EventId,
    /// The recorded time of the entry with this id.
    pub recorded: Time,
    /// The request and the event's index in it; `None` for events made by the engine.
    pub request: Option<(Arc<PendingRequest>, usize)>,
}

/// One tenant's pending work.
#[derive(Debug, Default)]
struct Backlog {
    /// Entries to apply, in order.
    entries: VecDeque<PendingEntry>,
    /// Repeats to answer once the entries are applied: the entry that one repeats may be among them.
    repeats: Vec<Repeat>,
    /// Requests with all their results, to be answered once a view has them.
    waiting: Vec<Arc<PendingRequest>>,
    /// True if entries were applied that no view has.
    is_touched: bool,
}

impl Backlog {
    /// Answers every request in the backlog with a fault.
    fn refuse(&self, fault: &Fault) {
        let entries = self.entries.iter().filter_map(|pending| pending.request.as_ref());
        let repeats = self.repeats.iter().filter_map(|repeat| repeat.request.as_ref());
        let requests = entries.chain(repeats).map(|(request, _)| request);
        requests.chain(&self.waiting).for_each(|request| request.refuse(fault.clone()));
    }
}

/// The parts of a deleted tenant that take long to drop.
#[derive(Debug)]
pub(super) struct RemovedTenant {
    tenant: TenantId,
    state: State,
    _backlog: Option<Backlog>,
}

impl RemovedTenant {
    /// Closes the tenant's leases and drops the rest. The time it takes grows with the tenant's sessions and users.
    pub fn release(self, leases: &LeaseTable) {
        for lease in self.state.open_sessions() {
            leases.close(self.tenant, lease.user, &lease.session);
        }
    }
}

/// The tenants of a store, as they were loaded.
#[derive(Debug, Default)]
pub struct Loaded {
    /// By tenant, each at the end of its journal.
    pub states: HashMap<TenantId, State>,
    /// The outcomes of the entries that were applied after the checkpoints.
    pub first_outcomes: FirstOutcomes,
}

impl Loaded {
    /// Publishes the view of each state.
    pub(super) fn publish(&mut self, views: &Views) {
        for (tenant, state) in &mut self.states {
            let batch = state.batch();
            views.tenant(*tenant).publish(state.publish(), batch);
        }
    }
}

/// The states of all tenants, their pending work, and the structures that follow from the states.
#[derive(Debug)]
pub(super) struct Tenants {
    /// By tenant; shared with checkpoints, which must skip a state in the middle of a document.
    pub states: HashMap<TenantId, State>,
    backlogs: HashMap<TenantId, Backlog>,
    /// Tenants with entries to apply, in the order in which they are served.
    ring: VecDeque<TenantId>,
    first_outcomes: FirstOutcomes,
    views: Arc<Views>,
    leases: Arc<LeaseTable>,
    clock: Clock,
}

impl Tenants {
    pub fn new(loaded: Loaded, views: Arc<Views>, leases: Arc<LeaseTable>, clock: Clock) -> Self {
        let Loaded { states, first_outcomes } = loaded;
        Tenants { states, backlogs: HashMap::new(), ring: VecDeque::new(), first_outcomes, views, leases, clock }
    }

    /// Returns the tenant's last entry, applied or pending.
    pub fn end(&self, tenant: TenantId) -> Tail {
        let last = self.backlogs.get(&tenant).and_then(|backlog| backlog.entries.back());
        match last {
            Some(pending) => Tail { seq: pending.entry.seq, batch: pending.batch },
            None => self.states.get(&tenant).map(Tail::of).unwrap_or_default(),
        }
    }

    /// Returns true if the tenant has entries to apply. Its queued events wait for them.
    pub fn is_busy(&self, tenant: TenantId) -> bool {
        self.backlogs.get(&tenant).is_some_and(|backlog| !backlog.entries.is_empty())
    }

    /// Returns true if any tenant has entries to apply.
    pub fn are_busy(&self) -> bool {
        !self.ring.is_empty()
    }

    /// Adds an entry to the tenant's backlog. It must follow the last one.
    pub fn accept(&mut self, tenant: TenantId, pending: PendingEntry) {
        let backlog = self.backlogs.entry(tenant).or_default();
        if backlog.entries.is_empty() {
            self.ring.push_back(tenant);
        }
        backlog.entries.push_back(pending);
    }

    /// Adds an entry that was read from the journal to the tenant's backlog, unless the backlog or the state has it.
    ///
    /// [`ReplayError::Gap`] if it does not follow, [`ReplayError::Diverged`] if the last entry is of another batch.
    pub fn accept_logged(&mut self, tenant: TenantId, logged: Logged) -> Result<(), ReplayError> {
        let Logged { entry, batch } = logged;
        let end = self.end(tenant);
        match entry.seq.cmp(&end.seq) {
            Ordering::Less => Ok(()),
            Ordering::Equal => Ok(end.check(batch)?),
            Ordering::Greater if entry.seq == end.seq + 1 => {
                self.accept(tenant, PendingEntry { entry, batch, request: None, received: None });
                Ok(())
            }
            Ordering::Greater => Err(Gap { at: end.seq, next: entry.seq }.into()),
        }
    }

    /// Replaces a tenant's state by one from a checkpoint, if that is newer or the state has entries that the store lost.
    /// Its pending entries are applied before, to answer their requests. Returns true if the state was replaced.
    pub fn replace(&mut self, tenant: TenantId, loaded: State, is_lost: bool) -> bool {
        while self.is_busy(tenant) {
            if let Err(gap) = self.work_on(tenant, usize::MAX) {
                self.quarantine(tenant, &gap.to_string());
                return false;
            }
        }
        self.ring.retain(|other| *other != tenant);
        self.answer_repeats(tenant);
        if self.is_absent(tenant) || (!is_lost && self.end(tenant).seq >= loaded.position()) {
            return false;
        }
        let of = |lease: &Lease| (lease.user, lease.session.clone(), lease.opened);
        let before = self.states.get(&tenant).map(State::open_sessions).unwrap_or_default();
        let mut known: HashSet<_> = before.iter().map(of).collect();
        let sessions = loaded.open_sessions();
        // By its name: a session that was opened again has replaced the one before in the table.
        let open: HashSet<_> = sessions.iter().map(|lease| (lease.user, lease.session.clone())).collect();
        for lease in sessions {
            if !known.remove(&of(&lease)) {
                self.leases.follow(tenant, lease);
            }
        }
        let ended = known.into_iter().filter(|(user, session, _)| !open.contains(&(*user, session.clone())));
        ended.for_each(|(user, session, _)| self.leases.close(tenant, user, &session));
        self.first_outcomes.begin(tenant, loaded.recorded());
        self.states.insert(tenant, loaded);
        self.backlogs.entry(tenant).or_default().is_touched = true;
        true
    }

    /// Counts an event's result and records it with the event's request. The last result of a request makes it wait for
    /// the next view.
    pub fn settle(&mut self, tenant: TenantId, request: Option<&(Arc<PendingRequest>, usize)>, result: EventResult) {
        counter!("rollcall_events_total", "outcome" => result.outcome.name()).increment(1);
        if let Some((request, index)) = request
            && request.settle(*index, result)
        {
            self.backlogs.entry(tenant).or_default().waiting.push(request.clone());
        }
    }

    /// Answers a repeated event, or adds it to the backlog if entries are still to be applied.
    pub fn repeat(&mut self, tenant: TenantId, repeat: Repeat) {
        if self.is_busy(tenant) {
            self.backlogs.entry(tenant).or_default().repeats.push(repeat);
            return;
        }
        let Repeat { id, recorded, request } = repeat;
        let first = self.first_outcomes.get(tenant, &id, recorded);
        self.settle(tenant, request.as_ref(), EventResult { first, ..EventResult::unplaced(Outcome::Duplicate) });
    }

    /// Answers the repeats of a tenant whose entries are all applied.
    fn answer_repeats(&mut self, tenant: TenantId) {
        let Some(backlog) = self.backlogs.get_mut(&tenant) else { return };
        for repeat in std::mem::take(&mut backlog.repeats) {
            self.repeat(tenant, repeat);
        }
    }

    /// Applies pending entries, serving the tenants in turn, until `deadline` by monotonic time or until none are left.
    /// A document may be left half applied until the next call. Then publishes views and answers requests.
    pub fn apply_pending(&mut self, deadline: Option<Duration>) {
        while let Some(tenant) = self.ring.pop_front() {
            match self.work_on(tenant, STEPS) {
                Ok(true) => self.ring.push_back(tenant),
                Ok(false) => self.answer_repeats(tenant),
                Err(gap) => self.quarantine(tenant, &gap.to_string()),
            }
            // Checked after some work, so that every call makes progress.
            if deadline.is_some_and(|deadline| self.clock.monotonic() >= deadline) {
                break;
            }
        }
        self.publish();
    }

    /// Applies a tenant's entries for about `steps` units of work. Returns true if more are left.
    ///
    /// [`Gap`] if an entry does not follow the state.
    fn work_on(&mut self, tenant: TenantId, mut steps: usize) -> Result<bool, Gap> {
        while steps > 0 {
            let Some(backlog) = self.backlogs.get_mut(&tenant) else { return Ok(false) };
            let Some(pending) = backlog.entries.pop_front() else { return Ok(false) };
            let state = self.states.entry(tenant).or_insert_with(|| State::new(tenant));
            let is_document = matches!(pending.entry.event.fact.body, EventBody::DirectoryUpserted { .. });
            let step = if state.is_applying() {
                state.resume(steps)
            } else {
                // A document may take many turns, during which no view is published: earlier entries are published
                // first.
                if is_document {
                    publish(&self.views, tenant, state, backlog);
                }
                match state.begin(&pending.entry, steps) {
                    Ok(step) => step,
                    Err(gap) => {
                        // Put back, so that quarantine answers its request.
                        backlog.entries.push_front(pending);
                        return Err(gap);
                    }
                }
            };
            let Step::Done(outcome) = step else {
                backlog.entries.push_front(pending);
                return Ok(true);
            };
            backlog.is_touched = true;
            // A document ends the tenant's turn, whatever is left of the steps.
            steps = if is_document { 0 } else { steps - 1 };
            let PendingEntry { entry, batch, request, received } = pending;
            state.set_batch(batch);
            self.note(tenant, &entry, received, &outcome);
            let result = EventResult { outcome, position: Some(entry.seq), first: None };
            self.settle(tenant, request.as_ref(), result);
        }
        Ok(self.is_busy(tenant))
    }

    /// Updates the leases and the first outcomes after an entry was applied. `received` is the monotonic time of receipt,
    /// from which a lease runs; `None` for an entry that was read from the journal, which does not have it.
    fn note(&mut self, tenant: TenantId, entry: &Entry, received: Option<Duration>, outcome: &Outcome) {
        if *outcome == Outcome::Applied
            && let Some(state) = self.states.get(&tenant)
        {
            follow(&self.leases, state, tenant, &entry.event.fact.body, received);
        }
        self.first_outcomes.note(tenant, entry, outcome);
    }

    /// Applies an entry that was read from the journal. Returns its outcome.
    ///
    /// [`Gap`] if the entry does not follow the state.
    pub fn replayed(&mut self, tenant: TenantId, logged: &Logged) -> Result<Outcome, Gap> {
        let (entry, batch) = (&logged.entry, logged.batch);
        let state = self.states.entry(tenant).or_insert_with(|| State::new(tenant));
        let outcome = state.apply(entry)?;
        state.set_batch(batch);
        self.backlogs.entry(tenant).or_default().is_touched = true;
        self.note(tenant, entry, None, &outcome);
        // Only counted here: the request of a found event is settled by the engine's recovery.
        self.settle(tenant, None, EventResult::unplaced(outcome.clone()));
        Ok(outcome)
    }

    /// Publishes a view of every changed tenant and answers the complete requests. A tenant in the middle of a document
    /// keeps the view from before it.
    pub fn publish(&mut self) {
        let mut idle = Vec::new();
        for (tenant, backlog) in &mut self.backlogs {
            // A tenant without any journalled entry has no state, but may have rejected events to answer.
            let state = self.states.entry(*tenant).or_insert_with(|| State::new(*tenant));
            if !state.is_applying() {
                publish(&self.views, *tenant, state, backlog);
            }
            if backlog.entries.is_empty() {
                idle.push(*tenant);
            }
        }
        for tenant in idle {
            self.backlogs.remove(&tenant);
        }
    }

    /// Answers the requests for states. A tenant in the middle of a document is answered after it.
    pub fn answer(&mut self, captures: &Captures) {
        let mut later = Vec::new();
        for capture in captures.take() {
            match self.states.get_mut(&capture.tenant) {
                Some(state) if state.is_applying() => later.push(capture),
                // Fails if the request was given up.
                Some(state) => drop(capture.reply.send(state.frozen())),
                None => {}
            }
        }
        captures.put_back(later);
    }

    /// Takes a tenant out of service until the next start: its state and journal contradict each other, and serving it
    /// would return wrong numbers. Other tenants are not affected.
    pub fn quarantine(&mut self, tenant: TenantId, reason: &str) {
        if !self.views.is_absent(tenant) {
            tracing::error!(%tenant, reason, "the tenant is out of service until the next start");
            gauge!("rollcall_quarantined_tenants").increment(1);
        }
        self.views.quarantine(tenant);
        self.drop_state(tenant, OUT_OF_SERVICE);
    }

    /// Takes a tenant out of service whose entries are of another apply version, newer than ours or older. Returns the fault
    /// of requests to it.
    pub fn unsettle(&mut self, tenant: TenantId, is_newer: bool) -> Fault {
        if self.views.unsettle(tenant, is_newer) {
            tracing::error!(%tenant, is_newer, "the tenant is of another release; it is out of service");
            self.measure_unsettled();
        }
        let reason = if is_newer { NEWER } else { UNSETTLED };
        self.drop_state(tenant, reason);
        Fault::Unavailable(reason)
    }

    /// Puts a tenant into service that an older release has settled, with the state of its checkpoint; into quarantine if
    /// that cannot be loaded, for this reason.
    pub fn take_over(&mut self, tenant: TenantId, loaded: Result<State, String>) {
        if !self.views.settle(tenant) {
            return;
        }
        self.measure_unsettled();
        match loaded {
            Ok(state) => {
                tracing::info!(%tenant, position = state.position(), "a tenant of an older release was taken over");
                self.replace(tenant, state, true);
                self.publish();
            }
            Err(reason) => self.quarantine(tenant, &reason),
        }
    }

    fn measure_unsettled(&self) {
        gauge!("rollcall_unsettled_tenants").set(self.views.of_other_versions() as f64);
    }

    /// Drops the state of a tenant that is out of service, and rejects its pending requests.
    fn drop_state(&mut self, tenant: TenantId, reason: &'static str) {
        self.states.remove(&tenant);
        self.ring.retain(|other| *other != tenant);
        let Some(backlog) = self.backlogs.remove(&tenant) else { return };
        backlog.refuse(&Fault::Unavailable(reason));
    }

    /// Ends the service of a deleted tenant, which [`Tenants::remove`] then removes.
    pub fn end_service(&self, tenant: TenantId) {
        self.views.delete(tenant);
    }

    /// Removes a deleted tenant and rejects its pending requests. The rest of it is returned, to be released where that
    /// delays no other tenant; `None` if it has no state, as before its first entry.
    pub fn remove(&mut self, tenant: TenantId) -> Option<RemovedTenant> {
        // Again: an entry that was placed before the deletion may have been published after it.
        self.end_service(tenant);
        self.measure_unsettled();
        self.ring.retain(|other| *other != tenant);
        self.first_outcomes.remove(tenant);
        let (state, backlog) = (self.states.remove(&tenant), self.backlogs.remove(&tenant));
        if let Some(backlog) = &backlog {
            backlog.refuse(&Fault::CredentialInvalid);
        }
        Some(RemovedTenant { tenant, state: state?, _backlog: backlog })
    }

    /// Returns true if the tenant is in quarantine or was deleted.
    pub fn is_absent(&self, tenant: TenantId) -> bool {
        self.views.is_absent(tenant)
    }

    /// Rejects requests to a tenant that is not served, as [`Views::reject_absent`] does.
    pub fn reject_absent(&self, tenant: TenantId) -> Result<(), Fault> {
        self.views.reject_absent(tenant)
    }

    /// Opens every open session of the states in the lease table, with what is left of its lease by the store, else with a
    /// full term. What the store has of other sessions is deleted, since they ended; unless another server may have opened
    /// them by an entry that the state does not have yet.
    pub fn open_leases(&self, mut ages: StoredAges) {
        for (tenant, state) in &self.states {
            for lease in state.open_sessions() {
                let (session, opened) = (lease.session.clone(), lease.opened);
                let age = ages.remove(&Incarnation { tenant: *tenant, user: lease.user, session, opened });
                self.leases.resume(*tenant, lease, age);
            }
        }
        let is_older =
            |of: &Incarnation| self.states.get(&of.tenant).is_some_and(|state| of.opened <= state.position());
        ages.into_keys().filter(is_older).for_each(|ended| self.leases.forget(ended));
    }
}

/// Publishes the tenant's view if it changed, then answers the requests that wait for it.
fn publish(views: &Views, tenant: TenantId, state: &mut State, backlog: &mut Backlog) {
    if std::mem::take(&mut backlog.is_touched) {
        let batch = state.batch();
        views.tenant(tenant).publish(state.publish(), batch);
    }
    // After the view is stored: a client that reads at once finds what it wrote.
    for request in backlog.waiting.drain(..) {
        request.answer(state.position());
    }
}

/// Updates the lease table after an event was applied. Sessions that a late event did not close stay open.
fn follow(leases: &LeaseTable, state: &State, tenant: TenantId, body: &EventBody, received: Option<Duration>) {
    match body {
        EventBody::DeskConnected { user, session, .. } => match (state.lease(user, session), received) {
            (Ok(lease), Some(received)) => leases.open(tenant, lease, received),
            (Ok(lease), None) => leases.follow(tenant, lease),
            (Err(_), _) => {}
        },
        EventBody::DeskDisconnected { user, session, .. } | EventBody::DeskLeaseExpired { user, session, .. } => {
            if state.lease(user, session).is_err()
                && let Some(user) = state.user(user)
            {
                leases.close(tenant, user, session);
            }
        }
        EventBody::DeskClosedAll { user } | EventBody::UserDeleted { user } => {
            // A user that was deleted by this very event is only remembered.
            if let Some(user) = state.remembered_user(user) {
                leases.close_user(tenant, user);
            }
        }
        _ => {}
    }
}
