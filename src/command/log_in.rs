//! Somebody logs in with an e-mail address and a password, and gets a token.

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
/// Users of one address, in as many tenants, whose passwords are tried; with more than that nobody gets in.
const MAX_CANDIDATES: usize = 8;

/// What somebody says of themselves.
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

/// Gives a token to the one user of that address and password, in whatever tenant they are.
///
/// [`Fault::CredentialInvalid`] when there is none or more than one, which is not told apart; [`Fault::TooMany`] when it
/// was tried too often.
pub async fn log_in(
    (passwords, throttle): (&Passwords, &Throttle),
    reader: &Reader,
    (store, ring): (&Store, &KeyRing),
    clock: &Clock,
    attempt: Attempt<'_>,
) -> Result<Secret, Fault> {
    throttle.log_in(attempt.from, attempt.email)?;
    let mut candidates = candidates(reader, attempt.email);
    if candidates.len() > MAX_CANDIDATES {
        candidates.clear();
    }
    let hashes = candidates.iter().map(|candidate| candidate.hash.clone()).collect();
    let matching = passwords.matching(attempt.password, hashes).await?;
    let [place] = matching[..] else { return Err(Fault::CredentialInvalid) };
    let Candidate { tenant, who, scopes, .. } = candidates.swap_remove(place);
    // The password may have been changed meanwhile. The token then names the one before, and is worth nothing.
    let holder = TokenHolder::User { guid: who.guid, password: who.password };
    issue((store, ring), clock, Grant { tenant, holder, scopes, seconds: SECONDS }).await
}

/// Everybody of that address who has a password. Addresses are unique within a tenant only.
fn candidates(reader: &Reader, email: &str) -> Vec<Candidate> {
    let views = reader.all().into_iter();
    let found = views.filter_map(|(tenant, view)| {
        let users = view.directory().users();
        let account = users.by_email(email).and_then(|ix| users.account(ix))?;
        let password = account.password.clone()?;
        let who = LoggedIn { guid: account.profile.guid, password: password.set };
        Some(Candidate { tenant, who, hash: password.hash, scopes: Scope::of_user(account.profile.roles) })
    });
    found.collect()
}
