//! Live queries: answers that are sent again whenever they differ.

mod answers;
mod closes;
mod cut;
mod events;
mod limits;
mod plain;
mod property;
mod slow;
pub mod socket;
pub mod stream;
mod tickets;

use std::time::Duration;

use reqwest::Method;
use rollcall::clock::Clock;
use rollcall::domain::Time;
use serde_json::{Value, json};

use crate::support::api::{Persona, send};
use crate::support::desks::{connected, directory};
use crate::support::{ADMIN, Backend, Home, Service, Setup};
use socket::Graphql;

/// Counts the connected users.
const COUNT: &str = "subscription{live{position connectedUsersIndicator{connectedUsersCount}}}";

/// A service, and a tenant with some users.
pub(crate) struct Stage {
    pub(crate) service: Service,
    pub(crate) clock: Clock,
    pub(crate) persona: Persona,
}

impl Stage {
    /// Starts the service with a manual clock.
    async fn new(backend: Backend) -> Self {
        Stage::at(backend, Clock::manual(Time::from_micros(1_614_589_200_000_000))).await
    }

    /// Starts the service with this clock.
    pub(crate) async fn at(backend: Backend, clock: Clock) -> Self {
        Stage::start(backend, Setup { clock, ..Setup::default() }).await
    }

    async fn start(backend: Backend, setup: Setup) -> Self {
        let clock = setup.clock.clone();
        let service = Service::start_on(Home::new(backend).await, setup).await;
        let persona = service.api.persona("tenant").await;
        service.api.put_directory(&persona.key, &directory(9)).await;
        Stage { service, clock, persona }
    }

    /// Connects a socket with the tenant's key.
    async fn socket(&self) -> Graphql {
        Graphql::with_key(&self.service.api, &self.persona.key).await
    }

    /// Revokes a key of the tenant.
    async fn revoke(&self, id: &str) {
        let path = format!("/v1/tenants/{}/keys/{id}", self.persona.tenant);
        send(self.service.api.request(Method::DELETE, &path).bearer_auth(ADMIN)).await.expect("an answer").ok();
    }

    /// Connects a user's desk.
    pub(crate) async fn user(&self, user: i64) {
        self.service.api.apply(&self.persona.key, &[connected(format!("c-{user}"), user, self.clock.now())]).await;
    }
}

/// Returns the payload that counts so many connected users at a position.
fn counted(position: u64, users: u64) -> Value {
    json!({ "data": { "live": { "position": position, "connectedUsersIndicator": { "connectedUsersCount": users } } } })
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
