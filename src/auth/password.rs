//! Passwords of users, hashed with Argon2id. The hash is slow by design, so hashing runs on the blocking pool, a few at
//! a time and through a fair queue.
//!
//! Anyone can try passwords, from as many addresses as they have, so turns alone would make a log-in wait for one try
//! of every attacking address. An address that failed lately is therefore served after those that failed less often,
//! and of those without failures the newest is next.

use std::net::IpAddr;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc};
use uuid::Uuid;

use super::failures::RecentFailures;
use super::{Authorized, Caller, OperatorsPasswords};
use crate::clock::Clock;
use crate::domain::event::PasswordHash;
use crate::domain::{EventBody, Fault, Roles, TenantId, UserRef};
use crate::lifecycle::{Lifecycle, cpu_permits};
use crate::limits::throttle::network;
use crate::limits::{Budget, Budgets, FairQueue, QueueLimits, TurnKey};

/// Maximum length of a password, in bytes. It bounds the time that hashing takes.
pub const MAX_BYTES: usize = 1_024;
/// Minimum length of a password that is set, in characters. Shorter ones that were set before it was required are
/// valid.
pub const MIN_CHARS: usize = 8;
/// Maximum number of passwords of one tenant, and of log-ins of one network, waiting to be hashed.
const MAX_WAITING_PER_KEY: usize = 64;
/// Maximum number waiting in all: at most as many as a slow core hashes within [`TURN_TIMEOUT`].
const MAX_WAITING: usize = 1_024;
/// Number of passwords hashed concurrently when [`Budget::Passwords`] is off and the queue is first come, first served.
const FIRST_COME_PERMITS: usize = 2;
/// Maximum time that a caller waits for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);
/// A hash with the usual parameters, of no known password. Log-ins verify it in place of missing hashes, so that the
/// time of a response does not reveal which accounts exist.
const DUMMY_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$cm9sbGNhbGwgbm9ib2R5cw$cm9sbGNhbGwga25vd3Mgbm8gc3VjaCBwYXNzd29yZCE";

/// Hashes and verifies passwords, through a queue apart from that of other CPU-bound work, so that neither waits for
/// the other. A clone is another handle to the same queue.
#[derive(Clone, Debug)]
pub struct Passwords {
    queue: FairQueue,
    failures: RecentFailures,
    lifecycle: Lifecycle,
}

impl Passwords {
    /// Creates an empty queue.
    pub fn new(lifecycle: Lifecycle, clock: &Clock, budgets: Budgets) -> Self {
        let permits = cpu_permits();
        let limits = QueueLimits {
            permits,
            permits_per_key: permits,
            waiting_per_key: MAX_WAITING_PER_KEY,
            waiting: MAX_WAITING,
        };
        let queue = if budgets.has(Budget::Passwords) {
            FairQueue::newest_first(limits, clock)
        } else {
            FairQueue::first_come(FIRST_COME_PERMITS, clock)
        };
        Passwords { queue, failures: RecentFailures::new(clock), lifecycle }
    }

    /// The queue of passwords to be hashed.
    pub const fn queue(&self) -> &FairQueue {
        &self.queue
    }

    /// Hashes a password that a caller sets for a user; fails as [`Passwords::hash_password`].
    pub async fn new_password(
        &self,
        caller: &Authorized<OperatorsPasswords>,
        password: &str,
    ) -> Result<NewPassword, Fault> {
        let hash = self.hash_password(caller.tenant(), password).await?;
        let Caller { scopes, key, .. } = *caller.caller();
        Ok(NewPassword { hash, by: key, grantable: scopes.grantable_roles() })
    }

    /// Hashes a password of a tenant's user.
    ///
    /// [`Fault::Invalid`] for `password` unless it has [`MIN_CHARS`] characters or more, and [`MAX_BYTES`] bytes at
    /// most. [`Fault::TooMany`] or [`Fault::Unavailable`] if too many are waiting or the turn does not come in time.
    pub async fn hash_password(&self, tenant: TenantId, password: &str) -> Result<PasswordHash, Fault> {
        if !is_password(password) || password.chars().count() < MIN_CHARS {
            return Err(Fault::invalid("password", "must have at least 8 characters, and at most 1024 bytes"));
        }
        let password = password.to_owned();
        self.run_queued(TurnKey::Tenant(tenant), 0, move || hash(&password)).await?.ok_or(Fault::Internal)
    }

    /// Returns the indexes of the hashes that match the password, for a log-in from the address `from`.
    ///
    /// Always does the work of `tries` verifications, whatever the password and however many hashes, up to `tries`, are
    /// given. Otherwise the time of the response would reveal in how many tenants an account has a password. Unless
    /// exactly one hash matches, it counts as a failure of the address, also if it is rejected or its caller goes away.
    pub async fn matching(
        &self,
        from: IpAddr,
        password: &str,
        hashes: Vec<PasswordHash>,
        tries: usize,
    ) -> Result<Vec<usize>, Fault> {
        let is_possible = is_password(password);
        // A text that cannot be a password still costs the same work, in a shortened form, and matches nothing.
        let password: String = if is_possible { password.to_owned() } else { password.chars().take(1).collect() };
        // Without the budget only a log-in without any account costs a dummy.
        let tries = if self.queue.is_fair() { tries } else { 1 };
        let from = network(from);
        let (key, rank) = (TurnKey::Network(from), self.failures.of(from));
        let attempt = Attempt { passwords: self.clone(), from, has_succeeded: false };
        let work = move || {
            let tried = padded(&hashes, tries).into_iter().enumerate();
            let found: Vec<usize> = tried.filter(|(_, hash)| verify(&password, hash)).map(|(at, _)| at).collect();
            let found = if is_possible { found } else { Vec::new() };
            attempt.end(found.len() == 1);
            found
        };
        self.run_queued(key, rank, work).await
    }

    /// Runs CPU-bound work on the blocking pool when it is the turn of `key`, after the keys of a lower rank.
    /// [`Fault::Unavailable`] if that takes longer than [`TURN_TIMEOUT`].
    async fn run_queued<T: Send + 'static>(
        &self,
        key: TurnKey,
        rank: u32,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let permit = tokio::time::timeout(TURN_TIMEOUT, self.queue.enter_ranked(key, rank)).await;
        let permit = permit.map_err(|_| Fault::Unavailable("too many passwords are being tried"))??;
        self.lifecycle.spawn_blocking(permit, work).await.map_err(|_| Fault::Internal)
    }
}

/// A password to be set by a caller with the right to. It is the hash; the password itself is kept nowhere.
#[derive(Clone, Debug)]
pub struct NewPassword {
    hash: PasswordHash,
    by: Option<Uuid>,
    grantable: Roles,
}

impl NewPassword {
    /// Returns the event that sets the password of a user with `roles`.
    ///
    /// [`Fault::Forbidden`] if a log-in with these roles may do more than the caller.
    pub fn set_for(self, user: UserRef, roles: Roles) -> Result<EventBody, Fault> {
        let NewPassword { hash, by, grantable } = self;
        // Every log-in may read, also one without a role: what an operator's may.
        let is_granted = !grantable.is_empty() && roles.is_within(grantable);
        if is_granted { Ok(EventBody::PasswordSet { user, hash, by }) } else { Err(Fault::Forbidden) }
    }
}

/// A log-in of a network address. Dropping it counts a failure unless it succeeded: an attack must not stay without
/// failures by leaving the queue and entering it again.
struct Attempt {
    passwords: Passwords,
    from: IpAddr,
    has_succeeded: bool,
}

impl Attempt {
    fn end(mut self, has_succeeded: bool) {
        self.has_succeeded = has_succeeded;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.has_succeeded {
            let Passwords { queue, failures, .. } = &self.passwords;
            queue.set_rank(TurnKey::Network(self.from), failures.add(self.from));
        }
    }
}

/// Returns the hashes to verify, padded with dummies to `tries`, and to at least one.
fn padded(hashes: &[PasswordHash], tries: usize) -> Vec<&str> {
    let dummies = tries.max(1).saturating_sub(hashes.len());
    hashes.iter().map(PasswordHash::phc).chain(std::iter::repeat_n(DUMMY_HASH, dummies)).collect()
}

const fn is_password(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_BYTES
}

fn hash(password: &str) -> Option<PasswordHash> {
    let hashed = Argon2::default().hash_password(password.as_bytes());
    let hashed = hashed.inspect_err(|error| tracing::error!(%error, "a password could not be hashed"));
    Some(PasswordHash::new(&hashed.ok()?.to_string()))
}

fn verify(password: &str, stored: &str) -> bool {
    let stored = phc::PasswordHash::new(stored);
    let stored = stored.inspect_err(|error| tracing::error!(%error, "a password's hash cannot be read"));
    stored.is_ok_and(|stored| Argon2::default().verify_password(password.as_bytes(), &stored).is_ok())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::domain::Time;

    const TENANT: TenantId = TenantId(Uuid::from_u128(1));
    const FROM: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn passwords(budgets: Budgets) -> Passwords {
        Passwords::new(Lifecycle::default(), &Clock::manual(Time::from_micros(0)), budgets)
    }

    #[tokio::test]
    async fn a_password_matches_its_own_hashes() {
        let passwords = passwords(Budgets::default());
        let one = passwords.hash_password(TENANT, "password one").await.unwrap();
        let again = passwords.hash_password(TENANT, "password one").await.unwrap();
        let two = passwords.hash_password(TENANT, "password two").await.unwrap();
        assert_ne!(one, again, "each has its own salt");
        let hashes = vec![two, one, again];
        assert_eq!(passwords.matching(FROM, "password one", hashes.clone(), 4).await, Ok(vec![1, 2]));
        assert_eq!(passwords.matching(FROM, "password one", Vec::new(), 1).await, Ok(Vec::new()));
        for text in ["", &"x".repeat(MAX_BYTES + 1)] {
            assert!(passwords.hash_password(TENANT, text).await.is_err());
            assert_eq!(passwords.matching(FROM, text, hashes.clone(), 3).await, Ok(Vec::new()));
        }
        let x = hash("x").unwrap();
        assert_eq!(passwords.matching(FROM, &"x".repeat(MAX_BYTES + 1), vec![x.clone()], 1).await, Ok(Vec::new()));
        assert_eq!(passwords.matching(FROM, "x", vec![x], 1).await, Ok(vec![0]), "set before eight were needed");
    }

    #[tokio::test]
    async fn a_password_has_at_least_eight_characters() {
        let passwords = passwords(Budgets::default());
        for text in ["", "seven c", "äöüäöüä", &"x".repeat(MAX_BYTES + 1)] {
            let refused = passwords.hash_password(TENANT, text).await.unwrap_err();
            let named = Fault::invalid("password", "must have at least 8 characters, and at most 1024 bytes");
            assert_eq!(refused, named, "{text:?}");
        }
        assert!(passwords.hash_password(TENANT, "äöüäöüäö").await.is_ok());
    }

    #[tokio::test]
    async fn log_ins_that_do_not_succeed_count_as_failures() {
        let passwords = passwords(Budgets::default());
        let kept = vec![passwords.hash_password(TENANT, "password one").await.unwrap()];
        assert_eq!(passwords.matching(FROM, "password one", kept.clone(), 1).await, Ok(vec![0]));
        assert_eq!(passwords.failures.of(FROM), 0);
        assert_eq!(passwords.matching(FROM, "password two", kept.clone(), 1).await, Ok(Vec::new()));
        assert_eq!(passwords.failures.of(FROM), 1);
        let mut held = Vec::new();
        for _ in 0..cpu_permits() {
            held.push(passwords.queue.enter(TurnKey::Tenant(TENANT)).await.unwrap());
        }
        let mut given_up = Box::pin(passwords.matching(FROM, "password one", kept, 1));
        waits(given_up.as_mut()).await;
        drop(given_up);
        assert_eq!(passwords.failures.of(FROM), 2, "its caller went away");
    }

    #[test]
    fn a_log_in_verifies_as_many_hashes_whatever_accounts_exist() {
        let hashes: Vec<PasswordHash> = (0..4).map(|n| PasswordHash::new(&n.to_string())).collect();
        for accounts in 0..=4 {
            let tried = padded(&hashes[..accounts], 4);
            assert_eq!(tried.len(), 4, "{accounts}");
            assert_eq!(tried.iter().filter(|phc| **phc == DUMMY_HASH).count(), 4 - accounts);
        }
        assert_eq!(padded(&[], 0), [DUMMY_HASH], "even before any tenant exists");
    }

    /// Polls `work` once and panics if it does not wait.
    async fn waits<T>(work: std::pin::Pin<&mut impl Future<Output = T>>) {
        tokio::select! {
            biased;
            _ = work => panic!("it does not wait"),
            () = std::future::ready(()) => {}
        }
    }

    #[tokio::test]
    async fn a_tenant_setting_many_passwords_delays_a_log_in_by_one_hash() {
        let clock = Clock::manual(Time::from_micros(0));
        let passwords = Passwords::new(Lifecycle::default(), &clock, Budgets::default());
        let mut held = Vec::new();
        for _ in 0..cpu_permits() {
            held.push(passwords.queue.enter(TurnKey::Tenant(TENANT)).await.unwrap());
        }
        let mut flood: Vec<_> =
            (0..MAX_WAITING_PER_KEY).map(|_| Box::pin(passwords.queue.enter(TurnKey::Tenant(TENANT)))).collect();
        for sending in &mut flood {
            waits(sending.as_mut()).await;
        }
        let one_too_many = passwords.hash_password(TENANT, "password").await;
        assert_eq!(one_too_many, Err(Fault::TooMany { seconds: 1 }));
        let mut log_in = std::pin::pin!(passwords.queue.enter(TurnKey::Network(FROM)));
        waits(log_in.as_mut()).await;
        clock.advance(Duration::from_millis(14));
        held.pop();
        assert!(log_in.await.is_ok(), "it waits only for the hash in progress");
    }

    #[tokio::test]
    async fn without_the_budget_passwords_are_hashed_in_order_of_arrival() {
        let passwords = passwords(Budgets::without([Budget::Passwords]));
        let tenant = TurnKey::Tenant(TENANT);
        let mut held = vec![passwords.queue.enter(tenant).await.unwrap(), passwords.queue.enter(tenant).await.unwrap()];
        let mut before = Box::pin(passwords.queue.enter(tenant));
        waits(before.as_mut()).await;
        let mut log_in = std::pin::pin!(passwords.queue.enter(TurnKey::Network(FROM)));
        waits(log_in.as_mut()).await;
        held.pop();
        held.push(before.await.unwrap());
        waits(log_in.as_mut()).await;
        held.pop();
        assert!(log_in.await.is_ok());
    }

    #[test]
    fn the_dummy_has_the_parameters_of_a_real_hash() {
        let parameters = |phc: &str| phc.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(parameters(DUMMY_HASH), parameters(hash("x").unwrap().phc()));
        let lengths = |phc: &str| phc.split('$').skip(4).map(str::len).collect::<Vec<_>>();
        assert_eq!(lengths(DUMMY_HASH), lengths(hash("x").unwrap().phc()));
        assert!(phc::PasswordHash::new(DUMMY_HASH).is_ok());
    }
}
