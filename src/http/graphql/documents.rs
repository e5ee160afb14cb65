//! Documents seen before: parsed, guarded and validated once. Bounded by the bytes of their texts.

use std::sync::Arc;

use async_graphql::parser::types::ExecutableDocument;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

/// Bytes of text kept.
const MAX_BYTES: u64 = 4 * 1024 * 1024;
/// Documents expected, to size the table.
const EXPECTED: usize = 1_024;

#[derive(Clone)]
struct ByLength;

impl Weighter<String, Arc<ExecutableDocument>> for ByLength {
    fn weight(&self, text: &String, _document: &Arc<ExecutableDocument>) -> u64 {
        // What parsing makes of a text is some times its size; a floor keeps small ones from being free.
        text.len().max(64) as u64
    }
}

/// The documents that passed every check.
pub struct Documents(Cache<String, Arc<ExecutableDocument>, ByLength>);

impl Documents {
    pub(super) fn new() -> Self {
        Documents(Cache::with_weighter(EXPECTED, MAX_BYTES, ByLength))
    }

    pub(super) fn get(&self, text: &str) -> Option<Arc<ExecutableDocument>> {
        self.0.get(text)
    }

    pub(super) fn keep(&self, text: String, document: Arc<ExecutableDocument>) {
        self.0.insert(text, document);
    }
}
