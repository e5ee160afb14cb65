//! Log-in with an e-mail address and a password, for a token.

use std::net::IpAddr;

use super::issue_token::{Grant, issue};
use crate::auth::secret::Secret;
use crate::auth::{KeyRing, LoggedIn, Passwords};
use crate::clock::Clock;
use crate::domain::event::PasswordHash;
use crate::domain::{Fault, Scope, TenantId};
use crate::engine::Reader;
use crate::limits::Throttle;
use crate::store::{Store, TokenHolder};

/// How long the token lasts, in seconds.
pub const SECONDS: u32 = 86_400;
/// Users of one address, in as many tenants, whose passwords are tried; with more of them every log-in is rejected.
const MAX_CANDIDATES: usize = 8;

/// What the caller presents.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    /// Where the request came from.
    pub from: IpAddr,
    /// The e-mail address.
    pub email: &'a str,
    /// The password.
    pub password: &'a str,
}

/// A user who may be meant.
struct Candidate {
    tenant: TenantId,
    who: LoggedIn,
    hash: PasswordHash,
    scopes: Vec<Scope>,
}

/// Issues a token to the one user of that address and password, in whatever tenant.
///
/// [`Fault::CredentialInvalid`] when there is none or more than one, with the same work for either; [`Fault::TooMany`]
/// when it was tried too often.
pub async fn log_in(
    (passwords, throttle): (&Passwords, &Throttle),
    reader: &Reader,
    (store, ring): (&Store, &KeyRing),
    clock: &Clock,
    attempt: Attempt<'_>,
) -> Result<Secret, Fault> {
    throttle.log_in(attempt.from, attempt.email)?;
    let (mut candidates, tenants) = candidates(reader, attempt.email);
    // Up to all tenants may have the address, so every log-in takes the work of the most that are tried.
    let tries = tenants.min(MAX_CANDIDATES);
    if candidates.len() > MAX_CANDIDATES {
        candidates.clear();
    }
    let hashes = candidates.iter().map(|candidate| candidate.hash.clone()).collect();
    let matching = passwords.matching(attempt.from, attempt.password, hashes, tries).await?;
    let [at] = matching[..] else { return Err(Fault::CredentialInvalid) };
    let Candidate { tenant, who, scopes, .. } = candidates.swap_remove(at);
    // A password that was changed meanwhile makes the token one that names the password before, and so invalid.
    let holder = TokenHolder::User { guid: who.guid, password: who.password };
    issue((store, ring), clock, Grant { tenant, holder, scopes, seconds: SECONDS }).await
}

/// Users of that address who have a password, and the number of tenants. Addresses are unique within a tenant only.
fn candidates(reader: &Reader, email: &str) -> (Vec<Candidate>, usize) {
    let views = reader.all();
    let tenants = views.len();
    let found = views.into_iter().filter_map(|(tenant, view)| {
        let users = view.directory().users();
        let account = users.by_email(email).and_then(|ix| users.account(ix))?;
        let password = account.password.clone()?;
        let who = LoggedIn { guid: account.profile.guid, password: password.set };
        Some(Candidate { tenant, who, hash: password.hash.clone(), scopes: Scope::of_user(account.profile.roles) })
    });
    (found.collect(), tenants)
}
