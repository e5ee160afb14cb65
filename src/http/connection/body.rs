//! A request's body, which counts its content against what the connection receives.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};

use super::Connection;

/// Wraps the body of a request whose head was received just now. Until it is dropped, the connection bounds what it
/// receives beside the body's content. The server reads on as soon as it has the head: a body that is wrapped only when
/// its handler runs may have arrived as a whole, uncounted.
pub fn counted_body(body: Incoming, connection: &Connection) -> Body {
    if body.is_end_stream() {
        return Body::new(body);
    }
    let number = connection.0.received.lock().body_started();
    Body::new(CountedBody { body, connection: connection.clone(), number })
}

/// Returns the bytes of content in the next frame of a body, if there is one.
pub fn content_bytes<E>(frame: Option<&Result<Frame<Bytes>, E>>) -> usize {
    frame.and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len)
}

struct CountedBody {
    body: Incoming,
    connection: Connection,
    /// The number of this body on its connection.
    number: u64,
}

impl HttpBody for CountedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.connection.0.received.lock().body_received(self.number, content_bytes(frame.as_ref()));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for CountedBody {
    fn drop(&mut self) {
        self.connection.0.received.lock().body_ended(self.number);
    }
}
