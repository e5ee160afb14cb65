//! A password as it is kept: its hash, which the journal carries and no answer shows.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What is kept of a password: Argon2id with its own salt, as a PHC string. Made in `auth` only.
///
/// It is not printed by accident: whoever has it can try passwords on it for as long as they like.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(Arc<str>);

impl PasswordHash {
    /// What hashing gave.
    pub fn new(phc: &str) -> Self {
        PasswordHash(phc.into())
    }

    /// The PHC string.
    pub fn phc(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_not_printed() {
        let hash = PasswordHash::new("$argon2id$secret");
        assert!(!format!("{hash:?}").contains("secret"));
        assert_eq!(serde_json::to_string(&hash).unwrap(), "\"$argon2id$secret\"");
    }
}
