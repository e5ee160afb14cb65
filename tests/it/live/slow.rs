//! Clients that stop reading: they get the newest answer when they go on, and a stream of events is closed if they do not.

use std::time::Duration;

use reqwest::Method;
use rollcall::clock::Clock;
use rollcall::domain::Time;
use serde_json::{Value, json};

use super::socket::Graphql;
use super::stream::Stream;
use super::{Stage, millis};
use crate::support::desks::directory;
use crate::support::tasks::eventually;
use crate::support::{Backend, Setup};

/// Skills with long names: an answer by skill has more than 200 kB, of which buffers between service and client take few.
const SKILLS: i64 = 800;
/// Changes while a client does not read: far more answers than buffers take, and in less time than the pace is measured in.
const CHANGES: i64 = 30;
/// The time in which a client must take 80 KiB.
const PACE: Duration = Duration::from_secs(20);
/// The question in GraphQL.
const BY_SKILL: &str =
    "subscription{live{breakdown(groupBy:[SKILL]){total{connected} rows{values{name} cell{people}}}}}";

/// A client of one transport.
enum Reader {
    Plain(Stream),
    Events(Stream),
    Socket(Box<Graphql>),
}

impl Reader {
    /// Opens a stream of `/v1/live`.
    async fn plain(stage: &Stage) -> Self {
        Reader::Plain(stage.stream(stage.live("by=skill")).await)
    }

    /// Opens a stream of GraphQL.
    async fn events(stage: &Stage) -> Self {
        let request = stage.service.api.request(Method::POST, "/graphql").bearer_auth(&stage.persona.key);
        let request = request.header("Accept", "text/event-stream").json(&json!({ "query": BY_SKILL }));
        Reader::Events(Stream::open(request).await)
    }

    /// Starts an operation on a socket of its own.
    async fn socket(stage: &Stage) -> Self {
        let mut socket = stage.socket().await;
        socket.subscribe("1", BY_SKILL).await;
        Reader::Socket(Box::new(socket))
    }

    /// Returns the number of connected users in the next answer, which is whole; `None` if a stream ends instead.
    async fn connected(&mut self) -> Option<i64> {
        let total = match self {
            Reader::Plain(stream) => loop {
                let event = stream.next().await?;
                if event.name != "still" {
                    break event.json("moment")["total"].take();
                }
            },
            Reader::Events(stream) => of_graphql(stream.next().await?.json("next")),
            Reader::Socket(socket) => of_graphql(socket.next("1").await),
        };
        Some(total["connected"].as_i64().expect("a number"))
    }
}

fn of_graphql(mut answer: Value) -> Value {
    assert!(answer["errors"].is_null(), "{answer}");
    answer["data"]["live"]["breakdown"]["total"].take()
}

impl Stage {
    /// Starts a service that has long answers.
    async fn with_long_answers(max_connections: usize) -> Self {
        let clock = Clock::manual(Time::from_micros(1_614_589_200_000_000));
        let stage = Stage::start(Backend::Embedded, Setup { clock, max_connections, ..Setup::default() }).await;
        let skills = (1..=SKILLS).map(|id| json!({ "id": id, "name": format!("{id:0>250}") }));
        let skills = json!({ "skills": skills.collect::<Vec<_>>() });
        for document in [directory(CHANGES + 1), skills] {
            stage.service.api.put_directory(&stage.persona.key, &document).await;
        }
        stage
    }

    /// Connects one user after the other. A client that reads gets an answer after each.
    async fn change(&self, reader: &mut Reader) {
        for user in 1..=CHANGES {
            self.user(user).await;
            self.clock.advance(millis(250));
            assert_eq!(reader.connected().await, Some(user));
        }
    }
}

async fn gets_the_newest(stage: Stage, [mut slow, mut usual]: [Reader; 2]) {
    for reader in [&mut slow, &mut usual] {
        assert_eq!(reader.connected().await, Some(0));
    }
    stage.change(&mut usual).await;
    let mut received = Vec::new();
    while received.last() != Some(&CHANGES) {
        received.push(slow.connected().await.expect("an answer"));
    }
    assert!(received.windows(2).all(|two| two[0] < two[1]), "{received:?}");
    // Those that were on the way, and at most one that waited: what was kept for the client is here now.
    assert!(received.len() < 15, "{} of {CHANGES} answers were kept: {received:?}", received.len());
    stage.user(CHANGES + 1).await;
    stage.clock.advance(millis(250));
    for reader in [&mut slow, &mut usual] {
        assert_eq!(reader.connected().await, Some(CHANGES + 1));
    }
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_was_not_read_goes_on_with_the_newest_answer() {
    let stage = Stage::with_long_answers(1_000).await;
    let readers = [Reader::plain(&stage).await, Reader::plain(&stage).await];
    gets_the_newest(stage, readers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_graphql_that_was_not_read_goes_on_with_the_newest_answer() {
    let stage = Stage::with_long_answers(1_000).await;
    let readers = [Reader::events(&stage).await, Reader::events(&stage).await];
    gets_the_newest(stage, readers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_was_not_read_goes_on_with_the_newest_answer() {
    let stage = Stage::with_long_answers(1_000).await;
    let readers = [Reader::socket(&stage).await, Reader::socket(&stage).await];
    gets_the_newest(stage, readers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_not_read_is_closed() {
    // A tenant has at most half of the places, so that a place shows that a stream was closed.
    let stage = Stage::with_long_answers(6).await;
    let (mut unread, mut read) = (Reader::plain(&stage).await, Reader::plain(&stage).await);
    for reader in [&mut unread, &mut read] {
        assert_eq!(reader.connected().await, Some(0));
    }
    stage.change(&mut read).await;
    let mut third = Reader::plain(&stage).await;
    assert_eq!(third.connected().await, Some(CHANGES));
    let status = async || stage.service.api.get(&stage.persona.key, "/v1/breakdown").await.expect("an answer").status;
    assert_eq!(status().await, 429, "three streams are open");
    eventually("the stream that is not read is closed", async || {
        stage.clock.advance(PACE);
        status().await == 200
    })
    .await;
    stage.user(CHANGES + 1).await;
    stage.clock.advance(millis(250));
    for reader in [&mut read, &mut third] {
        assert_eq!(reader.connected().await, Some(CHANGES + 1), "streams that are read go on");
    }
    let mut last = 0;
    while let Some(connected) = unread.connected().await {
        last = connected;
    }
    assert!(last < CHANGES, "it ends after what was on the way");
    stage.service.stop().await;
}
