//! Where writes go in: a queue with a bound in number and in bytes, and a share of it for each tenant, that pushes back
//! and never drops.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::Limits;
use super::health::Health;
use super::room::{Load, Room, Share};
use crate::clock::Clock;
use crate::domain::{Event, Fault, Outcome, TenantId};
use crate::journal::Draft;

/// How long a caller waits for durability: of the second within which writes are refused (PROMISES.md, "Faults"), what the
/// way back leaves. A megabyte more of events may take as much more.
const PATIENCE: Duration = Duration::from_millis(900);

/// The answer to one request's events.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// The tenant's position after the request.
    pub position: u64,
    /// What became of each event, in order.
    pub outcomes: Vec<Outcome>,
    /// Where each event was journalled, in order; nothing for one that was not.
    pub positions: Vec<Option<u64>>,
}

/// One request's events, waiting.
pub(super) struct Submission {
    pub drafts: Vec<Draft>,
    pub tenant: TenantId,
    /// Monotonic time of receipt, from which a heartbeat's lease runs.
    pub received: Duration,
    pub reply: oneshot::Sender<Receipt>,
    /// Its share of the queue; given back once it is answered.
    pub share: Share,
}

/// A handle for writing.
#[derive(Clone, Debug)]
pub struct Submitter {
    queue: mpsc::Sender<Submission>,
    room: Arc<Room>,
    clock: Clock,
    health: Arc<Health>,
}

pub(super) fn channel(limits: &Limits, clock: Clock, health: Arc<Health>) -> (Submitter, mpsc::Receiver<Submission>) {
    let (queue, receiver) = mpsc::channel(limits.queue);
    let room = Room::new(Load { requests: limits.queue, kib: limits.queue_kib });
    (Submitter { queue, room, clock, health }, receiver)
}

impl Submitter {
    /// Makes the events durable and visible, in one transaction, and tells what became of each.
    ///
    /// [`Fault::Unavailable`] when the queue or the tenant's share of it is full or the store is away, within a second:
    /// then it is unknown whether they took place, and the same events may be sent again.
    pub async fn commit(&self, tenant: TenantId, events: Vec<Event>) -> Result<Receipt, Fault> {
        self.commit_received(tenant, events, self.clock.monotonic()).await
    }

    /// The same for what came in a while ago, by monotonic time: a lease runs from then.
    pub async fn commit_received(
        &self,
        tenant: TenantId,
        events: Vec<Event>,
        received: Duration,
    ) -> Result<Receipt, Fault> {
        if self.health.is_away() {
            return Err(Fault::Unavailable("the store is away"));
        }
        let drafts: Vec<Draft> = events.into_iter().map(|event| draft(tenant, event)).collect();
        let bytes: usize = drafts.iter().map(|draft| draft.json.len() + 256).sum();
        let kib = bytes.div_ceil(1024).clamp(1, self.room.largest());
        let full = Fault::Unavailable("the queue is full");
        let share = self.room.enter(tenant, kib).ok_or_else(|| full.clone())?;
        let (reply, answer) = oneshot::channel();
        let submission = Submission { drafts, tenant, received, reply, share };
        self.queue.try_send(submission).map_err(|_| full)?;
        let patience = PATIENCE + PATIENCE * (kib / 1024) as u32;
        match tokio::time::timeout(patience, answer).await {
            Ok(Ok(receipt)) => Ok(receipt),
            Ok(Err(_)) => Err(Fault::Unavailable("the service is stopping")),
            Err(_) => Err(Fault::Unavailable("the store did not answer in time")),
        }
    }

    /// How many submissions wait.
    pub fn depth(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }
}

pub(super) fn draft(tenant: TenantId, event: Event) -> Draft {
    let json = if event.is_heartbeat() { String::new() } else { json(&event) };
    Draft { tenant, event, json }
}

/// What the journal keeps of an event. Serialising our own plain types cannot fail.
pub(super) fn json(event: &Event) -> String {
    serde_json::to_string(&event.fact).unwrap_or_default()
}
