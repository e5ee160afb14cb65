//! Automatic persisted queries: texts of documents by their SHA-256, which clients send in place of the text.
//!
//! Each tenant has a share of its own, bounded in documents and in bytes, so that no caller evicts the documents of
//! another tenant, or finds out that it has them. A document that was forgotten is sent again by its client. Requests
//! without a credential have no share.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};

use super::{MAX_SHARES, share};
use crate::domain::TenantId;

/// Most bytes of texts in one share.
pub const PERSISTED_BYTES: usize = 256 * 1024;
/// Most documents of one share.
pub const MAX_PERSISTED: usize = 512;

/// The SHA-256 of a document's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DocumentHash([u8; 32]);

impl DocumentHash {
    /// Computes the hash of a text.
    pub fn of(text: &str) -> Self {
        DocumentHash(Sha256::digest(text.as_bytes()).into())
    }

    /// Parses 64 hexadecimal digits.
    pub fn parse(hexadecimal: &str) -> Option<Self> {
        let digits = hexadecimal.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
            // Two digits are at most 255.
            *byte = (high? * 16 + low?) as u8;
        }
        Some(DocumentHash(hash))
    }
}

impl fmt::Display for DocumentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The length of a text, but so much at least that [`MAX_PERSISTED`] documents fill a share.
#[derive(Clone)]
struct ByLength;

impl Weighter<DocumentHash, Arc<str>> for ByLength {
    fn weight(&self, _hash: &DocumentHash, text: &Arc<str>) -> u64 {
        text.len().max(PERSISTED_BYTES / MAX_PERSISTED) as u64
    }
}

type Share = Cache<DocumentHash, Arc<str>, ByLength>;

/// The persisted documents of all tenants.
pub struct Persisted(Cache<TenantId, Arc<Share>>);

impl Persisted {
    /// Starts without documents.
    pub fn new() -> Self {
        Persisted(Cache::new(MAX_SHARES))
    }

    /// Drops the share of a tenant that was deleted.
    pub fn remove(&self, tenant: TenantId) {
        self.0.remove(&tenant);
    }

    /// Returns the text with this hash, if the tenant's share holds it.
    pub fn get(&self, tenant: TenantId, hash: &DocumentHash) -> Option<Arc<str>> {
        self.0.get(&tenant)?.get(hash)
    }

    /// Keeps a document that passed the rules. `hash` must be that of `text`.
    pub fn keep(&self, tenant: TenantId, hash: DocumentHash, text: &str) {
        let Ok::<_, Infallible>(share) =
            self.0.get_or_insert_with(&tenant, || Ok(Arc::new(share(MAX_PERSISTED, PERSISTED_BYTES, ByLength))));
        if share.get(&hash).is_none() {
            share.insert(hash, text.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const ACME: TenantId = TenantId(Uuid::from_u128(1));
    const OTHER: TenantId = TenantId(Uuid::from_u128(2));

    fn flood(persisted: &Persisted, tenant: TenantId, documents: usize, bytes: usize) -> (usize, usize) {
        let texts: Vec<String> = (0..documents).map(|n| format!("{n:>bytes$}")).collect();
        for text in &texts {
            persisted.keep(tenant, DocumentHash::of(text), text);
        }
        let kept: Vec<_> = texts.iter().filter_map(|text| persisted.get(tenant, &DocumentHash::of(text))).collect();
        (kept.len(), kept.iter().map(|text| text.len()).sum())
    }

    #[test]
    fn hashes_are_those_of_apollo() {
        // The example of Apollo's documentation.
        let hash = DocumentHash::of("{__typename}");
        let text = "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38";
        assert_eq!((hash.to_string().as_str(), DocumentHash::parse(text)), (text, Some(hash)));
        assert_eq!(DocumentHash::parse(&text.to_uppercase()), Some(hash));
        for wrong in ["", &text[1..], &format!("{}g", &text[1..]), &format!("{}é", &text[2..])] {
            assert_eq!(DocumentHash::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_tenant_has_its_own_documents_within_bounds() {
        let persisted = Persisted::new();
        let (hash, text) = (DocumentHash::of("{a}"), "{a}");
        persisted.keep(ACME, hash, text);
        assert_eq!(persisted.get(ACME, &hash).as_deref(), Some(text));
        assert_eq!(persisted.get(OTHER, &hash), None);
        let (small, _) = flood(&persisted, OTHER, 5_000, 10);
        assert!((1..=MAX_PERSISTED).contains(&small), "{small}");
        let (_, bytes) = flood(&persisted, OTHER, 200, 16 * 1024);
        assert!((1..=PERSISTED_BYTES).contains(&bytes), "{bytes}");
        assert!(persisted.get(ACME, &hash).is_some(), "another tenant's flood evicts nothing");
    }

    #[test]
    fn a_deleted_tenant_has_no_documents() {
        let persisted = Persisted::new();
        let hash = DocumentHash::of("{a}");
        for tenant in [ACME, OTHER] {
            persisted.keep(tenant, hash, "{a}");
        }
        persisted.remove(ACME);
        assert_eq!(persisted.get(ACME, &hash), None);
        assert!(persisted.get(OTHER, &hash).is_some());
    }
}
