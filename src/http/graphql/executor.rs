//! How a document is executed: on the shared threads, or beside them where it takes long.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use async_graphql::{Request, Response};
use tokio::sync::Notify;

use super::documents::{Document, Documents};
use super::introspection::Introspection;
use super::{RollcallSchema, schema};
use crate::domain::Fault;
use crate::http::services::Services;
use crate::limits::{Budget, Budgets, TurnKey};

/// The schema, ready to run, and what is remembered of earlier requests.
pub struct Executor {
    /// The schema. It validates every request, variables with it: what a cache knows of a text says nothing of them.
    pub schema: RollcallSchema,
    /// Documents that were parsed before.
    pub documents: Documents,
    /// Answers about the schema.
    pub introspection: Introspection,
}

impl Executor {
    /// An executor that remembers nothing yet.
    pub fn new(budgets: Budgets) -> Self {
        Executor {
            schema: schema().finish(),
            documents: Documents::new(budgets.has(Budget::Documents)),
            introspection: Introspection::new(),
        }
    }

    /// Executes a document on this thread.
    pub async fn run(&self, mut request: Request, document: &Document) -> Response {
        request.set_parsed_query(document.parsed.clone());
        self.schema.execute(request).await
    }
}

/// Does work beside the shared threads: whenever it can go on it waits for a turn of `key`, so that a turn is never held
/// while the work waits for the store.
pub async fn run_in_turns<T: Send + 'static>(
    services: &Services,
    key: TurnKey,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Fault> {
    let woken = Arc::new(Woken(Notify::new()));
    let mut work: Pin<Box<dyn Future<Output = T> + Send>> = Box::pin(work);
    let mut is_begun = false;
    loop {
        let waker = Waker::from(woken.clone());
        let slice = move || {
            let poll = work.as_mut().poll(&mut Context::from_waker(&waker));
            (poll, work)
        };
        let lifecycle = services.lifecycle();
        // What has begun is not refused for what is waiting.
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

/// Wakes the task that waits for a query to go on. A wake-up before the wait is kept.
struct Woken(Notify);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}
