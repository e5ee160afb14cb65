//! `GET /v1/live`: the breakdown as server-sent events.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::stream::Stream;
use super::{Stage, millis};
use crate::on_both_stores;
use crate::support::Backend;
use crate::support::api::send;
use crate::support::tasks::{Stopwatch, TIMEOUT};

on_both_stores!(a_breakdown_is_a_stream_of_events);
on_both_stores!(a_position_that_was_seen_is_waited_for);
on_both_stores!(a_revoked_key_ends_its_streams);

impl Stage {
    /// Returns a request for a stream with the tenant's key.
    pub fn live(&self, query: &str) -> RequestBuilder {
        let request = self.service.api.request(Method::GET, &format!("/v1/live?{query}"));
        request.bearer_auth(&self.persona.key)
    }

    /// Opens a stream, and reads what comes before its events.
    pub async fn stream(&self, request: RequestBuilder) -> Stream {
        let mut stream = Stream::open(request).await;
        let first = stream.next().await.expect("the time until the next attempt");
        assert!(
            first.retry.is_some_and(|retry| (2_000..=5_000).contains(&retry)) && first.name.is_empty(),
            "{first:?}"
        );
        stream
    }

    /// Returns the breakdown as it is now, without what changes by itself.
    pub async fn breakdown(&self, query: &str) -> Value {
        let answer = self.service.api.get(&self.persona.key, &format!("/v1/breakdown?{query}")).await;
        lasting(answer.expect("an answer").ok().json())
    }
}

/// Removes the members that change by themselves.
pub fn lasting(mut answer: Value) -> Value {
    for member in ["time", "staleness_ms"] {
        assert!(answer.as_object_mut().expect("an object").remove(member).is_some(), "{answer}");
    }
    answer
}

async fn a_breakdown_is_a_stream_of_events(backend: Backend) {
    let stage = Stage::new(backend).await;
    let query = "by=presence&channel=chat,call";
    let mut stream = stage.stream(stage.live(query)).await;
    let first = stream.next().await.expect("an event");
    assert_eq!((first.id, lasting(first.json("moment"))), (Some(1), stage.breakdown(query).await));
    stage.user(1).await;
    stage.clock.advance(millis(250));
    let second = stream.next().await.expect("an event");
    assert_eq!((second.id, lasting(second.json("moment"))), (Some(2), stage.breakdown(query).await));
    assert_eq!(second.json("moment")["total"]["connected"], 1);
    // Repeated, so that the position moves and nothing differs.
    stage.service.api.put_directory(&stage.persona.key, &json!({ "skills": [{ "id": 99, "name": "unused" }] })).await;
    // The first ones may come before the question is answered at the new position.
    let (watch, mut now) = (Stopwatch::start(), json!(null));
    while now["position"] != 3 {
        assert!(watch.elapsed() < TIMEOUT, "{now}");
        stage.clock.advance(millis(2_000));
        let still = stream.next().await.expect("an event");
        assert_eq!(still.id, None);
        now = still.json("still");
    }
    assert!(now["time"].is_string() && now["stalenessMs"].is_u64(), "{now}");
    assert_eq!(now.as_object().map(|members| members.len()), Some(3));
    stage.service.stop().await;
    assert_eq!(stream.next().await, None, "the service stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_keep_their_interval() {
    let stage = Stage::new(Backend::Embedded).await;
    let mut slow = stage.stream(stage.live("min_interval_ms=1500")).await;
    let mut usual = stage.stream(stage.live("")).await;
    for stream in [&mut slow, &mut usual] {
        stream.json("moment").await;
    }
    stage.user(1).await;
    stage.clock.advance(millis(250));
    assert_eq!(usual.json("moment").await["total"]["connected"], 1);
    stage.user(2).await;
    stage.clock.advance(millis(1_250));
    assert_eq!(slow.json("moment").await["total"]["connected"], 2, "the newest, and none before it");
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_still_names_no_position_that_was_not_sent() {
    let stage = Stage::new(Backend::Embedded).await;
    let mut slow = stage.stream(stage.live("min_interval_ms=60000")).await;
    slow.json("moment").await;
    stage.user(1).await;
    for _ in 0..3 {
        stage.clock.advance(millis(2_000));
        assert_eq!(slow.json("still").await["position"], 1, "the client has no answer at position 2");
    }
    stage.clock.advance(millis(60_000));
    // A still that was due may come first.
    loop {
        let event = slow.next().await.expect("an event");
        if event.name == "moment" {
            assert_eq!((event.id, &event.json("moment")["total"]["connected"]), (Some(2), &json!(1)));
            break;
        }
        assert_eq!(event.json("still")["position"], 1);
    }
    stage.service.stop().await;
}

async fn a_position_that_was_seen_is_waited_for(backend: Backend) {
    let stage = Stage::new(backend).await;
    let resumed = |id: &str| stage.live("").header("Last-Event-ID", id.to_owned());
    // The control: a position that is here, and ids that are no position.
    for id in ["1", "0", "", "-1", "1.0", "x", "18446744073709551616"] {
        let first = stage.stream(resumed(id)).await.next().await.expect("an event");
        assert_eq!((first.id, first.name.as_str()), (Some(1), "moment"), "{id:?}");
    }
    let mut ahead = stage.stream(resumed("2")).await;
    let mut lost = stage.stream(resumed("18446744073709551615")).await;
    stage.user(1).await;
    let first = ahead.next().await.expect("an event");
    assert_eq!((first.id, first.name.as_str()), (Some(2), "moment"), "not the one before");
    stage.clock.advance(millis(5_000));
    let first = lost.next().await.expect("an event");
    assert_eq!((first.id, lasting(first.json("reset"))), (Some(2), stage.breakdown("").await));
    stage.user(2).await;
    stage.clock.advance(millis(250));
    let second = lost.next().await.expect("an event");
    assert_eq!((second.id, second.name.as_str()), (Some(3), "moment"));
    stage.service.stop().await;
}

async fn a_revoked_key_ends_its_streams(backend: Backend) {
    let mut stage = Stage::new(backend).await;
    let mut other = stage.stream(stage.live("by=skill")).await;
    let (id, key) = stage.service.api.key(&stage.persona.tenant, &["graphql:read"]).await;
    let kept = std::mem::replace(&mut stage.persona.key, key);
    let mut stream = stage.stream(stage.live("by=skill")).await;
    for stream in [&mut stream, &mut other] {
        stream.json("moment").await;
    }
    stage.revoke(&id).await;
    assert_eq!(stream.next().await, None, "revoked");
    stage.persona.key = kept;
    stage.user(1).await;
    stage.clock.advance(millis(250));
    assert_eq!(other.json("moment").await["total"]["connected"], 1, "that of another key goes on");
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_breakdowns_share_an_execution_and_distinct_ones_are_limited() {
    let stage = Stage::new(Backend::Embedded).await;
    let mut streams = Vec::new();
    // One execution, however its parameters are spelled.
    for n in 0..60 {
        let query = ["by=skill,channel&first=1", "first=1&by=skill&by=channel", "by[]=skill&by[]=channel&first=1&_=7"];
        streams.push(stage.stream(stage.live(query[n % 3])).await);
    }
    for n in 2..=200 {
        streams.push(stage.stream(stage.live(&format!("by=skill,channel&first={n}"))).await);
    }
    let more = send(stage.live("by=skill,channel&first=201")).await.expect("an answer");
    assert_eq!((more.status, more.header("retry-after")), (429, Some("1")), "{}", more.text);
    streams.push(stage.stream(stage.live("by=skill,channel&first=1")).await);
    for stream in &mut streams {
        assert!(stream.json("moment").await["rows"].is_array());
    }
    // Streams that are open take no request's place.
    assert!(stage.service.api.connected(&stage.persona.key).await.0 == 0);
    drop(streams);
    crate::support::tasks::eventually("the executions end", async || {
        stage.live("by=skill,channel&first=201").send().await.expect("an answer").status() == 200
    })
    .await;
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_or_renamed_later_does_not_end_a_stream() {
    let stage = Stage::new(Backend::Embedded).await;
    let put = async |document: Value| stage.service.api.put_directory(&stage.persona.key, &document).await;
    put(json!({ "skills": [{ "id": 1, "name": "english" }], "users": [{ "id": 1, "skills": [1] }] })).await;
    let mut named = stage.stream(stage.live("skill_any=english")).await;
    let mut of_user = stage.stream(stage.live("user=1,2")).await;
    for stream in [&mut named, &mut of_user] {
        assert_eq!(stream.json("moment").await["unknown_ids"], json!([]));
    }
    let deleted = stage.service.api.request(Method::DELETE, "/operator/1").header("X-API-Key", &stage.persona.key);
    send(deleted).await.expect("an answer").ok();
    put(json!({ "skills": [{ "id": 1, "name": "englisch" }] })).await;
    stage.clock.advance(millis(250));
    let answer = of_user.json("moment").await;
    assert_eq!((&answer["unknown_ids"], &answer["total"]["people"]), (&json!([1]), &json!(1)), "{answer}");
    assert_eq!(named.json("moment").await["total"]["people"], 0);
    // The control: requested now, the name is unknown.
    assert_eq!(send(stage.live("skill_any=english")).await.expect("an answer").status, 422);
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_read_from_headers_only() {
    let stage = Stage::new(Backend::Embedded).await;
    let key = &stage.persona.key;
    let plain = |query: &str| stage.service.api.request(Method::GET, &format!("/v1/live?{query}"));
    stage.stream(plain("").header("X-API-Key", key)).await;
    for (request, status) in [
        (plain(""), 401),
        (plain(&format!("key={key}")), 401),
        (plain(&format!("ticket={key}")), 401),
        (plain("").basic_auth(key, Some("")), 401),
        (plain("ticket=lt_0").bearer_auth(key), 400),
    ] {
        let answer = send(request).await.expect("an answer");
        assert_eq!(answer.status, status, "{}", answer.text);
    }
    stage.service.stop().await;
}
