//! A request that waits for the outcomes of its events.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::queue::QueuePermit;
use crate::domain::{Fault, Outcome};

/// The answer to one request's events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Receipt {
    /// The tenant's position after the request.
    pub position: u64,
    /// One outcome per event, in order.
    pub outcomes: Vec<Outcome>,
    /// Where each event was journalled, in order; `None` for one that was not.
    pub positions: Vec<Option<u64>>,
    /// What a duplicate came to when it was taken first, where that is known and was not `applied`.
    pub firsts: Vec<Option<Arc<FirstOutcome>>>,
}

/// What became of an event when it was taken first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstOutcome {
    /// The outcome's name on the wire.
    pub outcome: &'static str,
    /// The reason, where it had one.
    pub reason: Option<Box<str>>,
}

/// What became of one event.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct EventResult {
    pub outcome: Outcome,
    pub position: Option<u64>,
    pub first: Option<Arc<FirstOutcome>>,
}

impl EventResult {
    /// The result of an event that is not journalled.
    pub const fn unplaced(outcome: Outcome) -> Self {
        EventResult { outcome, position: None, first: None }
    }
}

/// A request's results so far, and the way to its handler.
#[derive(Debug)]
pub(super) struct Caller(Mutex<Waiting>);

#[derive(Debug)]
struct Waiting {
    results: Vec<Option<EventResult>>,
    left: usize,
    reply: Option<oneshot::Sender<Result<Receipt, Fault>>>,
    /// The request's share of the queue, given back with the answer.
    permit: Option<QueuePermit>,
}

impl Caller {
    /// A request of `events` events, and where its handler waits.
    pub fn new(events: usize, permit: QueuePermit) -> (Arc<Self>, oneshot::Receiver<Result<Receipt, Fault>>) {
        let (reply, answer) = oneshot::channel();
        let results = vec![None; events];
        let waiting = Waiting { results, left: events, reply: Some(reply), permit: Some(permit) };
        (Arc::new(Caller(Mutex::new(waiting))), answer)
    }

    /// Whether nobody waits for the answer: the handler gave up, or the request was answered.
    pub fn is_gone(&self) -> bool {
        self.0.lock().reply.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    /// Notes the result of the event at `index`; returns whether it was the last.
    pub fn settle(&self, index: usize, result: EventResult) -> bool {
        let mut waiting = self.0.lock();
        match waiting.results.get_mut(index) {
            Some(place @ None) => {
                *place = Some(result);
                waiting.left -= 1;
                waiting.left == 0
            }
            _ => false,
        }
    }

    /// Answers with the results, at the tenant's position.
    pub fn answer(&self, position: u64) {
        let mut waiting = self.0.lock();
        let mut receipt = Receipt { position, ..Receipt::default() };
        for result in std::mem::take(&mut waiting.results).into_iter().flatten() {
            receipt.outcomes.push(result.outcome);
            receipt.positions.push(result.position);
            receipt.firsts.push(result.first);
        }
        waiting.finish(Ok(receipt));
    }

    /// Answers that the events were not, or not all, taken.
    pub fn refuse(&self, fault: Fault) {
        self.0.lock().finish(Err(fault));
    }
}

impl Waiting {
    fn finish(&mut self, answer: Result<Receipt, Fault>) {
        // The place in the queue first: a client that sends its next request at once finds it free.
        self.permit = None;
        if let Some(reply) = self.reply.take() {
            // A handler that went away meanwhile does not want the answer.
            let _gone = reply.send(answer);
        }
    }
}
