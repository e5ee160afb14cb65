//! `rollcall openapi`: prints the description of the REST API, for those who make clients from it.

use crate::http::openapi;

/// Prints OpenAPI 3.1 as JSON.
pub fn run() {
    print!("{}", openapi::json());
}
