//! Answers that are long although their documents are short: long lists, with their texts under many aliases.

use rollcall::clock::Clock;
use rollcall::lifecycle::cpu_permits;
use rollcall::limits::{Budget, Budgets, MemoryBudget, TurnKey};
use serde_json::{Value, json};

use super::{ask, start};
use crate::support::api::{Answer, Api, Persona, send};
use crate::support::desks::{directory, event};
use crate::support::tasks::{eventually, spawn};
use crate::support::{ADMIN, Backend, Home, Service, Setup, tenant_id};

const CONVERSATION: &str = "c0000001-0000-4000-8000-000000000001";
const TOO_LARGE: &str = "the answer takes more than 32 MiB: select fewer fields or a smaller page";

/// Creates a tenant with 20 users in 1,000 groups with long names, and a conversation of 980 long messages. The texts
/// are control characters, which take six bytes each in an answer.
async fn long_lists(service: &Service) -> Persona {
    let persona = service.api.persona("long").await;
    let name = |n: usize| format!("{}{n:06}", "\u{1}".repeat(250));
    let groups: Vec<_> = (1..=1_000).map(|n| json!({ "id": n, "name": name(n) })).collect();
    service.api.put_directory(&persona.key, &json!({ "groups": groups })).await;
    let member = json!((1..=1_000).collect::<Vec<_>>());
    let chat = json!({ "chat": { "enabled": true } });
    let user = |n: usize| json!({ "id": n, "name": format!("user {n}"), "groups": member, "channels": chat });
    service.api.put_directory(&persona.key, &json!({ "users": (1..=20).map(user).collect::<Vec<_>>() })).await;
    let settings = service.api.request(reqwest::Method::PATCH, &format!("/v1/tenants/{}", persona.tenant));
    let settings = settings.bearer_auth(ADMIN).json(&json!({ "conversation_text": true }));
    send(settings).await.expect("an answer").ok();
    let now = Clock::system().now();
    let started = json!({ "conversation": CONVERSATION, "project": 1, "channel": "CHAT" });
    service.api.apply(&persona.key, &[event("started", "conversation.started", None, now, started)]).await;
    let (author, text) = (name(1), "\u{1}".repeat(1_000));
    let message = |n: usize| {
        let data = json!({ "conversation": CONVERSATION, "author": author, "text": text });
        event(format!("message-{n}"), "conversation.message", None, now, data)
    };
    for part in (1..=980).collect::<Vec<_>>().chunks(98) {
        let events: Vec<_> = part.iter().map(|n| message(*n)).collect();
        service.api.apply(&persona.key, &events).await;
    }
    persona
}

/// Repeats a field under 99 aliases.
fn aliases(field: &str) -> String {
    (0..99).map(|n| format!("a{n}:{field} ")).collect()
}

fn conversation(selection: &str) -> String {
    format!("{{conversation(id:\"{CONVERSATION}\"){{{selection}}}}}")
}

fn mutation(selection: &str) -> String {
    let input = "input:{userId:1,channel:CHAT,status:UNAVAILABLE}";
    format!("mutation{{change:userAvailabilityStatusUpdate({input}){{user{{{selection}}}}}}}")
}

/// Documents of low cost that select objects by id and repeat long lists or their texts.
fn by_id() -> [String; 5] {
    let names = aliases("name").replacen("a0:name", "", 1);
    [
        format!("{{user(id:1){{groups{{{}}}}}}}", aliases("name")),
        format!("{{user(id:\"1\"){{...f}}}} fragment f on User{{groups{{{}}}}}", aliases("name")),
        conversation(&format!("messages{{edges{{node{{...on TextMessage{{{}}}}}}}}}", aliases("text"))),
        format!(
            "{} fragment f on TextMessage{{{}}}",
            conversation("messages(last:90){edges{node{...f}}}"),
            aliases("text")
        ),
        mutation(&format!("groups{{{names}}}")),
    ]
}

/// Checks that an answer is the error of a field, within the bound; returns the error's path.
fn too_large(answer: &Answer) -> Vec<Value> {
    let body = answer.json();
    let errors = body["errors"].as_array().expect("errors");
    assert_eq!((answer.status, &body["data"], errors.len()), (200, &Value::Null, 1));
    assert_eq!(errors[0]["message"], TOO_LARGE);
    assert_eq!(errors[0]["extensions"], json!({ "name": "INVALID_REQUEST", "retryPolicy": "NO_RETRY" }));
    assert_eq!(errors[0]["locations"].as_array().map(Vec::len), Some(1));
    errors[0]["path"].as_array().expect("a path").clone()
}

async fn send_all(api: &Api, persona: &Persona, documents: &[String]) -> Vec<Answer> {
    let mut answers = Vec::new();
    for text in documents {
        answers.push(ask(api, Some(&persona.key), text, &json!({})).await);
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_past_the_bound_is_the_error_of_a_field() {
    let service = start().await;
    let persona = long_lists(&service).await;
    for answer in send_all(&service.api, &persona, &by_id()).await {
        let path = too_large(&answer);
        let root = path[0].as_str().expect("a field");
        assert!(["user", "conversation", "change"].contains(&root), "{path:?}");
    }
    // Values without a text take memory as well, also those of the field that every object has.
    for field in ["name", "id", "__typename"] {
        let text = format!("{{users(first:19){{edges{{node{{groups{{{}}}}}}}}}}}", aliases(field));
        let [answer] = &send_all(&service.api, &persona, &[text]).await[..] else { panic!("an answer") };
        let path = too_large(answer);
        assert_eq!(
            (&path[0], &path[1], &path[3], &path[4]),
            (&json!("users"), &json!("edges"), &json!("node"), &json!("groups"))
        );
    }
    let changed =
        service.api.graphql(&persona.key, "{user(id:1){availability{chat{status}}}}").await.expect("an answer");
    assert_eq!(changed.json()["data"]["user"]["availability"]["chat"]["status"], "OFFLINE");
    let fits = service.api.graphql(&persona.key, "{user(id:1){groups{id name}}}").await.expect("an answer").ok();
    assert_eq!(fits.json()["data"]["user"]["groups"].as_array().map(Vec::len), Some(1_000));
    let fits = conversation("messages(last:100){edges{node{...on TextMessage{author text}}}}");
    let fits = service.api.graphql(&persona.key, &fits).await.expect("an answer").ok().json();
    assert_eq!(fits["data"]["conversation"]["messages"]["edges"][99]["node"]["text"], "\u{1}".repeat(1_000));
    service.stop().await;
}

/// The mutations of a request after the one whose answer is too large are not made; those up to it are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutations_end_at_the_bound() {
    let service = start().await;
    let persona = long_lists(&service).await;
    let change = |alias: &str, user: i64, selection: &str| {
        let input = format!("input:{{userId:{user},channel:CHAT,status:UNAVAILABLE}}");
        format!("{alias}:userAvailabilityStatusUpdate({input}){{user{{{selection}}}}} ")
    };
    let long: String = (0..90).map(|n| format!("a{n}:name ")).collect();
    let text = format!(
        "mutation{{{}{}{}}}",
        change("x", 1, "id"),
        change("y", 2, &format!("groups{{{long}}}")),
        change("z", 3, "id")
    );
    let before = service.position(&persona.tenant);
    let answer = ask(&service.api, Some(&persona.key), &text, &json!({})).await;
    assert_eq!(too_large(&answer)[0], "y");
    assert_eq!(service.position(&persona.tenant), before + 2);
    service.stop().await;
}

/// Every such document waits for a turn on the pool, and the threads that serve requests stay free for others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_answers_are_built_beside_the_serving_threads() {
    let service = start().await;
    let (persona, other) = (long_lists(&service).await, service.api.persona("other").await);
    service.api.put_directory(&other.key, &directory(3)).await;
    let cpu = service.app.lifecycle().cpu();
    let mut permits = Vec::new();
    for _ in 0..cpu_permits() {
        permits.push(cpu.enter(TurnKey::Tenant(tenant_id(&other.tenant))).await.expect("a permit"));
    }
    let mut answers = Vec::new();
    let documents = by_id();
    for text in &documents {
        let (api, key, text) = (service.api.clone(), persona.key.clone(), text.clone());
        answers.push(spawn(async move { ask(&api, Some(&key), &text, &json!({})).await }));
    }
    eventually("every document waits for a turn", async || cpu.waiting() == documents.len()).await;
    let small = [
        "{connectedUsersIndicator{connectedUsersCount}}",
        "{user(id:1){id lastName groups{id name} skills{id name} availability{chat{status}}}}",
        "{users(first:3){edges{node{id groups{id}}}}}",
        "mutation{userAvailabilityStatusUpdate(input:{userId:1,channel:CHAT,status:AVAILABLE}){user{id}}}",
    ];
    for text in small {
        service.api.graphql(&other.key, text).await.expect("an answer").ok();
    }
    assert!(service.api.is_ready().await);
    assert_eq!(cpu.waiting(), documents.len(), "no small request has waited for a turn");
    drop(permits);
    for answer in answers {
        too_large(&answer.await.expect("a task"));
    }
    service.stop().await;
}

fn with(budgets: Budgets) -> Setup {
    // One tenant's share is 512 KiB.
    Setup { memory: MemoryBudget { answers: 1024 * 1024, ..MemoryBudget::default() }, budgets, ..Setup::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_charged_while_they_are_built() {
    let service = Service::start_on(Home::new(Backend::Embedded).await, with(Budgets::default())).await;
    let (persona, other) = (long_lists(&service).await, service.api.persona("other").await);
    let ask = async |key: &str, text: &str| service.api.graphql(key, text).await.expect("an answer");
    let refused = ask(&persona.key, "{user(id:1){groups{name}}}").await;
    let error = &refused.json()["errors"][0];
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")), "{}", refused.text);
    assert_eq!(error["extensions"], json!({ "name": "RATE_LIMITED", "retryPolicy": "RETRY_WITH_BACKOFF" }));
    // The bytes are free again: the share has room for an answer of about 400 KiB.
    for _ in 0..5 {
        ask(&persona.key, "{user(id:1){groups{id}}}").await.ok();
    }
    ask(&other.key, "{connectedUsersIndicator{connectedUsersCount}}").await.ok();
    // The control: without the budget nothing is counted.
    let service = service.restart(with(Budgets::without([Budget::Answers]))).await;
    let answer = service.api.graphql(&persona.key, "{user(id:1){groups{name}}}").await.expect("an answer").ok();
    assert_eq!(answer.json()["data"]["user"]["groups"].as_array().map(Vec::len), Some(1_000));
    service.stop().await;
}
