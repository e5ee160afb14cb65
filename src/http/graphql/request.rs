//! The body of a request: read without what it costs growing beyond its size.

use async_graphql::Request;
use bytes::Bytes;

use super::values;
use crate::domain::Fault;

/// Reads a body. Values of variables are counted before they are made, if `are_counted`.
pub fn read(body: &Bytes, are_counted: bool) -> Result<Request, Fault> {
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(Fault::Malformed(String::from("batches are not supported: send one request at a time")));
    }
    if are_counted {
        values::check_given(body).map_err(Fault::Malformed)?;
    }
    serde_json::from_slice(body)
        .map_err(|error| Fault::Malformed(format!("the body is not a GraphQL request: {error}")))
}
