//! The state of the GraphQL endpoint.

use std::sync::Arc;

use super::Executor;
use crate::auth::Tickets;
use crate::http::live::LiveQueries;
use crate::http::state::AppState;

/// The handles of all endpoints, the executor and the live queries. Cheap to clone.
#[derive(Clone)]
pub struct GraphqlState {
    /// The handles that every endpoint may use.
    pub app: AppState,
    /// The schema, with the caches of documents and introspection answers.
    pub executor: Arc<Executor>,
    /// The live queries of this process.
    pub live: LiveQueries,
    /// The tickets by which pages connect.
    pub tickets: Tickets,
}

impl GraphqlState {
    /// Creates the state, with empty caches.
    pub fn new(app: AppState, live: LiveQueries, tickets: Tickets) -> Self {
        let executor = Arc::new(Executor::new(app.edge().budgets));
        app.settings().on_deleted({
            let executor = executor.clone();
            move |tenant| {
                executor.documents.remove(tenant);
                executor.persisted.remove(tenant);
            }
        });
        GraphqlState { app, executor, live, tickets }
    }
}
