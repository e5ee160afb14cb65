//! The OpenAPI document, the GraphQL schema and the page of settings: complete, consistent, and equal to the committed
//! files.

mod base_path;
mod events;
mod examples;
mod failures;
mod nulls;
mod requests;
mod structure;
mod unknown;

use std::collections::BTreeSet;

use rollcall::cli;
use rollcall::http::{graphql, openapi};
use serde_json::Value;

use crate::support::routes::source;

fn description() -> Value {
    serde_json::from_str(openapi::json()).expect("JSON")
}

/// Returns every operation with its method in upper case and its path.
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
fn the_committed_openapi_is_current() {
    let committed = source("docs/openapi.json");
    assert!(committed == openapi::json(), "run: cargo run -- openapi > docs/openapi.json");
}

#[test]
fn the_committed_schema_is_current() {
    assert!(source("docs/schema.graphql") == graphql::sdl(), "run: cargo run -- schema > docs/schema.graphql");
}

#[test]
fn the_committed_settings_are_those_of_the_command_line() {
    let committed = source("docs/configuration.md");
    assert!(committed == cli::configuration_page(), "run: cargo run -- configuration > docs/configuration.md");
}

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
            && !line.starts_with("mutation:")
            && !line.starts_with("subscription:");
        if names_something && is_ours && !described && !line.starts_with("type Query") {
            bare.push(line.to_owned());
        }
        described = false;
    }
    assert_eq!(bare, Vec::<String>::new());
}

#[test]
fn operations_have_unique_ids_and_described_responses() {
    let description = description();
    let operations = operations(&description);
    let ids: BTreeSet<&str> = operations.iter().filter_map(|(_, _, o)| o["operationId"].as_str()).collect();
    assert_eq!(ids.len(), operations.len(), "two operations have the same id");
    for (method, path, operation) in operations {
        let name = format!("{method} {path}");
        let responses = operation["responses"].as_object().expect("responses");
        // A WebSocket handshake succeeds with 101.
        let is_success = |status: &str| status.starts_with('2') || status == "101";
        assert!(responses.keys().any(|status| is_success(status)), "{name}");
        for (status, response) in responses {
            let content = response["content"].as_object();
            let has_schema = content.is_some_and(|c| c.values().all(|media| media["schema"].is_object()));
            let has_nothing = content.is_none() && is_success(status);
            assert!(has_schema || has_nothing, "{name} {status}: {response}");
        }
        assert!(operation["summary"].is_string() && operation["tags"][0].is_string(), "{name}");
        for parameter in path.split('{').skip(1).filter_map(|part| part.split('}').next()) {
            let named = |p: &Value| p["name"] == parameter && p["in"] == "path";
            assert!(operation["parameters"].as_array().is_some_and(|all| all.iter().any(named)), "{name} {parameter}");
        }
    }
}

#[test]
fn every_reference_resolves() {
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

/// Tools send the first media type of a response as `Accept`, and ignore a parameter of that name (OpenAPI 3.1,
/// "Parameter Object").
#[test]
fn vonages_version_is_the_first_media_type() {
    let description = description();
    for (method, path, operation) in operations(&description) {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let mut headers = parameters.filter(|p| p["in"] == "header").filter_map(|p| p["name"].as_str());
        let ignored = headers.find(|name| ["Accept", "Content-Type", "Authorization"].contains(name));
        assert_eq!(ignored, None, "{method} {path}");
    }
    // In the text, since a parsed object has no order.
    let text = openapi::json();
    let versions: Vec<usize> =
        text.match_indices("\"application/vnd.newvoicemedia.v1+json\"").map(|(at, _)| at).collect();
    assert_eq!(
        versions.len(),
        operations(&description).iter().filter(|(_, path, _)| path.starts_with("/agents")).count()
    );
    assert!(versions.iter().all(|at| text[..*at].trim_end().ends_with("\"content\": {")));
}

/// Without an encoding tools write a nested object or a list as JSON in one field of a form.
#[test]
fn nested_fields_and_lists_of_forms_have_an_encoding() {
    let description = description();
    let (mut nested, mut lists) = (0, 0);
    for (method, path, operation) in operations(&description) {
        for (media_type, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
            if !["application/x-www-form-urlencoded", "multipart/form-data"].contains(&media_type.as_str()) {
                continue;
            }
            let reference = content["schema"]["$ref"].as_str().expect("a reference");
            let schema = description.pointer(&reference[1..]).expect("a schema");
            for (name, property) in schema["properties"].as_object().expect("fields") {
                let is_nested = property.get("properties").is_some();
                let is_list = property.get("items").is_some();
                let encoding = &content["encoding"][name];
                assert_eq!(is_nested, encoding["style"] == "deepObject", "{method} {path} {name}: {encoding}");
                assert_eq!(is_list, encoding["style"] == "form", "{method} {path} {name}: {encoding}");
                assert_eq!(is_nested || is_list, encoding["explode"] == true, "{method} {path} {name}");
                nested += u32::from(is_nested);
                lists += u32::from(is_list);
            }
        }
    }
    assert_eq!((nested, lists), (2 * (1 + 1 + 3), 2 * (4 + 4 + 4 + 4)));
}

#[test]
fn credentials_are_described() {
    let description = description();
    let schemes = description["components"]["securitySchemes"].as_object().expect("schemes");
    assert!(schemes.len() > 4 && schemes.values().all(|scheme| scheme["description"].is_string()), "{schemes:?}");
}
