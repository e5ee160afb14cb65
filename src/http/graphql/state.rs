//! The state of the GraphQL endpoint.

use std::sync::Arc;

use super::Executor;
use crate::http::services::Services;

/// The handles of all endpoints, and the executor. Cheap to clone.
#[derive(Clone)]
pub struct GraphqlState {
    /// The handles that every endpoint may use.
    pub services: Services,
    /// The schema, with the caches of documents and introspection answers.
    pub executor: Arc<Executor>,
}

impl GraphqlState {
    /// Creates the state, with empty caches.
    pub fn new(services: Services) -> Self {
        let executor = Arc::new(Executor::new(services.edge().budgets));
        GraphqlState { services, executor }
    }
}
