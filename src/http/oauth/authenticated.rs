//! `GET /_authenticated`: whether a token is still valid (CONTRACTS.md 2.2).

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::{JSON, OauthFault};
use crate::http::extract::{credential, reply};
use crate::http::services::Services;

#[derive(Serialize, ToSchema)]
#[schema(as = Authenticated)]
struct Answer {
    authenticated: bool,
}

/// Returns 200 if the key or token is valid, whatever its scopes.
#[utoipa::path(
    get,
    path = "/_authenticated",
    operation_id = "is_authenticated",
    responses((status = 200, description = "The credential is valid", body = Answer), OauthFault),
)]
pub async fn authenticated(State(services): State<Services>, headers: HeaderMap) -> Result<Response<Body>, OauthFault> {
    services.caller(credential::bearer(&headers))?;
    Ok(reply::json(200, JSON, &Answer { authenticated: true }))
}
