//! The descriptions of the API, OpenAPI and SDL, and of the settings: complete, sound, and those that are committed.

use std::collections::BTreeSet;

use rollcall::cli;
use rollcall::http::{graphql, openapi};
use serde_json::Value;

use crate::support::routes::{source, table};

/// Routes that are not REST, or are the description itself.
const LEFT_OUT: [&str; 8] =
    ["/graphql", "/graphiql", "/graphiql/{file}", "/openapi.json", "/docs", "/docs/", "/docs/{file}", "/echo"];

fn description() -> Value {
    serde_json::from_str(openapi::json()).expect("JSON")
}

/// Every operation with its method, in capitals, and its path.
fn operations(description: &Value) -> Vec<(String, &str, &Value)> {
    let paths = description["paths"].as_object().expect("paths");
    let of = |(path, item)| {
        let item: &Value = item;
        let operations = item.as_object().expect("operations");
        operations.iter().map(move |(method, operation)| (method.to_uppercase(), path, operation)).collect::<Vec<_>>()
    };
    paths.iter().map(|(path, item)| (path.as_str(), item)).flat_map(of).collect()
}

#[test]
fn what_is_committed_is_what_is_served() {
    let committed = source("docs/openapi.json");
    assert!(committed == openapi::json(), "run: cargo run -- openapi > docs/openapi.json");
}

#[test]
fn the_schema_that_is_committed_is_the_one_that_answers() {
    assert!(source("docs/schema.graphql") == graphql::sdl(), "run: cargo run -- schema > docs/schema.graphql");
}

#[test]
fn the_committed_settings_are_those_of_the_command_line() {
    let committed = source("docs/configuration.md");
    assert!(committed == cli::configuration_page(), "run: cargo run -- configuration > docs/configuration.md");
}

/// Doc comments are what a reader of the schema has.
#[test]
fn every_type_and_field_of_the_schema_is_described() {
    let sdl = graphql::sdl();
    let mut described = false;
    let mut inside_text = false;
    let mut bare = Vec::new();
    for line in sdl.lines().map(str::trim) {
        if line.starts_with("\"\"\"") || inside_text {
            let ends = line.ends_with("\"\"\"") && (inside_text || line != "\"\"\"");
            inside_text = !ends;
            described = ends;
            continue;
        }
        let names_something = !line.is_empty() && !matches!(line, "}" | ")") && !line.starts_with(['#', ')', '}']);
        let is_ours = !line.starts_with("directive")
            && !line.starts_with("schema")
            && !line.starts_with("query:")
            && !line.starts_with("mutation:");
        if names_something && is_ours && !described && !line.starts_with("type Query") {
            bare.push(line.to_owned());
        }
        described = false;
    }
    assert_eq!(bare, Vec::<String>::new());
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let description = description();
    let described: BTreeSet<(String, String)> =
        operations(&description).into_iter().map(|(method, path, _)| (method, path.to_owned())).collect();
    let routes: BTreeSet<(String, String)> = table()
        .into_iter()
        .filter(|route| !LEFT_OUT.contains(&route.path.as_str()))
        .map(|route| (route.method.to_owned(), route.path))
        .collect();
    assert_eq!(described, routes);
}

#[test]
fn operations_have_names_and_answers_of_their_own() {
    let description = description();
    let operations = operations(&description);
    let ids: BTreeSet<&str> = operations.iter().filter_map(|(_, _, o)| o["operationId"].as_str()).collect();
    assert_eq!(ids.len(), operations.len(), "two operations have one name");
    for (method, path, operation) in operations {
        let told = format!("{method} {path}");
        let responses = operation["responses"].as_object().expect("responses");
        // A WebSocket is no answer but the end of HTTP.
        let is_success = |status: &str| status.starts_with('2') || status == "101";
        assert!(responses.keys().any(|status| is_success(status)), "{told}");
        for (status, response) in responses {
            let content = response["content"].as_object();
            let has_schema = content.is_some_and(|c| c.values().all(|media| media["schema"].is_object()));
            let has_nothing = content.is_none() && is_success(status);
            assert!(has_schema || has_nothing, "{told} {status}: {response}");
        }
        assert!(operation["summary"].is_string() && operation["tags"][0].is_string(), "{told}");
        for parameter in path.split('{').skip(1).filter_map(|part| part.split('}').next()) {
            let named = |p: &Value| p["name"] == parameter && p["in"] == "path";
            assert!(operation["parameters"].as_array().is_some_and(|all| all.iter().any(named)), "{told} {parameter}");
        }
    }
}

#[test]
fn what_is_referred_to_is_there() {
    let description = description();
    let mut missing = BTreeSet::new();
    let mut rest = vec![&description];
    while let Some(value) = rest.pop() {
        match value {
            Value::Array(values) => rest.extend(values),
            Value::Object(members) => rest.extend(members.values()),
            Value::String(text) if text.starts_with("#/") && description.pointer(&text[1..]).is_none() => {
                missing.insert(text.as_str());
            }
            _ => {}
        }
    }
    assert_eq!(missing, BTreeSet::new());
    assert_eq!(description["openapi"], "3.1.0");
}
