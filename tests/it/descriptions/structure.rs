//! The parts that every operation of the description has, so that generated clients are whole and readable.

use std::collections::BTreeSet;

use rollcall::http::openapi;
use serde_json::Value;

use super::requests::{Operation, operations};

fn description() -> Value {
    serde_json::from_str(openapi::json()).expect("JSON")
}

/// Words that are no names of functions in the languages of common generators.
const RESERVED: [&str; 14] =
    ["delete", "import", "export", "new", "class", "in", "is", "from", "list", "get", "set", "for", "with", "default"];

/// Operations without errors of their own: probes answer whatever is sent.
const WITHOUT_FAULTS: [&str; 2] = ["livez", "readyz"];

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() > 3)
}

/// Returns the parts that an operation lacks.
fn lacking(operation: &Operation<'_>) -> Vec<String> {
    let (value, mut lacking) = (operation.value, Vec::new());
    let mut needs = |is_there: bool, what: String| {
        if !is_there {
            lacking.push(format!("{}: {what}", operation.name()));
        }
    };
    for member in ["summary", "description"] {
        needs(is_text(&value[member]), member.to_owned());
    }
    let id = operation.id();
    let is_name = id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    needs(is_name && !RESERVED.contains(&id), format!("the name {id}"));
    needs(value["tags"].as_array().is_some_and(|tags| tags.len() == 1), String::from("one tag"));
    needs(value["security"].is_array(), String::from("security"));
    for parameter in value["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().expect("a name");
        needs(is_text(&parameter["description"]), format!("description of {name}"));
        needs(parameter.get("example").is_some(), format!("example of {name}"));
        let is_list = parameter["schema"]["type"] == "array";
        let is_repeated = parameter["style"] == "form" && parameter["explode"] == true;
        needs(is_list == is_repeated, format!("the style of {name}"));
    }
    for (media_type, media) in value["requestBody"]["content"].as_object().into_iter().flatten() {
        needs(media.get("example").is_some(), format!("example of {media_type}"));
        needs(media["schema"].is_object(), format!("schema of {media_type}"));
    }
    let responses = value["responses"].as_object().expect("responses");
    for (status, response) in responses {
        needs(is_text(&response["description"]), format!("description of {status}"));
        for (media_type, media) in response["content"].as_object().into_iter().flatten() {
            needs(media["schema"].is_object(), format!("schema of {status} {media_type}"));
            needs(media.get("example").is_some(), format!("example of {status} {media_type}"));
        }
    }
    let has = |status: &str| responses.get(status).is_some_and(|response| response["content"].is_object());
    let has_faults = ["400", "429", "500", "503"].iter().all(|status| has(status)) || id.starts_with("graphql");
    needs(has_faults || WITHOUT_FAULTS.contains(&id), String::from("error shapes"));
    lacking
}

#[test]
fn every_operation_is_whole() {
    let description = description();
    let lacking: Vec<String> = operations(&description).iter().flat_map(lacking).collect();
    assert!(lacking.is_empty(), "{}", lacking.join("\n"));
}

#[test]
fn missing_parts_are_found() {
    let bare = serde_json::json!({ "operationId": "delete", "responses": { "200": { "description": "" } },
        "parameters": [{ "name": "ids", "schema": { "type": "array" } }] });
    let operation = Operation { method: String::from("GET"), path: "/", value: &bare };
    let lacking = lacking(&operation).join("\n");
    for part in ["summary", "description", "name delete", "tag", "security", "of ids", "style of ids", "error shapes"] {
        assert!(lacking.contains(part), "{part} in {lacking}");
    }
}

#[test]
fn operations_are_described_once() {
    let description = description();
    let all = operations(&description);
    let plain: BTreeSet<String> = all.iter().map(|o| o.name().trim_end_matches('/').to_owned()).collect();
    assert_eq!(plain.len(), all.len(), "a path is described with and without a slash at its end");
    for base in ["/api/2", "/v1/user-activity", "/v1/agent-monitor"] {
        assert!(!all.iter().any(|operation| operation.path.starts_with(base)), "{base} is described a second time");
    }
}

/// A member or route whose text says so has the flag, by which generated clients warn.
#[test]
fn what_is_deprecated_has_the_flag() {
    let description = description();
    let (mut flagged, mut silent) = (Vec::new(), Vec::new());
    let mut rest = vec![(String::new(), &description)];
    while let Some((path, value)) = rest.pop() {
        if value["deprecated"] == true {
            flagged.push(path.clone());
        } else if value["description"].as_str().is_some_and(|text| text.to_lowercase().contains("deprecated")) {
            silent.push(path.clone());
        }
        match value {
            Value::Object(members) => rest.extend(members.iter().map(|(name, v)| (format!("{path}/{name}"), v))),
            Value::Array(values) => rest.extend(values.iter().enumerate().map(|(n, v)| (format!("{path}/{n}"), v))),
            _ => {}
        }
    }
    assert_eq!(silent, Vec::<String>::new());
    // An envelope repeats the members of its data.
    flagged.retain(|path| !path.contains("/Envelope_"));
    flagged.sort();
    let of = |schema: &str, member: &str| format!("/components/schemas/{schema}/properties/{member}");
    let mut expected = vec![
        of("Grouping", "operator_list"),
        of("NewOperatorFields", "role"),
        of("Operator", "role"),
        of("OperatorFields", "role"),
        of("OperatorStatistic", "satisfaction_global_rate"),
    ];
    expected.sort();
    assert_eq!(flagged, expected);
}

#[test]
fn the_server_is_a_path_of_the_same_host() {
    let servers = &description()["servers"];
    assert_eq!(*servers, serde_json::json!([{ "url": "/" }]));
}

#[test]
fn every_field_of_an_own_schema_with_a_type_is_typed() {
    let description = description();
    for name in ["Directory", "DirectoryUser", "TenantSettings", "Key", "EventsTaken", "OperatorLive"] {
        let schema = &description["components"]["schemas"][name];
        let properties = schema["properties"].as_object().unwrap_or_else(|| panic!("{name}: {schema}"));
        for (member, property) in properties {
            let is_typed = ["type", "$ref", "oneOf", "anyOf"].iter().any(|word| property.get(*word).is_some());
            assert!(is_typed, "{name} {member}: {property}");
        }
    }
}
