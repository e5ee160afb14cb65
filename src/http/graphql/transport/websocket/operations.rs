//! The operations of one socket, of which the newest answers are awaited together.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use tokio::task::JoinHandle;

use crate::domain::Fault;
use crate::http::graphql::fault::Answer;
use crate::http::live::permits::LivePermit;
use crate::http::live::{Answered, LiveOperation, Newest};

/// What an operation has produced.
pub enum Produced {
    /// The newest answer of a live operation, or its end.
    Newest(Newest),
    /// The answer to a query, after which the operation has ended.
    Answer(Result<Answer, Fault>),
}

/// A query that is executed in the background, until it is dropped.
pub struct Query {
    pub running: JoinHandle<Result<Answer, Fault>>,
    pub _permit: LivePermit,
}

impl Drop for Query {
    fn drop(&mut self) {
        self.running.abort();
    }
}

enum Work {
    Live(Pin<Box<dyn Future<Output = (LiveOperation, Newest)> + Send>>, Answered),
    Query(Query),
}

/// The running operations of one socket.
#[derive(Default)]
pub struct Operations(Vec<(Box<str>, Work)>);

impl Operations {
    /// Returns the number of operations.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if an operation has this id.
    pub fn has(&self, id: &str) -> bool {
        self.0.iter().any(|(known, _)| **known == *id)
    }

    /// Adds a live operation.
    pub fn add_live(&mut self, id: &str, operation: LiveOperation) {
        let answered = operation.answered();
        self.0.push((id.into(), Work::Live(next_of(operation), answered)));
    }

    /// Adds a query.
    pub fn add_query(&mut self, id: &str, query: Query) {
        self.0.push((id.into(), Work::Query(query)));
    }

    /// Ends an operation, if there is one with this id.
    pub fn remove(&mut self, id: &str) {
        self.0.retain(|(known, _)| **known != *id);
    }

    /// Returns the position at which every live operation was answered; `None` if there is none that was.
    pub fn answered(&self) -> Option<u64> {
        let position = |(_, work): &(_, Work)| match work {
            Work::Live(_, answered) => answered.position(),
            Work::Query(_) => None,
        };
        self.0.iter().filter_map(position).min()
    }

    /// Waits for what any operation produces. Operations take turns: one that has just produced something comes last. An
    /// operation that has ended is removed.
    pub async fn next(&mut self) -> (Box<str>, Produced) {
        let (at, produced) = poll_fn(|context| {
            for (at, (_, work)) in self.0.iter_mut().enumerate() {
                match work {
                    Work::Live(next, _) => {
                        if let Poll::Ready((operation, newest)) = next.as_mut().poll(context) {
                            *next = next_of(operation);
                            return Poll::Ready((at, Produced::Newest(newest)));
                        }
                    }
                    Work::Query(query) => {
                        if let Poll::Ready(done) = Pin::new(&mut query.running).poll(context) {
                            // A panic, since nothing else aborts it while it is here.
                            return Poll::Ready((at, Produced::Answer(done.unwrap_or(Err(Fault::Internal)))));
                        }
                    }
                }
            }
            Poll::Pending
        })
        .await;
        let (id, work) = self.0.remove(at);
        let has_ended = match &produced {
            Produced::Newest(newest) => newest.end.is_some(),
            Produced::Answer(_) => true,
        };
        let named = id.clone();
        if !has_ended {
            self.0.push((id, work));
        }
        (named, produced)
    }
}

fn next_of(mut operation: LiveOperation) -> Pin<Box<dyn Future<Output = (LiveOperation, Newest)> + Send>> {
    Box::pin(async move {
        let newest = operation.next().await;
        (operation, newest)
    })
}
