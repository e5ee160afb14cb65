//! Several servers on one journal, under random faults: kills, pauses, answers that get lost, notifications that get lost,
//! clocks that are hours apart and servers that lag. They end in the state of the naive reference, at equal positions they
//! have equal digests, and what is written afterwards has the reference's outcomes, at whichever server.
//!
//! `PROPTEST_CASES=5000` runs longer, with more tenants.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use proptest::prelude::ProptestConfig;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rollcall::clock::Clock;
use rollcall::domain::{Event, EventId, Fault, Filter, Outcome, TenantId};
use rollcall::engine::{Reader, Submitter};
use rollcall::live::{State, View};
use rollcall::store::Location;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::start_on;
use crate::model::compare::{agree, agree_on_outcome};
use crate::model::generate::{Mix, at, small};
use crate::model::reference::Reference;
use crate::support::desks::{connected, directory, toggled};
use crate::support::postgres;
use crate::support::postgres::proxy::{Link, Proxy};
use crate::support::raw::{JournalRow, RawStore};
use crate::support::tasks::{eventually, eventually_within, spawn};
use crate::support::{Home, Service, tenant_id};

/// Servers on the database.
const SERVERS: usize = 3;
/// Tenants of one round, each with its own history.
const TENANTS: usize = 4;
/// Writers of each tenant, at any server.
const WRITERS: usize = 3;
/// Histories of each tenant's events, one after the other.
const HISTORIES: u64 = 3;
/// Commits that all writers may make between two faults.
const COMMITS: usize = 8;
/// The time within which the servers reach the heads once nothing disturbs them.
const LEVEL_TIME: Duration = Duration::from_secs(60);

/// The outcomes of events by their ids.
type Outcomes = HashMap<EventId, Outcome>;
/// Digests of states, by tenant and position.
type Digests = HashMap<(TenantId, u64), String>;

/// A server, with a clock and a link to the database of its own.
struct Replica {
    service: Service,
    clock: Clock,
    proxy: Proxy,
    /// True while its time stands still, so that it neither polls nor confirms.
    lags: Arc<AtomicBool>,
}

impl Replica {
    async fn start(database: &PgConnectOptions, hours: i64) -> Self {
        let (proxy, through) = Proxy::start(database).await;
        let clock = Clock::manual(at(60 * hours));
        let service = start_on(Home::at(Location::Postgres(Box::new(through))), &clock).await;
        Replica { service, clock, proxy, lags: Arc::default() }
    }
}

/// The handles of the servers that run now, for writers and observers.
#[derive(Clone)]
struct Handles(Arc<Mutex<Vec<(Submitter, Reader)>>>);

impl Handles {
    fn any(&self, random: &mut StdRng) -> (Submitter, Reader) {
        self.0.lock()[random.random_range(0..SERVERS)].clone()
    }
}

/// The servers, and what disturbs them.
struct Cluster {
    database: PgConnectOptions,
    replicas: Vec<Replica>,
    handles: Handles,
    /// The ends of servers that were cut off for good.
    killed: Vec<JoinHandle<bool>>,
    raw: RawStore,
    random: StdRng,
}

impl Cluster {
    async fn start(seed: u64) -> Self {
        let database = postgres::new_database().await;
        let mut random = StdRng::seed_from_u64(seed);
        let mut replicas = Vec::new();
        for _ in 0..SERVERS {
            replicas.push(Replica::start(&database, random.random_range(-6..=6)).await);
        }
        let handle = |replica: &Replica| (replica.service.app.submitter.clone(), replica.service.app.reader.clone());
        let handles = Handles(Arc::new(Mutex::new(replicas.iter().map(handle).collect())));
        let raw = RawStore::open(&Location::Postgres(Box::new(database.clone()))).await;
        Cluster { database, replicas, handles, killed: Vec::new(), raw, random }
    }

    /// Cuts a server off in the middle of whatever it does, and starts another in its place.
    async fn kill(&mut self, n: usize) {
        self.replicas[n].proxy.set(Link::Cut);
        let next = Replica::start(&self.database, self.random.random_range(-6..=6)).await;
        self.handles.0.lock()[n] = (next.service.app.submitter.clone(), next.service.app.reader.clone());
        let Replica { service, proxy, .. } = std::mem::replace(&mut self.replicas[n], next);
        self.killed.push(spawn(async move {
            let ended = service.app.stop().await;
            drop(proxy);
            ended
        }));
    }

    /// Changes a server's link for some milliseconds.
    async fn disturb_link(&mut self, n: usize, link: Link) {
        // Now and then longer than the time limit of an append.
        let millis = if self.random.random_ratio(1, 20) { 2_500 } else { self.random.random_range(5..150) };
        self.replicas[n].proxy.set(link);
        tokio::time::sleep(Duration::from_millis(millis)).await;
        self.replicas[n].proxy.set(Link::Open);
    }

    /// Disturbs a server in one way.
    async fn disturb(&mut self) {
        let n = self.random.random_range(0..SERVERS);
        match self.random.random_range(0..20) {
            0 => self.kill(n).await,
            1..=4 => self.disturb_link(n, Link::Frozen).await,
            5..=7 => self.disturb_link(n, Link::RequestsOnly).await,
            8..=9 => self.disturb_link(n, Link::Cut).await,
            10..=14 => {
                self.raw
                    .run(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                         WHERE datname = current_database() AND query LIKE 'LISTEN%'",
                    )
                    .await;
            }
            _ => {
                let lags = self.replicas[n].lags.clone();
                lags.store(true, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(self.random.random_range(5..200))).await;
                lags.store(false, Ordering::Relaxed);
            }
        }
    }

    /// Lets time pass at the servers that do not lag.
    fn tick(&self) {
        let running = self.replicas.iter().filter(|replica| !replica.lags.load(Ordering::Relaxed));
        running.for_each(|replica| replica.clock.advance(Duration::from_millis(10)));
    }

    /// Disturbs the servers until the writers are done. Meanwhile time passes.
    async fn disturb_until_written(&mut self, writers: &[JoinHandle<Outcomes>], permits: &Semaphore) {
        while !writers.iter().all(JoinHandle::is_finished) {
            permits.add_permits(COMMITS);
            let clocks: Vec<_> = self.replicas.iter().map(|r| (r.clock.clone(), r.lags.clone())).collect();
            let ticking = async {
                loop {
                    let running = clocks.iter().filter(|(_, lags)| !lags.load(Ordering::Relaxed));
                    running.for_each(|(clock, _)| clock.advance(Duration::from_millis(10)));
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::select! {
                () = self.disturb() => {}
                () = ticking => {}
            }
            self.tick();
            tokio::time::sleep(Duration::from_millis(self.random.random_range(1..20))).await;
        }
    }

    /// Waits until every server is at the head of every tenant.
    async fn level(&mut self) {
        let heads = self.raw.heads().await;
        eventually_within(LEVEL_TIME, "every server is at the heads", async || {
            self.tick();
            let is_level = |replica: &Replica| {
                heads.iter().all(|(tenant, head)| {
                    replica.service.app.reader.snapshot(*tenant).is_ok_and(|shown| shown.view.position() == *head)
                })
            };
            self.replicas.iter().all(is_level)
        })
        .await;
    }

    /// Returns the journal, and the views of all servers at its end. A lease may end at any time, which is one more entry.
    async fn at_one_position(&mut self) -> (Vec<JournalRow>, Vec<(TenantId, Arc<View>)>) {
        loop {
            self.level().await;
            let heads = self.raw.heads().await;
            let view = |replica: &Replica, tenant| replica.service.app.reader.snapshot(tenant).expect("a view").view;
            let views: Vec<_> = self
                .replicas
                .iter()
                .flat_map(|replica| heads.keys().map(move |tenant| (*tenant, view(replica, *tenant))))
                .collect();
            let journal = self.raw.journal().await;
            let ends = |tenant| journal.iter().filter(|line| line.tenant == tenant).map(|line| line.seq).max();
            if views.iter().all(|(tenant, view)| ends(*tenant).unwrap_or(0) == view.position()) {
                return (journal, views);
            }
        }
    }

    /// Adds the digests of all servers' states. An error names a position with two digests.
    async fn digests(&self, tenants: &[TenantId], digests: &mut Digests) -> Result<(), String> {
        for replica in &self.replicas {
            for tenant in tenants {
                let state = replica.service.app.reader.state(*tenant).await.expect("a state").expect("a state");
                add_digest(digests, *tenant, &state)?;
            }
        }
        Ok(())
    }

    async fn stop(self) {
        for replica in self.replicas {
            replica.service.stop().await;
        }
        for killed in self.killed {
            killed.await.expect("it ends");
        }
    }
}

/// Adds a state's digest. An error names the position if it has another digest already.
fn add_digest(digests: &mut Digests, tenant: TenantId, state: &State) -> Result<(), String> {
    let digest = state.digest();
    match digests.insert((tenant, state.position()), digest.clone()) {
        Some(other) if other != digest => Err(format!("{tenant} at {}: {digest} and {other}", state.position())),
        _ => Ok(()),
    }
}

/// Commits events in their order, a few at a time, each time at any server, until they are acknowledged.
async fn write(handles: Handles, tenant: TenantId, events: Vec<Event>, permits: Arc<Semaphore>, seed: u64) -> Outcomes {
    let mut random = StdRng::seed_from_u64(seed);
    let (mut outcomes, mut rest) = (Outcomes::new(), events);
    while !rest.is_empty() {
        permits.acquire().await.expect("permits").forget();
        let some: Vec<Event> = rest.drain(..random.random_range(1..=rest.len().min(6))).collect();
        loop {
            match handles.any(&mut random).0.commit(tenant, some.clone()).await {
                Ok(receipt) => {
                    let ids = some.into_iter().map(|event| event.id);
                    outcomes.extend(ids.zip(receipt.outcomes).filter(|(_, outcome)| *outcome != Outcome::Duplicate));
                    break;
                }
                Err(Fault::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(2)).await,
                Err(fault) => panic!("{fault}"),
            }
        }
    }
    outcomes
}

/// Notes the digests of any server's states until `ended`.
async fn observe(handles: Handles, tenants: Vec<TenantId>, ended: Arc<AtomicBool>) -> Result<Digests, String> {
    let mut random = StdRng::seed_from_u64(0);
    let mut digests = Digests::new();
    while !ended.load(Ordering::Relaxed) {
        let tenant = tenants[random.random_range(0..tenants.len())];
        // A server that is cut off may not answer.
        if let Ok(Some(state)) = handles.any(&mut random).1.state(tenant).await {
            add_digest(&mut digests, tenant, &state)?;
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    Ok(digests)
}

/// Returns the events of a few histories of one tenant, one history after the other. They begin with a directory.
fn events_of(runner: &mut TestRunner) -> Vec<Event> {
    let mut events = Vec::new();
    for history in 0..HISTORIES {
        let drawn = small(Mix::FROM_SOURCES).new_tree(runner).expect("a history").current();
        for mut event in drawn.entries.into_iter().map(|entry| entry.event).filter(|event| !event.is_heartbeat()) {
            // The ids of one history are used by the next as well.
            event.id.id = format!("{history} {}", event.id.id).into();
            events.push(event);
        }
    }
    events
}

/// Compares the journal with the outcomes and the digests.
fn verify(
    journal: &[JournalRow],
    outcomes: &HashMap<TenantId, Outcomes>,
    digests: &Digests,
    mut shown: impl FnMut(TenantId, &Reference) -> Result<(), String>,
) -> Result<usize, String> {
    let mut compared = 0;
    for (tenant, outcomes) in outcomes {
        let (mut reference, mut state) = (Reference::new(*tenant), State::new(*tenant));
        for line in journal.iter().filter(|line| line.tenant == *tenant) {
            let (entry, at) = (line.entry(), format!("{tenant} at {}", line.seq));
            let verdict = reference.record(&entry);
            state.apply(&entry).map_err(|gap| format!("{at}: {gap}"))?;
            if let Some(outcome) = outcomes.get(&line.id) {
                agree_on_outcome(outcome, verdict).map_err(|error| format!("{at}: {error}"))?;
            }
            if let Some(digest) = digests.get(&(*tenant, line.seq)) {
                compared += 1;
                if *digest != state.digest() {
                    return Err(format!("{at}: another digest than a replay"));
                }
            }
        }
        shown(*tenant, &reference)?;
    }
    Ok(compared)
}

/// Merges the outcomes of several writers. Panics if an event took effect twice.
fn merge(into: &mut Outcomes, outcomes: Outcomes) {
    for (id, outcome) in outcomes {
        assert_eq!(into.insert(id, outcome), None, "an event takes effect once");
    }
}

/// Writes through all servers while they are disturbed, then undisturbed. Returns the outcomes and the digests.
async fn run(cluster: &mut Cluster, runner: &mut TestRunner) -> (HashMap<TenantId, Outcomes>, Result<Digests, String>) {
    let permits = Arc::new(Semaphore::new(0));
    let (mut later, mut writers, mut tenants) = (HashMap::new(), Vec::new(), Vec::new());
    for n in 0..TENANTS {
        let tenant = tenant_id(&cluster.replicas[0].service.api.tenant(&format!("tenant {n}")).await);
        tenants.push(tenant);
        let mut events = events_of(runner);
        later.insert(tenant, events.split_off(events.len() * 4 / 5));
        let (submitter, first) = (&cluster.replicas[0].service.app.submitter, events.remove(0));
        submitter.commit(tenant, vec![first]).await.expect("the directory is committed");
        for w in 0..WRITERS {
            // Each event by one writer, and some by two: one of these is a repeat.
            let part =
                events.iter().enumerate().filter(|(n, _)| n % WRITERS == w || n % 7 == w).map(|(_, e)| e.clone());
            let seed = (n * WRITERS + w) as u64;
            writers
                .push((tenant, spawn(write(cluster.handles.clone(), tenant, part.collect(), permits.clone(), seed))));
        }
    }
    let ended = Arc::new(AtomicBool::new(false));
    let observing = spawn(observe(cluster.handles.clone(), tenants.clone(), ended.clone()));
    let (of, writers): (Vec<_>, Vec<_>) = writers.into_iter().unzip();
    cluster.disturb_until_written(&writers, &permits).await;
    let mut outcomes: HashMap<TenantId, Outcomes> = HashMap::new();
    for (tenant, writer) in of.into_iter().zip(writers) {
        merge(outcomes.entry(tenant).or_default(), writer.await.expect("a writer does not panic"));
    }
    cluster.level().await;
    // Later outcomes follow from all that was written before, wherever that was.
    for (tenant, events) in later {
        for event in events {
            let n = cluster.random.random_range(0..SERVERS);
            let written = write_one(cluster, n, tenant, event).await;
            merge(outcomes.entry(tenant).or_default(), written);
        }
    }
    cluster.level().await;
    ended.store(true, Ordering::Relaxed);
    let observed = observing.await.expect("an observer does not panic");
    let digests = match observed {
        Ok(mut digests) => cluster.digests(&tenants, &mut digests).await.map(|()| digests),
        Err(difference) => Err(difference),
    };
    (outcomes, digests)
}

/// Commits an event at one server, while time passes.
async fn write_one(cluster: &Cluster, n: usize, tenant: TenantId, event: Event) -> Outcomes {
    let submitter = cluster.replicas[n].service.app.submitter.clone();
    let mut outcome = None;
    eventually("the event is committed", async || {
        cluster.tick();
        if let Ok(receipt) = submitter.commit(tenant, vec![event.clone()]).await {
            outcome = receipt.outcomes.into_iter().next();
        }
        outcome.is_some()
    })
    .await;
    outcome
        .into_iter()
        .filter(|outcome| *outcome != Outcome::Duplicate)
        .map(|outcome| (event.id.clone(), outcome))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_under_faults_end_in_the_state_of_the_reference() {
    let rounds = (ProptestConfig::default().cases / 256).max(1);
    let mut runner = TestRunner::deterministic();
    for round in 0..rounds {
        let mut cluster = Cluster::start(u64::from(round)).await;
        let (outcomes, digests) = run(&mut cluster, &mut runner).await;
        let digests = digests.unwrap_or_else(|difference| panic!("{difference}"));
        let (journal, views) = cluster.at_one_position().await;
        let shown = |tenant, reference: &Reference| {
            views.iter().filter(|(of, _)| *of == tenant).try_for_each(|(_, view)| {
                agree(view, reference, &[Filter::default()]).map_err(|error| format!("{tenant}: {error}"))
            })
        };
        let compared = verify(&journal, &outcomes, &digests, shown).unwrap_or_else(|difference| panic!("{difference}"));
        assert!(compared > 2 * TENANTS, "digests of {compared} positions");
        let known: usize = outcomes.values().map(HashMap::len).sum();
        assert!(known > 10 * TENANTS, "{known} outcomes");
        cluster.stop().await;
    }
}

/// The control: a server that applies two entries in another order than the others is found by its digest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_a_server_with_another_order_is_found() {
    let mut cluster = Cluster::start(7).await;
    let api = cluster.replicas[0].service.api.clone();
    let persona = api.persona("tenant").await;
    let tenant = tenant_id(&persona.tenant);
    api.put_directory(&persona.key, &directory(1)).await;
    let now = cluster.replicas[0].clock.now();
    api.apply(&persona.key, &[connected("c", 1, now)]).await;
    cluster.level().await;
    let mut digests = Digests::new();
    cluster.digests(&[tenant], &mut digests).await.expect("equal digests");
    // The last server reads two changes of one time only after they have changed places.
    cluster.replicas[2].proxy.set(Link::Cut);
    let mut head = 0;
    for is_on in [false, true] {
        head = api.apply(&persona.key, &[toggled(is_on, 1, now, is_on)]).await.position();
    }
    let swap = format!(
        "UPDATE journal SET event = other.event, source = other.source, event_id = other.event_id
         FROM journal AS other
         WHERE journal.tenant = '{tenant}' AND other.tenant = '{tenant}' AND journal.seq + other.seq = {head} * 2 - 1
             AND journal.seq >= {head} - 1 AND other.seq >= {head} - 1"
    );
    eventually("another server has both", async || {
        cluster.tick();
        cluster.replicas[1].service.position(&persona.tenant) == head
    })
    .await;
    cluster.raw.run(&swap).await;
    cluster.replicas[2].proxy.set(Link::Open);
    cluster.level().await;
    let difference = cluster.digests(&[tenant], &mut digests).await.expect_err("digests that differ");
    assert!(difference.starts_with(&format!("{tenant} at {head}: ")), "{difference}");
    cluster.stop().await;
}
