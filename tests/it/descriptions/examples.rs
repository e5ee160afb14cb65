//! The examples of the description: they have the described shape, and a running service accepts each of them and answers
//! in the described shape.

use jsonschema::Validator;
use reqwest::RequestBuilder;
use rollcall::http::openapi;
use serde_json::{Value, json};

use super::requests::{Example, Operation, operations};
use crate::support::api::{Answer, Persona, send};
use crate::support::signing::{SECRET, enable_webhooks, hmac};
use crate::support::{ADMIN, Backend, Home, SCRAPER, Service, Setup};

const TENANT: &str = "018f2f6e-0000-7000-8000-000000000001";
const KEY: &str = "018f2f6e-0000-7000-8000-000000000002";
const PASSWORD: &str = "correct horse battery";

/// The data of a tenant that the examples are about.
pub struct Stage {
    pub persona: Persona,
    /// The id of a key, and the key.
    key: (String, String),
    ticket: String,
}

impl Stage {
    /// Creates a tenant with the fixture of the vectors, and what only a running service can make.
    pub async fn new(service: &Service, name: &str) -> Self {
        let api = &service.api;
        let persona = api.persona(name).await;
        let fixture = include_str!("../../vectors/setup/fixture.json");
        let steps: Vec<Value> = serde_json::from_str(fixture).expect("steps");
        for step in &steps {
            let request = &step["request"];
            let method = request["method"].as_str().expect("a method").parse().expect("a method");
            let request = api.request(method, request["path"].as_str().expect("a path")).json(&request["json"]);
            send(request.bearer_auth(&persona.key)).await.expect("an answer").ok();
        }
        let lunch =
            json!({ "guid": "70000001-0000-4000-8000-000000000001", "category": "Away", "description": "Lunch" });
        api.put_directory(&persona.key, &json!({ "presence_definitions": [lunch] })).await;
        let key = api.key(&persona.tenant, &["*"]).await;
        let ticket = api.post(&persona.key, "/v1/desk/tickets", &json!({ "user": "101" })).await.expect("an answer");
        let ticket = ticket.json()["ticket"].as_str().expect("a ticket").to_owned();
        Stage { persona, key, ticket }
    }

    /// Prepares what one operation needs besides.
    pub async fn prepare(&self, service: &Service, operation: &str) {
        match operation {
            "post_webhook" => enable_webhooks(&service.api, &self.persona.tenant).await,
            "log_in" => {
                let request = service.api.request(reqwest::Method::PUT, "/operator/101");
                let request = request.bearer_auth(&self.persona.key).json(&json!({ "password": PASSWORD }));
                send(request).await.expect("an answer").ok();
            }
            _ => {}
        }
    }

    /// Replaces the values of examples that are made by a running service.
    pub fn real(&self, text: &str) -> String {
        let text = text.replace(TENANT, &self.persona.tenant).replace(KEY, &self.key.0);
        text.replace("rk_…", &self.key.1).replace("rt_…", &self.key.1).replace("rd_…", &self.ticket)
    }

    /// Returns a request to the service, with a credential as the scheme carries it.
    pub fn request(&self, service: &Service, server: &str, example: &Example, scheme: Option<&str>) -> RequestBuilder {
        let key = &self.persona.key;
        let mut target = format!("{}{}", server.trim_end_matches('/'), example.target);
        if let Some(name @ ("key" | "auth_token")) = scheme {
            target += &format!("{}{name}={key}", if target.contains('?') { '&' } else { '?' });
        }
        let request = service.api.request(example.method.parse().expect("a method"), &target);
        let request = match scheme {
            Some("bearer") => request.bearer_auth(key),
            Some("administrator") => request.bearer_auth(ADMIN),
            Some("metrics") => request.bearer_auth(SCRAPER),
            Some("api_key") => request.header("X-API-Key", key),
            Some("basic") => request.basic_auth(key, Some("")),
            _ => request,
        };
        let body = example.body.as_ref().map(|(_, body)| body.as_str()).unwrap_or_default();
        let request = example.headers.iter().fold(request, |request, (name, value)| match name.as_str() {
            "x-iadvize-signature" => request.header(name, format!("sha256={}", hmac(SECRET, body))),
            _ => request.header(name, value),
        });
        match &example.body {
            Some((media_type, body)) => request.header("Content-Type", media_type).body(body.clone()),
            None => request,
        }
    }
}

/// Returns a validator of a schema of the description.
fn validator(description: &Value, schema: &Value) -> Validator {
    let mut whole = schema.clone();
    whole["components"] = description["components"].clone();
    jsonschema::draft202012::new(&whole).expect("a schema")
}

/// Returns the problems of a value, or nothing.
pub fn problems(description: &Value, schema: &Value, value: &Value) -> Option<String> {
    let validator = validator(description, schema);
    let problems: Vec<String> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    (!problems.is_empty()).then(|| format!("{}: {value}", problems.join("; ")))
}

/// Returns the problem of an answer, or nothing.
fn problem(description: &Value, operation: &Operation<'_>, answer: &Answer) -> Option<String> {
    let (status, response) = operation.success();
    if answer.status != status {
        return Some(format!("{} {}", answer.status, answer.text));
    }
    let content = response["content"].as_object()?;
    let essence = |text: &str| text.split(';').next().unwrap_or_default().trim().to_owned();
    let given = essence(answer.header("content-type").unwrap_or_default());
    let Some((_, media)) = content.iter().find(|(media_type, _)| essence(media_type) == given) else {
        return Some(format!("the answer is {given}"));
    };
    let is_json = given.ends_with("json");
    let value = if is_json { answer.json() } else { Value::from(answer.text.clone()) };
    problems(description, &media["schema"], &value)
}

/// Sends every example to a service below a base path, and collects what is not answered as described.
async fn try_all(base: &str) -> Vec<String> {
    let setup = Setup { base_path: base.parse().expect("a base path"), ..Setup::default() };
    let service = Service::start_on(Home::new(Backend::Embedded).await, setup).await;
    let description = service.api.request(reqwest::Method::GET, &format!("{base}/openapi.json"));
    let description = send(description).await.expect("an answer").ok().json();
    let server = description["servers"][0]["url"].as_str().expect("a server").to_owned();
    let (mut failures, mut sent) = (Vec::new(), 0);
    for operation in operations(&description) {
        let schemes: Vec<&str> = operation.value["security"].as_array().into_iter().flatten().flat_map(names).collect();
        let count = operation.examples(&str::to_owned).len();
        for n in 0..count.max(schemes.len()) {
            // Each on data of its own: some delete what others need, and some can be taken once only.
            let stage = Stage::new(&service, &format!("tenant {sent}")).await;
            stage.prepare(&service, operation.id()).await;
            let example = operation.examples(&|text: &str| stage.real(text)).swap_remove(n % count);
            let scheme = schemes.get(n % schemes.len().max(1)).copied();
            let mut request = stage.request(&service, &server, &example, scheme);
            if operation.success().0 == 101 {
                request = upgrading(request);
            }
            let answer = send(request).await.expect("an answer");
            sent += 1;
            if let Some(problem) = problem(&description, &operation, &answer) {
                failures.push(format!("{} as {scheme:?}: {example:?}\n    {problem}", operation.name()));
            }
        }
    }
    service.stop().await;
    assert!(sent > 140, "only {sent} requests");
    failures
}

/// Adds the headers of a WebSocket handshake.
pub fn upgrading(request: RequestBuilder) -> RequestBuilder {
    let upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")];
    let request = upgrade.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    request.header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

/// Returns the first credential that an operation takes.
pub fn scheme<'d>(operation: &Operation<'d>) -> Option<&'d str> {
    operation.value["security"].as_array().into_iter().flatten().flat_map(names).next()
}

fn names(requirement: &Value) -> Vec<&str> {
    requirement.as_object().into_iter().flat_map(|names| names.keys().map(String::as_str)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_is_accepted() {
    let failures = try_all("").await;
    assert!(failures.is_empty(), "{}:\n{}", failures.len(), failures.join("\n"));
}

/// As `/docs/` calls them behind a proxy that leaves the path.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_is_accepted_below_a_base_path() {
    let failures = try_all("/tools/presence").await;
    assert!(failures.is_empty(), "{}:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_example_has_the_described_shape() {
    let description: Value = serde_json::from_str(openapi::json()).expect("JSON");
    let (mut failures, mut seen) = (Vec::new(), 0);
    for operation in operations(&description) {
        let bodies = operation.value["requestBody"]["content"].as_object().into_iter().flatten();
        let responses = operation.value["responses"].as_object().expect("responses").values();
        let answers = responses.filter_map(|response| response["content"].as_object()).flatten();
        for (media_type, media) in bodies.chain(answers) {
            let Some(example) = media.get("example") else { continue };
            seen += 1;
            let problems = problems(&description, &media["schema"], example);
            failures.extend(problems.map(|problem| format!("{} {media_type}: {problem}", operation.name())));
        }
    }
    assert!(seen > 80, "only {seen} examples");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Otherwise the other tests accept anything.
#[test]
fn another_shape_is_found() {
    let description: Value = serde_json::from_str(openapi::json()).expect("JSON");
    let schema = json!({ "$ref": "#/components/schemas/CloudEvent" });
    let event = json!({ "id": "1", "source": "/s", "type": "desk.connected", "time": "2021-03-01T09:00:00Z",
        "subject": "101", "data": { "session": "s" } });
    assert_eq!(problems(&description, &schema, &event), None);
    for (member, wrong) in [("type", json!("desk.opened")), ("data", json!({})), ("subject", json!(101))] {
        let mut event = event.clone();
        event[member] = wrong;
        assert!(problems(&description, &schema, &event).is_some(), "{event}");
    }
}
