//! Bodies that nobody read: refused requests are answered before their body has arrived.
//!
//! Dropping such a body would make the server close the connection, and a client that is still sending would see a
//! broken pipe in place of its answer. So what is left is read and thrown away, within bounds.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};

use crate::lifecycle::Lifecycle;

/// Bytes thrown away for one request; whoever sends more loses the connection.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lets what the handler leaves unread of the body be read to its end.
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
            drop(self.lifecycle.track(async move {
                // Out of time or out of bounds, the body is dropped, and the connection with it.
                let _done = tokio::time::timeout(PATIENCE, throw_away(body)).await;
            }));
        }
    }
}

async fn throw_away(mut body: Body) {
    let mut thrown = 0;
    while thrown <= MAX_BYTES
        && let Some(Ok(frame)) = body.frame().await
    {
        thrown += frame.data_ref().map_or(0, Bytes::len);
    }
}
