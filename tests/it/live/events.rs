//! GraphQL over server-sent events.

use reqwest::Method;
use serde_json::{Value, json};

use super::stream::Stream;
use super::{COUNT, Stage, counted, millis};
use crate::on_both_stores;
use crate::support::Backend;
use crate::support::api::send;

on_both_stores!(a_subscription_is_a_stream_of_events);

/// A response with the events of GraphQL.
struct Events(Stream);

impl Events {
    /// Sends a request that accepts events. Panics unless it is answered with them.
    async fn open(stage: &Stage, body: &Value) -> Self {
        let request = stage.service.api.request(Method::POST, "/graphql").bearer_auth(&stage.persona.key);
        Events(Stream::open(request.header("Accept", "text/event-stream").json(body)).await)
    }

    /// Returns the answer in the next event.
    async fn answer(&mut self) -> Value {
        self.0.json("next").await
    }

    /// Checks that nothing follows.
    async fn ended(&mut self, why: &str) {
        assert_eq!(self.0.next().await, None, "{why}");
    }

    /// Checks that the operation is complete.
    async fn completed(mut self) {
        let complete = self.0.next().await.expect("an event");
        assert_eq!((complete.name.as_str(), complete.data.as_str()), ("complete", ""));
        self.ended("it is complete").await;
    }
}

async fn a_subscription_is_a_stream_of_events(backend: Backend) {
    let stage = Stage::new(backend).await;
    let mut events = Events::open(&stage, &json!({ "query": COUNT })).await;
    assert_eq!(events.answer().await, counted(1, 0));
    stage.user(1).await;
    stage.clock.advance(millis(250));
    assert_eq!(events.answer().await, counted(2, 1));
    stage.clock.advance(millis(10_000));
    assert_eq!(events.answer().await, counted(2, 1), "nothing differs for ten seconds");
    stage.service.stop().await;
    events.ended("the service stops").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_can_be_answered_with_events() {
    let stage = Stage::new(Backend::Embedded).await;
    let mut query = Events::open(&stage, &json!({ "query": "{now{position}}" })).await;
    assert_eq!(query.answer().await, json!({ "data": { "now": { "position": 1 } } }));
    query.completed().await;
    let mut mutation = Events::open(&stage, &json!({ "query": "mutation{__typename}" })).await;
    assert_eq!(mutation.answer().await, json!({ "data": { "__typename": "Mutation" } }));
    mutation.completed().await;
    for document in [
        "{nothing}",
        "{",
        "subscription{live{nothing}}",
        "subscription{live(minIntervalMs:1){position}}",
        "subscription{a:live{position} b:live{position}}",
    ] {
        let mut refused = Events::open(&stage, &json!({ "query": document })).await;
        let answer = refused.answer().await;
        assert!(answer.get("data").is_none() && answer["errors"][0]["message"].is_string(), "{answer}");
        refused.completed().await;
    }
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accept_and_credentials_decide_as_elsewhere() {
    let stage = Stage::new(Backend::Embedded).await;
    let ask = async |accept: &str, key: &str, document: &str| {
        let request = stage.service.api.request(Method::POST, "/graphql").bearer_auth(key);
        let request = request.header("Accept", accept).json(&json!({ "query": document }));
        let response = request.send().await.expect("an answer");
        let kind = response.headers()["content-type"].to_str().expect("text").to_owned();
        (response.status().as_u16(), kind)
    };
    let (key, both) = (&*stage.persona.key, "application/json, text/event-stream");
    let events = (200, String::from("text/event-stream; charset=utf-8"));
    assert_eq!(ask(both, key, "{__typename}").await, (200, String::from("application/json")));
    assert_eq!(ask(both, key, COUNT).await, events);
    assert_eq!(ask("*/*", key, COUNT).await.0, 400);
    assert_eq!(ask("text/event-stream;q=0", key, COUNT).await.0, 406);
    assert_eq!(ask("text/event-stream", "rk_unknown", COUNT).await.0, 401);
    // Without the scope: the vendor's 200 in JSON, and a status for a reader of events, whatever the operation.
    let (_, other) = stage.service.api.key(&stage.persona.tenant, &["events:write"]).await;
    for document in [COUNT, "{now{position}}"] {
        let refused = (403, String::from("application/graphql-response+json; charset=utf-8"));
        assert_eq!(ask("text/event-stream", &other, document).await, refused, "{document}");
        assert_eq!(ask(both, &other, document).await, (200, String::from("application/json")), "{document}");
    }
    let query = "/graphql?query=mutation%7B__typename%7D";
    let request = stage.service.api.request(Method::GET, query).bearer_auth(key).header("Accept", "text/event-stream");
    assert_eq!(send(request).await.expect("an answer").status, 405);
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_credential_ends_its_events() {
    let mut stage = Stage::new(Backend::Embedded).await;
    let (id, key) = stage.service.api.key(&stage.persona.tenant, &["graphql:read"]).await;
    stage.persona.key = key;
    let mut events = Events::open(&stage, &json!({ "query": COUNT })).await;
    assert_eq!(events.answer().await, counted(1, 0));
    stage.revoke(&id).await;
    events.ended("without complete: the client asks again, and gets 401").await;
    stage.service.stop().await;
}
