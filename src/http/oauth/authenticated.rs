//! `GET /_authenticated`: whether a token is still worth something (CONTRACTS.md 2.2).

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use serde::Serialize;

use super::{JSON, OauthFault};
use crate::http::extract::{credential, reply};
use crate::http::services::Services;

#[derive(Serialize)]
struct Answer {
    authenticated: bool,
}

/// Tells a bearer that it is known, whatever it may do.
pub async fn authenticated(State(services): State<Services>, headers: HeaderMap) -> Result<Response<Body>, OauthFault> {
    services.caller(credential::bearer(&headers))?;
    Ok(reply::json(200, JSON, &Answer { authenticated: true }))
}
