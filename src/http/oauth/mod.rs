//! Tokens, as both vendors' clients ask for them: OAuth 2.0 forms in, JSON out (RFC 6749, 7009). No dialect of its own.

pub mod authenticated;
pub mod client_credentials;
pub mod password_grant;
pub mod revoke;

use std::collections::BTreeMap;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::openapi::{RefOr, Response as Described};
use utoipa::{IntoResponses, OpenApi, ToSchema};

use super::describe;
use super::extract::body::TOKEN_FORM;
use super::extract::{MediaType, Params, media_type, read_body, reply};
use crate::domain::Fault;

const JSON: &str = "application/json";

/// Where tokens come from, for the API's description.
#[derive(OpenApi)]
#[openapi(
    paths(
        password_grant::password_grant,
        client_credentials::client_credentials,
        revoke::revoke_user_token,
        revoke::revoke_client_token,
    ),
    components(schemas(Failure)),
    tags((name = "Tokens", description = "Short-lived credentials, as iAdvize's and Vonage's clients ask for them"))
)]
pub struct Description;

/// What a token may ask of itself, likewise.
#[derive(OpenApi)]
#[openapi(
    paths(authenticated::authenticated),
    tags((name = "Tokens", description = "Short-lived credentials, as iAdvize's and Vonage's clients ask for them"))
)]
pub struct Bearers;

/// What went wrong, as RFC 6749 has it.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenFailure)]
struct Failure {
    error: &'static str,
    error_description: String,
}

/// Why nothing was given.
#[derive(Debug)]
pub enum OauthFault {
    /// An error of RFC 6749, section 5.2, and what to say of it; always HTTP 400.
    Refused(&'static str, String),
    /// Any other.
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
        let response = reply::json(fault.status(), JSON, &Failure { error, error_description });
        let mut response = reply::retry_after(response, &fault);
        if error == "invalid_token" {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""));
        }
        response
    }
}

impl IntoResponses for OauthFault {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        describe::faults::<Failure>(JSON, &[400, 401, 413, 415, 429, 500, 503])
    }
}

/// Answers a method that a route does not take.
pub async fn wrong_method() -> OauthFault {
    OauthFault::Fault(Fault::MethodNotAllowed)
}

/// The head of a request and its body, which must be a form.
async fn form(request: Request) -> Result<(Parts, Bytes), Fault> {
    let (parts, body) = request.into_parts();
    if media_type(&parts.headers) != MediaType::Form {
        return Err(Fault::UnsupportedMediaType("application/x-www-form-urlencoded"));
    }
    let body = read_body(&parts.headers, body, TOKEN_FORM).await?;
    Ok((parts, body))
}

/// A parameter that may be left out; one without a value was left out (RFC 6749, section 3.2).
fn optional<'p>(params: &'p Params<'_>, name: &str) -> Result<Option<&'p str>, OauthFault> {
    Ok(params.one(name)?.filter(|value| !value.is_empty()))
}

/// A parameter that must be there.
fn required<'p>(params: &'p Params<'_>, name: &str) -> Result<&'p str, OauthFault> {
    optional(params, name)?.ok_or_else(|| OauthFault::refused("invalid_request", format!("{name} is missing")))
}

/// The one grant that a route knows.
fn check_grant(params: &Params<'_>, known: &str) -> Result<(), OauthFault> {
    match required(params, "grant_type")? {
        grant if grant == known => Ok(()),
        _ => Err(OauthFault::refused("unsupported_grant_type", format!("grant_type must be {known}"))),
    }
}
