//! `POST /Auth/connect/token`: Vonage's clients exchange a key for a token (docs/reference/vonage.md, "Tokens").

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use axum::http::request::Parts;
use serde::Serialize;
use utoipa::ToSchema;

use super::{JSON, OauthFault, check_grant, form, optional};
use crate::auth::Client;
use crate::command::issue_token::{KEY_SECONDS, for_key};
use crate::domain::{Fault, Scope};
use crate::http::extract::{Params, credential, reply};
use crate::http::request_context::RequestContext;
use crate::http::state::AppState;

/// The form of the client credentials grant.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its shape is of interest: the parameters are read one by one")]
struct ClientCredentials {
    /// Always `client_credentials`.
    grant_type: String,
    /// The key's id.
    client_id: String,
    /// The key.
    client_secret: String,
    /// Scopes of the key, separated by spaces.
    scope: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ClientToken)]
struct Answer<'a> {
    access_token: &'a str,
    expires_in: u32,
    token_type: &'static str,
}

/// Issues a token for a key and the key's id.
///
/// The client's id and secret may also be the user name and password of Basic. The token lasts 2 hours, and ends with the
/// key. Without `scope` it may do all that the key may.
#[utoipa::path(
    post,
    path = "/Auth/connect/token",
    operation_id = "get_client_token",
    request_body(content((ClientCredentials = "application/x-www-form-urlencoded", example = json!({ "grant_type": "client_credentials", "client_id": "018f2f6e-0000-7000-8000-000000000002", "client_secret": "rk_…", "scope": "agents-availability:read" })))),
    responses((status = 200, description = "The token", body = Answer, example = json!(Answer { access_token: "rt_…", expires_in: KEY_SECONDS, token_type: "Bearer" })), OauthFault),
)]
pub async fn client_credentials(State(app): State<AppState>, request: Request) -> Result<Response<Body>, OauthFault> {
    let (parts, params) = form(request).await?;
    check_grant(&params, "client_credentials")?;
    let client = client(&app, &parts, &params).await?;
    let scopes = scopes(optional(&params, "scope")?.unwrap_or_default())?;
    let token = for_key(app.tokens(), &client, scopes).await;
    let token = token.map_err(|fault| match fault {
        Fault::Forbidden => OauthFault::refused("invalid_scope", "the client does not have this scope"),
        other => OauthFault::Fault(other),
    })?;
    let answer = Answer { access_token: token.reveal(), expires_in: KEY_SECONDS, token_type: "Bearer" };
    Ok(reply::json(200, JSON, &answer))
}

/// Authenticates the client by the form or by Basic. A secret in both is rejected, and so are two different ids.
async fn client(app: &AppState, parts: &Parts, params: &Params<'_>) -> Result<Client, OauthFault> {
    let context = RequestContext::of(&parts.extensions);
    let (id, secret) = (optional(params, "client_id")?, optional(params, "client_secret")?);
    let known = match (credential::basic(&parts.headers), id, secret) {
        (Some(_), _, Some(_)) => {
            return Err(OauthFault::refused("invalid_request", "client_secret is given in addition to Authorization"));
        }
        (Some((user, _)), Some(id), _) if user != id => {
            return Err(OauthFault::refused("invalid_request", "client_id differs from the one in Authorization"));
        }
        (Some((user, password)), _, _) => app.client(&context, &user, &password).await,
        (None, id, secret) => app.client(&context, id.unwrap_or_default(), secret.unwrap_or_default()).await,
    };
    known.map_err(|fault| match fault {
        Fault::CredentialInvalid => OauthFault::refused("invalid_client", "client_id or client_secret not valid"),
        other => OauthFault::Fault(other),
    })
}

/// Parses the requested scopes, which are separated by spaces.
fn scopes(text: &str) -> Result<Vec<Scope>, OauthFault> {
    let named = text.split(' ').filter(|name| !name.is_empty()).map(Scope::named);
    let scopes: Option<Vec<Scope>> = named.collect();
    scopes.ok_or_else(|| OauthFault::refused("invalid_scope", "there is no such scope"))
}
