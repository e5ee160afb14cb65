//! Every tenant's state: entries are applied in turn and in steps, then shown, then answered.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge};

use super::caller::{Caller, EventResult};
use super::firsts::FirstOutcomes;
use super::leases::LeaseTable;
use super::views::Views;
use crate::clock::Clock;
use crate::domain::{Body, Entry, EventId, Fault, Outcome, TenantId};
use crate::live::State;
use crate::live::state::{Gap, Step};

/// Units of work that a tenant may do before the clock is looked at: some hundreds of microseconds.
const STEPS: usize = 128;

/// Why a write to a tenant in quarantine is refused.
pub(super) const OUT_OF_SERVICE: &str = "the tenant is out of service: its stored state cannot be read";

/// An entry that is in the journal and not yet in the state.
#[derive(Debug)]
pub(super) struct Placed {
    pub entry: Entry,
    /// The request and the event's place in it; `None` for events of the engine or of another server.
    pub caller: Option<(Arc<Caller>, usize)>,
    /// Monotonic time of receipt, from which a lease runs.
    pub received: Duration,
}

/// What a tenant still has to do.
#[derive(Debug, Default)]
struct Backlog {
    entries: VecDeque<Placed>,
    /// Requests whose results are all there, and which wait for a view that shows them.
    waiting: Vec<Arc<Caller>>,
    /// Whether entries were applied that no view shows.
    is_touched: bool,
}

/// The states of all tenants, and their way to readers and callers.
#[derive(Debug)]
pub(super) struct Tenants {
    /// By tenant, for checkpoints. One that is applying in part must be left alone.
    pub states: HashMap<TenantId, State>,
    backlogs: HashMap<TenantId, Backlog>,
    /// Tenants with entries to apply, the next one first.
    ring: VecDeque<TenantId>,
    firsts: FirstOutcomes,
    views: Arc<Views>,
    leases: Arc<LeaseTable>,
    clock: Clock,
}

impl Tenants {
    pub fn new(states: HashMap<TenantId, State>, views: Arc<Views>, leases: Arc<LeaseTable>, clock: Clock) -> Self {
        Tenants {
            states,
            backlogs: HashMap::new(),
            ring: VecDeque::new(),
            firsts: FirstOutcomes::default(),
            views,
            leases,
            clock,
        }
    }

    /// The position of the last entry that the state has or is to apply.
    pub fn end(&self, tenant: TenantId) -> u64 {
        let position = self.states.get(&tenant).map_or(0, State::position);
        let last = self.backlogs.get(&tenant).and_then(|backlog| backlog.entries.back());
        last.map_or(position, |placed| placed.entry.seq)
    }

    /// Whether the tenant has entries to apply: its later events wait for them.
    pub fn is_busy(&self, tenant: TenantId) -> bool {
        self.backlogs.get(&tenant).is_some_and(|backlog| !backlog.entries.is_empty())
    }

    /// Whether any tenant has entries to apply.
    pub fn are_busy(&self) -> bool {
        !self.ring.is_empty()
    }

    /// Takes an entry to apply. It must follow the last one.
    pub fn accept(&mut self, tenant: TenantId, placed: Placed) {
        let backlog = self.backlogs.entry(tenant).or_default();
        if backlog.entries.is_empty() {
            self.ring.push_back(tenant);
        }
        backlog.entries.push_back(placed);
    }

    /// Counts an event's result and notes it for the event's request.
    pub fn settle(&mut self, tenant: TenantId, caller: Option<&(Arc<Caller>, usize)>, result: EventResult) {
        counter!("rollcall_events_total", "outcome" => result.outcome.name()).increment(1);
        if let Some((caller, index)) = caller
            && caller.settle(*index, result)
        {
            self.backlogs.entry(tenant).or_default().waiting.push(caller.clone());
        }
    }

    /// The result of an event whose id was taken before.
    pub fn duplicate(&self, tenant: TenantId, id: &EventId) -> EventResult {
        EventResult { first: self.firsts.get(tenant, id), ..EventResult::unplaced(Outcome::Duplicate) }
    }

    /// Applies what waits, the tenants in turn, until `deadline` by monotonic time or to its end. A document that is
    /// applied in part stays so until the next call. Shows and answers whatever can be.
    pub fn work(&mut self, deadline: Option<Duration>) {
        while let Some(tenant) = self.ring.pop_front() {
            match self.work_on(tenant, STEPS) {
                Ok(true) => self.ring.push_back(tenant),
                Ok(false) => {}
                Err(gap) => self.quarantine(tenant, &gap.to_string()),
            }
            if deadline.is_some_and(|deadline| self.clock.monotonic() >= deadline) {
                break;
            }
        }
        self.show();
    }

    /// Applies a tenant's entries for about `steps` units; returns whether there is more.
    fn work_on(&mut self, tenant: TenantId, mut steps: usize) -> Result<bool, Gap> {
        while steps > 0 {
            let Some(backlog) = self.backlogs.get_mut(&tenant) else { return Ok(false) };
            let Some(placed) = backlog.entries.pop_front() else { return Ok(false) };
            let state = self.states.entry(tenant).or_insert_with(|| State::new(tenant));
            let is_document = matches!(placed.entry.event.fact.body, Body::DirectoryUpserted { .. });
            let step = if state.is_applying() {
                state.resume(steps)
            } else {
                // A document may take many turns in which no view is made: what came before it is shown first.
                if is_document {
                    show(&self.views, tenant, state, backlog);
                }
                match state.begin(&placed.entry, steps) {
                    Ok(step) => step,
                    Err(gap) => {
                        // Back to where quarantine finds its request.
                        backlog.entries.push_front(placed);
                        return Err(gap);
                    }
                }
            };
            let Step::Done(outcome) = step else {
                backlog.entries.push_front(placed);
                return Ok(true);
            };
            backlog.is_touched = true;
            steps = if is_document { 0 } else { steps - 1 };
            let Placed { entry, caller, received } = placed;
            self.note(tenant, &entry, received, &outcome);
            let result = EventResult { outcome, position: Some(entry.seq), first: None };
            self.settle(tenant, caller.as_ref(), result);
        }
        Ok(self.is_busy(tenant))
    }

    /// Updates the leases and the first outcomes after an entry was applied.
    fn note(&mut self, tenant: TenantId, entry: &Entry, received: Duration, outcome: &Outcome) {
        if *outcome == Outcome::Applied
            && let Some(state) = self.states.get(&tenant)
        {
            follow(&self.leases, state, tenant, &entry.event.fact.body, received);
        }
        self.firsts.note(tenant, &entry.event.id, outcome);
    }

    /// Applies an entry that was read from the journal; returns its outcome.
    pub fn replayed(&mut self, tenant: TenantId, entry: &Entry) -> Result<Outcome, Gap> {
        let state = self.states.entry(tenant).or_insert_with(|| State::new(tenant));
        let outcome = state.apply(entry)?;
        self.backlogs.entry(tenant).or_default().is_touched = true;
        self.note(tenant, entry, self.clock.monotonic(), &outcome);
        self.settle(tenant, None, EventResult::unplaced(outcome.clone()));
        Ok(outcome)
    }

    /// Publishes a view of every tenant that changed and answers the requests that are complete. A tenant in the middle
    /// of a document goes on showing the state before it.
    pub fn show(&mut self) {
        let mut idle = Vec::new();
        for (tenant, backlog) in &mut self.backlogs {
            let state = self.states.entry(*tenant).or_insert_with(|| State::new(*tenant));
            if !state.is_applying() {
                show(&self.views, *tenant, state, backlog);
            }
            if backlog.entries.is_empty() {
                idle.push(*tenant);
            }
        }
        for tenant in idle {
            self.backlogs.remove(&tenant);
        }
    }

    /// Takes a tenant out of service: its state and its journal do not fit together, and going on would give wrong
    /// numbers. The others go on.
    pub fn quarantine(&mut self, tenant: TenantId, reason: &str) {
        tracing::error!(%tenant, reason, "the tenant is out of service until the next start");
        // Before anything can return: a tenant without waiting requests counts as well.
        gauge!("rollcall_quarantined_tenants").increment(1);
        self.views.quarantine(tenant);
        self.states.remove(&tenant);
        self.ring.retain(|other| *other != tenant);
        let Some(backlog) = self.backlogs.remove(&tenant) else { return };
        let callers = backlog.entries.into_iter().filter_map(|placed| placed.caller).map(|(caller, _)| caller);
        callers.chain(backlog.waiting).for_each(|caller| caller.refuse(Fault::Unavailable(OUT_OF_SERVICE)));
    }

    /// Whether the tenant is out of service.
    pub fn is_quarantined(&self, tenant: TenantId) -> bool {
        self.views.is_quarantined(tenant)
    }

    /// Opens every session of the states in the lease table, each with one full term.
    pub fn open_leases(&self) {
        let now = self.clock.monotonic();
        for (tenant, state) in &self.states {
            for lease in state.open_sessions() {
                self.leases.open(*tenant, lease, now);
            }
        }
    }
}

/// Publishes the tenant's view if it changed, then answers the requests that waited for it.
fn show(views: &Views, tenant: TenantId, state: &mut State, backlog: &mut Backlog) {
    if std::mem::take(&mut backlog.is_touched) {
        views.tenant(tenant).publish(state.publish());
    }
    for caller in backlog.waiting.drain(..) {
        caller.answer(state.position());
    }
}

/// Lets the lease table follow an event that was applied. Sessions that a late event did not close stay open.
fn follow(leases: &LeaseTable, state: &State, tenant: TenantId, body: &Body, received: Duration) {
    match body {
        Body::DeskConnected { user, session, .. } => {
            if let Ok(lease) = state.lease(user, session) {
                leases.open(tenant, lease, received);
            }
        }
        Body::DeskDisconnected { user, session, .. } | Body::DeskLeaseExpired { user, session, .. } => {
            if state.lease(user, session).is_err()
                && let Some(user) = state.user(user)
            {
                leases.close(tenant, user, session);
            }
        }
        Body::DeskClosedAll { user } | Body::UserDeleted { user } => {
            if let Some(user) = state.remembered_user(user) {
                leases.close_user(tenant, user);
            }
        }
        _ => {}
    }
}
