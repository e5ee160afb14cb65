//! One connection: its permit, one request at a time, and a minimum pace at which its responses must be read.

pub mod paced;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::Extensions;
use tokio::sync::Notify;

use crate::limits::ConnectionPermit;

/// A handle to the connection of a request. The last clone releases the connection's permit: a handler that keeps the
/// connection for something other than requests keeps a clone, so that such connections are counted as well.
#[derive(Clone, Debug)]
pub struct Connection(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    permit: ConnectionPermit,
    /// True while bytes handed over for writing are not flushed.
    is_writing: AtomicBool,
    flushed: Notify,
}

impl Connection {
    /// A connection that was just accepted: nothing is being written.
    pub fn new(permit: ConnectionPermit) -> Self {
        Connection(Arc::new(Inner { permit, is_writing: AtomicBool::new(false), flushed: Notify::new() }))
    }

    /// Returns the connection of a request; `None` if the request did not pass the accept loop.
    pub fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get().cloned()
    }

    /// The permit that counts this connection among all.
    pub fn permit(&self) -> &ConnectionPermit {
        &self.0.permit
    }

    /// Records that bytes were handed over for writing.
    pub fn writing(&self) {
        self.0.is_writing.store(true, Ordering::Release);
    }

    /// Records that all bytes handed over were written.
    pub fn flushed(&self) {
        if self.0.is_writing.swap(false, Ordering::AcqRel) {
            self.0.flushed.notify_waiters();
        }
    }

    /// Waits until the responses before are written. Pipelined requests are not answered ahead of that, since their
    /// responses would pile up in memory.
    pub async fn written(&self) {
        loop {
            // Registered before the flag is read, so that a flush between the two is not missed.
            let flushed = self.0.flushed.notified();
            if !self.0.is_writing.load(Ordering::Acquire) {
                return;
            }
            flushed.await;
        }
    }
}
