//! Token endpoints for the vendors' clients: OAuth 2.0 forms in, JSON out (RFC 6749, 7009).

pub mod authenticated;
pub mod client_credentials;
pub mod password_grant;
pub mod revoke;

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::openapi::{RefOr, Response as Described};
use utoipa::{IntoResponses, OpenApi, ToSchema};

use super::describe;
use super::extract::body::TOKEN_FORM_LIMIT;
use super::extract::{self, MediaType, Params, media_type, read_body, reply};
use crate::domain::Fault;

const JSON: &str = "application/json";

/// The OpenAPI tag of these routes.
#[derive(OpenApi)]
#[openapi(
    components(schemas(Failure)),
    tags((name = "Tokens", description = "Short-lived credentials for iAdvize's and Vonage's clients (OAuth 2.0)"))
)]
pub struct Description;

/// An error (RFC 6749, section 5.2).
#[derive(Serialize, ToSchema)]
#[schema(as = TokenFailure)]
struct Failure {
    error: &'static str,
    error_description: String,
}

/// An error of the token endpoints.
#[derive(Debug)]
pub enum OauthFault {
    /// An error code of RFC 6749, section 5.2, and its description; always HTTP 400.
    Refused(&'static str, String),
    /// Any other fault, with the fault's own status.
    Fault(Fault),
}

impl From<Fault> for OauthFault {
    fn from(fault: Fault) -> Self {
        OauthFault::Fault(fault)
    }
}

impl OauthFault {
    fn refused(error: &'static str, description: impl Into<String>) -> Self {
        OauthFault::Refused(error, description.into())
    }
}

impl IntoResponse for OauthFault {
    fn into_response(self) -> Response<Body> {
        let fault = match self {
            OauthFault::Refused(error, error_description) => {
                return reply::json(400, JSON, &Failure { error, error_description });
            }
            OauthFault::Fault(fault) => fault,
        };
        let (error, error_description) = match &fault {
            Fault::CredentialMissing | Fault::CredentialInvalid => {
                ("invalid_token", String::from("access token not valid"))
            }
            Fault::TooMany { .. } => ("slow_down", fault.to_string()),
            Fault::Unavailable(_) => ("temporarily_unavailable", fault.to_string()),
            Fault::Internal => ("server_error", fault.to_string()),
            Fault::Invalid { name, detail } => ("invalid_request", format!("{name} {detail}")),
            other => ("invalid_request", other.to_string()),
        };
        let response = reply::json(reply::status(&fault), JSON, &Failure { error, error_description });
        let mut response = reply::retry_after(response, &fault);
        if error == "invalid_token" {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""));
        }
        response
    }
}

impl IntoResponses for OauthFault {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        describe::faults::<Failure, OauthFault>(JSON, &[400, 401, 408, 413, 415, 429, 500, 503])
    }
}

/// Reads the body, which must be a form, and returns its parameters with the request's head.
async fn form(request: Request) -> Result<(Parts, Params<'static>), Fault> {
    let (parts, body) = request.into_parts();
    let unsupported = Fault::UnsupportedMediaType("application/x-www-form-urlencoded");
    if !matches!(media_type(&parts.headers), MediaType::Form | MediaType::FormData) {
        return Err(unsupported);
    }
    let body = read_body(&parts.headers, body, TOKEN_FORM_LIMIT).await?;
    let params = extract::form(&parts.headers, &body).await?.ok_or(unsupported)?;
    Ok((parts, params))
}

/// Returns an optional parameter. An empty value counts as omitted (RFC 6749, section 3.2).
fn optional<'p>(params: &'p Params<'_>, name: &str) -> Result<Option<&'p str>, OauthFault> {
    Ok(params.one(name)?.filter(|value| !value.is_empty()))
}

/// Returns a required parameter.
fn required<'p>(params: &'p Params<'_>, name: &str) -> Result<&'p str, OauthFault> {
    optional(params, name)?.ok_or_else(|| OauthFault::refused("invalid_request", format!("{name} is missing")))
}

/// Rejects any grant type but the one that the route supports.
fn check_grant(params: &Params<'_>, known: &str) -> Result<(), OauthFault> {
    match required(params, "grant_type")? {
        grant if grant == known => Ok(()),
        _ => Err(OauthFault::refused("unsupported_grant_type", format!("grant_type must be {known}"))),
    }
}
