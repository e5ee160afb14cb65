//! `POST /v1/webhooks/iadvize`: receives iAdvize's webhooks, signed with the tenant's secret
//! (docs/reference/native.md, "Webhooks of iAdvize").

use std::borrow::Cow;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::iadvize_payload::read;
use crate::auth::{EventsWrite, signature};
use crate::domain::Fault;
use crate::http::describe;
use crate::http::extract::body::{DIALECT_LIMIT, read_raw_body, utf8};
use crate::http::extract::{self, Credential, credential};
use crate::http::fault::NativeFault;
use crate::http::native::events::{Answer, ParsedEvents, commit};
use crate::http::state::AppState;

/// Name of the request header with the signature.
const SIGNATURE: &str = "x-iadvize-signature";

/// OpenAPI schema of a webhook.
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

/// Records the event that a webhook of iAdvize reports, and answers as for an event.
///
/// The body must be signed with the tenant's secret, `iadvize_secret` in its settings. A type of webhook without a meaning
/// here is accepted without a result: the vendor would repeat a rejected one. Scope: `events:write`.
#[utoipa::path(
    post,
    path = "/v1/webhooks/iadvize",
    params(
        ("x-iadvize-signature" = String, Header, example = "sha256=9f86d081884c7d659a2feaa0c55ad0159f86d081884c7d659a2feaa0c55ad015", description = "sha256= and the HMAC-SHA256 of the body in hexadecimal digits"),
    ),
    request_body(content = Webhook, example = json!({ "eventId": "w1", "eventType": "user.connected", "platform": "ha", "clientId": 77, "createdAt": "2021-03-01T09:00:00Z", "sentAt": "2021-03-01T09:00:01Z", "userId": 101 })),
    responses((status = 200, description = "The outcome of the event", body = Answer, example = json!(Answer::of_one("w1"))), NativeFault),
)]
pub async fn post_webhook(
    State(app): State<AppState>,
    caller: Authenticated,
    request: Request,
) -> Result<Response<Body>, NativeFault> {
    let (parts, body) = request.into_parts();
    // The content type is not checked: the signature authenticates the sender, and a body that does not parse is
    // rejected below.
    let body = read_raw_body(&parts.headers, body, DIALECT_LIMIT).await?;
    let settings = app.settings().of(caller.tenant());
    // Verified before the body is parsed: nothing in an unauthenticated body is interpreted.
    signature::verify(settings.iadvize_secret.as_ref(), &body, signed(&parts.headers))?;
    let event = read(&utf8(body)?)?;
    let events: Vec<_> = event.iter().map(AsRef::as_ref).collect();
    Ok(commit(&app, &caller, ParsedEvents::new(&events, app.clock().now())).await?)
}

type Authenticated = extract::Authenticated<UrlCredential, EventsWrite>;

/// A header, as elsewhere, or the URL, since only a URL can be configured at the vendor: `?key=`, or the URL's user
/// name, which arrives as that of Basic.
pub enum UrlCredential {}

impl Credential for UrlCredential {
    type Rejection = NativeFault;

    fn read(parts: &mut Parts) -> Result<Option<Cow<'_, str>>, Fault> {
        let params = extract::query(parts);
        let headers = &parts.headers;
        if let Some(key) = credential::bearer(headers).or_else(|| credential::api_key(headers)) {
            return Ok(Some(Cow::Borrowed(key)));
        }
        let key = params?.one("key")?.map(str::to_owned);
        Ok(key.or_else(|| credential::basic_user(headers)).map(Cow::Owned))
    }
}

/// Returns the signature if the request has exactly one.
fn signed(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(SIGNATURE).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}
