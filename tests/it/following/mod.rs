//! Several servers on one database, each of which follows the entries of the others:
//! docs/decisions/0105-following.md.

mod alone;
mod checkpoints;
mod confirmed;
mod duties;
mod interleaved;
mod looks;
mod lost;
mod model;
mod positions;
mod refusals;
mod releases;
mod sessions;
mod trimmed;

use std::time::Duration;

use rollcall::clock::Clock;
use rollcall::domain::{TenantId, Time};

use crate::support::api::Persona;
use crate::support::desks::directory;
use crate::support::raw::RawStore;
use crate::support::tasks::eventually;
use crate::support::{Backend, Home, Service, Setup, tenant_id};

/// More than the interval at which a server reads all heads.
const POLL: Duration = Duration::from_millis(250);

/// Starts a service that shares its store.
async fn start_on(home: Home, clock: &Clock) -> Service {
    let setup = Setup { clock: clock.clone(), ..Setup::default() };
    let service = Service::start_on(home, setup).await;
    eventually("ready", || service.api.is_ready()).await;
    service
}

/// Two servers on one database, a tenant with three users, and its tables. Each server has a clock of its own, which stands
/// still: it polls when the test lets it.
struct Pair {
    one: Service,
    two: Service,
    clocks: [Clock; 2],
    persona: Persona,
    raw: RawStore,
}

impl Pair {
    async fn new() -> Self {
        let clocks = [(); 2].map(|()| Clock::manual(Time::from_micros(1_614_589_200_000_000)));
        let home = Home::new(Backend::Postgres).await;
        let location = home.location.clone();
        let one = start_on(home, &clocks[0]).await;
        let two = start_on(Home::at(location.clone()), &clocks[1]).await;
        let persona = one.api.persona("tenant").await;
        one.api.put_directory(&persona.key, &directory(3)).await;
        let mut pair = Pair { one, two, clocks, persona, raw: RawStore::open(&location).await };
        pair.meet().await;
        pair.level().await;
        pair
    }

    /// Waits until each server has found the other's row. Before that it sends no notifications.
    async fn meet(&mut self) {
        const LEAST: &str = "SELECT min(rounds) FROM replica";
        let before = self.raw.number(LEAST).await;
        eventually("both servers did another round", async || {
            self.clocks.iter().for_each(|clock| clock.advance(POLL));
            self.raw.number(LEAST).await > before
        })
        .await;
    }

    fn tenant(&self) -> TenantId {
        tenant_id(&self.persona.tenant)
    }

    fn now(&self) -> Time {
        self.clocks[0].now()
    }

    /// Returns the positions of both servers.
    fn positions(&self) -> [u64; 2] {
        [&self.one, &self.two].map(|service| service.position(&self.persona.tenant))
    }

    /// Waits until both servers are at the same position and ready, while both poll.
    async fn level(&self) {
        eventually("both servers are at one position", async || {
            self.clocks.iter().for_each(|clock| clock.advance(POLL));
            let [one, two] = self.positions();
            one == two && self.one.api.is_ready().await && self.two.api.is_ready().await
        })
        .await;
        // No poll is due any more: the next one is when a test moves the clock.
        for service in [&self.one, &self.two] {
            let age = || service.app.reader.snapshot(self.tenant()).map_or(0, |snapshot| snapshot.staleness_ms);
            eventually("the newest poll is confirmed", async || age() == 0).await;
        }
    }

    /// Waits until both servers are level and no notification is on its way: each has one of an entry of another tenant,
    /// which was written later. What is appended then is noticed by a poll or a look alone.
    async fn quiet(&self) {
        let name = format!("quiet-{}", self.clocks[0].new_id());
        let Persona { tenant, key } = self.one.api.persona(&name).await;
        eventually("the second server has the tenant", async || {
            self.clocks[1].advance(POLL);
            self.two.app.reader.snapshot(tenant_id(&tenant)).is_ok()
        })
        .await;
        self.level().await;
        for (users, writer, other) in [(1, &self.one, &self.two), (2, &self.two, &self.one)] {
            let position = writer.api.put_directory(&key, &directory(users)).await.position();
            eventually("the other server has the entry", async || other.position(&tenant) >= position).await;
        }
    }

    /// Appends copies of the tenant's newest entry, as another server does whose notification is lost. Returns the new
    /// head.
    async fn append_unnoticed(&mut self, count: u64) -> u64 {
        let tenant = self.tenant();
        let batch = self.clocks[0].new_id();
        self.raw
            .run(&format!(
                "INSERT INTO journal (tenant, seq, recorded, source, event_id, apply_version, batch, event)
                 SELECT tenant, seq + n, recorded, source, '{batch}-' || n, apply_version, '{batch}', event
                 FROM (SELECT * FROM journal WHERE tenant = '{tenant}' ORDER BY seq DESC LIMIT 1) AS last,
                      generate_series(1, {count}) AS n;
                 UPDATE head SET seq = seq + {count}, tail = '{batch}' WHERE tenant = '{tenant}'"
            ))
            .await;
        self.raw.heads().await[&tenant]
    }

    /// Checks that both servers have the state that the journal's entries lead to, and stops them.
    async fn end(mut self) {
        let replayed = self.raw.replay().await;
        self.compare(&replayed[&self.tenant()].digest()).await;
        self.stop().await;
    }

    /// Checks that both servers have the state with this digest.
    async fn compare(&self, digest: &str) {
        for service in [&self.one, &self.two] {
            let state = service.app.reader.state(self.tenant()).await.expect("a state").expect("a state");
            assert_eq!(state.digest(), digest);
        }
    }

    async fn stop(self) {
        self.two.stop().await;
        self.one.stop().await;
    }
}
