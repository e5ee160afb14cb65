//! Tokens and passwords over HTTP: issuing, scopes, expiry, revocation and storage.

mod acceptance;
mod ending;
mod log_in;
mod proxies;
mod storage;
mod throttle;
mod turns;

use rollcall::auth::Passwords;
use rollcall::clock::Clock;
use rollcall::domain::event::PasswordHash;
use rollcall::domain::{EntityRef, Event, EventBody, Fault, Outcome, TenantId, Time, UserRef};
use rollcall::lifecycle::Lifecycle;
use rollcall::limits::Budgets;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::api::{Answer, Persona, send};
use crate::support::desks::BREAK;
use crate::support::{Backend, Home, Service, Setup, tenant_id};

const PASSWORD: &str = "correct horse battery staple";
/// The address of a user whose role grants reading.
const ANN: &str = "ann@example.com";
/// The address of a user whose role grants changes.
const MAX: &str = "max@example.com";

/// A service with a manual clock, and a tenant with two users who have passwords.
struct Stage {
    service: Service,
    clock: Clock,
    persona: Persona,
}

/// Returns the GUID of a user of these tests.
fn guid(id: i64) -> Uuid {
    Uuid::from_u128(0x0b5e_55ed_0000_4000_8000_0000_0000_0000 + id as u128)
}

fn user(id: i64) -> UserRef {
    UserRef::Entity(EntityRef::Guid(guid(id)))
}

fn people() -> Value {
    let channels = json!({ "chat": { "enabled": true, "max_slots": 3 }, "call": { "enabled": true } });
    json!({ "skills": [{ "id": 1, "name": "skill" }], "groups": [{ "id": 1, "name": "group" }],
            "presence_definitions": [{ "guid": BREAK, "category": "Away", "description": "Break" }], "users": [
        { "id": 1, "guid": guid(1), "name": "Ann", "email": "Ann@Example.com", "roles": ["operator"], "channels": channels },
        { "id": 2, "guid": guid(2), "name": "Max", "email": MAX, "roles": ["manager"], "channels": channels },
    ] })
}

async fn hash(password: &str) -> PasswordHash {
    let passwords = Passwords::new(Lifecycle::default(), &Clock::system(), Budgets::default());
    passwords.hash_password(TenantId(Uuid::nil()), password).await.expect("a hash")
}

impl Stage {
    async fn new(backend: Backend) -> Self {
        Self::with(backend, Setup::default()).await
    }

    async fn with(backend: Backend, setup: Setup) -> Self {
        let clock = Clock::manual(Time::from_micros(1_614_589_200_000_000));
        let service = Service::start_on(Home::new(backend).await, Setup { clock: clock.clone(), ..setup }).await;
        let persona = service.api.persona("tenant").await;
        let stage = Stage { service, clock, persona };
        stage.service.api.put_directory(&stage.persona.key, &people()).await;
        let kept = hash(PASSWORD).await;
        for id in [1, 2] {
            stage
                .commit(&stage.persona.tenant, EventBody::PasswordSet { user: user(id), hash: kept.clone(), by: None })
                .await;
        }
        stage
    }

    /// Restarts the service with the same clock.
    async fn restart(self) -> Self {
        let Stage { service, clock, persona } = self;
        let service = service.restart(Setup { clock: clock.clone(), ..Setup::default() }).await;
        Stage { service, clock, persona }
    }

    /// Commits an internal event of a tenant. Panics unless it is applied.
    async fn commit(&self, tenant: &str, body: EventBody) {
        let event = Event::internal("rollcall:test", self.clock.new_id(), self.clock.now(), body);
        let receipt: Result<_, Fault> = self.service.app.submitter.commit(tenant_id(tenant), vec![event]).await;
        assert_eq!(receipt.expect("the commit succeeds").outcomes, [Outcome::Applied]);
    }

    async fn log_in(&self, email: &str, password: &str) -> Answer {
        let form = [("grant_type", "password"), ("username", email), ("password", password)];
        send(self.service.api.form("/oauth2/token", &form)).await.expect("an answer")
    }

    /// Logs a user in with [`PASSWORD`]; returns the token.
    async fn token(&self, email: &str) -> String {
        access_token(&self.log_in(email, PASSWORD).await.ok())
    }

    /// Creates a key of the tenant; returns its id and a token for it.
    async fn key_token(&self, scopes: &[&str]) -> (String, String) {
        let (id, key) = self.service.api.key(&self.persona.tenant, scopes).await;
        let form = [("grant_type", "client_credentials"), ("client_id", &id), ("client_secret", &key)];
        let request = self.service.api.form("/Auth/connect/token", &form);
        (id.clone(), access_token(&send(request).await.expect("an answer").ok()))
    }

    /// Returns whether a token is valid. Panics if an invalid one is rejected in another form than the vendor's.
    async fn is_valid(&self, token: &str) -> bool {
        let answer = self.service.api.get(token, "/_authenticated").await.expect("an answer");
        match answer.status {
            200 => assert_eq!(answer.json(), json!({ "authenticated": true })),
            _ => {
                let refused = json!({ "error": "invalid_token", "error_description": "access token not valid" });
                assert_eq!((answer.status, answer.json()), (401, refused));
            }
        }
        answer.status == 200
    }
}

fn access_token(answer: &Answer) -> String {
    let token = answer.json()["access_token"].as_str().expect("a token").to_owned();
    assert!(token.starts_with("rt_") && token.len() == 67, "{token}");
    token
}
