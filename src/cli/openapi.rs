//! `rollcall openapi`: prints the description of the REST API, from which clients can be generated.

use crate::http::openapi;

/// Prints the OpenAPI 3.1 description as JSON.
pub fn run() {
    print!("{}", openapi::json());
}
