//! Any text as a GraphQL document: what the scan lets through, the parser and the count survive.

#![no_main]

use async_graphql::parser::parse_query;
use libfuzzer_sys::fuzz_target;
use rollcall::http::graphql::guard::{count, is_introspection, scan};

fuzz_target!(|text: &str| {
    if scan(text).is_err() {
        return;
    }
    let Ok(document) = parse_query(text) else { return };
    if count(&document).is_ok() {
        is_introspection(&document);
    }
});
