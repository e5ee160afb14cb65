//! Tickets of live queries: for a WebSocket, once, and for one query of the event stream.

use reqwest::{Method, RequestBuilder};
use rollcall::auth::tickets::live::{SOCKET_SECONDS, STREAM_SECONDS};
use serde_json::{Value, json};

use super::socket::Graphql;
use super::{COUNT, Stage, counted, millis};
use crate::on_both_stores;
use crate::support::api::{Answer, send};
use crate::support::sockets::Desk;
use crate::support::{Backend, Setup};

on_both_stores!(a_ticket_opens_one_socket);
on_both_stores!(a_ticket_opens_streams_of_its_query);
on_both_stores!(tickets_end_with_their_key);
on_both_stores!(tickets_expire);
on_both_stores!(a_restart_keeps_live_tickets_where_they_are_rows);

/// The query of the stream in these tests.
const QUERY: &str = "by=skill&channel=chat";

impl Stage {
    async fn issue(&self, key: &str, body: &Value) -> Answer {
        self.service.api.post(key, "/v1/live/tickets", body).await.expect("an answer")
    }

    /// Makes a ticket; for a stream if there is a query.
    async fn live_ticket(&self, key: &str, query: Option<&str>) -> String {
        let answer = self.issue(key, &query.map_or(json!({}), |query| json!({ "query": query }))).await;
        assert_eq!((answer.status, answer.header("cache-control")), (201, Some("no-store")), "{}", answer.text);
        answer.json()["ticket"].as_str().expect("a ticket").to_owned()
    }

    /// Connects a socket with this payload; returns the code with which it is closed.
    async fn init(&self, payload: Value) -> Result<Graphql, Option<u16>> {
        let mut socket = Graphql::connect(&self.service.api).await;
        socket.init(payload).await;
        match socket.recv_unless_closed_with().await {
            Ok(message) => {
                assert_eq!(message["type"], "connection_ack");
                Ok(socket)
            }
            Err(code) => Err(code),
        }
    }

    fn with_ticket(&self, query: &str) -> RequestBuilder {
        self.service.api.request(Method::GET, &format!("/v1/live?{query}"))
    }

    /// Returns the status with which a stream is rejected.
    async fn rejection(&self, query: &str) -> u16 {
        send(self.with_ticket(query)).await.expect("an answer").status
    }
}

async fn a_ticket_opens_one_socket(backend: Backend) {
    let stage = Stage::new(backend).await;
    let key = &stage.persona.key;
    let ticket = stage.live_ticket(key, None).await;
    let bearer = format!("Bearer {key}");
    let both = stage.init(json!({ "ticket": ticket, "authorization": bearer })).await;
    assert_eq!(both.err(), Some(Some(4_400)), "two credentials, which use up neither");
    let mut socket = stage.init(json!({ "Ticket": ticket })).await.expect("a socket");
    socket.subscribe("1", COUNT).await;
    assert_eq!(socket.next("1").await, counted(1, 0));
    let of_stream = stage.live_ticket(key, Some(QUERY)).await;
    for wrong in [&ticket, &of_stream, key, "lt_0"] {
        assert_eq!(stage.init(json!({ "ticket": wrong })).await.err(), Some(Some(4_403)));
    }
    assert_eq!(stage.init(json!({ "ticket": 7 })).await.err(), Some(Some(4_400)));
    // It is good for nothing else.
    let ticket = stage.live_ticket(key, None).await;
    assert_eq!(stage.init(json!({ "authorization": format!("Bearer {ticket}") })).await.err(), Some(Some(4_403)));
    assert_eq!(stage.rejection(&format!("ticket={ticket}")).await, 401);
    assert_eq!(stage.rejection(&format!("{QUERY}&ticket={ticket}")).await, 401);
    let desk = Desk::open(&stage.service.api, &format!("/v1/desk?ticket={ticket}"), &[]).await;
    assert_eq!(desk.err().map(|(status, _)| status), Some(401));
    for path in ["/v1/breakdown", "/v1/live"] {
        assert_eq!(stage.service.api.get(&ticket, path).await.expect("an answer").status, 401);
    }
    stage.init(json!({ "ticket": ticket })).await.expect("it was not used");
    stage.service.stop().await;
}

async fn a_ticket_opens_streams_of_its_query(backend: Backend) {
    let stage = Stage::new(backend).await;
    let made = stage.issue(&stage.persona.key, &json!({ "query": QUERY })).await.json();
    let ticket = made["ticket"].as_str().expect("a ticket");
    assert_eq!(made["path"], json!(format!("/v1/live?{QUERY}&ticket={ticket}")));
    let mut streams = Vec::new();
    for query in [format!("{QUERY}&ticket={ticket}"), format!("ticket={ticket}&{QUERY}")] {
        let mut stream = stage.stream(stage.with_ticket(&query)).await;
        stream.json("moment").await;
        streams.push(stream);
    }
    for other in ["", "by=skill", "channel=chat&by=skill", "by=skill&channel=chat&first=7", "by=skill&channel=call"] {
        assert_eq!(stage.rejection(&format!("{other}&ticket={ticket}")).await, 401, "{other}");
    }
    assert_eq!(stage.rejection(&format!("{QUERY}&ticket={ticket}&ticket={ticket}")).await, 400);
    let all = stage.live_ticket(&stage.persona.key, Some("")).await;
    let total = stage.stream(stage.with_ticket(&format!("ticket={all}"))).await.json("moment").await;
    assert_eq!(total["total"]["people"], 9);
    // Shared with those of the key: the same caller.
    let mut own = stage.stream(stage.live(QUERY)).await;
    own.json("moment").await;
    stage.user(1).await;
    stage.clock.advance(millis(250));
    for stream in streams.iter_mut().chain([&mut own]) {
        assert_eq!(stream.json("moment").await["total"]["connected"], 1);
    }
    stage.service.stop().await;
}

async fn tickets_end_with_their_key(backend: Backend) {
    let stage = Stage::new(backend).await;
    let (id, key) = stage.service.api.key(&stage.persona.tenant, &["graphql:read"]).await;
    let [unused, used] = [stage.live_ticket(&key, None).await, stage.live_ticket(&key, None).await];
    let mut socket = stage.init(json!({ "ticket": used })).await.expect("a socket");
    let query = format!("{QUERY}&ticket={}", stage.live_ticket(&key, Some(QUERY)).await);
    let mut stream = stage.stream(stage.with_ticket(&query)).await;
    stream.json("moment").await;
    stage.revoke(&id).await;
    assert_eq!(stream.next().await, None);
    assert_eq!(socket.close_code().await, Some(4_403));
    assert_eq!(stage.rejection(&query).await, 401);
    assert_eq!(stage.init(json!({ "ticket": unused })).await.err(), Some(Some(4_403)));
    stage.service.stop().await;
}

async fn tickets_expire(backend: Backend) {
    let stage = Stage::new(backend).await;
    let key = &stage.persona.key;
    let seconds = |seconds: u32| millis(u64::from(seconds) * 1_000);
    let [early, late] = [stage.live_ticket(key, None).await, stage.live_ticket(key, None).await];
    let query = format!("{QUERY}&ticket={}", stage.live_ticket(key, Some(QUERY)).await);
    stage.clock.advance(seconds(SOCKET_SECONDS - 1));
    stage.init(json!({ "ticket": early })).await.expect("a socket");
    stage.clock.advance(seconds(1));
    assert_eq!(stage.init(json!({ "ticket": late })).await.err(), Some(Some(4_403)));
    stage.stream(stage.with_ticket(&query)).await;
    stage.clock.advance(seconds(STREAM_SECONDS - SOCKET_SECONDS));
    assert_eq!(stage.rejection(&query).await, 401);
    stage.service.stop().await;
}

async fn a_restart_keeps_live_tickets_where_they_are_rows(backend: Backend) {
    let stage = Stage::new(backend).await;
    let ticket = stage.live_ticket(&stage.persona.key, None).await;
    let query = format!("{QUERY}&ticket={}", stage.live_ticket(&stage.persona.key, Some(QUERY)).await);
    let Stage { service, clock, persona } = stage;
    let service = service.restart(Setup { clock: clock.clone(), ..Setup::default() }).await;
    let stage = Stage { service, clock, persona };
    if backend == Backend::Postgres {
        stage.stream(stage.with_ticket(&query)).await;
        stage.init(json!({ "ticket": ticket })).await.expect("a socket");
    } else {
        assert_eq!(stage.rejection(&query).await, 401);
        assert_eq!(stage.init(json!({ "ticket": ticket })).await.err(), Some(Some(4_403)));
    }
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hash_without_its_document_is_an_error_of_the_operation() {
    let stage = Stage::new(Backend::Embedded).await;
    let mut socket = stage.socket().await;
    let document = "{now{position}}";
    // SHA-256 of the document.
    let hash = rollcall::auth::secret::hash(document).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let persisted = json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
    socket.subscribe_with("1", json!({ "extensions": persisted })).await;
    let errors = socket.error("1").await;
    assert_eq!(errors[0]["message"], "PersistedQueryNotFound");
    assert_eq!(errors[0]["extensions"]["code"], "PERSISTED_QUERY_NOT_FOUND");
    let sent = json!({ "query": document, "extensions": persisted });
    stage.service.api.post(&stage.persona.key, "/graphql", &sent).await.expect("an answer").ok();
    socket.subscribe_with("2", json!({ "extensions": persisted })).await;
    assert_eq!(socket.next("2").await, json!({ "data": { "now": { "position": 1 } } }));
    assert_eq!(socket.recv().await, json!({ "type": "complete", "id": "2" }));
    stage.service.stop().await;
}
