//! A state is as new as the newest look at the heads that a later commit confirmed: docs/promises.md R3,
//! docs/decisions/0106-confirmed-looks.md.

use std::time::Duration;

use reqwest::Method;
use rollcall::clock::Clock;
use rollcall::domain::Time;
use rollcall::store::Location;
use serde_json::json;

use super::{POLL, Pair, start_on};
use crate::support::api::send;
use crate::support::desks::{connected, directory};
use crate::support::postgres;
use crate::support::postgres::proxy::{Link, Proxy};
use crate::support::tasks::eventually;
use crate::support::{Home, Service};

/// Returns the milliseconds since a tenant's state was confirmed.
fn staleness(service: &Service, pair: &Pair) -> u64 {
    service.app.reader.snapshot(pair.tenant()).expect("a view").staleness_ms
}

/// Lets a server poll, one interval after the other, and waits until each poll was answered.
async fn pass(service: &Service, pair: &Pair, clock: &Clock, time: Duration) {
    let until = clock.monotonic() + time;
    while clock.monotonic() < until {
        clock.advance(POLL);
        eventually("a poll is confirmed", async || staleness(service, pair) == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_that_are_answered_confirm_nothing() {
    let mut pair = Pair::new().await;
    // The control: polls with a commit after each confirm.
    pass(&pair.two, &pair, &pair.clocks[1], Duration::from_secs(3)).await;
    pair.raw.refuse("replica", "true").await;
    for n in 1..=10 {
        pair.clocks[1].advance(POLL);
        // The look is answered: an entry that nothing notified of is found by it.
        let head = pair.append_unnoticed(1).await;
        eventually("the entry is applied", async || {
            pair.clocks[1].advance(Duration::from_millis(1));
            pair.two.position(&pair.persona.tenant) == head
        })
        .await;
        assert!(staleness(&pair.two, &pair) >= n * 250, "{n}: {} ms", staleness(&pair.two, &pair));
    }
    assert!(!pair.two.api.is_ready().await);
    pair.raw.accept().await;
    eventually("ready", async || {
        pair.clocks[1].advance(POLL);
        pair.two.api.is_ready().await
    })
    .await;
    pair.level().await;
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_cut_off_is_not_ready_and_appends_nothing() {
    let direct = postgres::new_database().await;
    let (proxy, through) = Proxy::start(&direct).await;
    let clock = Clock::manual(Time::from_micros(1_614_589_200_000_000));
    let one = start_on(Home::at(Location::Postgres(Box::new(direct))), &Clock::system()).await;
    let two = start_on(Home::at(Location::Postgres(Box::new(through))), &clock).await;
    let persona = one.api.persona("tenant").await;
    let position = one.api.put_directory(&persona.key, &directory(2)).await.position();
    eventually("the other server has the directory", async || {
        clock.advance(POLL);
        two.position(&persona.tenant) == position
    })
    .await;
    assert_eq!(two.api.connected(&persona.key).await.0, 0);
    eventually("ready", async || two.api.is_ready().await).await;
    proxy.set(Link::Cut);
    clock.advance(Duration::from_secs(2));
    assert!(!two.api.is_ready().await, "from the first moment on");
    let for_reads = async || {
        let probe = send(two.api.request(Method::GET, "/readyz?stale")).await.expect("an answer");
        probe.status == 200
    };
    assert!(for_reads().await, "good enough for reads");
    let late = [connected("late", 1, clock.now())];
    assert!(two.api.events(&persona.key, &late).await.expect("an answer").is_unavailable());
    assert_eq!(two.api.connected(&persona.key).await.0, 0, "reads go on");
    let search = json!({ "auth_token": persona.key });
    let routed = || two.api.post(&persona.key, "/v1/user-activity/search", &search);
    assert_eq!(routed().await.expect("an answer").status, 200);
    clock.advance(Duration::from_secs(9));
    assert!(routed().await.expect("an answer").is_unavailable(), "past the greatest age for routing");
    clock.advance(Duration::from_secs(48));
    assert!(for_reads().await, "for a minute");
    clock.advance(Duration::from_secs(2));
    assert!(!for_reads().await, "and not longer");
    // The other server is not harmed, and what it writes is there once the way is open.
    let event = [connected("meanwhile", 1, Clock::system().now())];
    let position = one.api.apply(&persona.key, &event).await.position();
    proxy.set(Link::Open);
    eventually("ready again", async || {
        clock.advance(POLL / 25);
        two.api.is_ready().await
    })
    .await;
    assert!(for_reads().await);
    assert_eq!(two.api.connected(&persona.key).await, (1, position), "a server that is ready is not behind");
    two.stop().await;
    one.stop().await;
}
