//! Leases on PostgreSQL through kills, pauses and outages, by the machine's clock: docs/promises.md S1 and S2.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rollcall::clock::Clock;
use rollcall::store::Location;
use tokio::task::JoinHandle;

use crate::support::api::Persona;
use crate::support::desks::{directory, heartbeat, leased};
use crate::support::postgres::proxy::{Link, Proxy};
use crate::support::process::Process;
use crate::support::tasks::{Stopwatch, eventually, spawn};
use crate::support::{Api, postgres};

/// The lease of both desks, in seconds.
const LEASE: u32 = 6;
const TERM: f64 = LEASE as f64;
/// The time after which the fault occurs.
const BEFORE: Duration = Duration::from_secs(1);
/// A second as promised, and half of one for a busy machine.
const SLACK: f64 = 1.5;
/// The longest wait for an answer.
const ANSWER: Duration = Duration::from_millis(700);

/// A service as a process behind a proxy to its database, a desk that sends heartbeats and one that is silent.
struct Stage {
    process: Process,
    proxy: Proxy,
    location: Location,
    persona: Persona,
    address: Arc<Mutex<Api>>,
    /// From the opening of both desks.
    watch: Arc<Stopwatch>,
    beats: JoinHandle<()>,
    rejected: Arc<Mutex<Vec<String>>>,
}

impl Stage {
    async fn start() -> Self {
        let direct = postgres::new_database().await;
        let (proxy, through) = Proxy::start(&direct).await;
        let location = Location::Postgres(Box::new(through));
        let process = Process::start(&location, &[]).await;
        let persona = process.api.persona("tenant").await;
        process.api.put_directory(&persona.key, &directory(2)).await;
        let now = Clock::system().now();
        let events = [leased("live", 1, "desk", now, LEASE), leased("silent", 2, "desk", now, LEASE)];
        process.api.apply(&persona.key, &events).await;
        let watch = Arc::new(Stopwatch::start());
        let (address, rejected) = (Arc::new(Mutex::new(process.api.clone())), Arc::new(Mutex::new(Vec::new())));
        let beats = spawn(beat(address.clone(), persona.key.clone(), rejected.clone()));
        let stage = Stage { process, proxy, location, persona, address, watch, beats, rejected };
        tokio::time::sleep(BEFORE).await;
        stage
    }

    /// Kills the process and starts another one on the store.
    async fn kill_and_start(&mut self) {
        self.process.kill();
        self.process = Process::start(&self.location, &[]).await;
        *self.address.lock() = self.process.api.clone();
    }

    fn elapsed(&self) -> f64 {
        self.watch.elapsed().as_secs_f64()
    }

    /// Waits until the silent desk is gone, between `from` and `to` seconds after the opening. The other one stays.
    async fn ends(&self, from: f64, to: f64) {
        let mut known_there = 0.0;
        loop {
            let asked = self.elapsed();
            let graphql = "{connectedUsersIndicator{connectedUsersCount}}";
            let answer = self.process.api.graphql(&self.persona.key, graphql);
            if let Ok(Ok(answer)) = tokio::time::timeout(ANSWER, answer).await
                && answer.status == 200
            {
                match answer.json()["data"]["connectedUsersIndicator"]["connectedUsersCount"].as_u64() {
                    Some(2) => known_there = asked,
                    Some(1) => break,
                    _ => panic!("the desk that sends heartbeats is gone: {}", answer.text),
                }
            }
            assert!(asked < to + 10.0, "the silent desk is still there after {asked} s");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let gone = self.elapsed();
        println!("gone between {known_there:.2} and {gone:.2} s; allowed are {from:.2} to {to:.2}");
        assert!(gone >= from && known_there <= to, "gone after {gone}, there after {known_there}; {from} to {to}");
        // Longer than another lease, so that the other desk is known to live.
        tokio::time::sleep(Duration::from_secs_f64(TERM + 1.0)).await;
        assert_eq!(self.rejected.lock().as_slice(), [""; 0], "heartbeats of the other desk");
        assert_eq!(self.process.api.connected(&self.persona.key).await.0, 1);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.beats.abort();
    }
}

/// Sends a heartbeat each second, again at once if it is not answered, and notes those that are rejected.
async fn beat(address: Arc<Mutex<Api>>, key: String, rejected: Arc<Mutex<Vec<String>>>) {
    for n in 0.. {
        let api = address.lock().clone();
        let beat = [heartbeat(n, 1, "desk", Clock::system().now())];
        match tokio::time::timeout(ANSWER, api.events(&key, &beat)).await {
            Ok(Ok(answer)) if answer.status == 200 => {
                if answer.outcomes() != ["applied"] {
                    rejected.lock().push(answer.text);
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_leaves_the_rest_of_a_lease() {
    let mut stage = Stage::start().await;
    let killed = stage.elapsed();
    stage.kill_and_start().await;
    let down = stage.elapsed() - killed;
    assert!(down < 5.0, "{down} s: the machine is too busy for this test");
    stage.ends(TERM, TERM + down + SLACK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_server_ends_no_live_desk() {
    for pause in [3.0, 8.0] {
        let stage = Stage::start().await;
        let stopped = stage.elapsed();
        stage.process.signal("-STOP");
        tokio::time::sleep(Duration::from_secs_f64(pause)).await;
        stage.process.signal("-CONT");
        // The pause may have cost the server its session, which it makes again before it takes heartbeats.
        eventually("heartbeats are taken", async || {
            let beat = [heartbeat("back", 1, "desk", Clock::system().now())];
            let answer = stage.process.api.events(&stage.persona.key, &beat);
            matches!(tokio::time::timeout(ANSWER, answer).await, Ok(Ok(answer)) if answer.status == 200)
        })
        .await;
        let back = stage.elapsed();
        let is_short = back - stopped < 5.0;
        let (from, to) =
            if is_short { (TERM + pause, TERM + back - stopped) } else { (stopped + pause + TERM, back + TERM) };
        stage.ends(from - 0.6, to + SLACK).await;
    }
}

/// Cuts the store off for a time.
async fn away(link: Link, seconds: f64) -> Stage {
    let stage = Stage::start().await;
    stage.proxy.set(link);
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    stage.proxy.set(Link::Open);
    stage
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_outage_of_the_store_moves_the_deadlines() {
    let stage = away(Link::Cut, 3.0).await;
    // The server needs a moment to connect again, and its own lost session may hold the lock.
    stage.ends(TERM + 3.0 - 0.6, TERM + 5.0 + SLACK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_outage_of_the_store_gives_every_lease_a_full_term() {
    let stage = away(Link::Frozen, 20.0).await;
    let back = stage.elapsed();
    stage.ends(back + TERM - 0.6, back + TERM + 5.0 + SLACK).await;
}
