//! Generated secrets (keys, tokens, tickets): shown once and stored as a hash only.

use std::fmt::Write;

use rand::Rng;
use sha2::{Digest, Sha256};

/// Number of characters of a key that lists may show.
const VISIBLE_CHARS: usize = 11;

/// Upper bound for the length of a generated secret, in bytes, with a margin.
const MAX_SECRET_BYTES: usize = 128;

/// A newly generated secret. It implements neither `Debug` nor `Display`, so that it is not printed by accident.
pub struct Secret(String);

impl Secret {
    /// Generates a secret of 256 random bits in hexadecimal, with the prefix `kind` and an underscore.
    pub fn generate(kind: &str) -> Self {
        let mut text = format!("{kind}_");
        for byte in rand::rng().random::<[u8; 32]>() {
            // Writing to a string cannot fail.
            let _written = write!(text, "{byte:02x}");
        }
        Secret(text)
    }

    /// Returns the secret in clear, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The beginning of the secret, by which lists distinguish it from others.
    pub fn prefix(&self) -> String {
        self.0.chars().take(VISIBLE_CHARS).collect()
    }

    /// The hash that is stored in place of the secret.
    pub fn hash(&self) -> [u8; 32] {
        hash(&self.0)
    }
}

/// The SHA-256 hash of a secret of bounded length. A fast hash suffices, since generated secrets have too much entropy
/// to be guessed.
pub fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Hashes a presented secret. `None` if it is longer than any secret we issue, so that oversized input costs nothing.
pub fn hash_of_made(secret: &str) -> Option<[u8; 32]> {
    (secret.len() <= MAX_SECRET_BYTES).then(|| hash(secret))
}

/// Hashes a text that has the form of a key or a token. `None` for any other, which the store need not be searched for.
pub fn hash_of_credential(text: &str) -> Option<[u8; 32]> {
    has_form(text, &["rk_", "rt_"]).then(|| hash(text))
}

/// Hashes a text that has the form of a ticket; `None` for any other.
pub fn hash_of_ticket(text: &str) -> Option<[u8; 32]> {
    has_form(text, &["dt_"]).then(|| hash(text))
}

/// Hashes a text that has the form of a ticket of live queries; `None` for any other.
pub fn hash_of_live_ticket(text: &str) -> Option<[u8; 32]> {
    has_form(text, &["lt_"]).then(|| hash(text))
}

/// Hashes a ticket together with the query that it is bound to. Equal to no hash of a ticket alone.
pub fn bound(ticket: &str, query: &str) -> [u8; 32] {
    // No ticket has the character between them.
    Sha256::new().chain_update(ticket).chain_update([0]).chain_update(query).finalize().into()
}

/// Hashes a text that has the form of a link's token; `None` for any other.
pub fn hash_of_link(text: &str) -> Option<[u8; 32]> {
    has_form(text, &["wl_"]).then(|| hash(text))
}

/// Returns true if the text is as [`Secret::generate`] makes them, with one of these prefixes.
fn has_form(text: &str, prefixes: &[&str]) -> bool {
    let digits = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or_default();
    digits.len() == 64 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_texts_in_the_form_of_a_secret_are_looked_up() {
        for kind in ["rk", "rt", "dt", "ra", "wl", "lt"] {
            let made = Secret::generate(kind);
            let hash = Some(made.hash());
            let (credential, ticket) = (hash_of_credential(made.reveal()), hash_of_ticket(made.reveal()));
            assert_eq!(credential, hash.filter(|_| kind.starts_with('r') && kind != "ra"), "{kind}");
            assert_eq!(ticket, hash.filter(|_| kind == "dt"), "{kind}");
            assert_eq!(hash_of_link(made.reveal()), hash.filter(|_| kind == "wl"), "{kind}");
            assert_eq!(hash_of_live_ticket(made.reveal()), hash.filter(|_| kind == "lt"), "{kind}");
            for other in [&made.reveal()[1..], &made.reveal().to_uppercase(), &format!("{}0", made.reveal()), "", kind]
            {
                assert_eq!((hash_of_credential(other), hash_of_ticket(other)), (None, None), "{other}");
            }
        }
    }

    #[test]
    fn secrets_differ_and_have_short_prefixes() {
        let (a, b) = (Secret::generate("rk"), Secret::generate("rk"));
        assert_ne!(a.reveal(), b.reveal());
        assert_eq!(a.reveal().len(), 67);
        assert!(a.reveal().starts_with(&a.prefix()) && a.prefix().len() == VISIBLE_CHARS);
    }

    #[test]
    fn a_bound_ticket_has_another_hash_for_each_query() {
        let ticket = Secret::generate("lt");
        let of = |query: &str| bound(ticket.reveal(), query);
        assert_eq!(of("by=skill"), of("by=skill"));
        assert!([of(""), of("by=group"), ticket.hash()].iter().all(|other| *other != of("by=skill")));
        assert_ne!(of(""), ticket.hash());
    }

    #[test]
    fn texts_longer_than_any_secret_are_not_hashed() {
        let made = Secret::generate("rk");
        assert_eq!(hash_of_made(made.reveal()), Some(made.hash()));
        assert_eq!(hash_of_made(&"x".repeat(MAX_SECRET_BYTES + 1)), None);
    }
}
