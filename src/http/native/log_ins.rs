//! `GET` and `DELETE /v1/log-ins`: lists and ends the log-ins of users (docs/reference/native.md, "Log-ins").

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, Uri};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::{Uuid, uuid};

use super::scope_name::ScopeName;
use super::{Authenticated, EXAMPLE_KEY};
use crate::auth::OperatorsPasswords;
use crate::command::end_log_ins::{Ending, end_log_ins};
use crate::domain::ids::parse_guid;
use crate::domain::{Fault, Scope, Time, UserRef};
use crate::http::describe;
use crate::http::extract::{Params, freshness, reply};
use crate::http::fault::NativeFault;
use crate::http::state::AppState;
use crate::query;
use crate::query::log_ins::{ListedLogIn, log_ins};

/// The log-ins, the newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = LogIns)]
struct Answer {
    log_ins: Vec<Listed>,
    /// True if there are more than the 1,000 newest.
    more: bool,
}

#[derive(Serialize, ToSchema)]
#[schema(as = LogIn)]
struct Listed {
    id: Uuid,
    user: LoggedInUser,
    /// The scopes that the log-in has now.
    #[schema(value_type = Vec<ScopeName>)]
    scopes: Vec<Scope>,
    #[schema(value_type = String, format = DateTime)]
    created: Time,
    #[schema(value_type = String, format = DateTime)]
    expires: Time,
    /// The key that set the user's password, with which the log-in ends; `null` if that was not recorded.
    #[schema(required)]
    key: Option<Uuid>,
}

#[derive(Serialize, ToSchema)]
struct LoggedInUser {
    id: i64,
    guid: Uuid,
    name: String,
}

impl From<ListedLogIn> for Listed {
    fn from(log_in: ListedLogIn) -> Self {
        let ListedLogIn { id, user, guid, name, scopes, created, expires, key } = log_in;
        Listed {
            id,
            user: LoggedInUser { id: user, guid, name },
            scopes: scopes.iter().collect(),
            created,
            expires,
            key,
        }
    }
}

impl Answer {
    fn example() -> Self {
        let listed = Listed {
            id: uuid!("9f86d081-884c-8d65-9a2f-eaa0c55ad015"),
            user: LoggedInUser {
                id: 101,
                guid: uuid!("a0000101-0000-4000-8000-000000000101"),
                name: String::from("Alba"),
            },
            scopes: vec![Scope::OperatorsRead, Scope::GraphqlRead],
            created: describe::EXAMPLE_TIME,
            expires: describe::EXAMPLE_TIME.plus_seconds(24 * 60 * 60),
            key: Some(EXAMPLE_KEY),
        };
        Answer { log_ins: vec![listed], more: false }
    }
}

/// The number of log-ins that were ended.
#[derive(Serialize, ToSchema)]
#[schema(as = LogInsEnded)]
struct Ended {
    ended: usize,
}

/// Returns the valid log-ins, the newest first.
///
/// A log-in is a token that was issued for a password. `key` is the key that set the password, with which the log-in ends.
/// Scope: `operators:passwords`.
#[utoipa::path(
    get,
    path = "/v1/log-ins",
    params(
        ("user" = Option<String>, Query, example = "101", description = "Only those of this user: an integer id, a GUID, or `external:` and the external id"),
    ),
    responses((status = 200, description = "The 1,000 newest log-ins", body = Answer, example = json!(Answer::example())), NativeFault),
)]
pub async fn list_log_ins(
    State(app): State<AppState>,
    caller: Authenticated<OperatorsPasswords>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response<Body>, NativeFault> {
    let user = user(&query(&uri)?)?;
    let snapshot = query::open(app.reader(), &caller, freshness::any_age(&headers)?).await?;
    let (listed, more) = log_ins(app.credentials(), &snapshot.view, caller.tenant(), user.as_ref()).await?;
    let answer = Answer { log_ins: listed.into_iter().map(Listed::from).collect(), more };
    Ok(reply::from_snapshot(reply::json(200, "application/json", &answer), &snapshot))
}

/// Ends one log-in, or all of one user.
///
/// Either `id` or `user` is needed. The log-ins are invalid once the answer is sent; the user can log in again with the
/// password. Log-ins that do not exist are none. Scope: `operators:passwords`.
#[utoipa::path(
    delete,
    path = "/v1/log-ins",
    params(
        ("id" = Option<Uuid>, Query, example = "9f86d081-884c-8d65-9a2f-eaa0c55ad015", description = "The log-in; either it or `user` is needed"),
        ("user" = Option<String>, Query, example = "101", description = "All of this user: an integer id, a GUID, or `external:` and the external id"),
    ),
    responses((status = 200, description = "The number of log-ins that were ended", body = Ended, example = json!(Ended { ended: 1 })), NativeFault),
)]
pub async fn delete_log_ins(
    State(app): State<AppState>,
    caller: Authenticated<OperatorsPasswords>,
    uri: Uri,
) -> Result<Response<Body>, NativeFault> {
    let params = query(&uri)?;
    let id = params
        .one("id")?
        .map(|text| parse_guid(text).ok_or_else(|| Fault::misfit_text("id", "must be a GUID", text)))
        .transpose()?;
    let snapshot = app.reader().snapshot(caller.tenant())?;
    let ending = match (id, user(&params)?) {
        (Some(id), None) => Some(Ending::LogIn(id)),
        (None, Some(user)) => snapshot.view.directory().profile_of(&user).map(|profile| Ending::User(profile.guid)),
        _ => return Err(NativeFault(Fault::invalid("id", "or user must be given, and not both"))),
    };
    let ended = match ending {
        Some(ending) => end_log_ins(&caller, app.store(), app.credentials(), app.clock(), ending).await?,
        // The tokens of a deleted user ended with the user.
        None => 0,
    };
    Ok(reply::from_snapshot(reply::json(200, "application/json", &Ended { ended }), &snapshot))
}

fn query(uri: &Uri) -> Result<Params<'_>, Fault> {
    Params::parse(uri.query().unwrap_or_default().as_bytes())
}

fn user(params: &Params<'_>) -> Result<Option<UserRef>, Fault> {
    let fits = "must be an id, a GUID, or external: and an external id";
    params.one("user")?.map(|text| text.parse().map_err(|_| Fault::misfit_text("user", fits, text))).transpose()
}
