//! Desks connected by WebSocket (docs/desk.md): docs/promises.md S1 to S3 from a desk's side.

mod conversation;
mod leases;
mod limits;
mod outages;
mod revocations;
mod tickets;

use std::time::Duration;

use rollcall::clock::Clock;
use rollcall::domain::Time;
use rollcall::limits::Budgets;
use serde_json::Value;

use crate::support::api::Persona;
use crate::support::desks::{directory, heartbeat};
use crate::support::sockets::Desk;
use crate::support::tasks::eventually;
use crate::support::{Backend, Home, Service, Setup};

const MILLI: Duration = Duration::from_millis(1);

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A service with a manual clock, and a tenant with some users.
struct Stage {
    service: Service,
    clock: Clock,
    persona: Persona,
}

impl Stage {
    async fn new(backend: Backend, users: i64) -> Self {
        Self::on(Home::new(backend).await, users).await
    }

    async fn on(home: Home, users: i64) -> Self {
        Self::with(home, users, Budgets::default()).await
    }

    async fn with(home: Home, users: i64, budgets: Budgets) -> Self {
        let clock = Clock::manual(Time::from_micros(1_614_589_200_000_000));
        let service = Service::start_on(home, Setup { budgets, ..setup(&clock) }).await;
        let persona = service.api.persona("tenant").await;
        service.api.put_directory(&persona.key, &directory(users)).await;
        Stage { service, clock, persona }
    }

    /// Restarts the service with the same clock.
    async fn restart(self) -> Self {
        let Stage { service, clock, persona } = self;
        let service = service.restart(setup(&clock)).await;
        Stage { service, clock, persona }
    }

    /// Connects a desk and sends its `hello`.
    async fn desk(&self, user: i64, session: &str) -> Desk {
        Desk::welcomed(&self.service.api, &self.persona.key, user, session).await
    }

    /// Connects a desk that has not sent its `hello`.
    async fn connect(&self) -> Desk {
        Desk::with_key(&self.service.api, &self.persona.key).await
    }

    /// Posts an event over HTTP. Panics unless it is applied.
    async fn apply(&self, event: Value) {
        self.service.api.apply(&self.persona.key, &[event]).await;
    }

    async fn connected(&self) -> u64 {
        self.service.api.connected(&self.persona.key).await.0
    }

    /// Waits until this many users are connected.
    async fn until_connected(&self, wanted: u64) {
        eventually(&format!("{wanted} are connected"), async || self.connected().await == wanted).await;
    }

    fn position(&self) -> u64 {
        self.service.position(&self.persona.tenant)
    }

    /// Waits until the engine has done everything that is due: it ends leases after it has answered, so its second
    /// answer follows the ends that were due before the first.
    async fn settle(&self) {
        for n in 0..2 {
            let beat = heartbeat(n, 1, "unknown", self.clock.now());
            let answer = self.service.api.events(&self.persona.key, &[beat]).await.expect("an answer").ok();
            assert_eq!(answer.outcomes(), ["rejected"]);
        }
    }

    /// Checks that all connected users stay so until a millisecond before `left` has passed, and are disconnected then.
    async fn gone_in(&self, left: Duration) {
        let before = self.connected().await;
        self.clock.advance(left - MILLI);
        self.settle().await;
        assert_eq!(self.connected().await, before, "no lease ends early");
        self.clock.advance(MILLI);
        self.until_connected(0).await;
    }
}

fn setup(clock: &Clock) -> Setup {
    Setup { clock: clock.clone(), max_connections: 3_000, ..Setup::default() }
}
