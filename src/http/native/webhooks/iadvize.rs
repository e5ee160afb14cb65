//! `POST /v1/webhooks/iadvize`: iAdvize's webhooks, signed with the tenant's secret (CONTRACTS.md 2.12).

use std::borrow::Cow;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::iadvize_payload::read;
use crate::auth::{Caller, signature};
use crate::domain::{Fault, Scope};
use crate::http::describe;
use crate::http::extract::body::DIALECT;
use crate::http::extract::{Params, credential, read_body};
use crate::http::fault::NativeFault;
use crate::http::native::events::{Answer, Told, take};
use crate::http::services::Services;

/// The request header with the signature.
const SIGNATURE: &str = "x-iadvize-signature";

/// A webhook's body, for the API's description.
struct Webhook;

impl PartialSchema for Webhook {
    fn schema() -> RefOr<Schema> {
        let members = ["eventId", "eventType", "platform", "createdAt"];
        let object = members.into_iter().fold(ObjectBuilder::new(), |o, name| o.property(name, describe::text()));
        object.required("eventType").into()
    }
}

impl ToSchema for Webhook {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("IadvizeWebhook")
    }
}

/// Takes one webhook, as the event that it means; answers as for an event. A type that means nothing here is taken
/// with no result, since the vendor would only send it again.
#[utoipa::path(
    post,
    path = "/v1/webhooks/iadvize",
    params(
        ("x-iadvize-signature" = Option<String>, Header, description = "sha256= and the HMAC-SHA256 of the body, in hexadecimal digits"),
    ),
    request_body(content = Webhook),
    responses((status = 200, description = "What became of it", body = Answer), NativeFault),
)]
pub async fn post_webhook(State(services): State<Services>, request: Request) -> Result<Response<Body>, NativeFault> {
    let (parts, body) = request.into_parts();
    let caller = caller(&services, &parts)?;
    caller.require(Scope::EventsWrite)?;
    // Whatever type it says it is: the signature tells who wrote it, and what does not parse is refused below.
    let body = read_body(&parts.headers, body, DIALECT).await?;
    let settings = services.ring().settings(caller.tenant());
    // Nothing of a body is read before it is known whose it is.
    signature::verify(settings.iadvize_secret.as_ref(), &body, signed(&parts.headers))?;
    let event = read(&body)?;
    let events: Vec<_> = event.iter().map(AsRef::as_ref).collect();
    Ok(take(&services, &caller, Told::new(&events, services.clock().now())).await?)
}

/// Who asks: in a header as everywhere, or in the URL, which is all that the vendor can be given: `?key=`, or as the
/// user name, which arrives as that of Basic.
fn caller(services: &Services, parts: &Parts) -> Result<Caller, Fault> {
    let Parts { headers, uri, .. } = parts;
    if let Some(key) = credential::bearer(headers).or_else(|| credential::api_key(headers)) {
        return services.caller(Some(key));
    }
    let params = Params::parse(uri.query().unwrap_or_default().as_bytes())?;
    match params.one("key")? {
        Some(key) => services.caller(Some(key)),
        None => services.caller(credential::basic_user(headers).as_deref()),
    }
}

/// The signature, if there is exactly one.
fn signed(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(SIGNATURE).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}
