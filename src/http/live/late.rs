//! Operations that begin once a position was reached, for a client that has seen it: at another server, or before a
//! restart.
//!
//! The client waits by itself and joins afterwards. Were the position a part of the execution, as that of a GraphQL
//! subscription is, clients that reconnect with different positions would have an execution each.

use std::time::Duration;

use tokio::sync::watch;

use super::execution::reached;
use super::{LiveEnd, LiveOperation, LiveQueries, LiveQuery, Newest, POSITION_TIMEOUT};
use crate::domain::Fault;

/// An operation that may not have begun yet.
pub struct LateOperation(State);

enum State {
    Waiting(Box<Waiting>),
    Joined(LiveOperation),
    Ended,
}

/// A question that waits for a position.
struct Waiting {
    live: LiveQueries,
    query: LiveQuery,
    positions: watch::Receiver<u64>,
    /// The position that is waited for.
    least: u64,
    /// Monotonic time of the end of the wait.
    until: Duration,
}

impl From<LiveOperation> for LateOperation {
    fn from(operation: LiveOperation) -> Self {
        LateOperation(State::Joined(operation))
    }
}

impl LiveQueries {
    /// Joins the execution of a question once the position `least` is reached, or after [`POSITION_TIMEOUT`]; at once if
    /// there is none. Faults as those of [`LiveQueries::join`], if it is at once.
    pub fn join_late(&self, query: LiveQuery, least: Option<u64>) -> Result<LateOperation, Fault> {
        let app = &self.0.app;
        let positions = app.reader().positions(query.authority.tenant());
        match least.filter(|least| *positions.borrow() < *least) {
            None => Ok(self.join(query)?.into()),
            Some(least) => {
                let until = app.clock().monotonic() + POSITION_TIMEOUT;
                let waiting = Waiting { live: self.clone(), query, positions, least, until };
                Ok(LateOperation(State::Waiting(Box::new(waiting))))
            }
        }
    }
}

impl LateOperation {
    /// Returns the position of the newest view that the question was answered on; `None` before that.
    pub fn answered(&self) -> Option<u64> {
        match &self.0 {
            State::Joined(operation) => operation.answered.position(),
            State::Waiting(_) | State::Ended => None,
        }
    }

    /// Waits as [`LiveOperation::next`] does, after the wait for the position. Cancellation loses nothing.
    pub async fn next(&mut self) -> Newest {
        if let State::Waiting(waiting) = &mut self.0 {
            let Waiting { live, positions, least, until, .. } = &mut **waiting;
            reached(live.0.app.clock(), positions, *least, *until).await;
        }
        self.0 = match std::mem::replace(&mut self.0, State::Ended) {
            State::Waiting(waiting) => {
                let Waiting { live, query, least, .. } = *waiting;
                live.join_from(query, Some(least)).map_or(State::Ended, State::Joined)
            }
            other => other,
        };
        let State::Joined(operation) = &mut self.0 else {
            // Too many others have begun meanwhile: the client asks again.
            return Newest { end: Some(LiveEnd::Failed), ..Newest::default() };
        };
        operation.next().await
    }
}
