//! Every close code of the socket, by table.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::socket::Graphql;
use super::{COUNT, Stage, millis};
use crate::on_both_stores;
use crate::support::Backend;
use crate::support::api::send;
use crate::support::{ADMIN, Api};

on_both_stores!(a_revoked_credential_ends_its_sockets);

/// What a client sends, in a case of the table.
#[derive(Clone)]
enum Sent {
    /// A message.
    Message(Value),
    /// A text that is no message.
    Text(String),
    /// A binary frame.
    Binary,
    /// The first message, with a key that is accepted.
    Init,
    /// A message that is read first: the answer to `Init`.
    Ack,
    /// Time that passes.
    Seconds(u64),
}

use Sent::{Ack, Binary, Init, Message as Sends, Seconds, Text};

fn init(payload: Value) -> Sent {
    Sends(json!({ "type": "connection_init", "payload": payload }))
}

fn subscribe(id: &str) -> Sent {
    Sends(json!({ "type": "subscribe", "id": id, "payload": { "query": COUNT } }))
}

/// Returns a ping of this many bytes.
fn long(bytes: usize) -> Sent {
    let empty = json!({ "type": "ping", "payload": { "a": "" } }).to_string().len();
    Text(json!({ "type": "ping", "payload": { "a": "x".repeat(bytes - empty) } }).to_string())
}

/// The table: what is offered, what is sent, and the code.
fn cases() -> Vec<(&'static str, Option<&'static str>, Vec<Sent>, u16)> {
    let ours = Some("graphql-transport-ws");
    let started = |then: Vec<Sent>| [vec![Init, Ack], then].concat();
    let many = |count: usize| (0..count).map(|n| subscribe(&format!("{n}"))).collect::<Vec<_>>();
    let pings = vec![Sends(json!({ "type": "ping" })); 410];
    vec![
        ("no protocol", None, vec![], 4_406),
        ("another protocol", Some("graphql-ws"), vec![Init], 4_406),
        ("ours after another", Some("graphql-ws, graphql-transport-ws"), vec![Binary], 4_400),
        ("no JSON", ours, vec![Text(String::from("{"))], 4_400),
        ("an unknown type", ours, vec![Sends(json!({ "type": "start", "id": "1" }))], 4_400),
        ("a message of the service", ours, vec![Sends(json!({ "type": "connection_ack" }))], 4_400),
        ("a binary message", ours, vec![Binary], 4_400),
        ("no id", ours, started(vec![Sends(json!({ "type": "subscribe", "payload": { "query": COUNT } }))]), 4_400),
        ("no query", ours, started(vec![Sends(json!({ "type": "subscribe", "id": "1", "payload": {} }))]), 4_400),
        ("a binary message later", ours, started(vec![Binary]), 4_400),
        (
            "two credentials",
            ours,
            vec![init(json!({ "authorization": "a", "headers": { "Authorization": "b" } }))],
            4_400,
        ),
        ("a ticket beside a key", ours, vec![init(json!({ "authorization": "Bearer a", "ticket": "lt_a" }))], 4_400),
        ("an unknown ticket", ours, vec![init(json!({ "ticket": "lt_a" }))], 4_403),
        ("a credential that is no text", ours, vec![init(json!({ "authorization": 7 }))], 4_400),
        ("subscribe first", ours, vec![subscribe("1")], 4_401),
        ("no credential", ours, vec![init(json!({}))], 4_403),
        ("no payload", ours, vec![Sends(json!({ "type": "connection_init" }))], 4_403),
        ("an unknown key", ours, vec![init(json!({ "authorization": "Bearer rk_nothing" }))], 4_403),
        ("Basic", ours, vec![init(json!({ "authorization": "Basic a2V5Og==" }))], 4_403),
        ("no first message", ours, vec![Seconds(5)], 4_408),
        ("pings only", ours, vec![Sends(json!({ "type": "ping" })), Seconds(5)], 4_408),
        ("an id in use", ours, started(vec![subscribe("1"), subscribe("1")]), 4_409),
        ("a second first message", ours, started(vec![Init]), 4_429),
        ("a long first message", ours, vec![long(4 * 1024 + 1)], 1_009),
        ("a long message", ours, started(vec![long(64 * 1024), long(64 * 1024 + 1)]), 1_009),
        ("too many operations", ours, started(many(101)), 1_013),
        ("too many messages", ours, started(pings.clone()), 1_013),
        ("too many messages before the first", ours, pings, 1_013),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_violation_has_its_code() {
    let stage = Stage::new(Backend::Embedded).await;
    for (name, offered, sent, code) in cases() {
        let headers: Vec<_> = offered.map(|offered| ("Sec-WebSocket-Protocol", offered)).into_iter().collect();
        let mut socket = Graphql::open(&stage.service.api, &headers).await.expect("a WebSocket");
        let expected = match offered {
            Some(offered) if offered.contains("graphql-transport-ws") => Some("graphql-transport-ws"),
            other => other,
        };
        assert_eq!(socket.chosen.as_deref(), expected, "{name}");
        let mut until = 0;
        for sent in sent {
            match sent {
                Sends(message) => socket.send(&message).await,
                Text(text) => socket.send_frame(Message::text(text)).await,
                Binary => socket.send_frame(Message::binary(vec![1])).await,
                Init => socket.init(json!({ "authorization": format!("Bearer {}", stage.persona.key) })).await,
                Ack => assert_eq!(socket.recv().await["type"], "connection_ack", "{name}"),
                Seconds(seconds) => until = seconds,
            }
        }
        let found =
            if until > 0 { closed_in_time(&stage, &mut socket, until).await } else { socket.close_code().await };
        assert_eq!(found, Some(code), "{name}");
    }
    stage.service.stop().await;
}

/// Moves the clock until the service closes the socket: its deadline begins a moment after the handshake.
async fn closed_in_time(stage: &Stage, socket: &mut Graphql, seconds: u64) -> Option<u16> {
    loop {
        stage.clock.advance(millis(seconds * 1_000));
        if let Ok(code) = tokio::time::timeout(millis(50), socket.close_code()).await {
            return code;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_credential_of_the_upgrade_counts() {
    let stage = Stage::new(Backend::Embedded).await;
    let bearer = format!("Bearer {}", stage.persona.key);
    let headers = [("Sec-WebSocket-Protocol", "graphql-transport-ws"), ("Authorization", &*bearer)];
    let mut socket = Graphql::open(&stage.service.api, &headers).await.expect("a WebSocket");
    socket.send(&json!({ "type": "connection_init" })).await;
    assert_eq!(socket.recv().await["type"], "connection_ack");
    let (_, other) = stage.service.api.key(&stage.persona.tenant, &["events:write"]).await;
    let mut socket = Graphql::connect(&stage.service.api).await;
    socket.init(json!({ "Headers": { "AUTHORIZATION": format!("Bearer {other}") } })).await;
    assert_eq!(socket.close_code().await, Some(4_403), "a key without graphql:read");
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_is_1012() {
    let stage = Stage::new(Backend::Embedded).await;
    let (mut guest, mut client) = (Graphql::connect(&stage.service.api).await, stage.socket().await);
    client.subscribe("1", COUNT).await;
    client.next("1").await;
    stage.service.stop().await;
    assert_eq!((guest.close_code().await, client.close_code().await), (Some(1_012), Some(1_012)));
}

async fn a_revoked_credential_ends_its_sockets(backend: Backend) {
    let stage = Stage::new(backend).await;
    let api: &Api = &stage.service.api;
    let (id, key) = api.key(&stage.persona.tenant, &["graphql:read"]).await;
    let (mut with, mut without) = (Graphql::with_key(api, &key).await, Graphql::with_key(api, &key).await);
    let mut other = stage.socket().await;
    for socket in [&mut with, &mut other] {
        socket.subscribe("1", COUNT).await;
        socket.next("1").await;
    }
    // The clock stands still: nothing but the revocation can close a socket.
    stage.revoke(&id).await;
    assert_eq!((with.close_code().await, without.close_code().await), (Some(4_403), Some(4_403)));
    stage.user(1).await;
    stage.clock.advance(millis(250));
    assert_eq!(other.next("1").await, super::counted(2, 1));
    let path = format!("/v1/tenants/{}", stage.persona.tenant);
    send(api.request(reqwest::Method::DELETE, &path).bearer_auth(ADMIN)).await.expect("an answer").ok();
    assert_eq!(other.close_code().await, Some(4_403), "the tenant was deleted");
    stage.service.stop().await;
}
