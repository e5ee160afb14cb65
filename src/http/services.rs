//! What handlers work with.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;

use super::graphql::Executor;
use crate::auth::KeyRing;
use crate::clock::Clock;
use crate::engine::{Reader, Submitter};
use crate::lifecycle::Lifecycle;
use crate::store::Store;

/// How the edge behaves.
#[derive(Clone, Copy, Debug)]
pub struct Edge {
    /// Answers that routers act on are refused when the state was not confirmed for so many milliseconds.
    pub max_staleness_ms: u64,
    /// Adds `POST /echo`, which benchmarks compare with.
    pub bench_echo: bool,
}

/// Everything a handler may need. A clone is another handle to the same.
#[derive(Clone)]
pub struct Services(Arc<Inner>);

struct Inner {
    ring: KeyRing,
    submitter: Submitter,
    reader: Reader,
    store: Store,
    clock: Clock,
    lifecycle: Lifecycle,
    metrics: PrometheusHandle,
    graphql: Executor,
    edge: Edge,
}

impl Services {
    /// Puts the handles together.
    pub fn new(
        ring: KeyRing,
        (submitter, reader): (Submitter, Reader),
        store: Store,
        (clock, lifecycle, metrics): (Clock, Lifecycle, PrometheusHandle),
        edge: Edge,
    ) -> Self {
        let graphql = Executor::new();
        Services(Arc::new(Inner { ring, submitter, reader, store, clock, lifecycle, metrics, graphql, edge }))
    }

    /// Who asks.
    pub fn ring(&self) -> &KeyRing {
        &self.0.ring
    }

    /// Where writes go in.
    pub fn submitter(&self) -> &Submitter {
        &self.0.submitter
    }

    /// Where reads come from.
    pub fn reader(&self) -> &Reader {
        &self.0.reader
    }

    /// Tenants and keys.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The time.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Where tasks are started.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.0.lifecycle
    }

    /// What was measured.
    pub fn metrics(&self) -> &PrometheusHandle {
        &self.0.metrics
    }

    /// GraphQL.
    pub fn graphql(&self) -> &Executor {
        &self.0.graphql
    }

    /// How the edge behaves.
    pub fn edge(&self) -> &Edge {
        &self.0.edge
    }
}
