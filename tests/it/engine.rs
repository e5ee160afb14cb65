//! The engine through HTTP: commits, reads, leases, clocks, presences and conversations.

mod callers;
mod clocks;
mod commits;
mod conversations;
mod leases;
mod pages;
mod presences;
mod reads;
mod since;
mod stored_leases;

use std::time::Duration;

use rollcall::clock::Clock;
use rollcall::domain::Time;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::support::api::{Answer, Persona, until_available};
use crate::support::desks::{directory, heartbeat, toggled};
use crate::support::tasks::{Stopwatch, spawn};
use crate::support::{Backend, Home, Service, Setup};

/// A service with a manual clock, and a tenant with some users.
struct Stage {
    service: Service,
    clock: Clock,
    persona: Persona,
}

/// Returns a clock that stands still until it is moved.
fn manual_clock() -> Clock {
    Clock::manual(Time::from_micros(1_614_589_200_000_000))
}

impl Stage {
    async fn new(backend: Backend, users: i64) -> Self {
        Self::with(backend, users, Setup { clock: manual_clock(), ..Setup::default() }).await
    }

    async fn with(backend: Backend, users: i64, setup: Setup) -> Self {
        let clock = setup.clock.clone();
        let service = Service::start_on(Home::new(backend).await, setup).await;
        let persona = service.api.persona("tenant").await;
        service.api.put_directory(&persona.key, &directory(users)).await;
        Stage { service, clock, persona }
    }

    /// Restarts the service with the same clock.
    async fn restart(self) -> Self {
        let Stage { service, clock, persona } = self;
        let service = service.restart(Setup { clock: clock.clone(), ..Setup::default() }).await;
        Stage { service, clock, persona }
    }

    fn now(&self) -> Time {
        self.clock.now()
    }

    fn position(&self) -> u64 {
        self.service.position(&self.persona.tenant)
    }

    /// Posts an event. Panics unless it is applied.
    async fn apply(&self, event: Value) -> Answer {
        self.service.api.apply(&self.persona.key, &[event]).await
    }

    /// Posts an event; returns its outcome.
    async fn outcome(&self, event: Value) -> String {
        let answer = self.service.api.events(&self.persona.key, &[event]).await.expect("an answer").ok();
        answer.outcomes().remove(0)
    }

    /// Waits until the engine has done everything that is due: it ends leases after it has answered, so its second
    /// answer follows the ends that were due before the first.
    async fn settle(&self) {
        for n in 0..2 {
            let beat = [heartbeat(n, 1, "unknown", self.now())];
            // A session that is unknown is looked for in the store, and nothing is appended.
            let answer = until_available(|| self.service.api.events(&self.persona.key, &beat)).await;
            assert_eq!(answer.ok().outcomes(), ["rejected"]);
        }
    }

    /// Posts events in the background.
    fn send(&self, events: Vec<Value>) -> JoinHandle<Answer> {
        let (api, key) = (self.service.api.clone(), self.persona.key.clone());
        spawn(async move { api.events(&key, &events).await.expect("an answer") })
    }

    /// Returns the number of submissions in the engine's queue.
    fn depth(&self) -> usize {
        self.service.app.submitter.depth()
    }

    /// Waits until the engine waits for the store, which the caller has blocked: events that are sent from then on stay
    /// in the queue. Returns the writes that were sent for this; at least one of them is in the queue.
    async fn stall(&self) -> Vec<JoinHandle<Answer>> {
        let mut sent = Vec::new();
        // One time for all: they may arrive in any order, and an earlier one would be stale after a later one.
        let now = self.now();
        let watch = Stopwatch::start();
        while self.depth() == 0 {
            assert!(watch.elapsed() < Duration::from_secs(5), "the engine does not wait for the store");
            sent.push(self.send(vec![toggled(format!("stall-{}", sent.len()), 1, now, true)]));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        sent
    }

    async fn connected(&self) -> u64 {
        self.service.api.connected(&self.persona.key).await.0
    }
}
