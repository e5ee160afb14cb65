//! The dialect of a path, for errors raised outside its handler: the 408, 429 and 503 of the layers have the dialect's
//! own shape.

use axum::body::Body;
use axum::http::Response;
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
    /// Returns the dialect served at a path.
    pub fn of(path: &str) -> Self {
        // Convoso's routes exist with and without `/v1`; no native route matches an arm below.
        let path = path.strip_prefix("/v1").unwrap_or(path);
        let first = path.split('/').nth(1).unwrap_or_default();
        match first {
            "graphql" => Dialect::Graphql,
            "api" | "operator" | "group" | "skill" => Dialect::Iadvize,
            "user-activity" | "agent-monitor" => Dialect::Convoso,
            "agents-availability" | "agents" | "v0" => Dialect::Vonage,
            "oauth2" | "_authenticated" | "Auth" => Dialect::Oauth,
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
