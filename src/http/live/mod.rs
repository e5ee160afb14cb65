//! Live queries: one question, answered again whenever the answer differs. Equal questions of equal authority share one
//! execution, whatever they came over, and a slow reader gets the newest answer rather than every one
//! (docs/decisions/0107-live-queries.md).

pub mod authority;
pub mod events;
mod execution;
pub mod late;
pub mod permits;
pub mod tickets;

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::watch;

use crate::domain::{Fault, TenantId, Time};
use crate::engine::Snapshot;
use crate::http::state::AppState;
use crate::limits::BytePermit;
use authority::Authority;
use execution::Execution;
use permits::{LivePermit, Permits};

/// Most distinct executions of one tenant.
pub const MAX_EXECUTIONS: usize = 200;
/// The shortest time between two executions that can be requested, in milliseconds.
pub const INTERVALS: RangeInclusive<i32> = 100..=60_000;
/// The shortest time between two executions if none is requested, in milliseconds.
pub const USUAL_INTERVAL: i32 = 250;
/// The longest wait of an operation for its least position, before its first answer.
pub const POSITION_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest time without an execution, for what changes without an event, unless the operation's interval is longer.
pub const TICK: Duration = Duration::from_secs(2);

/// The instant of a snapshot.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Instant {
    /// Position of the newest event.
    pub position: u64,
    /// The service's time, and never earlier than the time at which the newest event was recorded.
    pub time: Time,
    /// Milliseconds since the store last confirmed that nothing newer was recorded elsewhere.
    pub staleness_ms: u64,
}

impl Instant {
    /// Returns the instant of a snapshot at the time `now`.
    pub fn of(snapshot: &Snapshot, now: Time) -> Self {
        Instant { position: snapshot.view.position(), time: snapshot.time(now), staleness_ms: snapshot.staleness_ms }
    }

    /// Returns the instant for a client whose question was answered at a position; `None` before that. The state may be
    /// newer than the answers, of which there is at most one an interval: the client has not got those.
    pub fn answered(self, answered: Option<u64>) -> Self {
        Instant { position: answered.map_or(self.position, |answered| answered.min(self.position)), ..self }
    }
}

/// A question that can be answered on any view of its tenant.
pub trait Question: Send + Sync + 'static {
    /// Answers the question, when it is the tenant's turn for heavy work. A fault is temporary, but for
    /// [`Fault::Internal`].
    fn answer(self: Arc<Self>, snapshot: Snapshot) -> Answering;
}

/// The future of an answer.
pub type Answering = Pin<Box<dyn Future<Output = Result<Computed, Fault>> + Send>>;

/// An answer, as a question computed it.
#[derive(Debug)]
pub struct Computed {
    /// The text of the answer.
    pub body: Bytes,
    /// Equal for answers that do not differ in anything but position, time and staleness.
    pub fingerprint: [u8; 32],
    /// True if the question cannot be answered on any view. The text says why.
    pub is_refused: bool,
}

/// A question with what decides how often it is answered.
pub struct LiveQuery {
    /// The right by which it is asked.
    pub authority: Authority,
    /// Equal for equal questions with equal intervals and least positions.
    pub id: [u8; 32],
    /// The question.
    pub question: Arc<dyn Question>,
    /// The shortest time between two executions.
    pub interval: Duration,
    /// The least position of the first answer, which is waited for up to [`POSITION_TIMEOUT`].
    pub min_position: Option<u64>,
}

/// An answer to be sent.
#[derive(Debug)]
pub struct LiveAnswer {
    /// Position of the view that it was computed on.
    pub position: u64,
    /// The text of the answer.
    pub body: Bytes,
    /// That of [`Computed`].
    fingerprint: [u8; 32],
    /// The bytes of the text, which count against the tenant's answers.
    _held: Option<BytePermit>,
}

/// The end of an execution.
#[derive(Clone, Debug)]
pub enum LiveEnd {
    /// The question cannot be answered; the text says why.
    Refused(Bytes),
    /// The tenant was deleted.
    Deleted,
    /// An execution panicked.
    Failed,
}

/// The newest answer of an execution, or its end.
#[derive(Clone, Debug, Default)]
pub struct Newest {
    /// The newest answer that differs from those before, or is the first of an operation.
    pub answer: Option<Arc<LiveAnswer>>,
    /// The end, after which no answer follows.
    pub end: Option<LiveEnd>,
    /// True for the first answer of an operation if its position is less than the one that was waited for.
    pub is_behind: bool,
    /// Number of operations that had joined when the answer's view was taken.
    joined: u64,
}

/// The state that an execution shares with its operations.
#[derive(Debug, Default)]
struct Shared {
    newest: watch::Sender<Newest>,
    /// Number of operations that joined so far.
    joined: watch::Sender<u64>,
    /// Position of the newest view that the question was answered on, whether or not the answer differed; 0 before the
    /// first.
    answered: Arc<AtomicU64>,
}

impl Shared {
    /// Adds an operation. Its first answer is of a view that is taken after this: one from before may lack what its client
    /// knows to be written, and the time in it may be long past.
    fn join(&self, least: Option<u64>, permit: LivePermit) -> LiveOperation {
        let newest = self.newest.subscribe();
        let mut joined = 0;
        self.joined.send_modify(|number| {
            *number += 1;
            joined = *number;
        });
        let answered = Answered(self.answered.clone());
        LiveOperation { newest, joined, least, last: None, answered, _permit: permit }
    }
}

/// The key of an execution.
type Key = (Authority, [u8; 32]);
type Executions = HashMap<TenantId, HashMap<Key, Arc<Shared>>>;

/// The live queries of this process. Clones share them.
#[derive(Clone)]
pub struct LiveQueries(Arc<Inner>);

struct Inner {
    app: AppState,
    permits: Permits,
    executions: Mutex<Executions>,
}

/// One operation of a client: receives the newest answers of an execution. Dropping it ends the execution if it was the
/// last.
#[derive(Debug)]
pub struct LiveOperation {
    newest: watch::Receiver<Newest>,
    /// Its number among those that joined.
    joined: u64,
    /// The position that its first answer should have, until that was returned.
    least: Option<u64>,
    /// The fingerprint of the answer that was returned last.
    last: Option<[u8; 32]>,
    answered: Answered,
    _permit: LivePermit,
}

/// The position of the newest view that an operation's question was answered on.
#[derive(Clone, Debug)]
pub struct Answered(Arc<AtomicU64>);

impl Answered {
    /// Returns the position; `None` before the first answer. A client that then receives what its operation has ready has
    /// the answer at this position.
    pub fn position(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Acquire)).filter(|position| *position != 0)
    }
}

impl LiveQueries {
    /// Starts without any.
    pub fn new(app: AppState) -> Self {
        LiveQueries(Arc::new(Inner { app, permits: Permits::default(), executions: Mutex::default() }))
    }

    /// The numbers of live sockets and operations.
    pub fn permits(&self) -> &Permits {
        &self.0.permits
    }

    /// Joins the execution of a question, or starts it. [`Fault::TooMany`] if the tenant has too many operations or too
    /// many distinct executions.
    pub fn join(&self, query: LiveQuery) -> Result<LiveOperation, Fault> {
        let least = query.min_position;
        self.join_from(query, least)
    }

    /// Joins as [`LiveQueries::join`] does, for a client that has waited for the position `least`.
    fn join_from(&self, query: LiveQuery, least: Option<u64>) -> Result<LiveOperation, Fault> {
        let (tenant, key) = (query.authority.tenant(), (query.authority, query.id));
        let permit = self.0.permits.operation(tenant)?;
        let mut executions = self.0.executions.lock();
        let of_tenant = executions.entry(tenant).or_default();
        if let Some(known) = of_tenant.get(&key) {
            return Ok(known.join(least, permit));
        }
        if of_tenant.len() >= MAX_EXECUTIONS {
            return Err(Fault::TooMany { seconds: 1 });
        }
        let shared = Arc::new(Shared::default());
        let operation = shared.join(least, permit);
        of_tenant.insert(key, shared.clone());
        let guard = Registered { queries: self.clone(), key, shared };
        drop(self.0.app.lifecycle().spawn_tracked(Execution { app: self.0.app.clone(), query, guard }.run()));
        Ok(operation)
    }
}

impl LiveOperation {
    /// Returns the position of the newest view that the question was answered on, now and later.
    pub fn answered(&self) -> Answered {
        self.answered.clone()
    }

    /// Waits for an answer that differs from the one returned before, or the end. If several came meanwhile, returns the
    /// newest.
    pub async fn next(&mut self) -> Newest {
        loop {
            if self.newest.changed().await.is_err() {
                let ended = self.newest.borrow_and_update().clone();
                // An execution without an end was dropped: the service stops, or it panicked.
                return Newest { end: Some(ended.end.unwrap_or(LiveEnd::Failed)), ..ended };
            }
            let mut newest = self.newest.borrow_and_update().clone();
            if newest.end.is_some() {
                return newest;
            }
            let Some(answer) = newest.answer.as_ref().filter(|_| newest.joined >= self.joined) else { continue };
            if self.last != Some(answer.fingerprint) {
                self.last = Some(answer.fingerprint);
                newest.is_behind = self.least.take().is_some_and(|least| answer.position < least);
                return newest;
            }
        }
    }
}

/// A running execution's entry among all, which is removed when it is dropped.
struct Registered {
    queries: LiveQueries,
    key: Key,
    shared: Arc<Shared>,
}

impl Registered {
    /// Removes the entry if no operation has the execution any more. Returns false if one joined meanwhile.
    fn leave_if_unused(&self) -> bool {
        let mut executions = self.queries.0.executions.lock();
        let is_unused = self.shared.newest.receiver_count() == 0;
        if is_unused {
            self.remove(&mut executions);
        }
        is_unused
    }

    fn remove(&self, executions: &mut Executions) {
        let tenant = self.key.0.tenant();
        let Some(of_tenant) = executions.get_mut(&tenant) else { return };
        // The entry may be another's already, which was started after this one was removed.
        if of_tenant.get(&self.key).is_some_and(|known| Arc::ptr_eq(known, &self.shared)) {
            of_tenant.remove(&self.key);
        }
        if of_tenant.is_empty() {
            executions.remove(&tenant);
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut executions = self.queries.0.executions.lock();
        self.remove(&mut executions);
    }
}
