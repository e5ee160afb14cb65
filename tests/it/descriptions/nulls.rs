//! `null` in JSON bodies: each member of each body of the description takes it exactly if the description says so, and is
//! otherwise refused with its name, so that a value that a client sends is never ignored.

use std::collections::BTreeSet;

use rollcall::domain::event::members::{members, types};
use rollcall::http::openapi;
use serde_json::{Map, Value, json};

use super::examples::{Stage, scheme};
use super::requests::{Example, Operation, operations};
use crate::support::api::{Answer, send};
use crate::support::{Backend, Service};

/// Members of users that are second names of others: they take `null` as those do.
const ALIASES: [(&str, &str); 11] = [
    ("role", "roles"),
    ("group_id", "primary_group"),
    ("skill_list", "skills"),
    ("website_list", "projects"),
    ("chat_enabled", "chat_and_call"),
    ("call_enabled", "chat_and_call"),
    ("video_enabled", "chat_and_call"),
    ("chat_max_number", "chat_and_call"),
    ("chat_priority", "chat_and_call"),
    ("call_priority", "chat_and_call"),
    ("video_priority", "chat_and_call"),
];

fn resolved<'d>(description: &'d Value, schema: &'d Value) -> &'d Value {
    match schema["$ref"].as_str() {
        Some(reference) => description.pointer(&reference[1..]).expect("a schema"),
        None => schema,
    }
}

/// Returns whether a schema takes `null`.
fn is_nullable(schema: &Value) -> bool {
    let is_null = |kind: &Value| *kind == "null" || kind.as_array().is_some_and(|kinds| kinds.contains(&json!("null")));
    let either = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array());
    is_null(&schema["type"]) || either.into_iter().flatten().any(|one| is_null(&one["type"]))
}

/// Returns the pointer of each member below a schema, with whether it takes `null`. Of a list the first element counts.
fn pointers(description: &Value, schema: &Value, at: &str) -> Vec<(String, bool)> {
    let schema = resolved(description, schema);
    let mut found = Vec::new();
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let at = format!("{at}/{name}");
        found.push((at.clone(), is_nullable(member)));
        let member = resolved(description, member);
        let inner = if member["items"].is_object() { (&member["items"], format!("{at}/0")) } else { (member, at) };
        found.extend(pointers(description, inner.0, &inner.1));
    }
    found
}

/// Sets the member at a pointer to `null`, and makes the objects and lists above it.
fn nulled(mut body: Value, pointer: &str) -> Value {
    let mut place = &mut body;
    for part in pointer.split('/').skip(1) {
        let is_element = part == "0";
        if is_element && !place.is_array() {
            *place = json!([{}]);
        } else if !is_element && !place.is_object() {
            *place = json!({});
        }
        place = if is_element { &mut place[0] } else { &mut place[part] };
    }
    *place = Value::Null;
    body
}

/// Returns why an answer to `null` is not what the description says, or nothing.
fn problem(answer: &Answer, pointer: &str, is_nullable: bool, success: u16) -> Option<String> {
    let name = pointer.rsplit('/').next().expect("a name");
    let is_refused = matches!(answer.status, 400 | 422) && answer.text.contains(name);
    let is_right = if is_nullable { answer.status == success } else { is_refused };
    (!is_right).then(|| format!("{pointer}, nullable {is_nullable}: {} {}", answer.status, answer.text))
}

async fn put(service: &Service, stage: &Stage, document: &Value) -> Answer {
    let request = service.api.request(reqwest::Method::PUT, "/v1/directory").json(document);
    send(request.bearer_auth(&stage.persona.key)).await.expect("an answer")
}

/// Returns a new entity of a list of the directory's document, with everything that it needs.
fn entity(list: &str, id: usize) -> Value {
    match list {
        "presence_definitions" => json!({ "id": id, "category": "Away", "description": "x" }),
        _ => json!({ "id": id, "name": "x" }),
    }
}

/// Returns a document with `null` at a pointer, in an entity of its own.
fn document(pointer: &str, id: usize) -> Value {
    let list = pointer.split('/').nth(1).expect("a list");
    let body = if pointer.contains("/0") { json!({ list: [entity(list, id)] }) } else { json!({}) };
    nulled(body, pointer)
}

/// Returns the names that the service knows in the object at a pointer, from its answer to an unknown one.
async fn known(service: &Service, stage: &Stage, at: &str) -> BTreeSet<String> {
    let answer = put(service, stage, &nulled(json!({}), &format!("{at}/unheard_of"))).await;
    assert_eq!(answer.status, 422, "{at}: {}", answer.text);
    let detail = answer.json()["errors"][0]["detail"].as_str().expect("a detail").to_owned();
    let (_, names) = detail.split_once("expected").expect("names");
    names.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[tokio::test]
async fn null_in_a_directory_document_is_taken_or_refused_as_described() {
    let service = Service::start(Backend::Embedded).await;
    let stage = Stage::new(&service, "nulls").await;
    let description: Value = serde_json::from_str(openapi::json()).expect("JSON");
    let schema = &description["components"]["schemas"]["Directory"];
    let mut all = pointers(&description, schema, "");
    for (alias, of) in ALIASES {
        let (_, is_nullable) = *all.iter().find(|(at, _)| *at == format!("/users/0/{of}")).expect("a member");
        all.push((format!("/users/0/{alias}"), is_nullable));
    }
    // The schema has each member that the service knows: a new one cannot be left out.
    let parent = |at: &str| at.rsplit_once('/').map_or(String::new(), |(parent, _)| parent.to_owned());
    let parents: BTreeSet<String> = all.iter().map(|(at, _)| parent(at)).collect();
    let mut failures = Vec::new();
    for at in &parents {
        let described: BTreeSet<String> = all
            .iter()
            .filter(|(member, _)| parent(member) == *at)
            .map(|(at, _)| at.rsplit('/').next().expect("a name").to_owned())
            .collect();
        let mut known = known(&service, &stage, at).await;
        // Kinds share a form; what belongs to other kinds is refused with the reason.
        known.retain(|name| described.contains(name) || at.starts_with("/users") || !at.ends_with("/0"));
        if known != described {
            failures.push(format!("{at}: known {known:?}, described {described:?}"));
        }
    }
    for (n, (pointer, is_nullable)) in all.iter().enumerate() {
        let answer = put(&service, &stage, &document(pointer, 5_000 + n)).await;
        failures.extend(problem(&answer, pointer, *is_nullable, 200));
        if !is_nullable && answer.status == 422 {
            let named = answer.json()["errors"][0]["pointer"].clone();
            // A new entity lacks what is null; then the member is named, too.
            if named != json!(pointer) {
                failures.push(format!("{pointer}: {named} is named"));
            }
        }
    }
    service.stop().await;
    assert!(all.len() > 80 && parents.len() > 12, "{} members of {parents:?}", all.len());
    assert!(failures.is_empty(), "{}:\n{}", failures.len(), failures.join("\n"));
}

/// Returns the operations with a JSON body that has members of its own, with the body's schema and its example.
fn with_body<'d>(description: &'d Value) -> Vec<(Operation<'d>, &'d Value, &'d Value)> {
    let of = |operation: Operation<'d>| {
        let media = &operation.value["requestBody"]["content"]["application/json"];
        let is_apart = matches!(operation.id(), "put_directory" | "post_events");
        (media.is_object() && !is_apart).then_some((operation, &media["schema"], &media["example"]))
    };
    operations(description).into_iter().filter_map(of).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn null_in_other_bodies_is_taken_or_refused_as_described() {
    let service = Service::start(Backend::Embedded).await;
    let description: Value = serde_json::from_str(openapi::json()).expect("JSON");
    let (mut failures, mut count) = (Vec::new(), 0);
    for (operation, schema, body) in with_body(&description) {
        for (pointer, is_nullable) in pointers(&description, schema, "") {
            // Null beside the hash of a persisted query only, which the example does not have.
            if (operation.id(), pointer.as_str()) == ("graphql_by_body", "/query") {
                continue;
            }
            count += 1;
            let stage = Stage::new(&service, &format!("tenant {count}")).await;
            stage.prepare(&service, operation.id()).await;
            let example = operation.examples(&|text: &str| stage.real(text)).swap_remove(0);
            let sent = stage.real(&nulled(body.clone(), &pointer).to_string());
            let example = Example { body: Some((String::from("application/json"), sent)), ..example };
            let answer = send(stage.request(&service, "", &example, scheme(&operation))).await.expect("an answer");
            let problem = problem(&answer, &pointer, is_nullable, operation.success().0);
            failures.extend(problem.map(|problem| format!("{} {problem}", operation.name())));
        }
    }
    service.stop().await;
    assert!(count > 60, "only {count} members");
    assert!(failures.is_empty(), "{} of {count}:\n{}", failures.len(), failures.join("\n"));
}

#[tokio::test]
async fn null_in_events_is_no_value_where_one_may_be_absent() {
    let service = Service::start(Backend::Embedded).await;
    let stage = Stage::new(&service, "nulls").await;
    let description: Value = serde_json::from_str(openapi::json()).expect("JSON");
    let mapping = &description["components"]["schemas"]["CloudEvent"]["discriminator"]["mapping"];
    let mut failures = Vec::new();
    for kind in types() {
        let event = description.pointer(&mapping[kind].as_str().expect("a reference")[1..]).expect("a schema");
        let data = resolved(&description, &event["properties"]["data"]);
        for member in members(kind) {
            let mut sent = event["examples"][0].clone();
            sent["id"] = Value::from(format!("{kind}-{}", member.name));
            sent["data"][member.name] = Value::Null;
            // A status needs one of its members, and each of the others stands in for the one that is null.
            if kind == "status.changed" && member.name != "presence" {
                sent["data"]["presence"] = json!("Ready");
            }
            let answer = service.api.post(&stage.persona.key, "/v1/events", &sent).await.expect("an answer").json();
            let result = answer["results"][0].clone();
            let is_nullable = is_nullable(&data["properties"][member.name]);
            let names_it =
                result["detail"].as_str().is_some_and(|detail| detail.contains(&format!("data.{}", member.name)));
            let is_right = if is_nullable { result["outcome"] != "rejected" } else { names_it };
            if !is_right || is_nullable == member.is_required {
                failures.push(format!("{kind} {}, nullable {is_nullable}: {result}", member.name));
            }
        }
    }
    service.stop().await;
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn null_is_put_at_any_place() {
    assert_eq!(nulled(json!({ "a": 1 }), "/b/0/c"), json!({ "a": 1, "b": [{ "c": null }] }));
    assert_eq!(nulled(json!({ "b": [{ "d": 1 }] }), "/b/0/c"), json!({ "b": [{ "d": 1, "c": null }] }));
    assert_eq!(nulled(Value::Object(Map::new()), "/a"), json!({ "a": null }));
}
