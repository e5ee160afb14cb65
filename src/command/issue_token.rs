//! Somebody who has shown who they are gets a token.

use crate::auth::secret::Secret;
use crate::auth::{Client, KeyRing};
use crate::clock::Clock;
use crate::domain::{Fault, Scope, TenantId};
use crate::limits::Throttle;
use crate::store::{Store, TokenHolder, TokenRecord, in_time};

/// How long a key's token lasts, in seconds.
pub const KEY_SECONDS: u32 = 7_200;

/// Gives a token for a key: with these scopes, or with all that the key has if none are named.
///
/// [`Fault::Forbidden`] for a scope that the key does not have, [`Fault::TooMany`] for too many tokens.
pub async fn for_key(
    client: &Client,
    (store, ring): (&Store, &KeyRing),
    clock: &Clock,
    throttle: &Throttle,
    scopes: Vec<Scope>,
) -> Result<Secret, Fault> {
    if !scopes.iter().all(|scope| client.scopes().allow(*scope)) {
        return Err(Fault::Forbidden);
    }
    throttle.token(client.key())?;
    let scopes = if scopes.is_empty() { client.scopes().iter().collect() } else { scopes };
    let grant = Grant { tenant: client.tenant(), holder: TokenHolder::Key(client.key()), scopes, seconds: KEY_SECONDS };
    issue((store, ring), clock, grant).await
}

/// What a token is to be.
pub(super) struct Grant {
    pub tenant: TenantId,
    pub holder: TokenHolder,
    pub scopes: Vec<Scope>,
    pub seconds: u32,
}

/// Makes a token; it works, also after a restart, as soon as this answers.
pub(super) async fn issue((store, ring): (&Store, &KeyRing), clock: &Clock, grant: Grant) -> Result<Secret, Fault> {
    let Grant { tenant, holder, scopes, seconds } = grant;
    let secret = Secret::generate("rt");
    let created = clock.now();
    let expires = created.plus_seconds(seconds.into());
    let token = TokenRecord { hash: secret.hash(), tenant, holder, scopes, created, expires };
    in_time(store.create_token(&token)).await?;
    ring.keep(&token);
    Ok(secret)
}
