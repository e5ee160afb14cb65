//! Lists the log-ins of a tenant's users, or of one of them.

use std::cmp::Reverse;

use uuid::Uuid;

use super::logged_in;
use crate::auth::{Credentials, LogIn};
use crate::domain::{Scopes, TenantId, Time, UserRef};
use crate::live::View;

/// The most log-ins in one answer.
pub const MAX_LISTED: usize = 1_000;

/// A valid log-in.
#[derive(Clone, Debug)]
pub struct ListedLogIn {
    /// Its id.
    pub id: Uuid,
    /// The user's integer id.
    pub user: i64,
    /// The user's GUID.
    pub guid: Uuid,
    /// The user's last name or full name.
    pub name: String,
    /// The scopes that it has now.
    pub scopes: Scopes,
    /// Time at which the user logged in.
    pub created: Time,
    /// Time from which it is invalid.
    pub expires: Time,
    /// The key that set the user's password; `None` if that was not recorded.
    pub key: Option<Uuid>,
}

/// Returns the valid log-ins of a tenant, those of one user if one is given, the newest first: at most [`MAX_LISTED`],
/// and true if there are more. An unknown user has none.
pub fn log_ins(
    credentials: &Credentials,
    view: &View,
    tenant: TenantId,
    user: Option<&UserRef>,
) -> (Vec<ListedLogIn>, bool) {
    let all = credentials.log_ins(tenant);
    let mut listed: Vec<_> = all.iter().filter_map(|log_in| listed(credentials, view, log_in)).collect();
    if let Some(user) = user {
        let guid = view.directory().profile_of(user).map(|profile| profile.guid);
        listed.retain(|log_in| Some(log_in.guid) == guid);
    }
    // The id makes the order of log-ins at one instant the same in every answer.
    listed.sort_unstable_by_key(|log_in| (Reverse(log_in.created), log_in.id));
    let has_more = listed.len() > MAX_LISTED;
    listed.truncate(MAX_LISTED);
    (listed, has_more)
}

/// Returns the log-in if it is still valid.
fn listed(credentials: &Credentials, view: &View, log_in: &LogIn) -> Option<ListedLogIn> {
    let (account, rights) = logged_in::account(view, log_in.user)?;
    let scopes = log_in.scopes.within(credentials.log_in_scopes(rights)?);
    let profile = &account.profile;
    Some(ListedLogIn {
        id: log_in.id,
        user: profile.id,
        guid: profile.guid,
        name: profile.name.clone(),
        scopes,
        created: log_in.created,
        expires: log_in.expires,
        key: rights.key,
    })
}
