//! Keys and tokens: made here, shown once, kept as a hash.

use std::fmt::Write;

use rand::Rng;
use sha2::{Digest, Sha256};

/// Characters of a key that lists may show.
const VISIBLE: usize = 11;

/// Bytes of the longest secret that is made here, and some to spare.
const LONGEST: usize = 128;

/// A secret that was just made. It can be shown, and is not printed by accident.
pub struct Secret(String);

impl Secret {
    /// A new secret of 256 random bits, beginning with `kind`.
    pub fn generate(kind: &str) -> Self {
        let mut text = format!("{kind}_");
        for byte in rand::rng().random::<[u8; 32]>() {
            // Writing to a string cannot fail.
            let _written = write!(text, "{byte:02x}");
        }
        Secret(text)
    }

    /// The secret itself, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Enough of it to tell it from others.
    pub fn prefix(&self) -> String {
        self.0.chars().take(VISIBLE).collect()
    }

    /// What is kept of it.
    pub fn hash(&self) -> [u8; 32] {
        hash(&self.0)
    }
}

/// SHA-256. A fast hash will do: the secrets have too much entropy to be guessed.
pub fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// The same of what may be one of the secrets made here. Nothing for what is too long to be one: hashing it would only
/// be work for whoever sends such.
pub fn hash_of_made(secret: &str) -> Option<[u8; 32]> {
    (secret.len() <= LONGEST).then(|| hash(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_show_little() {
        let (a, b) = (Secret::generate("rk"), Secret::generate("rk"));
        assert_ne!(a.reveal(), b.reveal());
        assert_eq!(a.reveal().len(), 67);
        assert!(a.reveal().starts_with(&a.prefix()) && a.prefix().len() == VISIBLE);
    }

    #[test]
    fn what_is_too_long_to_be_one_is_not_hashed() {
        let made = Secret::generate("rk");
        assert_eq!(hash_of_made(made.reveal()), Some(made.hash()));
        assert_eq!(hash_of_made(&"x".repeat(LONGEST + 1)), None);
    }
}
