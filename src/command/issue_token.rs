//! Issues tokens to authenticated callers.

use crate::auth::secret::Secret;
use crate::auth::{Client, Credentials};
use crate::clock::Clock;
use crate::domain::{Fault, Scope, TenantId};
use crate::limits::Throttle;
use crate::store::{Store, TokenHolder, TokenRecord, in_time};

/// The lifetime of a key's token, in seconds.
pub const KEY_SECONDS: u32 = 7_200;

/// Everything that issuing a token needs.
#[derive(Clone, Copy, Debug)]
pub struct TokenIssuer<'a> {
    /// Stores the token.
    pub store: &'a Store,
    /// Accepts the token from then on.
    pub credentials: &'a Credentials,
    /// The time of issue.
    pub clock: &'a Clock,
    /// The rates of tokens and log-ins.
    pub throttle: &'a Throttle,
}

/// Issues a token for a key, with the given scopes, or with all scopes of the key if none are given.
///
/// [`Fault::Forbidden`] for a scope that the key does not have, [`Fault::TooMany`] beyond the key's rate of tokens.
pub async fn for_key(issuer: TokenIssuer<'_>, client: &Client, scopes: Vec<Scope>) -> Result<Secret, Fault> {
    if !scopes.iter().all(|scope| client.scopes().allow(*scope)) {
        return Err(Fault::Forbidden);
    }
    issuer.throttle.token(client.key())?;
    let scopes = if scopes.is_empty() { client.scopes().iter().collect() } else { scopes };
    let grant = Grant { tenant: client.tenant(), holder: TokenHolder::Key(client.key()), scopes, seconds: KEY_SECONDS };
    issue(issuer, grant).await
}

/// The content of a token to be issued.
pub(super) struct Grant {
    pub tenant: TenantId,
    pub holder: TokenHolder,
    pub scopes: Vec<Scope>,
    pub seconds: u32,
}

/// Issues a token. It is stored before it is returned, so that other servers accept it, and this one after a restart.
pub(super) async fn issue(issuer: TokenIssuer<'_>, grant: Grant) -> Result<Secret, Fault> {
    let Grant { tenant, holder, scopes, seconds } = grant;
    let secret = Secret::generate("rt");
    let created = issuer.clock.now();
    let expires = created.plus_seconds(seconds.into());
    let token = TokenRecord { hash: secret.hash(), tenant, holder, scopes, created, expires };
    // Before it is stored: from then on another server can revoke it, which must find it here. Until this returns, the
    // secret is known nowhere.
    issuer.credentials.add_token(&token);
    if let Err(fault) = in_time(issuer.store.create_token(&token)).await {
        issuer.credentials.remove_token(&token.hash);
        return Err(fault);
    }
    Ok(secret)
}
