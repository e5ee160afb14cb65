//! The route table: the routes of the OpenAPI description, and those without one.

use std::collections::BTreeSet;
use std::path::Path;

use rollcall::http::openapi;
use serde_json::Value;

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// One route and one of its methods.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    pub method: &'static str,
    pub path: String,
}

impl Route {
    /// Returns whether the route matches a request's path.
    pub fn takes(&self, path: &str) -> bool {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let (ours, theirs) = (self.path.split('/'), path.split('/'));
        ours.clone().count() == theirs.clone().count()
            && ours
                .zip(theirs)
                .all(|(ours, theirs)| if ours.starts_with('{') { !theirs.is_empty() } else { ours == theirs })
    }
}

/// Routes that are added without their description: GraphQL's have a state of their own, one is a second spelling, and the
/// others are pages, the description itself and the benchmarks'.
const UNDESCRIBED: [(&str, &str); 14] = [
    ("GET", "/v0/{account}/agents"),
    ("GET", "/graphql"),
    ("POST", "/graphql"),
    ("GET", "/"),
    ("GET", "/home/{hash}/{file}"),
    ("GET", "/graphiql"),
    ("GET", "/graphiql/{file}"),
    ("GET", "/wallboard"),
    ("GET", "/wallboard/{hash}/{file}"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/docs/"),
    ("GET", "/docs/{file}"),
    ("POST", "/echo"),
];

/// Base paths below which the routes with this tag answer a second time, without a description.
const MOUNTS: [(&str, &str); 2] = [("iAdvize REST", "/api/2"), ("Convoso", "/v1")];

/// Returns every route of the service.
pub fn table() -> BTreeSet<Route> {
    let description: Value = serde_json::from_str(openapi::json()).expect("JSON");
    let mut routes = BTreeSet::new();
    for (path, item) in description["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let method = METHODS.into_iter().find(|known| known.eq_ignore_ascii_case(method)).expect("a known method");
            routes.insert(Route { method, path: path.clone() });
            for (_, base) in MOUNTS.iter().filter(|(tag, _)| operation["tags"][0] == *tag) {
                routes.insert(Route { method, path: format!("{base}{path}") });
            }
        }
    }
    routes.extend(UNDESCRIBED.map(|(method, path)| Route { method, path: path.to_owned() }));
    routes
}

/// Reads a file of this repository.
pub fn source(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn routes_and_mounts_without_a_description_are_those_listed() {
    let source = source("src/http/mod.rs");
    let literals = |call: &str| {
        let after = source.split(call).skip(1);
        after.filter_map(|text| text.split('"').next()).map(str::to_owned).collect::<BTreeSet<_>>()
    };
    assert_eq!(literals(".route(\""), UNDESCRIBED.iter().map(|(_, path)| (*path).to_owned()).collect());
    assert_eq!(literals(".nest(\""), MOUNTS.iter().map(|(_, base)| (*base).to_owned()).collect());
}

#[test]
fn routes_match_paths_by_segments() {
    let has = |method, path: &str| table().contains(&Route { method, path: path.to_owned() });
    assert!(has("GET", "/api/2/operator/{id}/live") && has("POST", "/v1/user-activity/search"));
    let route = Route { method: "GET", path: String::from("/operator/{id}/live") };
    assert!(route.takes("/operator/7/live?x=/") && !route.takes("/operator/live") && !route.takes("/operator//live"));
}
