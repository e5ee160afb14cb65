//! Authentication by key or token, from memory: keys and tokens of the registry. What memory does not have is looked up
//! in the store.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use subtle::ConstantTimeEq;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::look_ups::LookUps;
use super::tickets::Redeemed;
use super::{Admin, Caller, Client, Link, LogIn, LoggedIn, Scraper, UserRights, secret};
use crate::clock::Clock;
use crate::domain::board::BoardName;
use crate::domain::ids::parse_guid;
use crate::domain::{Fault, Scopes, TenantId};
use crate::limits::Throttle;
use crate::registry::{Registry, ValidKey};
use crate::store::{LinkRecord, LogInPage, StoreError, TokenHolder, TokenRecord, in_time};

/// Interval at which expired tokens and throttle entries are removed from memory.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);
/// Seconds within which further connections with a link are not noted.
const SEEN_SECONDS: i64 = 60;
/// Log-ins that are read from the store at a time.
pub const LOG_INS_AT_ONCE: u32 = 1_000;

/// The keys and tokens, found by the hash of the presented credential. Clones share them.
#[derive(Clone, Debug)]
pub struct Credentials(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    clock: Clock,
    operators: OperatorHashes,
    look_ups: LookUps,
}

/// The hashes of the tokens that belong to no tenant. A token that is not set is rejected, whatever is presented.
#[derive(Clone, Copy, Debug, Default)]
pub struct OperatorHashes {
    /// Of the administrator's token.
    pub admin: Option<[u8; 32]>,
    /// Of the token that reads the metrics.
    pub metrics: Option<[u8; 32]>,
}

impl Credentials {
    /// Loads the tokens into the registry.
    pub async fn load(registry: Registry, operators: OperatorHashes, clock: Clock) -> Result<Self, StoreError> {
        registry.load_tokens(clock.now()).await?;
        let look_ups = LookUps::new(registry.clone(), clock.clone());
        Ok(Credentials(Arc::new(Inner { registry, clock, operators, look_ups })))
    }

    /// Authenticates a key or token.
    ///
    /// For the token of a logged-in user, `rights_now` returns the rights that the user has now, or `None` if the user
    /// or the password is gone, which makes the token invalid; this type does not know users. The caller gets the
    /// scopes that are in the token, in `rights_now`, and in the key that set the password; with that key the token
    /// ends. [`Fault::CredentialMissing`] without a credential, [`Fault::CredentialInvalid`] if it is unknown, revoked
    /// or expired.
    pub fn caller(
        &self,
        credential: Option<&str>,
        rights_now: impl FnOnce(TenantId, LoggedIn) -> Result<Option<UserRights>, Fault>,
    ) -> Result<Caller, Fault> {
        let credential = credential.filter(|text| !text.is_empty()).ok_or(Fault::CredentialMissing)?;
        let hash = secret::hash_of_made(credential).ok_or(Fault::CredentialInvalid)?;
        self.authenticate(hash, rights_now)
    }

    /// Authenticates a caller again by the credential presented earlier, as [`Credentials::caller`] does. Long-lived
    /// connections need this, since the credential may have been revoked or have expired in the meantime.
    pub fn revalidate(
        &self,
        caller: &Caller,
        rights_now: impl FnOnce(TenantId, LoggedIn) -> Result<Option<UserRights>, Fault>,
    ) -> Result<Caller, Fault> {
        self.authenticate(caller.credential, rights_now)
    }

    /// Authenticates the caller that a ticket was made for, as [`Credentials::caller`] does with its credential.
    pub fn issuer<P>(
        &self,
        ticket: &Redeemed<P>,
        rights_now: impl FnOnce(TenantId, LoggedIn) -> Result<Option<UserRights>, Fault>,
    ) -> Result<Caller, Fault> {
        self.authenticate(ticket.credential, rights_now)
    }

    /// Returns the tenant of a user's log-in with this token, and the position at which its password was set. `None` if the
    /// token is unknown, expired, or not a user's.
    pub fn log_in_of(&self, hash: &[u8; 32]) -> Option<(TenantId, u64)> {
        let token = self.0.registry.tokens().find(hash, self.0.clock.now())?;
        match token.holder {
            TokenHolder::User { password, .. } => Some((token.tenant, password)),
            TokenHolder::Key(_) => None,
        }
    }

    /// Returns true if looking the credential with this hash up can show more than memory has: it was not looked up
    /// within the last minute.
    pub fn can_look_up(&self, hash: &[u8; 32]) -> bool {
        !self.0.look_ups.is_settled(hash)
    }

    /// Looks up in the store whether another server, or a command, made a credential. If the store has it, it is known
    /// when this returns, and a caller that was rejected before can be authenticated again.
    ///
    /// [`Fault::TooMany`] if too many credentials are being looked up, from the network address or in all;
    /// [`Fault::Unavailable`] if the store does not answer: nothing is known about the credential then.
    pub async fn look_up(&self, hash: [u8; 32], network: IpAddr) -> Result<(), Fault> {
        self.0.look_ups.look_up(hash, network).await
    }

    fn authenticate(
        &self,
        hash: [u8; 32],
        rights_now: impl FnOnce(TenantId, LoggedIn) -> Result<Option<UserRights>, Fault>,
    ) -> Result<Caller, Fault> {
        let registry = self.0.registry.current();
        // Found by its hash, a credential needs no comparison in constant time: hashes cannot be approached step by
        // step.
        if let Some(ValidKey { id, tenant, scopes }) = registry.key(&hash) {
            return Ok(Caller { tenant, scopes, credential: hash, key: Some(id), is_user: false });
        }
        let token = self.0.registry.tokens().find(&hash, self.0.clock.now()).ok_or(Fault::CredentialInvalid)?;
        if !registry.has_tenant(token.tenant) {
            return Err(Fault::CredentialInvalid);
        }
        let (scopes, key, is_user) = match token.holder {
            // A token issued for a key is valid as long as its key is, with the scopes it was issued with.
            TokenHolder::Key(key) => (registry.has_key(key).then_some(token.scopes), Some(key), false),
            TokenHolder::User { guid, password } => {
                let now = rights_now(token.tenant, LoggedIn { guid, password })?.ok_or(Fault::CredentialInvalid)?;
                (self.log_in_scopes(now).map(|now| token.scopes.within(now)), now.key, true)
            }
        };
        let scopes = scopes.ok_or(Fault::CredentialInvalid)?;
        Ok(Caller { tenant: token.tenant, scopes, credential: hash, key, is_user })
    }

    /// Authenticates a link by the hash of its token, from memory. `None` if it is not there, expired, or its key or tenant
    /// is gone.
    pub fn link(&self, hash: &[u8; 32]) -> Option<Link> {
        let registry = self.0.registry.current();
        let record = self.0.registry.links().find(hash, self.0.clock.now())?;
        let is_valid = registry.has_tenant(record.tenant) && record.key.is_none_or(|key| registry.has_key(key));
        let LinkRecord { tenant, board, names, people, .. } = record;
        let board = BoardName::new(&board).filter(|_| is_valid)?;
        Some(Link { tenant, board, names, people, credential: *hash })
    }

    /// Authenticates a link again that was presented earlier; [`Fault::CredentialInvalid`] if it has ended.
    pub fn revalidate_link(&self, link: &Link) -> Result<Link, Fault> {
        self.link(&link.credential).ok_or(Fault::CredentialInvalid)
    }

    /// Looks a link up in the store. If the store has it, it is in memory when this returns. One look-up is made at a
    /// time.
    ///
    /// [`Fault::Unavailable`] if the store does not answer: nothing is known about the link then.
    pub async fn look_up_link(&self, hash: [u8; 32]) -> Result<(), Fault> {
        in_time(self.0.registry.look_up_link(hash)).await
    }

    /// Notes a connection with a link, in the store, unless one was noted within the last minute.
    pub async fn see_link(&self, link: &Link) -> Result<(), Fault> {
        let now = self.0.clock.now();
        let known = self.0.registry.links().find(&link.credential, now).and_then(|known| known.seen);
        if known.is_some_and(|seen| now < seen.plus_seconds(SEEN_SECONDS)) {
            return Ok(());
        }
        self.0.registry.links().see(&link.credential, now);
        in_time(self.0.registry.store().see_link(&link.credential, now)).await
    }

    /// Returns the scopes of a log-in with these rights: those of them that the key grants which set the password,
    /// since a password is worth no more than that key. `None` if the key is revoked.
    pub fn log_in_scopes(&self, rights: UserRights) -> Option<Scopes> {
        let Some(key) = rights.key else { return Some(rights.scopes) };
        let granting = self.0.registry.current().scopes_of(key)?;
        Some(rights.scopes.granted_by(granting))
    }

    /// Returns a page of the log-ins of a tenant's users, or of one user, that have not expired, the newest first:
    /// [`LOG_INS_AT_ONCE`] of them, or all that are left after the last one of the page before.
    pub async fn log_ins(
        &self,
        tenant: TenantId,
        user: Option<Uuid>,
        last: Option<&LogIn>,
    ) -> Result<Vec<LogIn>, Fault> {
        let before = last.map(|log_in| (log_in.created, log_in.hash));
        let page = LogInPage { tenant, user, now: self.0.clock.now(), before, limit: LOG_INS_AT_ONCE };
        let tokens = in_time(self.0.registry.store().log_ins(page)).await?;
        Ok(tokens.iter().filter_map(LogIn::of).collect())
    }

    /// Authenticates a client by the key's id and the key itself. Tokens are rejected.
    pub fn client(&self, id: &str, key: &str) -> Result<Client, Fault> {
        let hash = secret::hash_of_made(key).ok_or(Fault::CredentialInvalid)?;
        let found = self.0.registry.current().key(&hash).filter(|found| parse_guid(id) == Some(found.id));
        let ValidKey { id: key, tenant, scopes } = found.ok_or(Fault::CredentialInvalid)?;
        Ok(Client { key, tenant, scopes })
    }

    /// The number of valid keys.
    pub fn keys(&self) -> usize {
        self.0.registry.current().keys()
    }

    /// Returns true if a valid key has this hash.
    pub fn has_key_hash(&self, hash: &[u8; 32]) -> bool {
        self.0.registry.current().key(hash).is_some()
    }

    /// Returns true if the key with this id is valid.
    pub fn has_key(&self, id: Uuid) -> bool {
        self.0.registry.current().has_key(id)
    }

    /// Authenticates the administrator. The hashes are compared in constant time.
    pub fn admin(&self, token: Option<&str>) -> Result<Admin, Fault> {
        let token = token.filter(|token| !token.is_empty()).ok_or(Fault::CredentialMissing)?;
        if matches(token, self.0.operators.admin) { Ok(Admin(())) } else { Err(Fault::CredentialInvalid) }
    }

    /// Authenticates a reader of the metrics, by the metrics token or the administrator's. A tenant's key is neither.
    pub fn scraper(&self, token: Option<&str>) -> Result<Scraper, Fault> {
        let token = token.filter(|token| !token.is_empty()).ok_or(Fault::CredentialMissing)?;
        let OperatorHashes { admin, metrics } = self.0.operators;
        if matches(token, metrics) || matches(token, admin) { Ok(Scraper(())) } else { Err(Fault::CredentialInvalid) }
    }

    /// Adds a token, which is valid from now on.
    pub fn add_token(&self, token: &TokenRecord) {
        self.0.registry.tokens().insert(token);
        // Looked up after the insertion: its tenant may have been deleted since it was decided to issue the token.
        if !self.0.registry.current().has_tenant(token.tenant) {
            self.0.registry.tokens().remove(&token.hash);
        }
    }

    /// Returns true if a token with this hash is in memory, expired or not.
    pub fn has_token(&self, hash: &[u8; 32]) -> bool {
        self.0.registry.tokens().contains(hash)
    }

    /// Removes a token that was deleted from the store; it is invalid from now on.
    pub fn remove_token(&self, hash: &[u8; 32]) {
        if let Some(tenant) = self.0.registry.tokens().remove(hash) {
            self.0.registry.revocations().announce(tenant);
        }
    }

    /// Returns a receiver that is changed whenever a key or token of the tenant is revoked from now on, so that a
    /// connection can call [`Credentials::revalidate`].
    pub fn revocations(&self, tenant: TenantId) -> watch::Receiver<()> {
        self.0.registry.revocations().of(tenant)
    }

    /// Reloads keys, and drops revoked tokens, if the registry's version in the store changed; see [`Registry::refresh`].
    pub async fn refresh(&self) -> Result<(), StoreError> {
        self.0.registry.refresh().await
    }

    /// Removes expired tokens and throttle entries from memory once a minute, until `stopping` is cancelled.
    pub async fn sweep(self, throttle: Throttle, stopping: CancellationToken) -> Result<(), Infallible> {
        let clock = &self.0.clock;
        loop {
            tokio::select! {
                () = clock.sleep(SWEEP_INTERVAL) => {}
                () = stopping.cancelled() => return Ok(()),
            }
            self.0.registry.tokens().purge(clock.now());
            self.0.registry.links().purge(clock.now());
            throttle.sweep();
        }
    }
}

/// Returns true if a token has the expected hash. Hashes have equal lengths, so that in constant time not even the
/// token's length shows in the time taken.
fn matches(token: &str, expected: Option<[u8; 32]>) -> bool {
    expected.is_some_and(|expected| bool::from(secret::hash(token).ct_eq(&expected)))
}
