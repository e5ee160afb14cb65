//! Executes documents: on the request threads, or slice by slice on the blocking pool if they are heavy.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use async_graphql::{Request, Response};
use tokio::sync::Notify;

use super::cost::answer::AnswerMeter;
use super::documents::persisted::Persisted;
use super::documents::{Document, Documents, emptiness};
use super::introspection::Introspection;
use super::validation::signatures::Signatures;
use super::{RollcallSchema, completion, schema};
use crate::domain::Fault;
use crate::http::state::AppState;
use crate::limits::{Budget, Budgets, TurnKey};

/// The schema, with the caches of documents and introspection answers.
pub struct Executor {
    /// Validates every request anew, cached documents too: a document may be valid with one set of variables only.
    pub schema: RollcallSchema,
    /// The types of the schema, for the rules that async-graphql does not hold.
    pub signatures: Signatures,
    /// Cache of parsed documents.
    pub documents: Documents,
    /// Documents that clients name by their hash.
    pub persisted: Persisted,
    /// Sizes and cached answers of introspection.
    pub introspection: Introspection,
}

impl Executor {
    /// Creates an executor with empty caches.
    pub fn new(budgets: Budgets) -> Self {
        let schema = schema().finish();
        Executor {
            signatures: Signatures::read(&schema.sdl()),
            schema,
            documents: Documents::new(budgets.has(Budget::Documents)),
            persisted: Persisted::new(),
            introspection: Introspection::new(),
        }
    }

    /// Executes a document within the current task. `meter` counts the answer.
    pub async fn run(&self, request: Request, document: &Document, meter: Option<Arc<AnswerMeter>>) -> Response {
        let mut parsed = document.parsed.clone();
        if document.can_be_empty {
            emptiness::prevent(&mut parsed);
        }
        let mut response = completion::execute(&self.schema, request, parsed, meter).await;
        if document.can_be_empty {
            emptiness::clean(&mut response.data);
        }
        response
    }
}

/// Runs a future on the blocking pool, one poll at a time. Each poll waits for a turn of `key`, so that no turn is held
/// while the future waits for the store.
///
/// [`Fault::TooMany`] or [`Fault::Unavailable`] if too much is queued before the first poll, [`Fault::Internal`] if a
/// poll panics.
pub async fn run_in_turns<T: Send + 'static>(
    app: &AppState,
    key: TurnKey,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Fault> {
    let woken = Arc::new(PollWaker(Notify::new()));
    let mut work: Pin<Box<dyn Future<Output = T> + Send>> = Box::pin(work);
    let mut is_begun = false;
    loop {
        let waker = Waker::from(woken.clone());
        let slice = move || {
            let poll = work.as_mut().poll(&mut Context::from_waker(&waker));
            (poll, work)
        };
        let lifecycle = app.lifecycle();
        // Only the first slice can be rejected because of the queue's length: work that has begun is completed.
        let polled = if is_begun {
            lifecycle.continue_cpu_bound(key, slice).await?
        } else {
            lifecycle.run_cpu_bound(key, slice).await?
        };
        match polled {
            (Poll::Ready(done), _) => return Ok(done),
            (Poll::Pending, rest) => work = rest,
        }
        is_begun = true;
        woken.0.notified().await;
    }
}

/// Wakes the task that polls the future. `Notify` stores a wake-up that comes before the wait.
struct PollWaker(Notify);

impl Wake for PollWaker {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}
