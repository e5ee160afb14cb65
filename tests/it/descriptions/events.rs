//! The event types of the description: every type of the code with its members, in a union with the discriminator `type`,
//! and an example of each that is applied.

use std::collections::BTreeSet;

use rollcall::domain::event::members::{members, types};
use rollcall::http::openapi;
use serde_json::{Value, json};

use crate::support::{Backend, Service};

fn description() -> Value {
    serde_json::from_str(openapi::json()).expect("JSON")
}

/// Returns each type with the schemas of its event and its data.
fn described(description: &Value) -> Vec<(String, &Value, &Value)> {
    let resolve = |reference: &Value| {
        let pointer = reference.as_str().expect("a reference").trim_start_matches('#');
        description.pointer(pointer).expect("a schema")
    };
    let union = &description["components"]["schemas"]["CloudEvent"];
    let mapping = union["discriminator"]["mapping"].as_object().expect("a mapping");
    let one_of: BTreeSet<&str> = union["oneOf"].as_array().expect("a union").iter().map(reference).collect();
    assert_eq!(one_of, mapping.values().map(|target| target.as_str().expect("a reference")).collect());
    let schemas = mapping.iter().map(|(kind, target)| {
        let event = resolve(target);
        (kind.clone(), event, resolve(&event["properties"]["data"]["$ref"]))
    });
    schemas.collect()
}

fn reference(item: &Value) -> &str {
    item["$ref"].as_str().expect("a reference")
}

#[test]
fn every_type_is_in_the_union_with_its_members() {
    let description = description();
    let described = described(&description);
    let names: BTreeSet<&str> = described.iter().map(|(kind, ..)| kind.as_str()).collect();
    assert_eq!(names, types().collect());
    assert_eq!(description["components"]["schemas"]["CloudEvent"]["discriminator"]["propertyName"], "type");
    for (kind, event, data) in &described {
        assert_eq!(event["properties"]["type"]["enum"], json!([kind]));
        assert!(event["description"].as_str().is_some_and(|text| text.len() > 10), "{kind}");
        let properties = data["properties"].as_object().expect("members");
        let known: BTreeSet<&str> = members(kind).iter().map(|member| member.name).collect();
        assert_eq!(properties.keys().map(String::as_str).collect::<BTreeSet<_>>(), known, "{kind}");
        for member in members(kind) {
            let is_required = data["required"].as_array().is_some_and(|names| names.contains(&json!(member.name)));
            assert_eq!(is_required, member.is_required, "{kind} {}", member.name);
            let meaning = properties[member.name]["description"].as_str();
            assert!(meaning.is_some_and(|text| text.len() > 10), "{kind} {}", member.name);
        }
    }
}

#[tokio::test]
async fn every_example_of_a_type_is_applied() {
    let description = description();
    let service = Service::start(Backend::Embedded).await;
    let persona = service.api.persona("tenant").await;
    let user = json!({ "users": [{ "id": 101, "name": "Alba",
        "channels": { "chat": { "enabled": true, "max_slots": 4 } } }] });
    service.api.put_directory(&persona.key, &user).await;
    let types = described(&description);
    // In the order of the code, in which a session opens before its heartbeat.
    for kind in rollcall::domain::event::members::types() {
        let (_, event, data) = types.iter().find(|(name, ..)| name == kind).expect("the type");
        let example = &event["examples"][0];
        assert_eq!(example["data"], data["examples"][0], "{kind}");
        service.api.apply(&persona.key, std::slice::from_ref(example)).await;
    }
    service.stop().await;
}
