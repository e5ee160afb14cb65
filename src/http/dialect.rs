//! The dialect of a path, for errors raised outside a handler: unknown paths, wrong methods, panics, and the 408, 429 and
//! 503 of the layers have the shape of the vendor whose base path they are below
//! (docs/decisions/0075-shapes-by-base-path.md).

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::Response;
use axum::http::request::Parts;
use axum::response::IntoResponse;

use super::convoso::ConvosoFault;
use super::fault::NativeFault;
use super::graphql::fault::GraphqlFault;
use super::iadvize_rest::RestFault;
use super::oauth::OauthFault;
use super::vonage::VonageFault;
use crate::domain::Fault;

/// An API with its own shape of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Our own API, and every path that belongs to no other dialect.
    Native,
    /// iAdvize's GraphQL API.
    Graphql,
    /// iAdvize's REST API.
    Iadvize,
    /// Convoso's API.
    Convoso,
    /// Vonage Contact Center's API.
    Vonage,
    /// The OAuth 2.0 token endpoints.
    Oauth,
}

impl Dialect {
    /// Returns the dialect of a path, whether there is a route at the path or not.
    pub fn of(path: &str) -> Self {
        let mut segments = path.split('/').skip(1);
        let (first, second) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
        match (first, second) {
            ("graphql", _) => Dialect::Graphql,
            ("api", "2") | ("operator" | "group" | "skill", _) => Dialect::Iadvize,
            // Convoso's hosts have `/v1`, where our own routes are as well; ours are none of these.
            ("v1", resource) if is_convoso(resource) || matches!(resource, "users" | "campaigns" | "queues") => {
                Dialect::Convoso
            }
            (resource, _) if is_convoso(resource) => Dialect::Convoso,
            ("stats" | "useradmin" | "v0", _) => Dialect::Vonage,
            (resource, _) if resource.starts_with("agents") => Dialect::Vonage,
            ("oauth2" | "_authenticated" | "Auth", _) => Dialect::Oauth,
            _ => Dialect::Native,
        }
    }

    /// Returns the response to a fault, in the dialect's shape.
    pub fn answer(self, fault: Fault) -> Response<Body> {
        match self {
            Dialect::Native => NativeFault(fault).into_response(),
            Dialect::Graphql => GraphqlFault(fault).into_response(),
            Dialect::Iadvize => RestFault::from(fault).into_response(),
            Dialect::Convoso => ConvosoFault::from(fault).into_response(),
            Dialect::Vonage => VonageFault::from(fault).into_response(),
            Dialect::Oauth => OauthFault::from(fault).into_response(),
        }
    }
}

/// Returns whether a resource is Convoso's with and without `/v1`.
fn is_convoso(resource: &str) -> bool {
    resource == "user-activity" || resource.starts_with("agent-")
}

/// The dialect of the request's path, as the outermost layer determined it: a nested router does not see the base path.
impl<S: Sync> FromRequestParts<S> for Dialect {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let known = parts.extensions.get().copied();
        Ok(known.unwrap_or_else(|| Dialect::of(parts.uri.path())))
    }
}

/// Answers 404 for a path that is not a route.
pub async fn unknown_route(dialect: Dialect) -> Response<Body> {
    dialect.answer(Fault::NotFound("route"))
}

/// Answers 405 for a method that a route does not support; the router adds `Allow`.
pub async fn wrong_method(dialect: Dialect) -> Response<Body> {
    dialect.answer(Fault::MethodNotAllowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_its_dialect() {
        for (path, dialect) in [
            ("/v1/events", Dialect::Native),
            ("/v1/directory", Dialect::Native),
            ("/livez", Dialect::Native),
            ("/", Dialect::Native),
            ("", Dialect::Native),
            ("/graphql", Dialect::Graphql),
            ("/graphiql", Dialect::Native),
            ("/operator/1/live", Dialect::Iadvize),
            ("/api/2/skill", Dialect::Iadvize),
            ("/api/2", Dialect::Iadvize),
            ("/api/2/nothing/at/all", Dialect::Iadvize),
            ("/api/3/skill", Dialect::Native),
            ("/api/20", Dialect::Native),
            ("/v1/operator", Dialect::Native),
            ("/v1/agent-performance/search", Dialect::Convoso),
            ("/v1/users/search", Dialect::Convoso),
            ("/v1/campaigns/search", Dialect::Convoso),
            ("/v1/queues", Dialect::Convoso),
            ("/v1/tenants/users", Dialect::Native),
            ("/users/search", Dialect::Native),
            ("/stats/agent-status", Dialect::Vonage),
            ("/useradmin/users", Dialect::Vonage),
            ("/agents-nothing", Dialect::Vonage),
            ("/v1/user-activity/search", Dialect::Convoso),
            ("/agent-monitor/search", Dialect::Convoso),
            ("/agents/1/presence", Dialect::Vonage),
            ("/agents-availability", Dialect::Vonage),
            ("/v0/acme/agents", Dialect::Vonage),
            ("/oauth2/token", Dialect::Oauth),
            ("/Auth/connect/revocation", Dialect::Oauth),
            ("/_authenticated", Dialect::Oauth),
        ] {
            assert_eq!(Dialect::of(path), dialect, "{path}");
        }
        assert_eq!(Dialect::Iadvize.answer(Fault::TimedOut).status(), 408);
    }
}
