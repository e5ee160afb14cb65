//! The place among the connections that a request's own one takes.

use std::sync::Arc;

use axum::http::Extensions;
use tokio::sync::OwnedSemaphorePermit;

/// A connection's place, given back with its last clone. Whoever keeps the connection for something else than requests
/// keeps one of them, so that such connections are counted as well.
#[derive(Clone, Debug)]
pub struct Place(#[expect(dead_code, reason = "held until it is dropped")] Arc<OwnedSemaphorePermit>);

impl Place {
    /// The place that the accept loop gave.
    pub fn new(permit: OwnedSemaphorePermit) -> Self {
        Place(Arc::new(permit))
    }

    /// That of a request; none if it came by another way than the accept loop.
    pub fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get().cloned()
    }
}
