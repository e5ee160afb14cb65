//! A valid request for every route of a tenant, with the credential where its dialect carries it, and checks of the
//! responses in each dialect's form.

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::Api;
use super::api::{Answer, send};
use super::desks::BREAK;
use super::routes::Route;
use super::signing::{SECRET, signed};

/// The id of a link that does not exist: revoking it succeeds and changes nothing.
const NO_LINK: &str = "0b5e55ed-0000-4000-8000-000000000077";

/// The API dialect of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Native,
    Graphql,
    Iadvize,
    Convoso,
    Vonage,
    Oauth,
}

/// Routes that take no tenant's credential, with the reason.
pub const PUBLIC: [(&str, &str); 17] = [
    ("/livez", "shows only that the process is alive"),
    ("/readyz", "shows only whether the state is current"),
    ("/", "links to the pages"),
    ("/home/{hash}/{file}", "the page's files"),
    ("/graphiql", "a page without data"),
    ("/graphiql/{file}", "the page's files"),
    ("/wallboard", "a page without data"),
    ("/wallboard/{hash}/{file}", "the page's files"),
    ("/openapi.json", "describes the API, the same for all callers"),
    ("/docs", "redirects to the page"),
    ("/docs/", "a page without data"),
    ("/docs/{file}", "the page's files"),
    ("/oauth2/token", "authenticates a user by the password in the form"),
    ("/Auth/connect/token", "authenticates a key by its id and the key in the form"),
    ("/oauth2/revoke", "takes the token to revoke in the form"),
    ("/Auth/connect/revocation", "takes the token to revoke in the form"),
    ("/echo", "returns the request's body, and is enabled by benchmarks only"),
];

/// Routes of the administrator, which take the administrator's token, with the reason.
pub const ADMINISTRATION: [(&str, &str); 9] = [
    ("/metrics", "names tenants by their ids"),
    ("/v1/tenants", "creates and lists tenants"),
    ("/v1/tenants/{tenant}", "is about the tenant in its path"),
    ("/v1/tenants/{tenant}/limits", "is about the tenant in its path"),
    ("/v1/tenants/{tenant}/state", "is about the tenant in its path"),
    ("/v1/tenants/{tenant}/self-check", "is about the tenant in its path"),
    ("/v1/self-check", "names tenants by their ids"),
    ("/v1/tenants/{tenant}/keys", "is about the tenant in its path"),
    ("/v1/tenants/{tenant}/keys/{key}", "is about the tenant in its path"),
];

/// Returns the dialect of a tenant's route. Panics for a route that is in no list here.
pub fn dialect(route: &Route) -> Dialect {
    match route.path.as_str() {
        "/graphql" => Dialect::Graphql,
        "/agents-availability" => Dialect::Vonage,
        "/_authenticated" => Dialect::Oauth,
        path if path.starts_with("/agents/") || path.starts_with("/v0/") => Dialect::Vonage,
        path if path.ends_with("/search") => Dialect::Convoso,
        path if ["/operator", "/group", "/skill"].iter().any(|part| path.contains(part)) => Dialect::Iadvize,
        path if path.starts_with("/v1/") => Dialect::Native,
        path => panic!("{path} has no dialect: add it here"),
    }
}

/// Returns a valid request for the route, about `user` where the route is about one user.
pub fn request(api: &Api, route: &Route, key: Option<&str>, user: &str) -> RequestBuilder {
    let method: Method = route.method.parse().expect("a method");
    let path = route.path.replace("{id}", user).replace("{account}", "acme").replace("{name}", "default");
    let path = path.replace("{link}", NO_LINK);
    let bearer = |request: RequestBuilder| match key {
        Some(key) => request.bearer_auth(key),
        None => request,
    };
    match (dialect(route), route.method) {
        (Dialect::Native, _) if path == "/v1/desk" => {
            let request = bearer(api.request(method, &path)).header("Connection", "Upgrade");
            let request = request.header("Upgrade", "websocket").header("Sec-WebSocket-Version", "13");
            request.header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        }
        (Dialect::Native, _) if path == "/v1/desk/tickets" => {
            bearer(api.request(method, &path)).json(&json!({ "user": user }))
        }
        (Dialect::Native, _) if path == "/v1/live/tickets" => bearer(api.request(method, &path)).json(&json!({})),
        (Dialect::Native, "GET") | (Dialect::Oauth, _) => bearer(api.request(method, &path)),
        (Dialect::Native, "PUT") if path.starts_with("/v1/wallboards/") => {
            let tiles = json!([{ "type": "number", "metric": "available" }]);
            bearer(api.request(method, &path)).json(&json!({ "pages": [{ "tiles": tiles }] }))
        }
        (Dialect::Native, "DELETE") if path.starts_with("/v1/wallboards/") => bearer(api.request(method, &path)),
        (Dialect::Native, "POST") if path.ends_with("/links") => {
            bearer(api.request(method, &path)).json(&json!({ "hours": 12 }))
        }
        (Dialect::Native, "DELETE") => bearer(api.request(method, &format!("{path}?user={user}"))),
        (Dialect::Native, "PUT") => bearer(api.request(method, &path)).json(&json!({})),
        (Dialect::Native, _) if path == "/v1/webhooks/iadvize" => {
            signed(bearer(api.request(method, &path)), SECRET, &webhook(user))
        }
        (Dialect::Native, _) => bearer(api.request(method, &path)).json(&json!([])),
        (Dialect::Graphql, _) => {
            let query = "query($ids:[LegacyId!]){connectedUsersIndicator(userIds:$ids){connectedUsersCount}
                users(ids:$ids){edges{cursor node{__typename id lastName email externalId isDeleted}}}}";
            let variables = json!({ "ids": [user] });
            if method == Method::GET {
                let query = [("query", query), ("variables", &variables.to_string())];
                let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
                return bearer(api.request(method, &format!("{path}?{query}")));
            }
            bearer(api.request(method, &path)).json(&json!({ "query": query, "variables": variables }))
        }
        (Dialect::Vonage, _) => {
            vonage(bearer(api.request(method, &format!("{path}{}", vonage_query(route, user)))), route)
        }
        (Dialect::Iadvize, _) => {
            let filtered = route.method == "GET" && (path.ends_with("/operator") || path.ends_with("/operator/live"));
            let path = if filtered { format!("{path}?filters[id]={user}") } else { path };
            let request = match key {
                Some(key) => api.request(method, &path).header("X-API-Key", key),
                None => api.request(method, &path),
            };
            match (route.method, route.path.ends_with("/live")) {
                ("PUT", true) => request.json(&json!({ "chat": { "available": 1 } })),
                ("PUT", false) => request.json(&json!({})),
                ("POST", _) => {
                    // Each operator needs a unique e-mail address.
                    let email = format!("{}@contact.example", rollcall::clock::Clock::system().new_id());
                    request.json(&json!({ "name": "New", "email": email, "website_list": [] }))
                }
                _ => request,
            }
        }
        (Dialect::Convoso, "GET") => {
            let token = key.map_or(String::new(), |key| format!("auth_token={key}&"));
            api.request(method, &format!("{path}?{token}user_id={user}"))
        }
        (Dialect::Convoso, _) => api.request(method, &path).json(&json!({ "auth_token": key, "user_id": user })),
    }
}

/// Returns a webhook of iAdvize, for tenants that accept them by [`super::signing::enable_webhooks`].
fn webhook(user: &str) -> String {
    let clock = rollcall::clock::Clock::system();
    let (id, now) = (clock.new_id(), clock.now().to_string());
    let webhook = json!({ "eventId": id, "eventType": "user.connected", "platform": "ha", "clientId": 1,
                          "createdAt": now, "sentAt": now, "userId": user });
    webhook.to_string()
}

/// Returns the id for the path of a request: `user`; for a group or a skill the only one of the directory; and for a
/// deletion a user who is created here, since later requests need `user`.
pub async fn subject_of(api: &Api, route: &Route, key: &str, user: &str) -> String {
    if ["/group/", "/skill/"].iter().any(|part| route.path.contains(part)) {
        return String::from("1");
    }
    // A wallboard must be put before it can be deleted. The key may not be allowed to, which the caller sees by the deletion.
    if route.method == "DELETE" && route.path == "/v1/wallboards/{name}" {
        let put = Route { method: "PUT", path: route.path.clone() };
        let _answer = send(request(api, &put, Some(key), user)).await.expect("an answer");
    }
    // Log-ins are ended without harm to the user.
    if route.method != "DELETE" || route.path.starts_with("/v1/") {
        return user.to_owned();
    }
    let make = Route { method: "POST", path: String::from("/operator") };
    let answer = send(request(api, &make, Some(key), "")).await.expect("an answer").ok();
    answer.json()["data"]["id"].to_string()
}

/// Returns the query of a request to one of Vonage's routes.
fn vonage_query(route: &Route, user: &str) -> String {
    match (route.method, route.path.as_str()) {
        ("GET", "/agents-availability") => String::from("?skillNames=skill"),
        (_, "/agents/presences/users") => format!("?userId={user}"),
        (_, path) if path.starts_with("/v0/") => String::from("?availability=readyForPhoneCall"),
        _ => String::new(),
    }
}

/// Adds the `Accept` header and the body of Vonage's clients. The `/v0/` routes take no version.
fn vonage(request: RequestBuilder, route: &Route) -> RequestBuilder {
    let accept = if route.path.starts_with("/v0/") { "json" } else { "vnd.newvoicemedia.v1+json" };
    let request = request.header("Accept", format!("application/{accept}"));
    match route.method {
        "GET" => request,
        "PATCH" => request.json(&json!({ "presenceId": BREAK })),
        _ => request.json(&json!({})),
    }
}

/// Returns whether the response rejects a credential without the scope, in the dialect's form.
pub fn is_forbidden(dialect: Dialect, answer: &Answer) -> bool {
    match dialect {
        Dialect::Native => answer.status == 403 && answer.json()["type"] == "urn:rollcall:problem:forbidden",
        Dialect::Graphql => {
            let body = answer.json();
            let name = &body["errors"][0]["extensions"]["name"];
            answer.status == 200 && body["data"].is_null() && name == "PERMISSION_DENIED"
        }
        Dialect::Iadvize => {
            answer.status == 403 && answer.json() == json!({ "meta": { "status": "error", "message": "Forbidden" } })
        }
        Dialect::Convoso => answer.status == 403 && answer.json()["success"] == false,
        Dialect::Vonage => answer.status == 403 && answer.json()["message"].is_string(),
        Dialect::Oauth => false,
    }
}

/// Returns whether the response rejects a missing or unknown credential, in the dialect's form. iAdvize uses one form
/// for both kinds of rejection.
pub fn is_unauthenticated(dialect: Dialect, answer: &Answer) -> bool {
    match dialect {
        Dialect::Iadvize => is_forbidden(dialect, answer),
        Dialect::Graphql => {
            let name = &answer.json()["errors"][0]["extensions"]["name"];
            answer.status == 401 && name == "AUTHENTICATION_REQUIRED"
        }
        _ => answer.status == 401,
    }
}

/// Returns whether the response is a success in the dialect's form, with a position where the dialect has one.
pub fn is_answered(dialect: Dialect, answer: &Answer) -> bool {
    if dialect == Dialect::Oauth {
        return answer.status == 200 && answer.json() == json!({ "authenticated": true });
    }
    let has_errors = dialect == Dialect::Graphql && answer.json().get("errors").is_some();
    // A WebSocket handshake is answered with 101 and a created ticket with 201.
    let is_success = matches!((dialect, answer.status), (_, 200) | (Dialect::Native, 101 | 201));
    is_success && !has_errors && answer.header("rollcall-position").is_some()
}
