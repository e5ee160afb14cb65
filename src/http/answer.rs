//! Response bodies that return their bytes and their request's permit once the last byte is written or the connection
//! has ended.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use axum::http::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::connection::Connection;
use super::dialect::Dialect;
use super::extract::reply::IsStatic;
use super::request_context::RequestContext;
use crate::limits::{ByteBudget, BytePermit, Owner, TenantPermit};

/// Responses up to this many bytes are counted but never refused: the limit on connections bounds their number.
const SMALL_RESPONSE: usize = 16 * 1024;
/// The most bytes handed over for writing at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Counts a response against its caller's budget until it is written. A response that does not fit is dropped and
/// replaced by a refusal in the dialect's shape.
pub fn counted(
    response: Response<Body>,
    request: &RequestContext,
    budget: Option<&ByteBudget>,
    dialect: Dialect,
) -> Response<Body> {
    let (owner, connection) = (request.owner(), request.connection().cloned());
    if let Some(connection) = &connection {
        // The connection answers no further request until this response is flushed.
        connection.writing();
    }
    let Some(budget) = budget else {
        // Without the budget the permit is returned as soon as the response exists.
        drop(request.take_permit());
        return response.map(|body| with_permit(body, Permit::new(None, None, connection), None));
    };
    let is_static = response.extensions().get::<IsStatic>().is_some();
    let (bytes, pieces) = match response.body().size_hint().exact() {
        // Static bytes are part of the program: they take no memory, however slowly they are read.
        _ if is_static => (None, None),
        Some(bytes) if bytes as usize <= SMALL_RESPONSE => (Some(budget.count(owner, bytes as usize)), None),
        Some(bytes) => match budget.take(owner, bytes as usize) {
            Ok(permit) => (Some(permit), None),
            Err(fault) => {
                let refused = dialect.answer(fault);
                let permit = Permit::new(None, request.take_permit(), connection);
                return refused.map(|body| with_permit(body, permit, None));
            }
        },
        // A streamed response has no known length: each piece is counted while it is being written.
        None => (None, Some((budget.clone(), owner))),
    };
    let permit = Permit::new(bytes, request.take_permit(), connection);
    response.map(|body| with_permit(body, permit, pieces))
}

fn with_permit(body: Body, permit: Permit, pieces: Option<(ByteBudget, Owner)>) -> Body {
    if body.is_end_stream() {
        return body;
    }
    Body::new(Answer { body, rest: Bytes::new(), permit: Arc::new(permit), pieces })
}

/// Everything held until a response is written.
#[derive(Debug)]
struct Permit {
    _bytes: Option<BytePermit>,
    _tenant: Option<TenantPermit>,
    connection: Option<Connection>,
}

impl Permit {
    fn new(bytes: Option<BytePermit>, tenant: Option<TenantPermit>, connection: Option<Connection>) -> Self {
        Permit { _bytes: bytes, _tenant: tenant, connection }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            // The connection is idle from here on, and may be closed to make room for another.
            connection.answered();
        }
    }
}

struct Answer {
    body: Body,
    /// Bytes taken from the body and not yet handed over.
    rest: Bytes,
    permit: Arc<Permit>,
    pieces: Option<(ByteBudget, Owner)>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                ended => return Poll::Ready(ended),
            }
        }
        let length = self.rest.len().min(PIECE_BYTES);
        let bytes = self.rest.split_to(length);
        if let Some(connection) = &self.permit.connection {
            connection.writing();
        }
        let own = self.pieces.as_ref().map(|(budget, owner)| budget.count(*owner, length));
        let piece = Bytes::from_owner(Piece { bytes, _own: own, _permit: self.permit.clone() });
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut all = SizeHint::new();
        if let Some(upper) = hint.upper() {
            all.set_upper(upper + rest);
        }
        all.set_lower(hint.lower() + rest);
        all
    }
}

/// Bytes that the server drops once they are written; the permit is released with the last piece.
struct Piece {
    bytes: Bytes,
    _own: Option<BytePermit>,
    _permit: Arc<Permit>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Extensions;
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn bytes_are_held_until_the_last_piece_is_dropped() {
        let budget = ByteBudget::new(1 << 20);
        let request = RequestContext::new(&Extensions::new());
        request.administrator();
        let response = |length: usize| Response::new(Body::from(vec![7; length]));
        let answer = counted(response(200_000), &request, Some(&budget), Dialect::Native);
        let mut body = answer.into_body();
        assert_eq!(body.size_hint().exact(), Some(200_000));
        let mut pieces = Vec::new();
        while let Some(frame) = body.frame().await {
            pieces.push(frame.unwrap().into_data().unwrap());
        }
        drop(body);
        assert_eq!(pieces.iter().map(Bytes::len).collect::<Vec<_>>(), [65_536, 65_536, 65_536, 3_392]);
        let last = pieces.pop();
        drop(pieces);
        assert_eq!(budget.held(), 200_000);
        let refused = counted(response(400_000), &request, Some(&budget), Dialect::Native);
        assert_eq!((refused.status().as_u16(), budget.held()), (429, 200_000));
        drop(last);
        assert_eq!(budget.held(), 0);
    }

    #[tokio::test]
    async fn a_streamed_response_counts_the_pieces_being_written() {
        struct Stream(u8);
        impl HttpBody for Stream {
            type Data = Bytes;
            type Error = std::convert::Infallible;
            fn poll_frame(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, std::convert::Infallible>>> {
                self.0 += 1;
                Poll::Ready((self.0 <= 3).then(|| Ok(Frame::data(Bytes::from(vec![0; 1_000])))))
            }
        }
        let (budget, request) = (ByteBudget::new(1 << 20), RequestContext::new(&Extensions::new()));
        let mut body =
            counted(Response::new(Body::new(Stream(0))), &request, Some(&budget), Dialect::Native).into_body();
        let first = body.frame().await;
        assert_eq!(budget.held(), 1_000);
        drop(first);
        let rest = [body.frame().await, body.frame().await];
        assert_eq!(budget.held(), 2_000);
        drop(rest);
        assert!(body.frame().await.is_none());
        assert_eq!(budget.held(), 0);
    }
}
