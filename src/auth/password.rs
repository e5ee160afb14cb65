//! Passwords of people: hashed with Argon2id, which is slow on purpose, and so done beside everything else and by few at
//! a time.

use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc};
use tokio::sync::Semaphore;

use crate::domain::Fault;
use crate::domain::event::PasswordHash;
use crate::lifecycle::Lifecycle;

/// Longest password, in bytes: hashing is to take the same time for all.
pub const MAX_BYTES: usize = 1_024;
/// Passwords hashed at a time: each takes 19 MiB and a core.
const AT_A_TIME: usize = 2;
/// How long one waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// A hash in the form of all others that no password is known for: tried in the place of one that is not there, so that
/// nobody learns from the time it takes whether there is one.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$cm9sbGNhbGwgbm9ib2R5cw$cm9sbGNhbGwga25vd3Mgbm8gc3VjaCBwYXNzd29yZCE";

/// Where passwords are hashed and tried. A clone is another handle to the same turns.
#[derive(Clone, Debug)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    lifecycle: Lifecycle,
}

impl Passwords {
    /// Nobody waits yet.
    pub fn new(lifecycle: Lifecycle) -> Self {
        Passwords { turns: Arc::new(Semaphore::new(AT_A_TIME)), lifecycle }
    }

    /// What is to be kept of a password, for `Body::PasswordSet`.
    ///
    /// [`Fault::Invalid`], naming `password`, unless it has 1 to [`MAX_BYTES`] bytes; [`Fault::Unavailable`] when too
    /// many wait for their turn.
    pub async fn hash_password(&self, password: &str) -> Result<PasswordHash, Fault> {
        if !is_password(password) {
            return Err(Fault::invalid("password", "must be 1 to 1024 bytes"));
        }
        let password = password.to_owned();
        self.in_turn(move || hash(&password)).await?.ok_or(Fault::Internal)
    }

    /// Which of the hashes are of this password, by their places. Without any, it takes as long as for one.
    pub async fn matching(&self, password: &str, hashes: Vec<PasswordHash>) -> Result<Vec<usize>, Fault> {
        if !is_password(password) {
            return Ok(Vec::new());
        }
        let password = password.to_owned();
        self.in_turn(move || {
            if hashes.is_empty() {
                verify(&password, NOBODYS);
            }
            let places = hashes.iter().enumerate();
            places.filter(|(_, hash)| verify(&password, hash.phc())).map(|(place, _)| place).collect()
        })
        .await
    }

    /// Does slow work beside the tasks that answer.
    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
        let turn = tokio::time::timeout(PATIENCE, self.turns.clone().acquire_owned()).await;
        let turn = turn.map_err(|_| Fault::Unavailable("too many passwords are being tried"))?;
        let turn = turn.map_err(|_| Fault::Internal)?;
        self.lifecycle.block(turn, work).await.map_err(|_| Fault::Internal)
    }
}

const fn is_password(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_BYTES
}

fn hash(password: &str) -> Option<PasswordHash> {
    let hashed = Argon2::default().hash_password(password.as_bytes());
    let hashed = hashed.inspect_err(|error| tracing::error!(%error, "a password could not be hashed"));
    Some(PasswordHash::new(&hashed.ok()?.to_string()))
}

fn verify(password: &str, kept: &str) -> bool {
    let kept = phc::PasswordHash::new(kept);
    let kept = kept.inspect_err(|error| tracing::error!(%error, "a password's hash cannot be read"));
    kept.is_ok_and(|kept| Argon2::default().verify_password(password.as_bytes(), &kept).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_own_hashes() {
        let passwords = Passwords::new(Lifecycle::default());
        let one = passwords.hash_password("one").await.unwrap();
        let again = passwords.hash_password("one").await.unwrap();
        let two = passwords.hash_password("two").await.unwrap();
        assert_ne!(one, again, "each has its own salt");
        assert_eq!(passwords.matching("one", vec![two, one, again]).await, Ok(vec![1, 2]));
        assert_eq!(passwords.matching("one", Vec::new()).await, Ok(Vec::new()));
        for text in ["", &"x".repeat(MAX_BYTES + 1)] {
            assert!(passwords.hash_password(text).await.is_err());
            assert_eq!(passwords.matching(text, Vec::new()).await, Ok(Vec::new()));
        }
    }

    #[test]
    fn nobodys_hash_takes_as_long_as_any_other() {
        let parameters = |phc: &str| phc.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(parameters(NOBODYS), parameters(hash("x").unwrap().phc()));
        let lengths = |phc: &str| phc.split('$').skip(4).map(str::len).collect::<Vec<_>>();
        assert_eq!(lengths(NOBODYS), lengths(hash("x").unwrap().phc()));
        assert!(phc::PasswordHash::new(NOBODYS).is_ok());
    }
}
