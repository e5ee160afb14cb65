//! What one server does for all: docs/decisions/0115-duties.md.

use std::time::Duration;

use reqwest::Method;
use rollcall::clock::Clock;
use rollcall::domain::Time;

use super::{POLL, Pair, start_on};
use crate::support::api::{Api, send};
use crate::support::audit::audit;
use crate::support::desks::{directory, heartbeat, leased};
use crate::support::process::Process;
use crate::support::raw::RawStore;
use crate::support::tasks::{eventually, eventually_within};
use crate::support::{Backend, Home, Service};

/// Drops every change of a session's row, as if the other server's heartbeats were not written.
const DROP_HEARTBEATS: &str = "
    CREATE FUNCTION ignore() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
    CREATE TRIGGER ignore BEFORE UPDATE ON heartbeat FOR EACH ROW WHEN (OLD.alive IS NULL) EXECUTE FUNCTION ignore()";

/// Opens a desk with a lease of 10 s at one server, lets it send a heartbeat to the other, and returns whether it is there
/// at the end of the first term. Then lets it be silent.
async fn heard_elsewhere(sabotage: &str) -> bool {
    let clock = Clock::manual(Time::from_micros(1_614_589_200_000_000));
    let home = Home::new(Backend::Postgres).await;
    let mut raw = RawStore::open(&home.location).await;
    let location = home.location.clone();
    let one = start_on(home, &clock).await;
    let two = start_on(Home::at(location), &clock).await;
    let persona = one.api.persona("tenant").await;
    one.api.put_directory(&persona.key, &directory(2)).await;
    one.api.apply(&persona.key, &[leased("open", 1, "desk", clock.now(), 10)]).await;
    let connected = async |service: &Service| service.api.connected(&persona.key).await.0;
    eventually("both servers have the desk", async || {
        clock.advance(POLL);
        connected(&two).await == 1
    })
    .await;
    raw.run(sabotage).await;
    pass(&clock, &[&one, &two], Duration::from_secs(6)).await;
    // Not written in time on a busy machine: a desk sends it again.
    eventually("the heartbeat is taken", async || {
        let beat = [heartbeat("beat", 1, "desk", clock.now())];
        let answer = two.api.events(&persona.key, &beat).await.expect("an answer");
        answer.status == 200 && answer.outcomes() == ["applied"]
    })
    .await;
    pass(&clock, &[&one, &two], Duration::from_secs(5)).await;
    // Longer than it takes to find a silent desk.
    tokio::time::sleep(Duration::from_millis(900)).await;
    let is_there = connected(&one).await == 1;
    if is_there {
        eventually("the silent desk is gone", async || {
            clock.advance(POLL);
            connected(&one).await == 0 && connected(&two).await == 0
        })
        .await;
    }
    two.stop().await;
    one.stop().await;
    is_there
}

/// Lets time pass in steps that the servers follow.
async fn pass(clock: &Clock, services: &[&Service], time: Duration) {
    let until = clock.monotonic() + time;
    while clock.monotonic() < until {
        clock.advance(POLL);
        for service in services {
            eventually("ready", || service.api.is_ready()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desk_that_is_heard_at_another_server_stays() {
    assert!(heard_elsewhere("").await);
    assert!(!heard_elsewhere(DROP_HEARTBEATS).await, "control: what the table does not have was not heard");
}

/// Returns the id of a server.
async fn replica(api: &Api, key: &str) -> String {
    let request = api.request(Method::GET, "/v1/state").header("X-API-Key", key);
    send(request).await.expect("an answer").ok().json()["replica"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_duties_of_a_killed_server_are_taken_over() {
    let home = Home::new(Backend::Postgres).await;
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(Process::start(&home.location, &[]).await);
    }
    let persona = servers[0].api.persona("tenant").await;
    servers[0].api.put_directory(&persona.key, &directory(5)).await;
    let mut raw = RawStore::open(&home.location).await;
    let held = "SELECT count(*) FROM duty WHERE holder IN (SELECT id FROM replica)";
    eventually("all duties are held", async || raw.number(held).await == 3).await;
    let mut ids = Vec::new();
    for server in &servers {
        eventually("the key is known", async || {
            server.api.get(&persona.key, "/v1/state").await.expect("an answer").status == 200
        })
        .await;
        ids.push(replica(&server.api, &persona.key).await);
    }
    let now = Clock::system().now();
    let desks = [leased("live", 1, "desk", now, 15), leased("silent", 2, "desk", now, 5)];
    let api = servers[0].api.clone();
    api.apply(&persona.key, &desks).await;
    let mut holder = None;
    for (n, id) in ids.iter().enumerate() {
        let held = format!("SELECT count(*) FROM duty WHERE name = 'leases' AND holder = '{id}'");
        if raw.number(&held).await == 1 {
            holder = Some(n);
        }
    }
    // Dropping a process kills it.
    drop(servers.remove(holder.expect("a server that ends leases")));
    let mut beats = 0;
    eventually_within(Duration::from_secs(60), "the silent desk is gone", async || {
        beats += 1;
        let server = &servers[beats % servers.len()];
        let beat = [heartbeat(format!("beat-{beats}"), 1, "desk", Clock::system().now())];
        let answer = server.api.events(&persona.key, &beat).await.expect("an answer");
        assert!(
            answer.is_unavailable() || answer.outcomes() == ["applied"],
            "the live desk was logged off: {}",
            answer.text
        );
        let mut connected = Vec::new();
        for server in &servers {
            connected.push(server.api.connected(&persona.key).await.0);
        }
        connected == [1, 1]
    })
    .await;
    assert_eq!(raw.number(held).await, 3, "every duty has a holder that runs");
    drop(servers);
    assert_eq!(audit(&home.location, &[]).await, [""; 0]);
}

/// The holder of all duties stops in order. Returns whether the other server has them after a few rounds, within which no
/// server counts as gone; with a control in which the stopped one leaves its row, as a killed one does.
async fn are_given_back(leaves_its_row: bool) -> bool {
    let Pair { one, two, clocks, persona, mut raw } = Pair::new().await;
    let id = replica(&one.api, &persona.key).await;
    raw.run(&format!("CREATE TABLE kept AS SELECT * FROM replica WHERE id = '{id}'")).await;
    one.stop().await;
    if leaves_its_row {
        raw.run("INSERT INTO replica SELECT * FROM kept").await;
    }
    // For an hour: the database's clock, by which a duty is free after five seconds, must not decide.
    let hold = "UPDATE duty SET until = (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + 3600000000, holder";
    raw.run(&format!("{hold} = '{id}'")).await;
    const ROUNDS: &str = "SELECT max(rounds) FROM replica WHERE id NOT IN (SELECT id FROM kept)";
    for _ in 0..3 {
        let before = raw.number(ROUNDS).await;
        eventually("a round", async || {
            clocks[1].advance(POLL);
            raw.number(ROUNDS).await > before
        })
        .await;
    }
    let taken = raw.number("SELECT count(*) FROM duty WHERE holder NOT IN (SELECT id FROM kept)").await;
    two.stop().await;
    taken == 3
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_gives_its_duties_back() {
    assert!(are_given_back(false).await);
    assert!(!are_given_back(true).await, "control: the duties of a server with a row are its own");
}
