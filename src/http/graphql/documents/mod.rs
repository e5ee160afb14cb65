//! Cache of documents that were parsed and passed the guard and the rules. It changes the cost of a request, never its answer:
//! everything that depends on variables is checked on every request.
//!
//! Each tenant has a share of its own, bounded by the memory that its documents take; all requests without a credential
//! have one share together. So a flood of documents from one caller cannot evict those of another tenant.

pub mod emptiness;
mod footprint;
pub mod persisted;

use std::convert::Infallible;
use std::hash::Hash;
use std::mem::size_of;
use std::sync::Arc;

use async_graphql::parser::types::ExecutableDocument;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use crate::domain::TenantId;
use crate::http::graphql::validation::NullableVariable;

/// Most bytes of one share.
pub const SHARE_BYTES: usize = 512 * 1024;
/// Largest document that is cached, in bytes of memory. Larger ones are rare and parsed on each request.
pub const DOCUMENT_BYTES: usize = 128 * 1024;
/// Most tenants with a share. A further tenant replaces one that is used less.
pub const MAX_SHARES: usize = 64;
/// Expected documents of a share, to size its table.
const EXPECTED_DOCUMENTS: usize = 64;

/// Most bytes of text in the cache when the budget is off; the memory of the parsed documents is not counted then.
const TEXT_BYTES: usize = 4 * 1024 * 1024;

/// A cached document.
pub struct Document {
    /// The syntax tree.
    pub parsed: ExecutableDocument,
    /// The nullable variables for which defaults of places matter.
    pub nullable: Vec<NullableVariable>,
    /// True if a selection set can turn out empty.
    pub can_be_empty: bool,
    /// Bytes that it counts in the cache.
    weight: usize,
}

/// A document that was parsed and passed the guard and the rules.
pub struct CheckedDocument {
    /// The syntax tree.
    pub parsed: ExecutableDocument,
    /// The nullable variables for which defaults of places matter.
    pub nullable: Vec<NullableVariable>,
}

/// Reads the weight that was measured when the entry was made: measuring walks the whole tree.
#[derive(Clone)]
struct Measured;

impl Weighter<String, Arc<Document>> for Measured {
    fn weight(&self, _text: &String, document: &Arc<Document>) -> u64 {
        document.weight as u64
    }
}

type Share = Cache<String, Arc<Document>, Measured>;

/// The cached documents of all callers.
pub struct Documents {
    /// `None` when the budget is off: all callers then share one cache.
    tenants: Option<Cache<TenantId, Arc<Share>>>,
    unauthenticated: Share,
}

impl Documents {
    /// Creates an empty cache. If `is_bounded` is false, all callers share one, bounded by the size of the texts only.
    pub fn new(is_bounded: bool) -> Self {
        Documents {
            tenants: is_bounded.then(|| Cache::new(MAX_SHARES)),
            unauthenticated: share(EXPECTED_DOCUMENTS, if is_bounded { SHARE_BYTES } else { TEXT_BYTES }, Measured),
        }
    }

    /// Drops the share of a tenant that was deleted.
    pub fn remove(&self, tenant: TenantId) {
        if let Some(tenants) = &self.tenants {
            tenants.remove(&tenant);
        }
    }

    /// Returns the document of a text if the caller's share holds it.
    pub fn get(&self, caller: Option<TenantId>, text: &str) -> Option<Arc<Document>> {
        match (&self.tenants, caller) {
            (Some(tenants), Some(tenant)) => tenants.get(&tenant)?.get(text),
            _ => self.unauthenticated.get(text),
        }
    }

    /// Caches a document for the caller's next request, unless it is too large, and returns it.
    pub fn keep(&self, caller: Option<TenantId>, text: String, checked: CheckedDocument) -> Arc<Document> {
        let is_bounded = self.tenants.is_some();
        let CheckedDocument { parsed, nullable } = checked;
        let weight = if is_bounded {
            text.len() + footprint::bytes(&parsed) + nullable.capacity() * size_of::<NullableVariable>()
        } else {
            text.len().max(64)
        };
        let can_be_empty = emptiness::is_possible(&parsed);
        let document = Arc::new(Document { parsed, nullable, can_be_empty, weight });
        if is_bounded && weight > DOCUMENT_BYTES {
            return document;
        }
        match (&self.tenants, caller) {
            (Some(tenants), Some(tenant)) => {
                let empty = || Ok(Arc::new(share(EXPECTED_DOCUMENTS, SHARE_BYTES, Measured)));
                let Ok::<_, Infallible>(share) = tenants.get_or_insert_with(&tenant, empty);
                share.insert(text, document.clone());
            }
            _ => self.unauthenticated.insert(text, document.clone()),
        }
        document
    }
}

/// Makes a cache of about `items` entries and at most `bytes`, as `weighter` weighs them.
fn share<K: Eq + Hash, V: Clone, W: Weighter<K, V> + Clone>(items: usize, bytes: usize, weighter: W) -> Cache<K, V, W> {
    let weight = bytes as u64;
    // One shard: several would divide the capacity among themselves and reject any document larger than their part.
    let options = OptionsBuilder::new().shards(1).estimated_items_capacity(items).weight_capacity(weight).build();
    let hasher = DefaultHashBuilder::default;
    match options {
        Ok(options) => Cache::with_options(options, weighter, hasher(), DefaultLifecycle::default()),
        // Unreachable: `build` fails only if one of the capacities is not set.
        Err(_) => Cache::with(items, weight, weighter, hasher(), DefaultLifecycle::default()),
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use uuid::Uuid;

    use super::*;

    fn tenant(number: u128) -> Option<TenantId> {
        Some(TenantId(Uuid::from_u128(number)))
    }

    fn checked(parsed: ExecutableDocument) -> CheckedDocument {
        CheckedDocument { parsed, nullable: Vec::new() }
    }

    fn keep(documents: &Documents, caller: Option<TenantId>, text: &str) {
        documents.keep(caller, text.to_owned(), checked(parse_query(text).unwrap()));
    }

    /// Caches `count` texts of the most expensive kind, one field per two bytes. All have the syntax tree of the first,
    /// which takes the same memory and saves the parsing.
    fn flood(documents: &Documents, caller: Option<TenantId>, count: usize) {
        let parsed = parse_query(expensive(0)).unwrap();
        for number in 0..count {
            documents.keep(caller, expensive(number), checked(parsed.clone()));
        }
    }

    fn expensive(number: usize) -> String {
        format!("{{a{number} {}}}", "a ".repeat(100))
    }

    fn weight(documents: &Documents) -> u64 {
        let tenants = documents.tenants.iter().flat_map(Cache::iter);
        documents.unauthenticated.weight() + tenants.map(|(_, share)| share.weight()).sum::<u64>()
    }

    #[test]
    fn a_flood_of_documents_stays_within_its_share() {
        let documents = Documents::new(true);
        for text in ["{a}", "{b}"] {
            keep(&documents, tenant(1), text);
        }
        flood(&documents, tenant(2), 200);
        flood(&documents, None, 200);
        assert!(weight(&documents) <= 3 * SHARE_BYTES as u64);
        assert!((0..200).any(|number| documents.get(tenant(2), &expensive(number)).is_some()));
        assert!(documents.get(tenant(1), "{a}").is_some() && documents.get(tenant(1), "{b}").is_some());
        assert!(documents.get(tenant(2), "{a}").is_none() && documents.get(None, "{a}").is_none());
    }

    #[test]
    fn all_tenants_together_are_bounded() {
        let documents = Documents::new(true);
        for number in 0..200 {
            flood(&documents, tenant(number), 10);
        }
        assert!(weight(&documents) <= (MAX_SHARES * SHARE_BYTES) as u64);
    }

    #[test]
    fn oversized_documents_are_not_cached() {
        let documents = Documents::new(true);
        let text = format!("{{a(b:[{}])}}", "1,".repeat(4_000));
        keep(&documents, tenant(1), &text);
        assert!(documents.get(tenant(1), &text).is_none());
    }

    #[test]
    fn without_the_budget_only_the_size_of_texts_counts() {
        let documents = Documents::new(false);
        flood(&documents, tenant(2), 200);
        let kept = (0..200).filter(|number| documents.get(tenant(1), &expensive(*number)).is_some());
        assert_eq!(kept.count(), 200);
    }
}
