//! Escalations: a caller that may change users gets no further rights by what it gives to them
//! (docs/decisions/0070-rights-to-passwords.md).

use reqwest::Method;
use rollcall::domain::{EventBody, Outcome, RoleGrant, Roles};
use serde_json::{Value, json};

use crate::on_both_stores;
use crate::support::api::{Answer, Persona, send};
use crate::support::audit::audit;
use crate::support::{ADMIN, Backend, Home, Service, Setup, tenant_id};

on_both_stores!(a_password_needs_its_own_scope);
on_both_stores!(a_key_makes_no_log_in_with_more_rights);
on_both_stores!(a_log_in_ends_with_the_key_that_set_its_password);
on_both_stores!(a_log_in_has_no_right_that_its_key_does_not_have);
on_both_stores!(a_log_in_gives_no_role_above_its_own);
on_both_stores!(a_directory_document_changes_no_roles_of_an_account_with_a_password);
on_both_stores!(the_right_to_a_role_is_decided_when_the_document_is_applied);
on_both_stores!(log_ins_of_a_user_are_ended_together);
on_both_stores!(short_passwords_are_rejected);

const PASSWORD: &str = "correct horse";
/// The scopes of a manager's log-in, and the right to set passwords.
const OF_A_MANAGER: [&str; 5] =
    ["operators:read", "operators:write", "operators:passwords", "graphql:read", "graphql:write"];

struct Stage {
    service: Service,
    persona: Persona,
}

impl Stage {
    async fn new(backend: Backend) -> Self {
        let service = Service::start_on(Home::new(backend).await, Setup::default()).await;
        let persona = service.api.persona("tenant").await;
        Stage { service, persona }
    }

    async fn key(&self, scopes: &[&str]) -> (String, String) {
        self.service.api.key(&self.persona.tenant, scopes).await
    }

    /// Creates an operator; `more` are members besides the required ones.
    async fn create(&self, key: &str, name: &str, more: Value) -> Answer {
        let mut body = json!({ "name": name, "email": format!("{name}@example.com"), "website_list": [] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        send(self.service.api.request(Method::POST, "/operator").header("X-API-Key", key).json(&body)).await.unwrap()
    }

    /// Creates an operator with [`PASSWORD`] and a role; returns the id.
    async fn member(&self, key: &str, name: &str, role: &str) -> i64 {
        let made = self.create(key, name, json!({ "role": role, "password": PASSWORD })).await.ok();
        made.json()["data"]["id"].as_i64().expect("an id")
    }

    async fn update(&self, key: &str, id: i64, change: Value) -> Answer {
        let request = self.service.api.request(Method::PUT, &format!("/operator/{id}"));
        send(request.header("X-API-Key", key).json(&change)).await.unwrap()
    }

    async fn directory(&self, key: &str, users: Value) -> Answer {
        let request = self.service.api.request(Method::PUT, "/v1/directory").bearer_auth(key);
        send(request.json(&json!({ "users": users }))).await.unwrap()
    }

    async fn log_in(&self, name: &str) -> Answer {
        let email = format!("{name}@example.com");
        let form = [("grant_type", "password"), ("username", email.as_str()), ("password", PASSWORD)];
        send(self.service.api.form("/oauth2/token", &form)).await.unwrap()
    }

    async fn token(&self, name: &str) -> String {
        self.log_in(name).await.ok().json()["access_token"].as_str().expect("a token").to_owned()
    }

    async fn is_valid(&self, token: &str) -> bool {
        self.service.api.get(token, "/_authenticated").await.unwrap().status == 200
    }

    async fn revoke(&self, key: &str) {
        let path = format!("/v1/tenants/{}/keys/{key}", self.persona.tenant);
        send(self.service.api.request(Method::DELETE, &path).bearer_auth(ADMIN)).await.unwrap().ok();
    }

    async fn roles(&self, id: i64) -> Value {
        let answer = self.service.api.get(&self.persona.key, &format!("/operator/{id}")).await.unwrap().ok();
        answer.json()["data"]["roles"].clone()
    }

    fn position(&self) -> u64 {
        self.service.position(&self.persona.tenant)
    }

    async fn restart(self) -> Self {
        let Stage { service, persona } = self;
        Stage { service: service.restart(Setup::default()).await, persona }
    }
}

fn is_forbidden(answer: &Answer) {
    let expected = json!({ "meta": { "status": "error", "message": "Forbidden" } });
    assert_eq!((answer.status, answer.json()), (403, expected));
}

/// Checks that a document is refused because of the roles of its first user.
fn is_refused(answer: &Answer) {
    let expected = json!([{ "pointer": "/users/0/roles",
        "detail": "need the scope operators:passwords, and every scope that a log-in with them has" }]);
    assert_eq!((answer.status, &answer.json()["errors"]), (422, &expected), "{}", answer.text);
}

async fn a_password_needs_its_own_scope(backend: Backend) {
    let stage = Stage::new(backend).await;
    let (_, key) = stage.key(&["operators:read", "operators:write", "graphql:read", "graphql:write"]).await;
    let made = stage.create(&key, "ann", json!({ "role": "manager" })).await.ok();
    let ann = made.json()["data"]["id"].as_i64().unwrap();
    let before = stage.position();
    is_forbidden(&stage.create(&key, "ben", json!({ "role": "manager", "password": "x" })).await);
    is_forbidden(&stage.create(&key, "ben", json!({ "password": PASSWORD })).await);
    is_forbidden(&stage.update(&key, ann, json!({ "password": PASSWORD })).await);
    is_forbidden(&stage.update(&key, ann, json!({ "password": null })).await);
    assert_eq!(stage.position(), before, "nothing was written");
    assert_eq!(stage.log_in("ann").await.status, 400);
    // Other fields of an account with a password need nothing more.
    stage.update(&stage.persona.key, ann, json!({ "password": PASSWORD })).await.ok();
    stage.update(&key, ann, json!({ "pseudo": "A", "role": "manager" })).await.ok();
    is_forbidden(&stage.update(&key, ann, json!({ "role": "operator" })).await);
    is_forbidden(&stage.update(&key, ann, json!({ "roles": [] })).await);
    stage.service.stop().await;
}

async fn a_key_makes_no_log_in_with_more_rights(backend: Backend) {
    let stage = Stage::new(backend).await;
    let (_, blind) = stage.key(&["operators:write", "operators:passwords"]).await;
    let (_, reader) = stage.key(&["operators:read", "operators:write", "operators:passwords", "graphql:read"]).await;
    let (_, manager) = stage.key(&OF_A_MANAGER).await;
    for (key, allowed) in [(&blind, 0), (&reader, 1), (&manager, 3), (&stage.persona.key, 3)] {
        for (n, role) in ["operator", "manager", "admin"].into_iter().enumerate() {
            let name = format!("{role}{allowed}{}", stage.position());
            let made = stage.create(key, &name, json!({ "role": role, "password": PASSWORD })).await;
            if n < allowed { drop(made.ok()) } else { is_forbidden(&made) }
        }
    }
    // The password and the role in either order.
    let ann = stage.member(&reader, "ann", "operator").await;
    is_forbidden(&stage.update(&reader, ann, json!({ "role": "manager" })).await);
    is_forbidden(&stage.update(&reader, ann, json!({ "role": "manager", "password": PASSWORD })).await);
    let ben = stage.create(&reader, "ben", json!({ "role": "manager" })).await.ok().json()["data"]["id"].as_i64();
    is_forbidden(&stage.update(&reader, ben.unwrap(), json!({ "password": PASSWORD })).await);
    stage.update(&reader, ben.unwrap(), json!({ "role": "operator", "password": PASSWORD })).await.ok();
    assert_eq!(stage.log_in("ben").await.status, 200);
    stage.service.stop().await;
}

async fn a_log_in_ends_with_the_key_that_set_its_password(backend: Backend) {
    let stage = Stage::new(backend).await;
    let (id, key) = stage.key(&["*"]).await;
    let form = [("grant_type", "client_credentials"), ("client_id", &*id), ("client_secret", &*key)];
    let answer = send(stage.service.api.form("/Auth/connect/token", &form)).await.unwrap().ok();
    let of_key = answer.json()["access_token"].as_str().unwrap().to_owned();
    stage.member(&key, "ann", "admin").await;
    stage.member(&of_key, "ben", "manager").await;
    stage.member(&stage.persona.key, "kim", "manager").await;
    let ann = stage.token("ann").await;
    stage.member(&ann, "cas", "manager").await;
    let (ben, cas, kim) = (stage.token("ben").await, stage.token("cas").await, stage.token("kim").await);
    let stage = stage.restart().await;
    for token in [&ann, &ben, &cas, &kim] {
        assert!(stage.is_valid(token).await);
    }
    stage.revoke(&id).await;
    for (name, token) in [("ann", &ann), ("ben", &ben), ("cas", &cas)] {
        assert!(!stage.is_valid(token).await, "{name}'s token");
        assert_eq!(stage.log_in(name).await.status, 400, "{name}'s password");
    }
    assert!(stage.is_valid(&kim).await, "another key set this password");
    let stage = stage.restart().await;
    assert!(!stage.is_valid(&ann).await && !stage.is_valid(&cas).await && stage.is_valid(&kim).await);
    assert_eq!((stage.log_in("ann").await.status, stage.log_in("kim").await.status), (400, 200));
    let list = stage.service.api.get(&stage.persona.key, "/v1/log-ins").await.unwrap().ok().json();
    let names: Vec<_> = list["log_ins"].as_array().unwrap().iter().map(|log_in| &log_in["user"]["name"]).collect();
    assert_eq!(names, ["kim", "kim"], "what has ended is not listed");
    stage.service.stop().await;
}

async fn a_log_in_has_no_right_that_its_key_does_not_have(backend: Backend) {
    let stage = Stage::new(backend).await;
    let (_, reader) = stage.key(&["operators:read", "operators:write", "operators:passwords", "graphql:read"]).await;
    let ann = stage.member(&reader, "ann", "operator").await;
    stage.update(&stage.persona.key, ann, json!({ "role": "manager" })).await.ok();
    let token = stage.token("ann").await;
    let mutation = "mutation{userAvailabilityStatusUpdate(input:{userId:1,channel:CHAT,status:UNAVAILABLE}){user{id}}}";
    let answer = stage.service.api.graphql(&token, mutation).await.unwrap();
    assert!(answer.text.contains("PERMISSION_DENIED"), "{}", answer.text);
    let list = stage.service.api.get(&stage.persona.key, "/v1/log-ins").await.unwrap().ok().json();
    assert_eq!(list["log_ins"][0]["scopes"], json!(["operators:read", "operators:write", "graphql:read"]));
    stage.service.stop().await;
}

async fn a_log_in_gives_no_role_above_its_own(backend: Backend) {
    let stage = Stage::new(backend).await;
    let (max, ann) = (
        stage.member(&stage.persona.key, "max", "manager").await,
        stage.member(&stage.persona.key, "ann", "admin").await,
    );
    let (manager, admin) = (stage.token("max").await, stage.token("ann").await);
    let before = stage.position();
    is_forbidden(&stage.update(&manager, max, json!({ "role": "admin" })).await);
    is_forbidden(&stage.update(&manager, max, json!({ "roles": ["manager", "admin"] })).await);
    is_forbidden(&stage.update(&manager, ann, json!({ "role": "operator" })).await);
    is_forbidden(&stage.update(&manager, ann, json!({ "password": PASSWORD })).await);
    is_forbidden(&stage.create(&manager, "eve", json!({ "role": "admin" })).await);
    is_forbidden(&stage.create(&manager, "eve", json!({ "password": PASSWORD })).await);
    assert_eq!(stage.position(), before, "nothing was written");
    let eve = stage.create(&manager, "eve", json!({ "role": "manager" })).await.ok().json()["data"]["id"].as_i64();
    is_forbidden(&stage.update(&manager, eve.unwrap(), json!({ "role": "admin" })).await);
    stage.update(&admin, eve.unwrap(), json!({ "role": "admin", "password": PASSWORD })).await.ok();
    stage.update(&admin, max, json!({ "role": "operator" })).await.ok();
    assert_eq!(stage.log_in("eve").await.status, 200);
    // The right ended with the role.
    is_forbidden(&stage.create(&manager, "kim", json!({ "role": "operator" })).await);
    stage.service.stop().await;
}

async fn a_directory_document_changes_no_roles_of_an_account_with_a_password(backend: Backend) {
    let stage = Stage::new(backend).await;
    let ann = stage.member(&stage.persona.key, "ann", "operator").await;
    let (_, plain) = stage.key(&["directory:write"]).await;
    let (_, some) = stage.key(&["directory:write", "operators:passwords", "operators:read", "graphql:read"]).await;
    let (_, all) = stage.key(&["*"]).await;
    let before = stage.position();
    is_refused(&stage.directory(&plain, json!([{ "id": ann, "roles": ["admin"] }])).await);
    is_refused(&stage.directory(&plain, json!([{ "id": ann, "roles": [] }])).await);
    is_refused(&stage.directory(&some, json!([{ "id": ann, "roles": ["manager"] }])).await);
    assert_eq!(stage.position(), before, "nothing was written");
    stage.directory(&plain, json!([{ "id": ann, "roles": ["operator"], "pseudo": "A" }])).await.ok();
    stage.directory(&plain, json!([{ "id": 900, "name": "new", "roles": ["admin"] }])).await.ok();
    stage.directory(&plain, json!([{ "id": 900, "roles": ["manager"] }])).await.ok();
    stage.directory(&some, json!([{ "id": ann, "roles": ["operator", "expert"] }])).await.ok();
    stage.directory(&all, json!([{ "id": ann, "roles": ["admin"] }])).await.ok();
    assert_eq!((stage.roles(ann).await, stage.roles(900).await), (json!(["admin"]), json!(["manager"])));
    // In one of many users, checked on another thread.
    let mut many: Vec<Value> =
        (1_000..1_200).map(|id| json!({ "id": id, "name": "many", "roles": ["admin"] })).collect();
    many.insert(0, json!({ "id": ann, "roles": ["operator"] }));
    is_refused(&stage.directory(&plain, Value::from(many)).await);
    stage.service.stop().await;
}

/// A document that was checked before the account had a password is applied after it.
async fn the_right_to_a_role_is_decided_when_the_document_is_applied(backend: Backend) {
    let stage = Stage::new(backend).await;
    let ann = stage.member(&stage.persona.key, "ann", "operator").await;
    let document = serde_json::from_value(json!({ "users": [{ "id": ann, "roles": ["admin"] }] })).unwrap();
    let roles = RoleGrant { with_password: None, without_password: Roles::ALL };
    let body = EventBody::DirectoryUpserted { document: std::sync::Arc::new(document), roles };
    let clock = rollcall::clock::Clock::system();
    let event = rollcall::domain::Event::internal("rollcall:test", clock.new_id(), clock.now(), body);
    let tenant = tenant_id(&stage.persona.tenant);
    let receipt = stage.service.app.submitter.commit(tenant, vec![event]).await.unwrap();
    assert!(matches!(receipt.outcomes[0], Outcome::Rejected(_)), "{:?}", receipt.outcomes);
    let stage = stage.restart().await;
    assert_eq!(stage.roles(ann).await, json!(["operator"]));
    let home = stage.service.stop().await;
    assert_eq!(audit(&home.location, &[]).await, [""; 0]);
}

async fn log_ins_of_a_user_are_ended_together(backend: Backend) {
    let stage = Stage::new(backend).await;
    let ann = stage.member(&stage.persona.key, "ann", "manager").await;
    stage.member(&stage.persona.key, "ben", "manager").await;
    let (first, second, other) = (stage.token("ann").await, stage.token("ann").await, stage.token("ben").await);
    let (_, key) = stage.key(&["operators:passwords"]).await;
    let path = format!("/v1/log-ins?user={ann}");
    let listed = stage.service.api.get(&key, &path).await.unwrap().ok().json();
    assert_eq!(listed["log_ins"].as_array().unwrap().len(), 2);
    let ended = send(stage.service.api.request(Method::DELETE, &path).bearer_auth(&key)).await.unwrap().ok();
    assert_eq!(ended.json(), json!({ "ended": 2 }));
    let stage = stage.restart().await;
    assert!(!stage.is_valid(&first).await && !stage.is_valid(&second).await && stage.is_valid(&other).await);
    assert_eq!(stage.log_in("ann").await.status, 200, "the password is still valid");
    stage.service.stop().await;
}

async fn short_passwords_are_rejected(backend: Backend) {
    let stage = Stage::new(backend).await;
    let key = &stage.persona.key;
    let before = stage.position();
    for password in ["", "x", "1234567", "äöüäöüä"] {
        let answer = stage.create(key, "ann", json!({ "password": password })).await;
        let expected = json!({ "meta": { "status": "fail", "message": "Value of field 'password' is not valid. It must have at least 8 characters, and at most 1024 bytes." } });
        assert_eq!((answer.status, answer.json()), (400, expected), "{password}");
    }
    assert_eq!(stage.position(), before, "nothing was written");
    let ann = stage.member(key, "ann", "operator").await;
    assert_eq!(stage.update(key, ann, json!({ "password": "1234567" })).await.status, 400);
    assert_eq!(stage.log_in("ann").await.status, 200, "the password is unchanged");
    stage.service.stop().await;
}
