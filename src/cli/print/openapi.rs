//! `rollcall openapi`: prints the description of the REST API, from which clients can be generated.

use super::super::{Failure, output};
use crate::http::openapi;

/// Prints the OpenAPI 3.1 description as JSON.
pub fn run() -> Result<(), Failure> {
    output::print(openapi::json())
}
