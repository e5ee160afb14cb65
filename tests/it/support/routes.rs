//! The route table, read from the source of the edge: every `.route("path", …)` and its methods.

use std::collections::BTreeSet;
use std::path::Path;

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

/// Returns every route of the service.
pub fn table() -> BTreeSet<Route> {
    let source = source("src/http/mod.rs");
    let mut routes = listed(&source, &source);
    for nest in source.split(".nest(").skip(1) {
        let (base, function) = balanced(nest).split_once(',').expect("a path and what lies below it");
        let body = source.split_once(&format!("fn {}", function.trim())).expect("a function of routes").1;
        let body = body.split_once("\n}").expect("its end").0;
        let below = listed(body, &source).into_iter();
        routes.extend(below.map(|route| Route { path: format!("{}{}", base.trim_matches('"'), route.path), ..route }));
    }
    // Guards against a change of the source that this parser does not read.
    assert!(routes.len() >= 20, "only {} routes were found", routes.len());
    routes
}

/// Returns the routes that a part of the source adds.
fn listed(part: &str, source: &str) -> BTreeSet<Route> {
    let mut routes = BTreeSet::new();
    for call in part.split(".route(").skip(1) {
        let arguments = balanced(call);
        let (path, expression) = arguments.trim_start().split_once(',').expect("a path and what it takes");
        let path = path.trim().trim_matches('"').to_owned();
        assert!(path.starts_with('/'), "not a path: {path}");
        let methods = methods(expression, source);
        assert!(!methods.is_empty(), "the methods of {path} cannot be read: {expression}");
        routes.extend(methods.into_iter().map(|method| Route { method, path: path.clone() }));
    }
    routes
}

/// Returns the methods of an expression that builds a method router.
fn methods(expression: &str, source: &str) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    for (name, call) in
        [("GET", "get("), ("POST", "post("), ("PUT", "put("), ("PATCH", "patch("), ("DELETE", "delete(")]
    {
        let is_call = |at: usize| !expression[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        if expression.match_indices(call).any(|(at, _)| is_call(at)) {
            found.insert(name);
        }
    }
    let expression = expression.trim();
    if let Some((name, _)) = expression.split_once("::routes()") {
        let file = format!("src/http/{}.rs", name.replace("::", "/"));
        let body = self::source(&file);
        let body = body.split_once("fn routes()").expect("the routes of a dialect").1;
        let body = body.split_once('{').expect("a body").1;
        found.extend(methods(body.split_once('}').expect("its end").0, source));
    }
    let variable = expression.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
    if let Some((_, definition)) = source.split_once(&format!("let {variable} = ")) {
        found.extend(methods(definition.split_once(';').expect("its end").0, source));
    }
    found
}

/// Returns the text up to the unmatched closing bracket.
fn balanced(text: &str) -> &str {
    let mut open = 1;
    let end = text.find(|c| {
        match c {
            '(' => open += 1,
            ')' => open -= 1,
            _ => {}
        }
        open == 0
    });
    &text[..end.expect("a closing bracket")]
}

/// Reads a file of this repository.
pub fn source(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_route_table_is_parsed() {
    let table = table();
    let has = |method, path: &str| table.contains(&Route { method, path: path.to_owned() });
    assert!(has("POST", "/v1/events") && !has("GET", "/v1/events"));
    assert!(has("PUT", "/v1/directory") && has("GET", "/v1/directory"));
    assert!(has("GET", "/api/2/operator/{id}/live") && has("PUT", "/api/2/operator/{id}/live"));
    assert!(has("GET", "/user-activity/search") && has("POST", "/user-activity/search"));
    assert!(has("POST", "/echo") && has("GET", "/metrics"));
    let route = Route { method: "GET", path: String::from("/operator/{id}/live") };
    assert!(route.takes("/operator/7/live?x=/") && !route.takes("/operator/live") && !route.takes("/operator//live"));
}
