//! Forms: `application/x-www-form-urlencoded` and `multipart/form-data`, with the same pairs as their content.

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use multer::{Multipart, parse_boundary};

use super::params::MAX_PAIRS;
use super::{MediaType, Params, media_type};
use crate::domain::Fault;

/// Parses a body that was read whole, if its content type is that of a form; `None` otherwise.
///
/// [`Fault::TooLarge`] past 1,000 pairs, [`Fault::Malformed`] for a body without separate parts, [`Fault::Invalid`] for
/// a file.
pub async fn form(headers: &HeaderMap, body: &Bytes) -> Result<Option<Params<'static>>, Fault> {
    match media_type(headers) {
        MediaType::Form => Params::parse(body).map(Params::into_owned).map(Some),
        MediaType::FormData => multipart(headers, body).await.map(Some),
        _ => Ok(None),
    }
}

async fn multipart(headers: &HeaderMap, body: &Bytes) -> Result<Params<'static>, Fault> {
    let malformed = |error: multer::Error| Fault::Malformed(format!("the body is not multipart/form-data: {error}"));
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = parse_boundary(content_type).map_err(malformed)?;
    let mut parts = Multipart::new(Body::from(body.clone()).into_data_stream(), boundary);
    let mut pairs = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(malformed)? {
        let name = part.name().unwrap_or_default().to_owned();
        if part.file_name().is_some() {
            return Err(Fault::invalid(name, "is a file"));
        }
        if pairs.len() == MAX_PAIRS {
            return Err(Fault::TooLarge("1000 parameters"));
        }
        let value = part.bytes().await.map_err(malformed)?;
        pairs.push((name, String::from_utf8(value.into()).ok()));
    }
    Ok(Params::of(pairs))
}
