//! The engine's loop. Durable, then visible, then acknowledged; load makes the batches, no timer does.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge, histogram};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::checkpoints::Checkpoints;
use super::finality;
use super::health::Health;
use super::leases::Leases;
use super::published::Published;
use super::submit::{Receipt, Submission, draft};
use crate::clock::Clock;
use crate::domain::event::Rejection;
use crate::domain::{Body, Entry, Event, EventId, Outcome, TenantId, Time, UserRef};
use crate::journal::{Draft, Journal, JournalError};
use crate::live::State;
use crate::live::state::Gap;

/// Events of one transaction, unless a single request brings more.
const MAX_BATCH: usize = 4_096;
/// Bytes of one transaction, likewise.
const MAX_BATCH_BYTES: usize = 16 * 1024 * 1024;
/// Leases ended in one transaction.
const MAX_EXPIRIES: usize = 1_000;
/// How long the journal may take for an append; a megabyte more may take a second more.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two attempts to reach a store that is away.
const BACKOFF: Duration = Duration::from_millis(100);
/// How often an idle engine makes sure that its store is there, and looks whether a checkpoint is due.
const PULSE: Duration = Duration::from_millis(500);
/// Entries read at once when catching up.
const TAIL: u32 = 10_000;

/// Why the engine cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The journal and the state do not fit together.
    #[error(transparent)]
    Gap(#[from] Gap),
    /// The journal holds what this release cannot read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What a store that came back was found to hold of the batch at hand.
type Found = HashMap<(TenantId, EventId), (u64, Outcome)>;

/// The one writer of all tenants.
pub struct Engine {
    states: HashMap<TenantId, State>,
    journal: Journal,
    queue: mpsc::Receiver<Submission>,
    published: Arc<Published>,
    health: Arc<Health>,
    clock: Clock,
    leases: Leases,
    checkpoints: Checkpoints,
    /// When the newest batch was recorded: recorded time never goes back.
    recorded: Time,
    pulse: Duration,
}

impl Engine {
    pub(super) fn new(
        states: HashMap<TenantId, State>,
        journal: Journal,
        queue: mpsc::Receiver<Submission>,
        published: Arc<Published>,
        health: Arc<Health>,
        clock: Clock,
        checkpoints: Checkpoints,
    ) -> Self {
        let recorded = states.values().map(State::recorded).max().unwrap_or(Time::NEVER);
        Engine {
            states,
            journal,
            queue,
            published,
            health,
            leases: Leases::default(),
            checkpoints,
            recorded,
            pulse: clock.monotonic(),
            clock,
        }
    }

    /// Runs until `stopping` is cancelled, then takes what is still queued, writes a last checkpoint and ends.
    pub async fn run(mut self, stopping: CancellationToken) -> Result<(), EngineError> {
        self.start_leases();
        self.health.confirm();
        self.health.set_running(true);
        loop {
            let deadline = self.leases.next().map_or(self.pulse + PULSE, |next| next.min(self.pulse + PULSE));
            let first = tokio::select! {
                // First of all: a store that does not answer would make each further turn take seconds.
                biased;
                () = stopping.cancelled() => break,
                first = self.queue.recv() => first,
                () = self.clock.sleep_until(deadline) => None,
            };
            self.turn(first, &stopping).await?;
        }
        self.queue.close();
        while let Some(first) = self.queue.recv().await {
            let batch = self.drain(Some(first));
            self.commit(batch, &stopping).await?;
        }
        self.checkpoints.finish(&mut self.states).await;
        self.health.set_running(false);
        Ok(())
    }

    async fn turn(&mut self, first: Option<Submission>, stopping: &CancellationToken) -> Result<(), EngineError> {
        // Read before the queue is drained: a heartbeat that came before its lease ran out is then among the drained.
        let now = self.clock.monotonic();
        let batch = self.drain(first);
        let drained = batch.len() < MAX_BATCH && self.queue.is_empty();
        gauge!("rollcall_queue_depth").set((batch.len() + self.queue.len()) as f64);
        self.commit(batch, stopping).await?;
        if drained {
            self.expire_leases(now, stopping).await?;
        }
        if now >= self.pulse + PULSE && !stopping.is_cancelled() {
            self.pulse = now;
            self.confirm(stopping).await?;
        }
        self.checkpoints.step(&mut self.states).await;
        Ok(())
    }

    /// What is queued now, within the bounds of a batch.
    fn drain(&mut self, first: Option<Submission>) -> Vec<Submission> {
        let mut batch = Vec::new();
        let (mut events, mut bytes) = (0, 0);
        let mut next = first.or_else(|| self.queue.try_recv().ok());
        while let Some(submission) = next {
            events += submission.drafts.len();
            bytes += submission.drafts.iter().map(|draft| draft.json.len()).sum::<usize>();
            batch.push(submission);
            let has_room = events < MAX_BATCH && bytes < MAX_BATCH_BYTES;
            next = if has_room { self.queue.try_recv().ok() } else { None };
        }
        batch
    }

    async fn commit(&mut self, mut batch: Vec<Submission>, stopping: &CancellationToken) -> Result<(), EngineError> {
        let mut attempt = 0;
        loop {
            // Whoever stopped waiting was told that the outcome is unknown, and may have sent the events again.
            batch.retain(|submission| !submission.reply.is_closed());
            if batch.is_empty() {
                return Ok(());
            }
            let recorded = self.clock.now().max(self.recorded);
            match self.place(&mut batch, recorded).await {
                Ok(placed) => {
                    self.recorded = recorded;
                    return self.answer(batch, placed, recorded);
                }
                Err(error) => {
                    attempt += 1;
                    tracing::warn!(%error, attempt, "an append failed; its outcome is unknown until the store is back");
                    // A store that is there and still takes nothing, as one that is full, is not asked without a pause.
                    if attempt > 1 {
                        tokio::time::sleep(BACKOFF).await;
                    }
                    let Some(found) = self.recover(stopping).await? else { return Ok(()) };
                    // A batch is there as a whole or not at all.
                    if !found.is_empty() {
                        self.answer_found(batch, &found);
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Appends a batch; the position of each event that was taken. Of two with one id the first has it.
    async fn place(
        &mut self,
        batch: &mut [Submission],
        recorded: Time,
    ) -> Result<HashMap<(TenantId, EventId), u64>, JournalError> {
        let marking = finality::mark(&self.states, &mut self.journal, batch, recorded);
        tokio::time::timeout(PATIENCE, marking).await.map_err(|_| JournalError::TimedOut)??;
        let all = batch.iter().flat_map(|submission| &submission.drafts);
        let drafts: Vec<Draft> = all.filter(|draft| !draft.event.is_heartbeat()).cloned().collect();
        let positions = self.append(recorded, &drafts).await?;
        let pairs = drafts.into_iter().zip(positions);
        Ok(pairs.filter_map(|(draft, seq)| Some(((draft.tenant, draft.event.id), seq?))).collect())
    }

    /// Appends what is not a heartbeat; answers each draft's position.
    async fn append(&mut self, recorded: Time, drafts: &[Draft]) -> Result<Vec<Option<u64>>, JournalError> {
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        let began = self.clock.monotonic();
        let bytes: usize = drafts.iter().map(|draft| draft.json.len()).sum();
        let patience = PATIENCE + Duration::from_secs(bytes as u64 / (1024 * 1024));
        let appending = self.journal.append(recorded, drafts);
        let positions = tokio::time::timeout(patience, appending).await.map_err(|_| JournalError::TimedOut)??;
        histogram!("rollcall_commit_seconds").record((self.clock.monotonic() - began).as_secs_f64());
        histogram!("rollcall_batch_events").record(drafts.len() as f64);
        self.health.confirm();
        Ok(positions)
    }

    /// Applies what was appended, shows it, and answers everybody who waits.
    fn answer(
        &mut self,
        batch: Vec<Submission>,
        mut placed: HashMap<(TenantId, EventId), u64>,
        recorded: Time,
    ) -> Result<(), EngineError> {
        let mut answers = Vec::with_capacity(batch.len());
        let mut touched = HashSet::new();
        for submission in batch {
            let Submission { drafts, tenant, received, reply, share } = submission;
            let mut outcomes = Vec::with_capacity(drafts.len());
            let mut positions = Vec::with_capacity(drafts.len());
            for Draft { event, .. } in drafts {
                // A heartbeat is not journalled: what has its id is another event, whose position it must not take.
                let (seq, outcome) = if event.is_heartbeat() {
                    (None, self.heartbeat(tenant, &event, received))
                } else if let Some(seq) = placed.remove(&(tenant, event.id.clone())) {
                    touched.insert(tenant);
                    (Some(seq), self.apply(tenant, &Entry { seq, recorded, event }, received)?)
                } else {
                    (None, Outcome::Duplicate)
                };
                outcomes.push(outcome);
                positions.push(seq);
            }
            answers.push((tenant, (outcomes, positions), reply, share));
        }
        self.publish(touched);
        for (tenant, (outcomes, positions), reply, share) in answers {
            count(&outcomes);
            let position = self.states.get(&tenant).map_or(0, State::position);
            drop(share);
            // A caller who went away meanwhile does not want the answer.
            let _gone = reply.send(Receipt { position, outcomes, positions });
        }
        Ok(())
    }

    fn apply(&mut self, tenant: TenantId, entry: &Entry, received: Duration) -> Result<Outcome, EngineError> {
        let state = self.states.entry(tenant).or_insert_with(|| State::new(tenant));
        let outcome = state.apply(entry)?;
        if let Body::DeskConnected { user, session, .. } = &entry.event.fact.body
            && outcome == Outcome::Applied
            && let Ok(lease) = state.lease(user, session)
        {
            self.leases.renew(tenant, lease, received);
        }
        Ok(outcome)
    }

    fn heartbeat(&mut self, tenant: TenantId, event: &Event, received: Duration) -> Outcome {
        let Body::DeskHeartbeat { user, session, opened } = &event.fact.body else { return Outcome::Stale };
        let lease = match self.states.get(&tenant) {
            Some(state) => state.lease(user, session),
            None => Err(Rejection::UnknownUser),
        };
        match lease {
            Ok(lease) if opened.is_some_and(|opened| opened != lease.opened) => {
                Outcome::Rejected(Rejection::OtherIncarnation)
            }
            Ok(lease) => {
                self.leases.renew(tenant, lease, received);
                Outcome::Applied
            }
            Err(rejection) => Outcome::Rejected(rejection),
        }
    }

    fn publish(&mut self, tenants: impl IntoIterator<Item = TenantId>) {
        for tenant in tenants {
            if let Some(state) = self.states.get_mut(&tenant) {
                self.published.board(tenant).publish(state.publish());
            }
        }
    }

    fn start_leases(&mut self) {
        let now = self.clock.monotonic();
        for (tenant, state) in &self.states {
            for lease in state.leases() {
                self.leases.renew(*tenant, lease, now);
            }
        }
    }

    /// Journals the end of the leases that ran out by `now`, whose heartbeats have all been taken.
    async fn expire_leases(&mut self, now: Duration, stopping: &CancellationToken) -> Result<(), EngineError> {
        let expired = self.leases.expire(now, MAX_EXPIRIES);
        let mut drafts = Vec::with_capacity(expired.len());
        for lease in expired {
            let user = UserRef::id(lease.user);
            let open = self.states.get(&lease.tenant).map(|state| state.lease(&user, &lease.session));
            if !matches!(open, Some(Ok(open)) if open.opened == lease.opened) {
                continue;
            }
            let body = Body::DeskLeaseExpired { user, session: lease.session, opened: lease.opened };
            let event = Event::internal("rollcall:lease", self.clock.new_id(), self.clock.now(), body);
            drafts.push(draft(lease.tenant, event));
        }
        if drafts.is_empty() {
            return Ok(());
        }
        let recorded = self.clock.now().max(self.recorded);
        match self.append(recorded, &drafts).await {
            Ok(positions) => {
                self.recorded = recorded;
                let mut touched = HashSet::new();
                for (Draft { tenant, event, .. }, seq) in drafts.into_iter().zip(positions) {
                    if let Some(seq) = seq {
                        touched.insert(tenant);
                        self.apply(tenant, &Entry { seq, recorded, event }, now)?;
                    }
                }
                self.publish(touched);
            }
            // Recovery gives every lease another term, these as well: they are still open.
            Err(error) => {
                tracing::warn!(%error, "the end of leases could not be journalled");
                self.recover(stopping).await?;
            }
        }
        Ok(())
    }

    /// Makes sure that the store is there.
    async fn confirm(&mut self, stopping: &CancellationToken) -> Result<(), EngineError> {
        match tokio::time::timeout(PATIENCE, self.journal.confirm()).await {
            Ok(Ok(())) => self.health.confirm(),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the store does not answer");
                self.recover(stopping).await?;
            }
            Err(_) => {
                tracing::warn!("the store does not answer in time");
                self.recover(stopping).await?;
            }
        }
        Ok(())
    }

    /// Waits for the store to be back, then applies what the journal holds beyond the state: the batch whose append
    /// failed, if it was durable after all. `None` when told to stop meanwhile.
    async fn recover(&mut self, stopping: &CancellationToken) -> Result<Option<Found>, EngineError> {
        self.health.lose();
        let mut reported = String::new();
        // Kept from one attempt to the next: what an attempt applied before it failed is neither read nor told again.
        let mut found = Found::new();
        loop {
            match tokio::time::timeout(PATIENCE, self.catch_up(&mut found)).await {
                Ok(Ok(())) => {
                    let tenants: HashSet<TenantId> = found.keys().map(|(tenant, _)| *tenant).collect();
                    self.publish(tenants);
                    self.leases = Leases::default();
                    self.start_leases();
                    self.health.confirm();
                    tracing::info!(entries = found.len(), "the store is back");
                    return Ok(Some(found));
                }
                Ok(Err(EngineError::Journal(error @ (JournalError::Store(_) | JournalError::Taken)))) => {
                    let error = error.to_string();
                    if error != reported {
                        tracing::warn!(%error, "waiting for the store");
                        reported = error;
                    }
                }
                Ok(Err(error)) => return Err(error),
                Err(_) => {}
            }
            tokio::select! {
                () = tokio::time::sleep(BACKOFF) => {}
                () = stopping.cancelled() => return Ok(None),
            }
        }
    }

    async fn catch_up(&mut self, found: &mut Found) -> Result<(), EngineError> {
        self.journal.recover().await?;
        for (tenant, head) in self.journal.heads().await? {
            let state = self.states.entry(tenant).or_insert_with(|| State::new(tenant));
            while state.position() < head.seq {
                for entry in self.journal.read(tenant, state.position(), TAIL).await? {
                    self.recorded = self.recorded.max(entry.recorded);
                    let outcome = state.apply(&entry)?;
                    found.insert((tenant, entry.event.id), (entry.seq, outcome));
                }
            }
        }
        Ok(())
    }

    fn answer_found(&mut self, batch: Vec<Submission>, found: &Found) {
        for submission in batch {
            let tenant = submission.tenant;
            let outcome = |draft: Draft| match draft.event.is_heartbeat() {
                true => (None, self.heartbeat(tenant, &draft.event, submission.received)),
                false => match found.get(&(tenant, draft.event.id)).cloned() {
                    Some((seq, outcome)) => (Some(seq), outcome),
                    None => (None, Outcome::Duplicate),
                },
            };
            let (positions, outcomes): (Vec<_>, Vec<_>) = submission.drafts.into_iter().map(outcome).unzip();
            count(&outcomes);
            let position = self.states.get(&tenant).map_or(0, State::position);
            let _gone = submission.reply.send(Receipt { position, outcomes, positions });
        }
    }
}

fn count(outcomes: &[Outcome]) {
    for outcome in outcomes {
        counter!("rollcall_events_total", "outcome" => outcome.name()).increment(1);
    }
}
