//! `GET /_authenticated`: whether a token is still valid (docs/reference/iadvize-graphql.md, "Tokens").

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::{JSON, OauthFault};
use crate::http::extract::{credential, reply};
use crate::http::request_context::RequestContext;
use crate::http::state::AppState;

#[derive(Serialize, ToSchema)]
#[schema(as = Authenticated)]
struct Answer {
    authenticated: bool,
}

/// Returns 200 if the key or token is valid, whatever its scopes.
///
/// Otherwise 401. No scope is needed.
#[utoipa::path(
    get,
    path = "/_authenticated",
    operation_id = "is_authenticated",
    responses((status = 200, description = "The credential is valid", body = Answer, example = json!(Answer { authenticated: true })), OauthFault),
)]
pub async fn authenticated(
    State(app): State<AppState>,
    context: RequestContext,
    headers: HeaderMap,
) -> Result<Response<Body>, OauthFault> {
    app.caller(&context, credential::bearer(&headers)).await?;
    Ok(reply::json(200, JSON, &Answer { authenticated: true }))
}
