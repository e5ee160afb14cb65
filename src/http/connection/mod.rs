//! One connection: its permit, one request at a time or the streams of HTTP/2, bounds on what it receives, and a minimum
//! pace at which its responses must be read.

pub mod body;
pub mod counted;
pub mod departure;
pub mod paced;
pub mod prefixed;
mod received;
pub mod streams;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::Extensions;
use parking_lot::Mutex;
use tokio::sync::Notify;

use received::Received;

use crate::domain::{Fault, TenantId};
use crate::limits::{ConnectionPermit, Handshakes};

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
    received: Mutex<Received>,
    /// True once a request's head was received.
    has_begun: AtomicBool,
    /// True over HTTP/2: requests are answered at the same time, and counted by [`streams::Streams`].
    is_multiplexed: AtomicBool,
    /// The turns of handshakes and the client's network, until the connection has shown a valid credential.
    handshakes: Mutex<Option<(Handshakes, IpAddr)>>,
}

impl Connection {
    /// A connection that was just accepted: nothing is being written.
    pub fn new(permit: ConnectionPermit) -> Self {
        Connection(Arc::new(Inner {
            permit,
            is_writing: AtomicBool::new(false),
            flushed: Notify::new(),
            received: Mutex::default(),
            has_begun: AtomicBool::new(false),
            is_multiplexed: AtomicBool::new(false),
            handshakes: Mutex::default(),
        }))
    }

    /// Notes that this is a connection of HTTP/2.
    fn multiplex(&self) {
        self.0.is_multiplexed.store(true, Ordering::Release);
        self.0.received.lock().multiplex();
    }

    fn is_multiplexed(&self) -> bool {
        self.0.is_multiplexed.load(Ordering::Acquire)
    }

    /// Returns true once a request's head was received.
    pub fn has_begun(&self) -> bool {
        self.0.has_begun.load(Ordering::Acquire)
    }

    /// Records that no request runs any more.
    fn idle(&self) {
        if self.0.permit.answered() {
            self.0.received.lock().answered();
        }
    }

    /// Records bytes of a response's content, for which the client sends updates of its windows.
    fn content_sent(&self, bytes: usize) {
        self.0.received.lock().content_sent(bytes);
    }

    /// Lets the first valid credential on this connection count for later handshakes from its network.
    pub fn secured(&self, handshakes: Handshakes, network: IpAddr) {
        *self.0.handshakes.lock() = Some((handshakes, network));
    }

    /// Records a valid credential, as [`ConnectionPermit::authenticated`].
    pub fn authenticated(&self, tenant: TenantId) -> Result<(), Fault> {
        if let Some((handshakes, network)) = self.0.handshakes.lock().take() {
            handshakes.has_credential(network);
        }
        self.0.permit.authenticated(tenant)
    }

    /// Returns the connection of a request; `None` if the request did not pass the accept loop.
    pub fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get().cloned()
    }

    /// The permit that counts this connection among all.
    pub fn permit(&self) -> &ConnectionPermit {
        &self.0.permit
    }

    /// Counts bytes that arrived. Fails if too many of them frame a body instead of being part of it.
    pub fn received(&self, bytes: usize) -> io::Result<()> {
        // In a statement of its own, so that the lock is released before the permit's is taken.
        let has_long_head = self.0.received.lock().count(bytes)?;
        if has_long_head {
            self.0.permit.head_is_long();
        }
        Ok(())
    }

    /// Records that the TLS handshake is done.
    pub fn handshake_ended(&self) {
        self.0.received.lock().head_ended();
        self.0.permit.head_ended();
    }

    /// Records that a request's head of so many bytes was received. Returns false if it must be rejected, as
    /// [`ConnectionPermit::request_started`].
    pub fn request_started(&self, head_bytes: usize, is_health: bool) -> bool {
        self.0.has_begun.store(true, Ordering::Release);
        self.0.received.lock().request_started(head_bytes);
        self.0.permit.request_started(is_health)
    }

    /// Records that the response was written. A stream of HTTP/2 is counted by itself.
    pub fn answered(&self) {
        if !self.is_multiplexed() {
            self.idle();
        }
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
    /// responses would pile up in memory. Over HTTP/2 the number of streams bounds them instead.
    pub async fn written(&self) {
        while !self.is_multiplexed() {
            // Registered before the flag is read, so that a flush between the two is not missed.
            let flushed = self.0.flushed.notified();
            if !self.0.is_writing.load(Ordering::Acquire) {
                return;
            }
            flushed.await;
        }
    }
}
