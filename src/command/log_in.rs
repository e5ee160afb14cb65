//! Logs a user in with an e-mail address and a password, and issues a token.

use std::net::IpAddr;

use super::issue_token::{Grant, TokenIssuer, issue};
use crate::auth::secret::Secret;
use crate::auth::{Credentials, LoggedIn, Passwords, UserRights};
use crate::domain::event::PasswordHash;
use crate::domain::{EntityRef, Event, EventBody, Fault, Scope, TenantId, UserRef};
use crate::engine::{Reader, Submitter};
use crate::store::TokenHolder;

/// The token's lifetime in seconds.
pub const SECONDS: u32 = 86_400;
/// The most passwords that are tried for one e-mail address, which may have a user in each tenant. If more users have
/// it, every log-in with it is rejected.
const MAX_CANDIDATES: usize = 8;

/// An attempt to log in.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    /// The client's IP address.
    pub from: IpAddr,
    /// The e-mail address, as given by the caller.
    pub email: &'a str,
    /// The password, in plain text.
    pub password: &'a str,
}

/// The source of the event of a first log-in.
const SOURCE: &str = "rollcall:log-in";

/// A user with the given e-mail address.
struct Candidate {
    tenant: TenantId,
    who: LoggedIn,
    hash: PasswordHash,
    scopes: Vec<Scope>,
    /// True if the user was never logged in before.
    is_first: bool,
}

/// Issues a token to the only user, in any tenant, with this e-mail address and password.
///
/// [`Fault::CredentialInvalid`] if there is none or more than one. The work is the same in either case, so that its
/// duration does not reveal which addresses exist. [`Fault::TooMany`] beyond the rate of log-ins. A password of a
/// revoked key matches nothing, and the token has no scope that the key does not have. The first log-in of a user is an
/// event in the journal; [`Fault::Unavailable`] if it cannot be appended.
pub async fn log_in(
    issuer: TokenIssuer<'_>,
    submitter: &Submitter,
    passwords: &Passwords,
    reader: &Reader,
    attempt: Attempt<'_>,
) -> Result<Secret, Fault> {
    issuer.throttle.log_in(attempt.from, attempt.email)?;
    let (mut candidates, tenants) = candidates(reader, issuer.credentials, attempt.email);
    // Every tenant may have a user of the address, so every log-in does the work of the most possible candidates.
    let tries = tenants.min(MAX_CANDIDATES);
    if candidates.len() > MAX_CANDIDATES {
        candidates.clear();
    }
    let hashes = candidates.iter().map(|candidate| candidate.hash.clone()).collect();
    let matching = passwords.matching(attempt.from, attempt.password, hashes, tries).await?;
    let [at] = matching[..] else { return Err(Fault::CredentialInvalid) };
    let Candidate { tenant, who, scopes, is_first, .. } = candidates.swap_remove(at);
    if is_first {
        let body = EventBody::UserLoggedIn { user: UserRef::Entity(EntityRef::Guid(who.guid)) };
        let event = Event::internal(SOURCE, issuer.clock.new_id(), issuer.clock.now(), body);
        // Before the token exists, so that a user with a token is always one who was logged in.
        submitter.commit(tenant, vec![event]).await?;
    }
    // If the password was changed meanwhile, the token refers to the previous one and is invalid.
    let holder = TokenHolder::User { guid: who.guid, password: who.password };
    issue(issuer, Grant { tenant, holder, scopes, seconds: SECONDS }).await
}

/// Returns the users with this e-mail address and a valid password, and the number of tenants. E-mail addresses are
/// unique within a tenant only.
fn candidates(reader: &Reader, credentials: &Credentials, email: &str) -> (Vec<Candidate>, usize) {
    let views = reader.all();
    let tenants = views.len();
    let found = views.into_iter().filter_map(|(tenant, view)| {
        let users = view.directory().users();
        let ix = users.by_email(email)?;
        let account = users.account(ix)?;
        let password = account.password.clone()?;
        let who = LoggedIn { guid: account.profile.guid, password: password.set };
        let scopes = Scope::of_user(account.profile.roles).into_iter().collect();
        let scopes = credentials.log_in_scopes(UserRights { scopes, key: password.by })?.iter().collect();
        let is_first = !view.was_logged_in(ix);
        Some(Candidate { tenant, who, hash: password.hash.clone(), scopes, is_first })
    });
    (found.collect(), tenants)
}
