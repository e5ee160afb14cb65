//! `POST /oauth2/token`: iAdvize's users log in with their e-mail address and password
//! (docs/reference/iadvize-graphql.md, "Tokens").

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::{JSON, OauthFault, check_grant, form, required};
use crate::command::log_in::{Attempt, SECONDS, log_in};
use crate::domain::Fault;
use crate::http::extract::{Peer, reply};
use crate::http::state::AppState;

/// The form of the password grant.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its shape is of interest: the parameters are read one by one")]
struct PasswordGrant {
    /// Always `password`.
    grant_type: String,
    /// The e-mail address.
    username: String,
    password: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = UserToken)]
struct Answer<'a> {
    access_token: &'a str,
    expires_in: u32,
    token_type: &'static str,
    /// Always `none`, which is how the vendor says that there is no refresh token.
    refresh_token: &'static str,
}

/// Issues a token for a user's e-mail address and password.
///
/// It lasts 24 hours, and ends with the user, the password, or the key that set it. Its scopes follow from the user's
/// roles.
#[utoipa::path(
    post,
    path = "/oauth2/token",
    operation_id = "log_in",
    request_body(content((PasswordGrant = "application/x-www-form-urlencoded", example = json!({ "grant_type": "password", "username": "alba@contact.example", "password": "correct horse battery" })))),
    responses((status = 200, description = "The token", body = Answer, example = json!(Answer { access_token: "rt_…", expires_in: SECONDS, token_type: "Bearer", refresh_token: "none" })), OauthFault),
)]
pub async fn password_grant(State(app): State<AppState>, request: Request) -> Result<Response<Body>, OauthFault> {
    let (parts, params) = form(request).await?;
    check_grant(&params, "password")?;
    let (email, password) = (required(&params, "username")?, required(&params, "password")?);
    let Peer(from) = Peer::of(&parts.extensions);
    let attempt = Attempt { from, email, password };
    let token = log_in(app.tokens(), app.submitter(), app.passwords(), app.reader(), attempt).await;
    let token = token.map_err(|fault| match fault {
        Fault::CredentialInvalid => OauthFault::refused("invalid_grant", "username or password not valid"),
        other => OauthFault::Fault(other),
    })?;
    let access_token = token.reveal();
    let answer = Answer { access_token, expires_in: SECONDS, token_type: "Bearer", refresh_token: "none" };
    Ok(reply::json(200, JSON, &answer))
}
