//! Parses the body of a request. Values of variables are counted before they are built, since a value takes far more
//! memory than its text.

use async_graphql::Request;
use bytes::Bytes;

use super::validation::repeated;
use super::values;
use crate::domain::Fault;

/// Parses a body; [`Fault::Malformed`] if it is a batch, is not a GraphQL request, gives a member twice or, where
/// `are_counted`, has too many values in its variables or extensions.
pub fn read(body: &Bytes, are_counted: bool) -> Result<Request, Fault> {
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(Fault::Malformed(String::from("batches are not supported: send one request at a time")));
    }
    if are_counted {
        values::check_given(body).map_err(Fault::Malformed)?;
    }
    // After the count, which bounds the names that are kept.
    repeated::check_body(body).map_err(Fault::Malformed)?;
    serde_json::from_slice(body)
        .map_err(|error| Fault::Malformed(format!("the body is not a GraphQL request: {error}")))
}
