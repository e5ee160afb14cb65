//! One connection: its place among all, one request at a time, and a pace at which its answers must be read.

pub mod paced;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::Extensions;
use tokio::sync::Notify;

use crate::limits::ConnectionPermit;

/// A connection, as its requests know it. Its place is given back with the last clone: a handler that keeps the
/// connection for something else than requests keeps a clone, so that such connections are counted as well.
#[derive(Clone, Debug)]
pub struct Connection(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    permit: ConnectionPermit,
    /// Whether something was handed over for writing that was not flushed since.
    is_writing: AtomicBool,
    flushed: Notify,
}

impl Connection {
    /// A connection that was just accepted.
    pub fn new(permit: ConnectionPermit) -> Self {
        Connection(Arc::new(Inner { permit, is_writing: AtomicBool::new(false), flushed: Notify::new() }))
    }

    /// The connection of a request; none if it came by another way than the accept loop.
    pub fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get().cloned()
    }

    /// The place.
    pub fn permit(&self) -> &ConnectionPermit {
        &self.0.permit
    }

    /// Records that bytes were handed over for writing.
    pub fn writing(&self) {
        self.0.is_writing.store(true, Ordering::Release);
    }

    /// Records that all that was handed over was written.
    pub fn flushed(&self) {
        if self.0.is_writing.swap(false, Ordering::AcqRel) {
            self.0.flushed.notify_waiters();
        }
    }

    /// Waits until the answers before were written: what a client sends ahead is not answered ahead, since the answers
    /// would pile up.
    pub async fn written(&self) {
        loop {
            let flushed = self.0.flushed.notified();
            if !self.0.is_writing.load(Ordering::Acquire) {
                return;
            }
            flushed.await;
        }
    }
}
