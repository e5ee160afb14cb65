//! Scopes: every route requires the one scope that docs/reference/native.md names for it, one that implies that, or
//! `*`.

mod escalations;

use std::collections::BTreeSet;

use reqwest::Method;
use rollcall::http::openapi;
use serde_json::{Value, json};

use crate::on_both_stores;
use crate::support::api::{Persona, send};
use crate::support::desks::{directory, user_guid};
use crate::support::requests::{
    ADMINISTRATION, Dialect, PUBLIC, dialect, is_answered, is_forbidden, is_unauthenticated, request, subject_of,
};
use crate::support::routes::{Route, table};
use crate::support::signing::enable_webhooks;
use crate::support::{ADMIN, Backend, SCRAPER, Service};

on_both_stores!(a_route_requires_its_own_scope);
on_both_stores!(every_route_rejects_invalid_keys);
on_both_stores!(administration_rejects_tenant_credentials);

/// Every scope there is.
const SCOPES: [&str; 15] = [
    "events:write",
    "directory:write",
    "directory:read",
    "operators:read",
    "operators:write",
    "operators:passwords",
    "users:read",
    "users:write",
    "user-activity:read",
    "agents-availability:read",
    "graphql:read",
    "graphql:write",
    "wallboards:read",
    "wallboards:write",
    "*",
];

/// The scope of every route of a tenant.
const ROWS: [(&str, &str, &str); 66] = [
    ("GET", "/v1/desk", "events:write"),
    ("POST", "/v1/desk/tickets", "events:write"),
    ("POST", "/v1/events", "events:write"),
    ("POST", "/v1/webhooks/iadvize", "events:write"),
    ("PUT", "/v1/directory", "directory:write"),
    ("GET", "/v1/directory", "directory:read"),
    ("GET", "/v1/state", "*"),
    ("GET", "/v1/breakdown", "graphql:read"),
    ("GET", "/v1/live", "graphql:read"),
    ("POST", "/v1/live/tickets", "graphql:read"),
    ("GET", "/v1/wallboards", "wallboards:read"),
    ("GET", "/v1/wallboards/{name}", "wallboards:read"),
    ("PUT", "/v1/wallboards/{name}", "wallboards:write"),
    // After the one that puts it.
    ("DELETE", "/v1/wallboards/{name}", "wallboards:write"),
    ("GET", "/v1/wallboards/{name}/links", "wallboards:read"),
    ("POST", "/v1/wallboards/{name}/links", "graphql:read"),
    ("DELETE", "/v1/wallboards/{name}/links/{link}", "wallboards:write"),
    ("GET", "/v1/log-ins", "operators:passwords"),
    ("DELETE", "/v1/log-ins", "operators:passwords"),
    ("GET", "/graphql", "graphql:read"),
    ("POST", "/graphql", "graphql:read"),
    ("GET", "/operator/live", "operators:read"),
    ("GET", "/operator/{id}/live", "operators:read"),
    ("PUT", "/operator/{id}/live", "operators:write"),
    ("GET", "/api/2/operator/live", "operators:read"),
    ("GET", "/api/2/operator/{id}/live", "operators:read"),
    ("PUT", "/api/2/operator/{id}/live", "operators:write"),
    ("GET", "/operator", "operators:read"),
    ("POST", "/operator", "operators:write"),
    ("GET", "/operator/{id}", "operators:read"),
    ("PUT", "/operator/{id}", "operators:write"),
    ("DELETE", "/operator/{id}", "operators:write"),
    ("GET", "/operator/{id}/profile", "operators:read"),
    ("GET", "/operator/{id}/statistic", "operators:read"),
    ("GET", "/group", "operators:read"),
    ("GET", "/group/{id}", "operators:read"),
    ("GET", "/skill", "operators:read"),
    ("GET", "/skill/{id}", "operators:read"),
    ("GET", "/api/2/operator", "operators:read"),
    ("POST", "/api/2/operator", "operators:write"),
    ("GET", "/api/2/operator/{id}", "operators:read"),
    ("PUT", "/api/2/operator/{id}", "operators:write"),
    ("DELETE", "/api/2/operator/{id}", "operators:write"),
    ("GET", "/api/2/operator/{id}/profile", "operators:read"),
    ("GET", "/api/2/operator/{id}/statistic", "operators:read"),
    ("GET", "/api/2/group", "operators:read"),
    ("GET", "/api/2/group/{id}", "operators:read"),
    ("GET", "/api/2/skill", "operators:read"),
    ("GET", "/api/2/skill/{id}", "operators:read"),
    ("GET", "/v1/user-activity/search", "user-activity:read"),
    ("POST", "/v1/user-activity/search", "user-activity:read"),
    ("GET", "/user-activity/search", "user-activity:read"),
    ("GET", "/v1/agent-monitor/search", "user-activity:read"),
    ("POST", "/v1/agent-monitor/search", "user-activity:read"),
    ("GET", "/agent-monitor/search", "user-activity:read"),
    ("POST", "/agent-monitor/search", "user-activity:read"),
    ("POST", "/user-activity/search", "user-activity:read"),
    ("GET", "/agents-availability", "agents-availability:read"),
    ("POST", "/agents-availability", "agents-availability:read"),
    ("GET", "/_authenticated", ANY),
    ("GET", "/agents/{id}/presence", "users:read"),
    ("PATCH", "/agents/{id}/presence", "users:write"),
    ("GET", "/agents/presences/users", "users:read"),
    ("GET", "/agents/presence-definitions", "users:read"),
    ("GET", "/v0/{account}/agents", "agents-availability:read"),
    ("GET", "/v0/{account}/agents/", "agents-availability:read"),
];

/// The scope of a route that accepts any valid credential.
const ANY: &str = "any";

/// Routes whose document needs another scope as well.
const BESIDES: [(&str, &str, &str); 1] = [("PUT", "/v1/wallboards/{name}", "graphql:read")];

/// Scopes that imply another, as the vendor defines them.
const IMPLIED: [(&str, &str); 1] = [("users:write", "users:read")];

/// Returns whether a key with this scope alone may use a route that requires `wanted`.
fn grants(scope: &str, wanted: &str) -> bool {
    scope == wanted || scope == "*" || wanted == ANY || IMPLIED.contains(&(scope, wanted))
}

fn route((method, path, _): &(&'static str, &'static str, &'static str)) -> Route {
    Route { method, path: (*path).to_owned() }
}

#[test]
fn every_tenant_route_is_listed() {
    let apart: BTreeSet<&str> = PUBLIC.iter().chain(&ADMINISTRATION).map(|(path, _)| *path).collect();
    let rows: BTreeSet<Route> = ROWS.iter().map(route).collect();
    let routes: BTreeSet<Route> = table().into_iter().filter(|route| !apart.contains(route.path.as_str())).collect();
    assert_eq!(rows, routes);
    assert!(ROWS.iter().all(|(_, _, scope)| SCOPES.contains(scope) || *scope == ANY));
}

/// A reader of the description learns the scope there.
#[test]
fn descriptions_name_the_scope() {
    let description: Value = serde_json::from_str(openapi::json()).expect("JSON");
    let mut named = 0;
    for (method, path, scope) in ROWS.iter().filter(|(_, _, scope)| *scope != ANY) {
        let operation = &description["paths"][path][method.to_lowercase()];
        let Some(text) = operation["description"].as_str() else { continue };
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(&format!("Scope: `{scope}`")), "{method} {path}: {text}");
        named += 1;
    }
    assert_eq!(named, 46);
}

async fn stage(backend: Backend) -> (Service, Persona) {
    let service = Service::start(backend).await;
    let persona = service.api.persona("tenant").await;
    service.api.put_directory(&persona.key, &directory(2)).await;
    enable_webhooks(&service.api, &persona.tenant).await;
    (service, persona)
}

async fn a_route_requires_its_own_scope(backend: Backend) {
    let (service, persona) = stage(backend).await;
    for scope in SCOPES {
        let (_, key) = service.api.key(&persona.tenant, &[scope]).await;
        for row in &ROWS {
            let (route, wanted) = (route(row), row.2);
            let besides = BESIDES.iter().find(|(method, path, _)| (*method, *path) == (row.0, row.1));
            let key = match besides.filter(|_| scope == wanted) {
                Some((_, _, more)) => &service.api.key(&persona.tenant, &[scope, more]).await.1,
                None => &key,
            };
            let user = subject_of(&service.api, &route, &persona.key, &user_guid(1)).await;
            let before = service.position(&persona.tenant);
            let answer = send(request(&service.api, &route, Some(key), &user)).await.expect("an answer");
            let context = format!("{route:?} with {scope}: {} {}", answer.status, answer.text);
            if grants(scope, wanted) {
                assert!(is_answered(dialect(&route), &answer), "{context}");
            } else {
                assert!(is_forbidden(dialect(&route), &answer), "{context}");
                assert_eq!(service.position(&persona.tenant), before, "{context}");
                assert_eq!(answer.header("rollcall-position"), None, "a rejection reveals no position: {context}");
            }
        }
    }
    // A key with several scopes has all of them.
    let (_, key) = service.api.key(&persona.tenant, &["graphql:read", "operators:read"]).await;
    for row in &ROWS {
        let user = subject_of(&service.api, &route(row), &persona.key, &user_guid(1)).await;
        let answer = send(request(&service.api, &route(row), Some(&key), &user)).await.expect("an answer");
        let allowed = ["graphql:read", "operators:read"].iter().any(|scope| grants(scope, row.2));
        assert_eq!(is_answered(dialect(&route(row)), &answer), allowed, "{row:?}: {}", answer.text);
    }
    service.stop().await;
}

async fn every_route_rejects_invalid_keys(backend: Backend) {
    let (service, persona) = stage(backend).await;
    let (id, revoked) = service.api.key(&persona.tenant, &["*"]).await;
    let path = format!("/v1/tenants/{}/keys/{id}", persona.tenant);
    let answer = send(service.api.request(Method::DELETE, &path).bearer_auth(ADMIN)).await.expect("an answer");
    assert_eq!(answer.status, 204);
    let nearly = format!("{}0", persona.key);
    let shorter = &persona.key[..persona.key.len() - 1];
    let keys = [None, Some(""), Some(revoked.as_str()), Some(nearly.as_str()), Some(shorter), Some(ADMIN)];
    let keys = keys.into_iter().chain([Some(persona.tenant.as_str()), Some("*"), Some("null"), Some(SCRAPER)]);
    for key in keys {
        for row in &ROWS {
            let route = route(row);
            let before = service.position(&persona.tenant);
            let answer = send(request(&service.api, &route, key, &user_guid(1))).await.expect("an answer");
            let context = format!("{route:?} with {key:?}: {} {}", answer.status, answer.text);
            assert!(is_unauthenticated(dialect(&route), &answer), "{context}");
            assert_eq!(service.position(&persona.tenant), before, "{context}");
            let challenge = answer.header("www-authenticate").is_some();
            assert!(challenge || dialect(&route) != Dialect::Native, "{context}");
        }
    }
    service.stop().await;
}

async fn administration_rejects_tenant_credentials(backend: Backend) {
    let (service, persona) = stage(backend).await;
    let tenant = &persona.tenant;
    let (id, other) = service.api.key(tenant, &["events:write"]).await;
    let requests = [
        (Method::GET, String::from("/metrics")),
        (Method::POST, String::from("/v1/tenants")),
        (Method::GET, String::from("/v1/tenants")),
        (Method::DELETE, format!("/v1/tenants/{tenant}")),
        (Method::GET, format!("/v1/tenants/{tenant}")),
        (Method::PATCH, format!("/v1/tenants/{tenant}")),
        (Method::GET, format!("/v1/tenants/{tenant}/state")),
        (Method::GET, format!("/v1/tenants/{tenant}/self-check")),
        (Method::GET, String::from("/v1/self-check")),
        (Method::GET, format!("/v1/tenants/{tenant}/limits")),
        (Method::PUT, format!("/v1/tenants/{tenant}/limits")),
        (Method::POST, format!("/v1/tenants/{tenant}/keys")),
        (Method::GET, format!("/v1/tenants/{tenant}/keys")),
        (Method::DELETE, format!("/v1/tenants/{tenant}/keys/{id}")),
    ];
    for credential in [None, Some(persona.key.as_str()), Some(other.as_str()), Some(""), Some("an-administrator")] {
        for (method, path) in &requests {
            let mut request = service.api.request(method.clone(), path);
            if let Some(credential) = credential {
                request = request.bearer_auth(credential);
            }
            let body = json!({ "name": "more", "scopes": ["*"] });
            let answer = send(request.json(&body)).await.expect("an answer");
            assert_eq!(answer.status, 401, "{method} {path} with {credential:?}: {}", answer.text);
            assert!(!answer.text.contains("rk_"), "{}", answer.text);
        }
    }
    let administration: BTreeSet<&str> = ADMINISTRATION.iter().map(|(path, _)| *path).collect();
    let routes = table().into_iter().filter(|route| administration.contains(route.path.as_str())).count();
    assert_eq!(routes, requests.len(), "a route of the administrator is missing above");
    // The token of the metrics reads them and opens nothing else.
    for (method, path) in &requests {
        let expected = if path == "/metrics" { 200 } else { 401 };
        let request = service.api.request(method.clone(), path).bearer_auth(SCRAPER);
        let answer = send(request.json(&json!({ "name": "more", "scopes": ["*"] }))).await.expect("an answer");
        assert_eq!(answer.status, expected, "{method} {path}: {}", answer.text);
    }
    // The deletions were rejected, so the key is still valid.
    assert_eq!(service.api.events(&other, &[]).await.unwrap().status, 200);
    service.stop().await;
}
