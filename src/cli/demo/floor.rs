//! The demo's floor: desks that connect and disconnect, and contacts for the users that the service reports available.

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
use crate::domain::{Event, EventBody, EventId, Fault, Filter, Outcome, Scope};
use crate::engine::{Reader, Receipt, Submitter};
use crate::projection::roster::Connection;
use crate::query::people::operators_live::{OperatorLive, operators_live};
use crate::query::{self, Freshness};

/// Source of the simulated events.
const SOURCE: &str = "/demo/floor";
/// Time between two steps of the simulation.
const STEP_INTERVAL: Duration = Duration::from_millis(250);
/// Time between two heartbeats of every desk, well within their lease.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(15);
/// Pause before events that were not taken are posted again.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Demand that is waiting when the simulation begins, as a span of time.
const INITIAL_DEMAND: Duration = Duration::from_secs(25);

/// The simulated people and their contacts.
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
    /// A floor with all desks disconnected.
    pub fn new(caller: Caller, submitter: Submitter, reader: Reader, clock: Clock) -> Self {
        // A fixed seed: every run takes the same course. The times and ids of its events still differ.
        let mut rng = StdRng::seed_from_u64(7);
        let now = clock.monotonic();
        let ids = (0..people::COUNT).map(|n| people::FIRST_ID + n as i64);
        let people = ids.map(|id| Person::new(id, now, &mut rng)).collect();
        Floor { caller, submitter, reader, clock, rng, people, contacts: Contacts::default(), heartbeats: now }
    }

    /// Clears the sessions and slots of an earlier run, and posts the first connections and contacts.
    pub async fn open(&mut self) -> Result<(), Fault> {
        self.post(&self.events(self.people.iter().flat_map(Person::reset))).await?;
        let moves = self.moves();
        self.post(&moves).await?;
        let work = self.work(INITIAL_DEMAND).await?;
        self.post(&work).await?;
        Ok(())
    }

    /// Simulates until `stopping` is cancelled.
    pub async fn run(mut self, stopping: CancellationToken) {
        while stopping.run_until_cancelled(self.tick()).await.is_some() {}
    }

    async fn tick(&mut self) {
        self.clock.sleep(STEP_INTERVAL).await;
        let now = self.clock.monotonic();
        if now >= self.heartbeats {
            self.heartbeats = now + HEARTBEAT_INTERVAL;
            self.beat(now).await;
        }
        let moves = self.moves();
        self.insist(&moves).await;
        // Availability is read once the moves are visible, so that contacts do not go to desks that are leaving.
        if let Ok(work) = self.work(STEP_INTERVAL).await {
            self.insist(&work).await;
        }
    }

    /// Returns the events of contacts that end and of people that change their activity.
    fn moves(&mut self) -> Vec<Event> {
        let now = self.clock.monotonic();
        let mut bodies = self.contacts.end(now);
        for person in &mut self.people {
            bodies.extend(person.step(now, self.contacts.keeps_busy(person.id), &mut self.rng));
        }
        self.events(bodies)
    }

    /// Returns the events of contacts that begin or are transferred within `span`.
    async fn work(&mut self, span: Duration) -> Result<Vec<Event>, Fault> {
        let online = self.online().await?;
        let bodies = self.contacts.begin(span, &online, &self.clock, &mut self.rng);
        Ok(self.events(bodies))
    }

    async fn online(&self) -> Result<Vec<OperatorLive>, Fault> {
        let snapshot = query::open(&self.reader, &self.caller, Scope::OperatorsRead, Freshness::default()).await?;
        Ok(operators_live(&snapshot.view, &Filter::default(), Connection::Online).collect())
    }

    /// Posts a heartbeat of every desk. A desk without a session in the service, for example after it was sent offline,
    /// reconnects later.
    async fn beat(&mut self, now: Duration) {
        let connected = self.people.iter_mut().filter(|person| person.is_connected());
        let mut connected: Vec<&mut Person> = connected.collect();
        let beats: Vec<EventBody> = connected.iter().map(|person| person.heartbeat()).collect();
        let beats: Vec<Event> = beats.into_iter().map(|body| event(&self.clock, body)).collect();
        let Ok(receipt) = post_events(&self.caller, &self.submitter, &Settings::default(), beats).await else { return };
        for (person, outcome) in connected.iter_mut().zip(&receipt.outcomes) {
            if matches!(outcome, Outcome::Rejected(_)) {
                person.lose(now);
            }
        }
    }

    fn events(&self, bodies: impl IntoIterator<Item = EventBody>) -> Vec<Event> {
        bodies.into_iter().map(|body| event(&self.clock, body)).collect()
    }

    async fn post(&self, events: &[Event]) -> Result<Receipt, Fault> {
        post_events(&self.caller, &self.submitter, &Settings::default(), events.to_vec()).await
    }

    /// Posts the same events until they are taken, as a real desk would while the service is unavailable.
    async fn insist(&self, events: &[Event]) {
        if events.is_empty() {
            return;
        }
        while let Err(fault) = self.post(events).await {
            tracing::warn!(%fault, "the simulated events were not taken and are posted again");
            self.clock.sleep(RETRY_PAUSE).await;
        }
    }
}

fn event(clock: &Clock, body: EventBody) -> Event {
    let id = EventId { source: SOURCE.into(), id: clock.new_id().to_string().into() };
    Event { id, fact: Fact::new(clock.now(), body) }
}
