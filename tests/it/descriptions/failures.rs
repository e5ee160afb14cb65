//! The examples of errors: each bad request is answered with a status that the operation describes, in the shape of the
//! example.

use reqwest::RequestBuilder;
use rollcall::http::openapi;
use serde_json::Value;

use super::examples::{Stage, problems, scheme, upgrading};
use super::requests::{Operation, operations};
use crate::support::api::{Answer, send};
use crate::support::{Backend, Service};

/// A way in which a request is bad, and the statuses of its answers.
const BAD: [(&str, &[u16]); 4] =
    [("no credential", &[400, 401, 403]), ("a position", &[400]), ("no JSON", &[400]), ("another type", &[415])];

/// Returns why an answer is not as the description has it, or nothing: its status and media type must be there, its body
/// must fit the schema, and must have every member of the example, of the same kind.
pub fn misshapen(description: &Value, operation: &Operation<'_>, answer: &Answer) -> Option<String> {
    let response = &operation.value["responses"][answer.status.to_string()];
    let essence = |text: &str| text.split(';').next().unwrap_or_default().trim().to_owned();
    let given = essence(answer.header("content-type").unwrap_or_default());
    let media = response["content"].as_object().into_iter().flatten().find(|(name, _)| essence(name) == given);
    let Some((_, media)) = media else { return Some(format!("{} {given} is not described", answer.status)) };
    let body = answer.json();
    problems(description, &media["schema"], &body).or_else(|| lacks(&media["example"], &body, ""))
}

/// Returns the first member of an example that a value lacks, or has of another kind.
fn lacks(example: &Value, value: &Value, at: &str) -> Option<String> {
    let kind = |value: &Value| std::mem::discriminant(value);
    if kind(example) != kind(value) {
        return Some(format!("{at} is {value}, in the example {example}"));
    }
    match (example, value) {
        (Value::Object(example), Value::Object(value)) => example.iter().find_map(|(name, inner)| {
            let at = format!("{at}/{name}");
            value.get(name).map_or_else(|| Some(format!("{at} is missing")), |value| lacks(inner, value, &at))
        }),
        (Value::Array(example), Value::Array(value)) => {
            let (first, other) = (example.first()?, value.first()?);
            lacks(first, other, &format!("{at}/0"))
        }
        _ => None,
    }
}

/// Returns a request that is bad in one way; `None` if the operation cannot be called so.
fn request(service: &Service, stage: &Stage, operation: &Operation<'_>, how: &str) -> Option<RequestBuilder> {
    let mut example = operation.examples(&|text: &str| stage.real(text)).swap_remove(0);
    let mut scheme = Some(scheme(operation)?);
    match how {
        "no credential" => scheme = None,
        // A read waits for a position.
        "a position" if operation.method == "GET" && reads(operation) => {
            example.headers.push((String::from("Rollcall-Min-Position"), String::from("soon")));
        }
        "no JSON" => example.body = Some((json_type(operation)?, String::from("{"))),
        "another type" if operation.id() != "post_webhook" => {
            let (_, body) = example.body?;
            example.body = Some((String::from("text/plain"), body));
        }
        _ => return None,
    }
    let request = stage.request(service, "", &example, scheme);
    Some(if operation.success().0 == 101 { upgrading(request) } else { request })
}

/// Returns whether an operation answers from the state of a tenant.
fn reads(operation: &Operation<'_>) -> bool {
    let tag = operation.value["tags"][0].as_str().expect("a tag");
    !matches!(tag, "Tokens" | "Tenants and keys" | "Desks" | "Health" | "GraphQL")
}

fn json_type(operation: &Operation<'_>) -> Option<String> {
    let content = operation.value["requestBody"]["content"].as_object()?;
    content.keys().find(|name| name.ends_with("json")).cloned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_requests_are_answered_as_the_examples_say() {
    let service = Service::start(Backend::Embedded).await;
    let description: Value = serde_json::from_str(openapi::json()).expect("JSON");
    let (mut failures, mut seen) = (Vec::new(), 0);
    for operation in operations(&description) {
        let stage = Stage::new(&service, operation.id()).await;
        stage.prepare(&service, operation.id()).await;
        for (how, statuses) in BAD {
            let Some(request) = request(&service, &stage, &operation, how) else { continue };
            let answer = send(request).await.expect("an answer");
            seen += 1;
            let is_expected = statuses.contains(&answer.status);
            let problem =
                if is_expected { misshapen(&description, &operation, &answer) } else { Some(answer.text.clone()) };
            if let Some(problem) = problem {
                failures.push(format!("{} with {how}: {} {problem}", operation.name(), answer.status));
            }
        }
    }
    service.stop().await;
    assert!(seen > 90, "only {seen} requests");
    assert!(failures.is_empty(), "{} of {seen}:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn other_shapes_are_found() {
    let example = serde_json::json!({ "a": "x", "b": [{ "c": 1 }] });
    for (value, is_found) in [
        (serde_json::json!({ "a": "y", "b": [], "d": 1 }), false),
        (serde_json::json!({ "a": "y", "b": [{ "c": 2 }, 5] }), false),
        (serde_json::json!({ "a": "y" }), true),
        (serde_json::json!({ "a": 1, "b": [] }), true),
        (serde_json::json!({ "a": "y", "b": [{ "c": "2" }] }), true),
    ] {
        assert_eq!(lacks(&example, &value, "").is_some(), is_found, "{value}");
    }
}
