//! Long documents and long answers, which are handled in slices on the CPU permits: the bytes of the answers, and the
//! work of other tenants that a request waits for.

use axum::body::Bytes;
use reqwest::{Method, RequestBuilder};
use rollcall::lifecycle::cpu_permits;
use rollcall::limits::TenantLimits;
use rollcall::limits::{Budget, Budgets, QueuePermit, TurnKey};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::support::api::{Answer, Persona, send};
use crate::support::desks::{connected, directory};
use crate::support::tasks::{eventually, spawn};
use crate::support::wire::Wire;
use crate::support::{Backend, Home, Service, Setup, tenant_id};

/// Every route whose answer may be long.
const LISTS: [&str; 9] = [
    "/v1/directory",
    "/operator/live",
    "/operator/live?connected=0",
    "/operator?full=1&limit=100&page=2",
    "/group?full=1",
    "/skill/1",
    "/v1/agent-monitor/search",
    "/v0/any/agents?availability=readyForPhoneCall",
    "/agents/presence-definitions",
];

/// Pieces of another tenant's work that are queued before a request.
const FLOOD: usize = 100;

fn without_the_budget() -> Setup {
    Setup { budgets: Budgets::without([Budget::HeavyReads]), ..Setup::default() }
}

fn list(service: &Service, persona: &Persona, path: &str) -> RequestBuilder {
    let joint = if path.contains('?') { '&' } else { '?' };
    let path = format!("{path}{joint}auth_token={}", persona.key);
    let request = service.api.request(Method::GET, &path).bearer_auth(&persona.key);
    request.header("Accept", "application/vnd.newvoicemedia.v1+json")
}

/// Requests every list of a tenant. The key is in the query as well, where Convoso's routes read it.
async fn lists(service: &Service, persona: &Persona) -> Vec<Answer> {
    let mut answers = Vec::new();
    for path in LISTS {
        let answer = send(list(service, persona, path)).await.expect("an answer").ok();
        answers.push(answer);
    }
    answers
}

/// Sends a request until it succeeds: on a busy machine the store may time out.
async fn succeeds(request: impl Fn() -> RequestBuilder) {
    eventually("the request succeeds", async || {
        let answer = send(request()).await.expect("an answer");
        assert!(answer.status == 200 || answer.is_unavailable(), "{} {}", answer.status, answer.text);
        answer.status == 200
    })
    .await;
}

/// Creates a tenant with this many users, every second of them connected.
async fn tenant_of(service: &Service, users: i64) -> Persona {
    let persona = service.api.persona(&format!("tenant of {users}")).await;
    let put = async |document: Value| {
        succeeds(|| service.api.request(Method::PUT, "/v1/directory").bearer_auth(&persona.key).json(&document)).await;
    };
    let mut document = directory(users);
    let everybody = std::mem::take(document["users"].as_array_mut().expect("a list"));
    let definition = |id: i64| json!({ "id": id, "category": "Away", "description": format!("away {id}") });
    document["presence_definitions"] = (2..if users > 1_000 { 1_200 } else { 5 }).map(definition).collect();
    put(document).await;
    for part in everybody.chunks(500) {
        put(json!({ "users": part })).await;
    }
    let now = rollcall::clock::Clock::system().now();
    let online: Vec<Value> = (1..=users).step_by(2).map(|id| connected(id, id, now)).collect();
    for part in online.chunks(500) {
        succeeds(|| service.api.request(Method::POST, "/v1/events").bearer_auth(&persona.key).json(&part)).await;
    }
    persona
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sliced_answers_equal_whole_answers() {
    let service = Service::start(Backend::Embedded).await;
    let mut expected = Vec::new();
    for users in [0, 1, 1_000, 1_001, 5_000] {
        let persona = tenant_of(&service, users).await;
        let answers = if users == 0 { empty_lists(&service, &persona).await } else { lists(&service, &persona).await };
        let is_in_slices = |answer: &Answer| answer.header("transfer-encoding") == Some("chunked");
        // Answers of at most 1,000 rows are written whole, and so are those that fit into one slice.
        assert!(users > 1_000 || !answers.iter().skip(1).any(is_in_slices), "{users}");
        assert!(users < 5_000 || answers.iter().filter(|answer| is_in_slices(answer)).count() == 5, "{users}");
        expected.push((users, persona, answers));
    }
    let service = service.restart(without_the_budget()).await;
    for (users, persona, answers) in expected {
        let whole = if users == 0 { empty_lists(&service, &persona).await } else { lists(&service, &persona).await };
        for (in_slices, whole) in answers.iter().zip(&whole) {
            assert!(whole.header("content-length").is_some(), "the answer is written whole");
            assert!(in_slices.text == whole.text, "{users}: {} and {}", in_slices.text.len(), whole.text.len());
            assert_eq!(in_slices.position(), whole.position());
            assert_eq!(in_slices.header("content-type"), whole.header("content-type"));
        }
    }
    service.stop().await;
}

/// Requests the lists of a tenant without users, which has no skill 1.
async fn empty_lists(service: &Service, persona: &Persona) -> Vec<Answer> {
    let mut answers = Vec::new();
    for path in LISTS.into_iter().filter(|path| *path != "/skill/1") {
        answers.push(send(list(service, persona, path)).await.expect("an answer").ok());
    }
    answers
}

/// Takes every CPU permit for one tenant and queues more of its work. The receiver gets each permit when it is granted.
async fn flood(service: &Service, tenant: &str) -> mpsc::UnboundedReceiver<QueuePermit> {
    let key = TurnKey::Tenant(tenant_id(tenant));
    let (sender, receiver) = mpsc::unbounded_channel();
    for _ in 0..cpu_permits() + FLOOD {
        let (cpu, sender) = (service.app.lifecycle().cpu().clone(), sender.clone());
        drop(spawn(async move {
            let permit = cpu.enter(key).await.expect("the queue has room");
            let _over = sender.send(permit);
        }));
    }
    let cpu = service.app.lifecycle().cpu();
    eventually("the flood is queued", async || (cpu.running(), cpu.waiting()) == (cpu_permits(), FLOOD)).await;
    receiver
}

/// Returns the number of a flood's pieces that are done before another tenant's long document is parsed.
async fn pieces_before_a_long_document(setup: Setup) -> usize {
    let service = Service::start_on(Home::new(Backend::Embedded).await, setup).await;
    let (flooding, other) = (service.api.persona("flooding").await, service.api.persona("other").await);
    let mut permits = flood(&service, &flooding.tenant).await;
    let mut document = directory(2);
    document["users"][0]["name"] = json!("x".repeat(200_000));
    let request = service.api.request(Method::PUT, "/v1/directory").bearer_auth(&other.key);
    let request = request.header("Content-Type", "application/json").body(Bytes::from(document.to_string()));
    let mut answer = spawn(send(request));
    let cpu = service.app.lifecycle().cpu();
    eventually("the document is queued as well", async || cpu.waiting() == FLOOD + 1).await;
    // The permits are dropped one at a time, so that each counts as one piece of work done.
    let mut done = 0;
    let answer = loop {
        tokio::select! {
            biased;
            answer = &mut answer => break answer.expect("a task").expect("an answer"),
            Some(permit) = permits.recv() => {
                drop(permit);
                done += 1;
                if cpu.is_fair() {
                    // After one piece the document has the next turn; no further piece is done before it is answered.
                    eventually("a permit is granted", async || {
                        cpu.running() == cpu_permits() || answer.is_finished()
                    })
                    .await;
                    eventually("the document is answered", async || answer.is_finished()).await;
                }
            }
        }
    };
    assert_eq!(answer.status, 422, "a name of this length is rejected: {}", answer.text);
    drop(permits);
    service.stop().await;
    done
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_document_waits_for_one_piece_of_other_work() {
    assert_eq!(pieces_before_a_long_document(Setup::default()).await, 1);
    let control = pieces_before_a_long_document(without_the_budget()).await;
    assert!(control > FLOOD, "without the budget it waits for all earlier work: {control}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn short_answers_do_not_wait_for_long_work() {
    let service = Service::start(Backend::Embedded).await;
    let (flooding, small) = (service.api.persona("flooding").await, tenant_of(&service, 3).await);
    let large = tenant_of(&service, 1_200).await;
    let permits = flood(&service, &flooding.tenant).await;
    lists(&service, &small).await;
    for path in ["/operator/live?filters[id]=1,2", "/operator?filters[id]=3", "/v1/user-activity/search"] {
        send(list(&service, &large, path)).await.expect("an answer").ok();
    }
    let form = [("grant_type", "password"), ("username", "ann@example.com"), ("password", "x")];
    assert_eq!(
        send(service.api.form("/oauth2/token", &form)).await.expect("an answer").status,
        400,
        "log-ins do not wait for the flood"
    );
    assert_eq!(service.app.lifecycle().cpu().waiting(), FLOOD, "the flood is still queued");
    drop(permits);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unread_answers_hold_no_cpu_permit() {
    let setup = Setup { tenant_limits: TenantLimits { rate: 0, at_a_time: 0, events: 0 }, ..Setup::default() };
    let service = Service::start_on(Home::new(Backend::Embedded).await, setup).await;
    let (unread, other) = (tenant_of(&service, 5_000).await, tenant_of(&service, 1_001).await);
    let mut wires = Vec::new();
    for _ in 0..8 {
        let mut wire = Wire::to(service.app.address).await;
        // Pipelined, so that the answers exceed the sockets' buffers.
        let request = format!("GET /v1/directory HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", unread.key);
        wire.send(request.repeat(20)).await;
        wires.push(wire);
    }
    let cpu = service.app.lifecycle().cpu();
    eventually("every answer is blocked", async || {
        for _ in 0..50 {
            if cpu.running() > 0 || cpu.waiting() > 0 {
                return false;
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        true
    })
    .await;
    let answer = send(list(&service, &other, "/v1/directory")).await.expect("an answer").ok();
    assert_eq!(answer.json()["users"].as_array().map(Vec::len), Some(1_001));
    drop(wires);
    eventually("no answer is left to be written", async || (cpu.running(), cpu.waiting()) == (0, 0)).await;
    service.stop().await;
}
