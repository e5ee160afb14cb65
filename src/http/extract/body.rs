//! Bodies: bounded in size and in time, whatever the client does.

use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::domain::Fault;

/// How long a body may take to arrive as a whole: one that drips in ends as well.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A limit on a body, with its name for the error.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Bytes.
    pub bytes: usize,
    /// The same for people.
    pub name: &'static str,
}

/// The limit on every vendor dialect's body.
pub const DIALECT: Limit = Limit { bytes: 1024 * 1024, name: "1 MiB" };

/// Bytes of a body that is long: it takes milliseconds to read.
const LONG: usize = 128 * 1024;

/// Whether a body is to be read beside the threads that answer everybody.
pub const fn is_long(body: &Bytes) -> bool {
    body.len() > LONG
}

/// The content types that routes tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// No `Content-Type` header.
    None,
    /// `application/json`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/x-ndjson`, one JSON text a line.
    NdJson,
    /// `application/cloudevents+json`.
    CloudEvent,
    /// `application/cloudevents-batch+json`.
    CloudEventBatch,
    /// Anything else.
    Other,
}

/// What the request says its body is; parameters such as a charset are ignored.
pub fn media_type(headers: &HeaderMap) -> MediaType {
    let Some(value) = headers.get(CONTENT_TYPE) else { return MediaType::None };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/json" => MediaType::Json,
        "application/x-www-form-urlencoded" => MediaType::Form,
        "application/x-ndjson" => MediaType::NdJson,
        "application/cloudevents+json" => MediaType::CloudEvent,
        "application/cloudevents-batch+json" => MediaType::CloudEventBatch,
        _ => MediaType::Other,
    }
}

/// The whole body. [`Fault::TooLarge`] past the limit, [`Fault::TimedOut`] when it does not arrive in time,
/// [`Fault::UnsupportedMediaType`] when it is compressed: nothing is ever inflated, so nothing can explode.
pub async fn read_body(headers: &HeaderMap, body: Body, limit: Limit) -> Result<Bytes, Fault> {
    read_body_within(headers, body, limit, PATIENCE).await
}

/// The same with another patience; apart, so that a test need not wait for the usual one.
pub async fn read_body_within(
    headers: &HeaderMap,
    body: Body,
    limit: Limit,
    patience: Duration,
) -> Result<Bytes, Fault> {
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(Fault::UnsupportedMediaType("a body without content encoding"));
    }
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit.bytes as u64) {
        return Err(Fault::TooLarge(limit.name));
    }
    match tokio::time::timeout(patience, Limited::new(body, limit.bytes).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Fault::TooLarge(limit.name)),
        Ok(Err(_)) => Err(Fault::Malformed(String::from("the body did not arrive"))),
        Err(_) => Err(Fault::TimedOut),
    }
}
