//! The security schemes: each kind of credential in each place where clients of a dialect put it.

use utoipa::openapi::Components;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};

/// `Authorization: Bearer` with a key or token.
pub const BEARER: &str = "bearer";
/// `Authorization: Basic` with a key as the user name.
pub const BASIC: &str = "basic";
/// `X-API-Key`.
pub const API_KEY: &str = "api_key";
/// `?key=`.
pub const KEY_IN_QUERY: &str = "key";
/// `auth_token` in the query or the body.
pub const AUTH_TOKEN: &str = "auth_token";
/// `Authorization: Bearer` with the administrator's token.
pub const ADMINISTRATOR: &str = "administrator";

/// `Authorization: Bearer` with the token that reads the metrics.
pub const METRICS: &str = "metrics";

/// Returns the schemes, explained.
pub fn schemes() -> Components {
    let http = |scheme, description: &str| {
        SecurityScheme::Http(HttpBuilder::new().scheme(scheme).description(Some(description)).build())
    };
    let value = |name: &str, description: &str| ApiKeyValue::with_description(name, description);
    let schemes = [
        (
            BEARER,
            http(
                HttpAuthScheme::Bearer,
                "A tenant's key (`rk_…`), which the administrator creates with `POST /v1/tenants/{tenant}/keys`, or a \
                 token (`rt_…`) from `/oauth2/token` or `/Auth/connect/token`. It determines the tenant, and what it may \
                 do by its scopes.",
            ),
        ),
        (
            ADMINISTRATOR,
            http(
                HttpAuthScheme::Bearer,
                "The administrator's token, which is a setting of the service. It manages tenants and keys, and is no \
                 key of any tenant.",
            ),
        ),
        (
            METRICS,
            http(
                HttpAuthScheme::Bearer,
                "The token of the metrics, which is a setting of the service and reads nothing else. The \
                 administrator's token reads them as well.",
            ),
        ),
        (
            BASIC,
            http(
                HttpAuthScheme::Basic,
                "A tenant's key or a token as the user name, with any password, for clients that know only this scheme.",
            ),
        ),
        (
            API_KEY,
            SecurityScheme::ApiKey(ApiKey::Header(value(
                "X-API-Key",
                "A tenant's key or a token in the header of iAdvize's REST clients.",
            ))),
        ),
        (
            KEY_IN_QUERY,
            SecurityScheme::ApiKey(ApiKey::Query(value(
                "key",
                "A tenant's key or a token in the query, for clients of which only the URL can be configured. Logs of \
                 proxies may contain it.",
            ))),
        ),
        (
            AUTH_TOKEN,
            SecurityScheme::ApiKey(ApiKey::Query(value(
                "auth_token",
                "A tenant's key or a token in the parameter of Convoso's clients: in the query, the form or the JSON \
                 body.",
            ))),
        ),
    ];
    let mut components = Components::new();
    for (name, scheme) in schemes {
        components.add_security_scheme(name, scheme);
    }
    components
}
