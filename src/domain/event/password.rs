//! The stored form of a password: its hash, which is journalled and never returned by an API.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The Argon2id hash of a password with its own salt, as a PHC string. Only `auth` creates one.
///
/// `Debug` hides the value: a leaked hash can be attacked offline without any rate limit.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(Arc<str>);

impl PasswordHash {
    /// Wraps a PHC string.
    pub fn new(phc: &str) -> Self {
        PasswordHash(phc.into())
    }

    /// The PHC string, to be verified against or stored.
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
    fn debug_output_hides_the_hash() {
        let hash = PasswordHash::new("$argon2id$secret");
        assert!(!format!("{hash:?}").contains("secret"));
        assert_eq!(serde_json::to_string(&hash).unwrap(), "\"$argon2id$secret\"");
    }
}
