//! Request bodies, bounded in size, in time and in their sum.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};

use crate::domain::Fault;
use crate::http::connection::body::content_bytes;
use crate::http::request_context::RequestContext;
use crate::limits::{ByteBudget, Owner};

/// Longest time for a whole body to arrive, even if bytes keep coming.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A limit on the size of a body.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// The limit in bytes.
    pub bytes: usize,
    /// The limit as error messages name it.
    pub name: &'static str,
}

/// Limit on bodies of the vendors' dialects.
pub const DIALECT_LIMIT: Limit = Limit { bytes: 1024 * 1024, name: "1 MiB" };

/// Limit on the forms of the token endpoints, which accept unauthenticated requests.
pub const TOKEN_FORM_LIMIT: Limit = Limit { bytes: 16 * 1024, name: "16 KiB" };

/// Limit on a body that is read before its caller is authenticated, such as one that contains the credential itself.
pub const UNAUTHENTICATED_LIMIT: Limit = Limit { bytes: 128 * 1024, name: "128 KiB without a valid credential" };

/// Bytes of a body above which parsing takes milliseconds.
const LONG_BYTES: usize = 128 * 1024;

/// Returns whether a body is long enough to be parsed on the blocking pool, so that it does not delay other requests.
pub const fn is_long(body: &Bytes) -> bool {
    body.len() > LONG_BYTES
}

/// The content types that routes distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// No `Content-Type` header.
    None,
    /// `application/json`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `multipart/form-data`.
    FormData,
    /// `application/x-ndjson`: one JSON text per line.
    NdJson,
    /// `application/cloudevents+json`.
    CloudEvent,
    /// `application/cloudevents-batch+json`.
    CloudEventBatch,
    /// JSON by another name: `text/json`, or a type that ends in `+json` and is not one of CloudEvents.
    OtherJson,
    /// Any other content type, or one that cannot be read.
    Other,
}

/// Returns the content type of the request body. Parameters such as a charset are ignored.
pub fn media_type(headers: &HeaderMap) -> MediaType {
    let Some(value) = headers.get(CONTENT_TYPE) else { return MediaType::None };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/json" => MediaType::Json,
        "application/x-www-form-urlencoded" => MediaType::Form,
        "multipart/form-data" => MediaType::FormData,
        "application/x-ndjson" => MediaType::NdJson,
        "application/cloudevents+json" => MediaType::CloudEvent,
        "application/cloudevents-batch+json" => MediaType::CloudEventBatch,
        other if is_json(other) && !other.starts_with("application/cloudevents") => MediaType::OtherJson,
        _ => MediaType::Other,
    }
}

/// Returns true for `*/json` and `*/*+json`, without parameters and in lower case.
fn is_json(essence: &str) -> bool {
    essence.split_once('/').is_some_and(|(_, subtype)| subtype == "json" || subtype.ends_with("+json"))
}

/// Reads the whole body. A byte order mark before JSON is skipped: it is no part of the JSON, and editors and .NET write
/// one.
///
/// As [`read_raw_body`], and [`Fault::UnsupportedEncoding`] for JSON in UTF-16 or UTF-32.
pub async fn read_body(headers: &HeaderMap, body: Body, limit: Limit) -> Result<Bytes, Fault> {
    let body = read_raw_body(headers, body, limit).await?;
    match media_type(headers) {
        MediaType::None | MediaType::Form | MediaType::FormData | MediaType::Other => Ok(body),
        MediaType::Json
        | MediaType::OtherJson
        | MediaType::NdJson
        | MediaType::CloudEvent
        | MediaType::CloudEventBatch => utf8(body),
    }
}

/// Removes the byte order mark of JSON in UTF-8; [`Fault::UnsupportedEncoding`] for another encoding.
pub fn utf8(mut body: Bytes) -> Result<Bytes, Fault> {
    // JSON begins with an ASCII character, which has zeros beside it in the wider encodings (RFC 4627, section 3).
    match body.get(..4).unwrap_or(&body) {
        [0xFF, 0xFE, 0, 0] | [0, 0, 0xFE, 0xFF] | [0, 0, 0, _] | [_, 0, 0, 0] => {
            Err(Fault::UnsupportedEncoding("UTF-32"))
        }
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [0, _, ..] | [_, 0, ..] => Err(Fault::UnsupportedEncoding("UTF-16")),
        [0xEF, 0xBB, 0xBF, ..] => Ok(body.split_off(3)),
        _ => Ok(body),
    }
}

/// Reads the whole body as it was sent.
///
/// [`Fault::TooLarge`] past the limit, [`Fault::TimedOut`] if it does not arrive in time, [`Fault::TooMany`] or
/// [`Fault::Unavailable`] past the byte budget, [`Fault::UnsupportedMediaType`] if it is compressed: nothing is
/// decompressed, so that a small request cannot become a large one.
pub async fn read_raw_body(headers: &HeaderMap, body: Body, limit: Limit) -> Result<Bytes, Fault> {
    read_body_within(headers, body, limit, BODY_TIMEOUT).await
}

/// Reads the body as [`read_raw_body`] does, with a timeout that tests can shorten.
pub async fn read_body_within(
    headers: &HeaderMap,
    body: Body,
    limit: Limit,
    timeout: Duration,
) -> Result<Bytes, Fault> {
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(Fault::UnsupportedMediaType("a body without content encoding"));
    }
    // A body that announces its excess is refused before any of it is read.
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit.bytes as u64) {
        return Err(Fault::TooLarge(limit.name));
    }
    match tokio::time::timeout(timeout, collect(body, limit)).await {
        Ok(collected) => collected,
        Err(_) => Err(Fault::TimedOut),
    }
}

/// Copies the frames into one buffer: keeping a frame would keep the whole buffer that it was read into.
async fn collect(mut body: Body, limit: Limit) -> Result<Bytes, Fault> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(refusal)?.into_data() else { continue };
        if bytes.len() + data.len() > limit.bytes {
            return Err(Fault::TooLarge(limit.name));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// Counts the bytes that a handler reads of the body, as they arrive, against its caller's budget; if there is one.
pub fn metered(request: Request, context: &RequestContext, budget: Option<&ByteBudget>) -> Request {
    let Some(budget) = budget.filter(|_| !request.body().is_end_stream()) else { return request };
    let (context, budget) = (context.clone(), budget.clone());
    request.map(|body| Body::new(Metered { body, context, budget, read: 0 }))
}

struct Metered {
    body: Body,
    context: RequestContext,
    budget: ByteBudget,
    read: usize,
}

impl Metered {
    fn count(&mut self, bytes: usize) -> Result<(), Fault> {
        self.read += bytes;
        if self.read > UNAUTHENTICATED_LIMIT.bytes && self.context.owner() == Owner::Unauthenticated {
            return Err(Fault::TooLarge(UNAUTHENTICATED_LIMIT.name));
        }
        self.context.take_body(&self.budget, bytes)
    }
}

impl HttpBody for Metered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match self.count(content_bytes(frame.as_ref())) {
            Ok(()) => Poll::Ready(frame),
            Err(fault) => Poll::Ready(Some(Err(axum::Error::new(OverBudget(fault))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The fault for which reading a body ended early.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct OverBudget(Fault);

/// Returns the fault for a body that failed to arrive: the one found in the error's causes, else a malformed request.
fn refusal(error: axum::Error) -> Fault {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if let Some(OverBudget(fault)) = error.downcast_ref() {
            return fault.clone();
        }
        cause = error.source();
    }
    Fault::Malformed(String::from("the body did not arrive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_without_its_byte_order_mark() {
        let read = |bytes: &'static [u8]| utf8(Bytes::from_static(bytes));
        assert_eq!(read(b"\xEF\xBB\xBF{}"), Ok(Bytes::from_static(b"{}")));
        // A mark within the text stays, and is no JSON.
        assert_eq!(read(b"\xEF\xBB\xBF\xEF\xBB\xBF1"), Ok(Bytes::from_static(b"\xEF\xBB\xBF1")));
        for bytes in [&b"{}"[..], b"", b"1", b"\xEF\xBB", b"[1]", b"\xC3\xA9"] {
            assert_eq!(read(bytes), Ok(Bytes::from_static(bytes)));
        }
        for bytes in [&b"{\0}\0"[..], b"\0{\0}", b"\xFF\xFE{\0", b"\xFE\xFF\0{", b"1\0"] {
            assert_eq!(read(bytes), Err(Fault::UnsupportedEncoding("UTF-16")), "{bytes:?}");
        }
        for bytes in [&b"{\0\0\0}\0\0\0"[..], b"\0\0\0{", b"\xFF\xFE\0\0{\0\0\0", b"\0\0\xFE\xFF\0\0\0{"] {
            assert_eq!(read(bytes), Err(Fault::UnsupportedEncoding("UTF-32")), "{bytes:?}");
        }
    }
}
