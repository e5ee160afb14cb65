//! GraphQL's budgets against costly requests, and its caches, which must not change answers.

mod additive;
mod by_get;
mod cases;
mod completion;
mod differential;
mod introspection;
mod lists;
mod long_answers;
mod merging;
mod turns;
mod variables;

use rollcall::limits::TenantLimits;
use serde_json::{Value, json};

use crate::support::api::{Answer, send};
use crate::support::{Api, Backend, Home, Service, Setup};

/// Starts a service without rate limits.
async fn start() -> Service {
    let setup = Setup { tenant_limits: TenantLimits { rate: 0, at_a_time: 0, events: 0 }, ..Setup::default() };
    Service::start_on(Home::new(Backend::Embedded).await, setup).await
}

/// Sends a document with variables, and with a credential if a key is given.
async fn ask(api: &Api, key: Option<&str>, text: &str, variables: &Value) -> Answer {
    let request = api.request(reqwest::Method::POST, "/graphql");
    let request = request.json(&json!({ "query": text, "variables": variables }));
    send(if let Some(key) = key { request.bearer_auth(key) } else { request }).await.expect("an answer")
}

/// Checks that the answer is a rejection in GraphQL's form; returns its message.
fn rejection(answer: &Answer) -> String {
    let body = answer.json();
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert_eq!(body["data"], Value::Null, "{}", answer.text);
    let errors = body["errors"].as_array().expect("errors");
    assert_eq!(errors.len(), 1, "{}", answer.text);
    assert_eq!(errors[0]["extensions"], json!({ "name": "INVALID_REQUEST", "retryPolicy": "NO_RETRY" }));
    assert!(errors[0]["path"].is_array() && errors[0]["locations"].is_array(), "{}", answer.text);
    errors[0]["message"].as_str().expect("a message").to_owned()
}
