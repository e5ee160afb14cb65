//! Lists the log-ins of a tenant's users, or of one of them.

use uuid::Uuid;

use super::logged_in;
use crate::auth::{Credentials, LOG_INS_AT_ONCE, LogIn};
use crate::domain::{Fault, Scopes, TenantId, Time, UserRef};
use crate::live::View;

/// The most log-ins in one answer.
pub const MAX_LISTED: usize = 1_000;
/// The most pages of the store that are read for one answer.
const MAX_PAGES: usize = 20;

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
/// and true if there may be more. An unknown user has none. They are read from the store, which has those that other
/// servers issued; [`Fault::Unavailable`] if it does not answer.
pub async fn log_ins(
    credentials: &Credentials,
    view: &View,
    tenant: TenantId,
    user: Option<&UserRef>,
) -> Result<(Vec<ListedLogIn>, bool), Fault> {
    let user = match user.map(|user| view.directory().profile_of(user)) {
        Some(Some(profile)) => Some(profile.guid),
        Some(None) => return Ok((Vec::new(), false)),
        None => None,
    };
    let (mut valid, mut last) = (Vec::new(), None);
    // Log-ins that ended with their password are read as well, so that a page may have few valid ones.
    for _ in 0..MAX_PAGES {
        let page = credentials.log_ins(tenant, user, last.as_ref()).await?;
        valid.extend(page.iter().filter_map(|log_in| listed(credentials, view, log_in)));
        let is_last = page.len() < LOG_INS_AT_ONCE as usize;
        if is_last || valid.len() > MAX_LISTED {
            let has_more = valid.len() > MAX_LISTED;
            valid.truncate(MAX_LISTED);
            return Ok((valid, has_more));
        }
        last = page.into_iter().next_back();
    }
    Ok((valid, true))
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
        name: profile.name().to_owned(),
        scopes,
        created: log_in.created,
        expires: log_in.expires,
        key: rights.key,
    })
}
