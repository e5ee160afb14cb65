//! A write or a credential is refused by a state at the head only: docs/decisions/0106-confirmed-looks.md.

use reqwest::Method;
use rollcall::auth::secret::Secret;
use rollcall::domain::directory::Document;
use rollcall::domain::{EntityRef, Event, EventBody, Scope, UserRef};
use rollcall::journal::Draft;
use rollcall::store::{Store, TokenHolder, TokenRecord};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Pair;
use crate::model::generate::upsert;
use crate::support::api::{Answer, send};
use crate::support::desks::{directory, heartbeat, user_guid};

impl Pair {
    /// Appends an event as another server does whose notification is lost. Returns its position.
    async fn append_event(&mut self, body: EventBody) -> u64 {
        self.quiet().await;
        let (tenant, head) = (self.tenant(), self.append_unnoticed(1).await);
        let event = Event::internal("rollcall:test", self.clocks[0].new_id(), self.now(), body);
        let fact = Draft::new(tenant, event).json.replace('\'', "''");
        let change = format!(
            "UPDATE journal SET event = '{fact}', source = 'rollcall:test' WHERE tenant = '{tenant}' AND seq = {head}"
        );
        self.raw.run(&change).await;
        head
    }

    async fn append_document(&mut self, document: &Value) -> u64 {
        let document: Document = serde_json::from_value(document.clone()).expect("a document");
        self.append_event(upsert(document)).await
    }

    /// Sends a request of the tenant's key to the second server.
    async fn ask(&self, method: Method, path: &str, body: &Value) -> Answer {
        let request = self.two.api.request(method, path).header("X-API-Key", &self.persona.key);
        send(request.bearer_auth(&self.persona.key).json(body)).await.expect("an answer")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_are_refused_at_the_head_only() {
    let mut pair = Pair::new().await;
    let status = |id: i64| format!("/operator/{id}/live");
    let away = json!({ "connected": 0 });
    // The control: what is nowhere is not found.
    assert_eq!(pair.ask(Method::PUT, &status(9), &away).await.status, 404);
    for id in 4..=6 {
        pair.append_document(&directory(id)).await;
        assert_eq!(pair.ask(Method::GET, &status(id), &away).await.status, 404, "a read takes the view that is there");
        let answer = match id {
            4 => pair.ask(Method::PUT, &status(id), &away).await,
            5 => pair.ask(Method::POST, "/v1/desk/tickets", &json!({ "user": id.to_string() })).await,
            _ => pair.ask(Method::DELETE, &format!("/operator/{id}"), &Value::Null).await,
        };
        assert!((200..300).contains(&answer.status), "{id}: {} {}", answer.status, answer.text);
    }
    let member = json!({ "users": [{ "id": 1, "groups": [77] }] });
    assert_eq!(pair.ask(Method::PUT, "/v1/directory", &member).await.status, 422);
    pair.append_document(&json!({ "groups": [{ "id": 77, "name": "new" }] })).await;
    let answer = pair.ask(Method::PUT, "/v1/directory", &member).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    pair.level().await;
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heartbeat_of_a_session_that_another_server_opened_is_taken() {
    let mut pair = Pair::new().await;
    let beat = heartbeat("beat", 1, "elsewhere", pair.now());
    let beats = async |pair: &Pair| {
        let answer = pair.two.api.events(&pair.persona.key, std::slice::from_ref(&beat)).await.expect("an answer");
        answer.ok().outcomes().remove(0)
    };
    assert_eq!(beats(&pair).await, "rejected", "the control: no server opened it");
    let opened = EventBody::DeskConnected {
        user: UserRef::id(1),
        session: "elsewhere".into(),
        lease_seconds: Some(3_600),
        device: None,
        surface: Default::default(),
        socket: false,
    };
    pair.append_event(opened).await;
    assert_eq!(beats(&pair).await, "applied");
    pair.level().await;
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_a_password_that_another_server_set_is_valid() {
    let mut pair = Pair::new().await;
    let guid: Uuid = user_guid(1).parse().expect("a GUID");
    let lifecycle = rollcall::lifecycle::Lifecycle::default();
    let passwords = rollcall::auth::Passwords::new(lifecycle, &pair.clocks[0], Default::default());
    let hash = passwords.hash_password(pair.tenant(), "correct horse battery staple").await.expect("a hash");
    let user = UserRef::Entity(EntityRef::Guid(guid));
    let password = pair.append_event(EventBody::PasswordSet { user, hash, by: None }).await;
    let (store, _) = Store::open(&pair.one.home.location).await.expect("the store opens");
    let statuses = async |pair: &Pair, password: u64| {
        let secret = Secret::generate("rt");
        let (hash, created) = (secret.hash(), pair.now());
        let (holder, expires) = (TokenHolder::User { guid, password }, created.plus_seconds(3_600));
        let (tenant, scopes) = (pair.tenant(), vec![Scope::All]);
        let token = TokenRecord { hash, tenant, holder, scopes, created, expires };
        store.create_token(&token).await.expect("the store answers");
        pair.two.api.get(secret.reveal(), "/v1/state").await.expect("an answer").status
    };
    assert_eq!(statuses(&pair, 1).await, 401, "the control: a password that is not the user's");
    // Authenticated, and without the scope.
    assert_eq!(statuses(&pair, password).await, 403);
    pair.level().await;
    pair.stop().await;
}
