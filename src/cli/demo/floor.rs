//! The demo's floor: desks that come and go, and contacts for whoever the service itself calls available.

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio_util::sync::CancellationToken;

use super::contacts::Contacts;
use super::people;
use super::person::Person;
use crate::auth::Caller;
use crate::clock::Clock;
use crate::command::post_events::post_events;
use crate::domain::event::Fact;
use crate::domain::settings::Settings;
use crate::domain::{Body, Event, EventId, Fault, Filter, Outcome, Scope};
use crate::engine::{Reader, Receipt, Submitter};
use crate::projection::roster::Connection;
use crate::query::people::operators_live::{OperatorLive, operators_live};
use crate::query::{self, Freshness};

/// What the events' source says.
const SOURCE: &str = "/demo/floor";
/// Between two looks at the floor.
const TICK: Duration = Duration::from_millis(250);
/// Between two signs of life of every desk; well within their lease.
const HEARTBEATS: Duration = Duration::from_secs(15);
/// Between two attempts to post what was not taken.
const AGAIN: Duration = Duration::from_millis(500);
/// The demand of so much time is waiting when the doors open.
const QUEUED: Duration = Duration::from_secs(25);

/// The people, and the contacts that they have.
pub struct Floor {
    caller: Caller,
    submitter: Submitter,
    reader: Reader,
    clock: Clock,
    rng: StdRng,
    people: Vec<Person>,
    contacts: Contacts,
    heartbeats: Duration,
}

impl Floor {
    /// Everybody at home.
    pub fn new(caller: Caller, (submitter, reader): (Submitter, Reader), clock: Clock) -> Self {
        // Always the same walk; the times and ids of its events make each run its own.
        let mut rng = StdRng::seed_from_u64(7);
        let now = clock.monotonic();
        let ids = (0..people::COUNT).map(|n| people::FIRST_ID + n as i64);
        let people = ids.map(|id| Person::new(id, now, &mut rng)).collect();
        Floor { caller, submitter, reader, clock, rng, people, contacts: Contacts::default(), heartbeats: now }
    }

    /// Clears what an earlier run left behind, and opens the doors.
    pub async fn open(&mut self) -> Result<(), Fault> {
        self.post(&self.events(self.people.iter().flat_map(Person::reset))).await?;
        let moves = self.moves();
        self.post(&moves).await?;
        let work = self.work(QUEUED).await?;
        self.post(&work).await?;
        Ok(())
    }

    /// Simulates until `stopping` is cancelled.
    pub async fn run(mut self, stopping: CancellationToken) {
        while stopping.run_until_cancelled(self.tick()).await.is_some() {}
    }

    async fn tick(&mut self) {
        self.clock.sleep(TICK).await;
        let now = self.clock.monotonic();
        if now >= self.heartbeats {
            self.heartbeats = now + HEARTBEATS;
            self.beat(now).await;
        }
        let moves = self.moves();
        self.insist(&moves).await;
        // Looked at once the moves are visible, so that nobody is given work on the way out.
        if let Ok(work) = self.work(TICK).await {
            self.insist(&work).await;
        }
    }

    /// Contacts that end, and people who come and go.
    fn moves(&mut self) -> Vec<Event> {
        let now = self.clock.monotonic();
        let mut bodies = self.contacts.end(now);
        for person in &mut self.people {
            bodies.extend(person.step(now, self.contacts.keeps_busy(person.id), &mut self.rng));
        }
        self.events(bodies)
    }

    /// Contacts that begin, or are handed on, within `span`.
    async fn work(&mut self, span: Duration) -> Result<Vec<Event>, Fault> {
        let online = self.online().await?;
        let bodies = self.contacts.begin((self.clock.monotonic(), span), &online, &self.clock, &mut self.rng);
        Ok(self.events(bodies))
    }

    async fn online(&self) -> Result<Vec<OperatorLive>, Fault> {
        let snapshot = query::open(&self.reader, &self.caller, Scope::OperatorsRead, Freshness::default()).await?;
        Ok(operators_live(&snapshot.view, &Filter::default(), Connection::Online).collect())
    }

    /// A sign of life of every desk. One that the service does not know, as when somebody sent it offline, reconnects.
    async fn beat(&mut self, now: Duration) {
        let connected = self.people.iter_mut().filter(|person| person.is_connected());
        let mut connected: Vec<&mut Person> = connected.collect();
        let beats: Vec<Body> = connected.iter().map(|person| person.heartbeat()).collect();
        let beats: Vec<Event> = beats.into_iter().map(|body| event(&self.clock, body)).collect();
        let Ok(receipt) = post_events(&self.caller, &self.submitter, &Settings::default(), beats).await else { return };
        for (person, outcome) in connected.iter_mut().zip(&receipt.outcomes) {
            if matches!(outcome, Outcome::Rejected(_)) {
                person.lose(now);
            }
        }
    }

    fn events(&self, bodies: impl IntoIterator<Item = Body>) -> Vec<Event> {
        bodies.into_iter().map(|body| event(&self.clock, body)).collect()
    }

    async fn post(&self, events: &[Event]) -> Result<Receipt, Fault> {
        post_events(&self.caller, &self.submitter, &Settings::default(), events.to_vec()).await
    }

    /// Posts the same events until they are taken, as a desk would whose service is away for a while.
    async fn insist(&self, events: &[Event]) {
        if events.is_empty() {
            return;
        }
        while let Err(fault) = self.post(events).await {
            tracing::warn!(%fault, "the simulated desks wait");
            self.clock.sleep(AGAIN).await;
        }
    }
}

fn event(clock: &Clock, body: Body) -> Event {
    let id = EventId { source: SOURCE.into(), id: clock.new_id().to_string().into() };
    Event { id, fact: Fact::new(clock.now(), body) }
}
