//! Unread request bodies: refused requests are answered before their body has arrived.
//!
//! Dropping such a body would make the server close the connection, and a client that is still sending would see a
//! broken pipe instead of its response. The rest of the body is therefore read and discarded, within bounds.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::connection::{Connection, ReceivedBody};
use crate::lifecycle::Lifecycle;

/// Bytes discarded for one request; if more arrive, the connection is closed.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// Longest time spent on discarding one body; then the connection is closed.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Wraps the body so that the part the handler leaves unread is read to its end and discarded. Until then the connection
/// bounds what it receives beside the body's content.
pub fn drained(request: Request, lifecycle: &Lifecycle) -> Request {
    if request.body().is_end_stream() {
        return request;
    }
    let lifecycle = lifecycle.clone();
    let received = Connection::of(request.extensions()).map(|connection| connection.receive_body());
    request.map(|body| Body::new(Drained { body: Some(Receiving { body, received }), lifecycle }))
}

struct Drained {
    body: Option<Receiving>,
    lifecycle: Lifecycle,
}

/// A body, and the count of its content; `None` if the request did not pass the accept loop.
struct Receiving {
    body: Body,
    received: Option<ReceivedBody>,
}

impl Receiving {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let bytes = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
        if let Some(received) = &self.received {
            received.count(bytes);
        }
        Poll::Ready(frame)
    }
}

impl HttpBody for Drained {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut self.body {
            Some(body) => body.poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(|receiving| receiving.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, |receiving| receiving.body.size_hint())
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|receiving| !receiving.body.is_end_stream()) {
            drop(self.lifecycle.spawn_tracked(async move {
                // Past either bound the body is dropped unfinished, and the server closes the connection.
                let _done = tokio::time::timeout(DRAIN_TIMEOUT, discard(body)).await;
            }));
        }
    }
}

async fn discard(mut receiving: Receiving) {
    let mut discarded = 0;
    while discarded <= MAX_BYTES
        && let Some(Ok(frame)) = std::future::poll_fn(|cx| receiving.poll_frame(cx)).await
    {
        discarded += frame.data_ref().map_or(0, Bytes::len);
    }
}
