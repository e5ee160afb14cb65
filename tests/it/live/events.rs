//! GraphQL over server-sent events.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::{COUNT, Stage, counted, millis};
use crate::on_both_stores;
use crate::support::api::send;
use crate::support::{ADMIN, Backend};

on_both_stores!(a_subscription_is_a_stream_of_events);

/// The timeout of every wait for an event.
const EVENT_TIMEOUT: Duration = Duration::from_secs(15);

/// A response with events.
struct Events {
    response: Response,
    text: String,
}

impl Events {
    /// Sends a request that accepts events. Panics unless it is answered with them.
    async fn open(stage: &Stage, body: &Value) -> Self {
        let request = stage.service.api.request(Method::POST, "/graphql").bearer_auth(&stage.persona.key);
        let response = request.header("Accept", "text/event-stream").json(body).send().await.expect("an answer");
        let header = |name: &str| response.headers()[name].to_str().expect("text").to_owned();
        assert_eq!((response.status().as_u16(), header("cache-control")), (200, String::from("no-store")));
        assert_eq!(header("content-type"), "text/event-stream; charset=utf-8");
        assert_eq!(header("x-accel-buffering"), "no");
        Events { response, text: String::new() }
    }

    /// Returns the name and the data of the next event; `None` at the end.
    async fn next(&mut self) -> Option<(String, String)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (name, data) = event.split_once('\n').expect("two lines");
                let part = |line: &str, prefix: &str| line.strip_prefix(prefix).expect("a field").to_owned();
                let event = (part(name, "event: "), part(data, "data: "));
                self.text = rest.to_owned();
                return Some(event);
            }
            let chunk = tokio::time::timeout(EVENT_TIMEOUT, self.response.chunk()).await.expect("an event in time");
            self.text.push_str(std::str::from_utf8(&chunk.ok()??).expect("UTF-8"));
        }
    }

    /// Returns the answer in the next event.
    async fn answer(&mut self) -> Value {
        let (name, data) = self.next().await.expect("an event");
        assert_eq!(name, "next");
        serde_json::from_str(&data).expect("JSON")
    }

    /// Checks that the operation is complete.
    async fn completed(mut self) {
        assert_eq!(self.next().await, Some((String::from("complete"), String::new())));
        assert_eq!(self.next().await, None);
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
    assert_eq!(events.next().await, None, "the service stops");
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
    let path = format!("/v1/tenants/{}/keys/{id}", stage.persona.tenant);
    send(stage.service.api.request(Method::DELETE, &path).bearer_auth(ADMIN)).await.expect("an answer").ok();
    assert_eq!(events.next().await, None, "without complete: the client asks again, and gets 401");
    stage.service.stop().await;
}
