//! `rollcall schema`: prints the GraphQL schema, from which clients can be generated.

use super::super::{Failure, output};
use crate::http::graphql;

/// Prints the schema in the schema definition language.
pub fn run() -> Result<(), Failure> {
    output::print(&graphql::sdl())
}
