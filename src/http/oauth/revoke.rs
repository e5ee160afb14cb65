//! `POST /oauth2/revoke` and `POST /Auth/connect/revocation`: a token is given up (RFC 7009).

use axum::extract::{Request, State};
use axum::http::StatusCode;

use super::{OauthFault, form, required};
use crate::command::revoke_token::revoke_token;
use crate::http::extract::Params;
use crate::http::services::Services;

/// Revokes a token. Whoever has it may; what was no token is none afterwards either, and so it is 200 for both.
pub async fn revoke(State(services): State<Services>, request: Request) -> Result<StatusCode, OauthFault> {
    let (_, body) = form(request).await?;
    let params = Params::parse(&body)?;
    revoke_token(services.store(), services.ring(), required(&params, "token")?).await?;
    Ok(StatusCode::OK)
}
