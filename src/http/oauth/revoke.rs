//! `POST /oauth2/revoke` and `POST /Auth/connect/revocation`: revoke a token (RFC 7009).

use axum::extract::{Request, State};
use axum::http::StatusCode;
use utoipa::ToSchema;

use super::{OauthFault, form, required};
use crate::auth::secret;
use crate::command::revoke_token::revoke_token;
use crate::http::request_context::RequestContext;
use crate::http::state::AppState;

/// The form of a revocation.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its shape is of interest: the parameters are read one by one")]
struct Revocation {
    token: String,
}

/// Revokes a user's token.
///
/// Revoking an unknown token succeeds (RFC 7009). The token no longer works once the answer is sent.
#[utoipa::path(
    post,
    path = "/oauth2/revoke",
    operation_id = "revoke_user_token",
    request_body(content((Revocation = "application/x-www-form-urlencoded", example = json!({ "token": "rt_…" })))),
    responses((status = 200, description = "The token is revoked, or was not valid"), OauthFault),
)]
pub async fn revoke_user_token(app: State<AppState>, request: Request) -> Result<StatusCode, OauthFault> {
    revoke(app, request).await
}

/// Revokes a client's token.
///
/// Revoking an unknown token succeeds (RFC 7009). The token no longer works once the answer is sent.
#[utoipa::path(
    post,
    path = "/Auth/connect/revocation",
    operation_id = "revoke_client_token",
    request_body(content((Revocation = "application/x-www-form-urlencoded", example = json!({ "token": "rt_…" })))),
    responses((status = 200, description = "The token is revoked, or was not valid"), OauthFault),
)]
pub async fn revoke_client_token(app: State<AppState>, request: Request) -> Result<StatusCode, OauthFault> {
    revoke(app, request).await
}

/// Revokes the token in the form. Revoking an unknown token succeeds (RFC 7009). The request counts against the rate of
/// unauthenticated requests, since it carries no credential.
async fn revoke(State(app): State<AppState>, request: Request) -> Result<StatusCode, OauthFault> {
    let context = RequestContext::of(request.extensions());
    app.unauthenticated(&context)?;
    let (_, params) = form(request).await?;
    let token = required(&params, "token")?;
    // Another server may have issued it.
    let hash = secret::hash_of_credential(token).filter(|hash| !app.credentials().has_token(hash));
    app.look_up(&context, hash).await?;
    revoke_token(app.store(), app.credentials(), token).await?;
    Ok(StatusCode::OK)
}
