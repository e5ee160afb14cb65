//! `rollcall schema`: prints the GraphQL schema, for those who make clients from it.

use crate::http::graphql;

/// Prints the schema in its own language.
pub fn run() {
    print!("{}", graphql::sdl());
}
