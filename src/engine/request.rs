//! The requests that wait for the outcomes of their events.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::queue::shares::QueuePermit;
use crate::domain::{Fault, Outcome};

/// The answer to one request's events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Receipt {
    /// The tenant's position after the request.
    pub position: u64,
    /// One outcome per event, in order.
    pub outcomes: Vec<Outcome>,
    /// The position of each event in the journal, in order; `None` for an event that was not journalled.
    pub positions: Vec<Option<u64>>,
    /// The first outcome of each duplicate, or that it is not known; `None` if it was `applied`, and for other events.
    pub first_outcomes: Vec<Option<Arc<FirstOutcome>>>,
}

/// The outcome of an event when it was first received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstOutcome {
    /// The outcome's name on the wire.
    pub outcome: &'static str,
    /// The reason for the outcome, if there was one.
    pub reason: Option<Box<str>>,
}

impl FirstOutcome {
    /// The event was journalled before, with an outcome that is not known any more.
    pub const UNKNOWN: FirstOutcome = FirstOutcome { outcome: "unknown", reason: None };
}

/// One event's part of a [`Receipt`].
#[derive(Clone, Debug, PartialEq)]
pub(super) struct EventResult {
    pub outcome: Outcome,
    pub position: Option<u64>,
    pub first: Option<Arc<FirstOutcome>>,
}

impl EventResult {
    /// Makes the result of an event without a position in the journal.
    pub const fn unplaced(outcome: Outcome) -> Self {
        EventResult { outcome, position: None, first: None }
    }
}

/// A request's results so far, and the channel to its handler.
#[derive(Debug)]
pub(super) struct PendingRequest(Mutex<PendingResults>);

#[derive(Debug)]
struct PendingResults {
    /// One result per event; `None` until it is settled.
    results: Vec<Option<EventResult>>,
    /// Events without a result.
    left: usize,
    /// Taken when the request is answered.
    reply: Option<oneshot::Sender<Result<Receipt, Fault>>>,
    /// The request's share of the queue, released with the answer.
    permit: Option<QueuePermit>,
}

impl PendingRequest {
    /// Makes a request of `events` events, and the channel on which its handler waits.
    pub fn new(events: usize, permit: QueuePermit) -> (Arc<Self>, oneshot::Receiver<Result<Receipt, Fault>>) {
        let (reply, answer) = oneshot::channel();
        let results = vec![None; events];
        let waiting = PendingResults { results, left: events, reply: Some(reply), permit: Some(permit) };
        (Arc::new(PendingRequest(Mutex::new(waiting))), answer)
    }

    /// Returns true if no handler waits for the answer: it gave up, or the request was answered.
    pub fn is_gone(&self) -> bool {
        self.0.lock().reply.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    /// Records the result of the event at `index`. Returns true if it was the last one missing.
    pub fn settle(&self, index: usize, result: EventResult) -> bool {
        let mut waiting = self.0.lock();
        match waiting.results.get_mut(index) {
            Some(place @ None) => {
                *place = Some(result);
                waiting.left -= 1;
                waiting.left == 0
            }
            // Settled before, or answered already: a request is answered once.
            _ => false,
        }
    }

    /// Answers with the results and the tenant's position.
    pub fn answer(&self, position: u64) {
        let mut waiting = self.0.lock();
        let mut receipt = Receipt { position, ..Receipt::default() };
        for result in std::mem::take(&mut waiting.results).into_iter().flatten() {
            receipt.outcomes.push(result.outcome);
            receipt.positions.push(result.position);
            receipt.first_outcomes.push(result.first);
        }
        waiting.finish(Ok(receipt));
    }

    /// Answers with a fault; some of the events may have been journalled.
    pub fn refuse(&self, fault: Fault) {
        self.0.lock().finish(Err(fault));
    }
}

impl PendingResults {
    fn finish(&mut self, answer: Result<Receipt, Fault>) {
        // Released before the answer is sent, so that a client that sends its next request at once finds it free.
        self.permit = None;
        if let Some(reply) = self.reply.take() {
            // Fails if the handler gave up meanwhile; the answer is not needed then.
            let _gone = reply.send(answer);
        }
    }
}
