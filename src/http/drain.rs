//! Unread request bodies: refused requests are answered before their body has arrived.
//!
//! Dropping such a body would make the server close the connection, and a client that is still sending would see a
//! broken pipe instead of its response. The rest of the body is therefore read and discarded, within bounds.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};

use crate::lifecycle::Lifecycle;

/// Bytes discarded for one request; if more arrive, the connection is closed.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// Longest time spent on discarding one body; then the connection is closed.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Wraps the body so that the part the handler leaves unread is read to its end and discarded.
pub fn drained(request: Request, lifecycle: &Lifecycle) -> Request {
    if request.body().is_end_stream() {
        return request;
    }
    let lifecycle = lifecycle.clone();
    request.map(|body| Body::new(Drained { body: Some(body), lifecycle }))
}

struct Drained {
    body: Option<Body>,
    lifecycle: Lifecycle,
}

impl HttpBody for Drained {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            drop(self.lifecycle.spawn_tracked(async move {
                // Past either bound the body is dropped unfinished, and the server closes the connection.
                let _done = tokio::time::timeout(DRAIN_TIMEOUT, discard(body)).await;
            }));
        }
    }
}

async fn discard(mut body: Body) {
    let mut discarded = 0;
    while discarded <= MAX_BYTES
        && let Some(Ok(frame)) = body.frame().await
    {
        discarded += frame.data_ref().map_or(0, Bytes::len);
    }
}
