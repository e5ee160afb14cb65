//! Any text as a GraphQL document: the parser, the count, the rules and the cost estimate do not crash on documents that
//! pass the scan. With the feature `unguarded` scan and count are skipped, and the seeds contain documents that crash
//! the process.

#![no_main]

use std::sync::LazyLock;

use async_graphql::Variables;
use async_graphql::parser::parse_query;
use libfuzzer_sys::fuzz_target;
use rollcall::http::graphql::cost::weigh;
use rollcall::http::graphql::guard::{count, is_introspection, scan};
use rollcall::http::graphql::sdl;
use rollcall::http::graphql::validation::check;
use rollcall::http::graphql::validation::signatures::Signatures;
use rollcall::http::graphql::validation::texts::decode;

static SIGNATURES: LazyLock<Signatures> = LazyLock::new(|| Signatures::read(&sdl()));

const GUARDED: bool = cfg!(not(feature = "unguarded"));

fuzz_target!(|text: &str| {
    if GUARDED && scan(text).is_err() {
        return;
    }
    let Ok(text) = decode(text) else { return };
    let Ok(document) = parse_query(&text) else { return };
    if GUARDED && count(&document).is_err() {
        return;
    }
    if GUARDED {
        let _checked = check(&text, &document, &SIGNATURES);
    }
    is_introspection(&document);
    for (_, operation) in document.operations.iter() {
        let _weighed = weigh(&document, &operation.node, &Variables::default(), true);
    }
});
