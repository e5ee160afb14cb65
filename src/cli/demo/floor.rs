//! The demo's floor: desks that connect and disconnect, and contacts for the users that the service reports available.

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio_util::sync::CancellationToken;

use super::contacts::Contacts;
use super::people;
use super::person::Person;
use crate::auth::{Authorized, Caller, EventsWrite, OperatorsRead};
use crate::clock::Clock;
use crate::command::Context;
use crate::command::post_events::post_events;
use crate::domain::event::Fact;
use crate::domain::settings::Settings;
use crate::domain::{Event, EventBody, EventId, Fault, Filter, Outcome};
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
    desks: Authorized<EventsWrite>,
    lookup: Authorized<OperatorsRead>,
    submitter: Submitter,
    reader: Reader,
    clock: Clock,
    rng: StdRng,
    people: Vec<Person>,
    contacts: Contacts,
    heartbeats: Duration,
}

impl Floor {
    /// A floor with all desks disconnected. [`Fault::Forbidden`] if the caller cannot post events and read operators.
    pub fn new(caller: Caller, submitter: Submitter, reader: Reader, clock: Clock) -> Result<Self, Fault> {
        // A fixed seed: every run takes the same course. The times and ids of its events still differ.
        let mut rng = StdRng::seed_from_u64(7);
        let now = clock.monotonic();
        let ids = (0..people::COUNT).map(|n| people::FIRST_ID + n as i64);
        let people = ids.map(|id| Person::new(id, now, &mut rng)).collect();
        let (desks, lookup, contacts) = (caller.authorize()?, caller.authorize()?, Contacts::default());
        Ok(Floor { desks, lookup, submitter, reader, clock, rng, people, contacts, heartbeats: now })
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
        let snapshot = query::open(&self.reader, &self.lookup, Freshness::default()).await?;
        Ok(operators_live(&snapshot.view, &Filter::default(), Connection::Online).collect())
    }

    /// Posts a heartbeat of every desk. A desk without a session in the service, for example after it was sent offline,
    /// reconnects later.
    async fn beat(&mut self, now: Duration) {
        let Floor { desks, submitter, reader, clock, people, .. } = self;
        let context = Context { caller: desks, submitter, reader, clock };
        let connected = people.iter_mut().filter(|person| person.is_connected());
        let mut connected: Vec<&mut Person> = connected.collect();
        let beats: Vec<EventBody> = connected.iter().map(|person| person.heartbeat()).collect();
        let beats: Vec<Event> = beats.into_iter().map(|body| event(clock, body)).collect();
        let Ok(receipt) = post_events(&context, &Settings::default(), beats).await else { return };
        for (person, outcome) in connected.iter_mut().zip(&receipt.outcomes) {
            if matches!(outcome, Outcome::Rejected(_)) {
                person.lose(now);
            }
        }
    }

    fn events(&self, bodies: impl IntoIterator<Item = EventBody>) -> Vec<Event> {
        bodies.into_iter().map(|body| event(&self.clock, body)).collect()
    }

    fn context(&self) -> Context<'_, EventsWrite> {
        Context { caller: &self.desks, submitter: &self.submitter, reader: &self.reader, clock: &self.clock }
    }

    async fn post(&self, events: &[Event]) -> Result<Receipt, Fault> {
        post_events(&self.context(), &Settings::default(), events.to_vec()).await
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
