//! Jumps of the wall clock: nothing is forgotten, nothing expires, and the service reports that it is not ready.

use std::time::Duration;

use rollcall::clock::Clock;
use rollcall::domain::Time;

use super::Stage;
use crate::on_both_stores;
use crate::support::api::{Answer, send};
use crate::support::desks::{connected, directory, leased, toggled};
use crate::support::raw::RawStore;
use crate::support::tasks::{Stopwatch, eventually};
use crate::support::{Backend, Home, Service, Setup};

on_both_stores!(clock_jumps_do_not_expire_event_ids);
on_both_stores!(a_clock_that_is_set_back_makes_nothing_stale);
on_both_stores!(producers_ahead_do_not_override_later_events);

const DAY: i64 = 24 * 60 * 60;
/// Longer than the interval of the retention of old rows.
const RETENTION_ROUND: Duration = Duration::from_secs(75);

impl Stage {
    async fn readyz(&self) -> Answer {
        send(self.service.api.request(reqwest::Method::GET, "/readyz")).await.expect("an answer")
    }

    /// Advances the clock and waits until the engine has done what is due.
    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.settle().await;
    }

    /// Returns the time without the jumps of the wall clock.
    fn true_time(&self, origin: Time) -> Time {
        Time::from_micros(origin.micros() + self.clock.monotonic().as_micros() as i64)
    }
}

async fn clock_jumps_do_not_expire_event_ids(backend: Backend) {
    let stage = Stage::new(backend, 2).await;
    let origin = stage.now();
    let first = toggled("first", 1, origin, false);
    stage.apply(first.clone()).await;
    eventually("ready", async || stage.readyz().await.status == 200).await;
    for days in [8, 400] {
        stage.clock.jump(days * DAY);
        let answer = stage.readyz().await;
        assert_eq!(answer.status, 503);
        assert!(answer.text.contains("the wall clock is"), "{}", answer.text);
        stage.pass(RETENTION_ROUND).await;
        assert_eq!(stage.outcome(first.clone()).await, "duplicate", "{days} days ahead");
        let event = connected(format!("{days}-during"), 1, stage.true_time(origin));
        assert_eq!(stage.outcome(event).await, "applied", "{days} days ahead");
        stage.clock.jump(-days * DAY);
        stage.pass(RETENTION_ROUND).await;
        assert_eq!(stage.outcome(first.clone()).await, "duplicate", "{days} days ahead, and back");
        let event = toggled(format!("{days}-after"), 1, stage.true_time(origin), false);
        assert_eq!(stage.outcome(event).await, "applied", "{days} days ahead, and back");
        eventually("ready again", async || stage.readyz().await.status == 200).await;
    }
    stage.service.stop().await;
}

async fn a_clock_that_is_set_back_makes_nothing_stale(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let origin = stage.now();
    stage.apply(toggled("before", 1, origin, true)).await;
    stage.clock.jump(-3_600);
    stage.pass(RETENTION_ROUND).await;
    assert_eq!(stage.outcome(toggled("during", 1, stage.true_time(origin), false)).await, "applied");
    assert_eq!(stage.readyz().await.status, 503);
    stage.clock.jump(3_600);
    stage.pass(RETENTION_ROUND).await;
    assert_eq!(stage.outcome(toggled("after", 1, stage.true_time(origin), true)).await, "applied");
    stage.service.stop().await;
}

/// A start with a wall clock that PostgreSQL's contradicts: which of them is wrong is not known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_with_a_clock_unlike_the_database_writes_nothing() {
    for off in [3_600, -3_600] {
        let home = Home::new(Backend::Postgres).await;
        let service = Service::start_on(home, Setup::default()).await;
        let persona = service.api.persona("tenant").await;
        service.api.put_directory(&persona.key, &directory(2)).await;
        let beaten = leased("leased", 2, "desk", Clock::system().now(), 5);
        service.api.apply(&persona.key, &[beaten]).await;
        let clock = Clock::skewed(off);
        let service = service.restart(Setup { clock: clock.clone(), ..Setup::default() }).await;
        let position = service.position(&persona.tenant);
        let watch = Stopwatch::start();
        // From the first moment on, and beyond the end of a lease, which would be journalled.
        while watch.elapsed() < Duration::from_secs(7) {
            let answer = send(service.api.request(reqwest::Method::GET, "/readyz")).await.expect("an answer");
            assert_eq!(answer.status, 503, "{off}: after {:?}", watch.elapsed());
            let side = if off > 0 { "3600.0 s ahead of" } else { "3600.0 s behind" };
            assert!(answer.text.contains(&format!("{side} the database's clock")), "{}", answer.text);
            let event = toggled("wrong", 1, Clock::system().now(), true);
            let answer = service.api.events(&persona.key, &[event]).await.expect("an answer");
            assert!(answer.is_unavailable(), "{off}: {} {}", answer.status, answer.text);
            assert_eq!(service.api.connected(&persona.key).await.0, 1, "reads go on");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(service.position(&persona.tenant), position, "{off}: nothing was journalled");
        clock.jump(-off);
        eventually("ready", || service.api.is_ready()).await;
        let event = toggled("right", 1, Clock::system().now(), true);
        service.api.apply(&persona.key, &[event]).await;
        let newest = RawStore::open(&service.home.location).await.number("SELECT max(recorded) FROM journal").await;
        let off_true = newest - Clock::system().now().micros();
        assert!(off_true.abs() < 2_000_000, "{off}: recorded {off_true} us off the true time");
        service.stop().await;
    }
}

/// Makes a database in which `clock_timestamp()` shows `shim.off` more than the clock does.
async fn database_with_a_movable_clock() -> (Home, RawStore) {
    let home = Home::new(Backend::Postgres).await;
    let mut raw = RawStore::open(&home.location).await;
    // Names of pg_catalog are found first unless the path says otherwise.
    raw.run(
        "CREATE SCHEMA shim;
         CREATE TABLE shim.shift (off interval NOT NULL);
         INSERT INTO shim.shift VALUES ('0');
         CREATE FUNCTION shim.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
             $$ SELECT pg_catalog.clock_timestamp() + off FROM shim.shift $$;
         DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, shim, pg_catalog',
                                    current_database()); END $$",
    )
    .await;
    (home, raw)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_appended_while_the_databases_clock_is_off() {
    let (home, mut raw) = database_with_a_movable_clock().await;
    let service = Service::start_on(home, Setup::default()).await;
    let persona = service.api.persona("tenant").await;
    service.api.put_directory(&persona.key, &directory(2)).await;
    for (n, off) in ["1 hour", "-1 hour", "400 days"].into_iter().enumerate() {
        let desk = format!("desk-{n}");
        let beaten = leased(format!("leased-{n}"), 2, &desk, Clock::system().now(), 5);
        service.api.apply(&persona.key, &[beaten]).await;
        raw.run(&format!("UPDATE shim.shift SET off = '{off}'")).await;
        let journalled = raw.number("SELECT count(*) FROM journal").await;
        let watch = Stopwatch::start();
        // From the first moment on, and beyond the end of the lease, which would be journalled.
        while watch.elapsed() < Duration::from_secs(6) {
            let event = toggled(format!("off-{n}"), 1, Clock::system().now(), true);
            let answer = service.api.events(&persona.key, &[event]).await.expect("an answer");
            assert!(answer.is_unavailable(), "{off}: {} {}", answer.status, answer.text);
            assert_eq!(service.api.connected(&persona.key).await.0, 1, "reads go on");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let readyz = send(service.api.request(reqwest::Method::GET, "/readyz")).await.expect("an answer");
        assert!(readyz.status == 503 && readyz.text.contains("the database's clock"), "{off}: {}", readyz.text);
        assert_eq!(raw.number("SELECT count(*) FROM journal").await, journalled, "{off}: nothing was journalled");
        raw.run("UPDATE shim.shift SET off = '0'").await;
        let event = toggled(format!("off-{n}"), 1, Clock::system().now(), true);
        eventually("an event is applied", async || {
            let answer = service.api.events(&persona.key, std::slice::from_ref(&event)).await.expect("an answer");
            answer.status == 200 && answer.outcomes() == ["applied"]
        })
        .await;
        eventually("ready", || service.api.is_ready()).await;
    }
    let newest = raw.number("SELECT max(recorded) FROM journal").await - Clock::system().now().micros();
    assert!(newest.abs() < 60_000_000, "recorded {newest} us off the true time");
    service.stop().await;
}

async fn producers_ahead_do_not_override_later_events(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    stage.apply(toggled("ahead", 1, stage.now().plus_seconds(240), false)).await;
    // At equal times the event that is journalled later wins.
    assert_eq!(stage.outcome(toggled("same", 1, stage.now(), true)).await, "applied");
    stage.apply(toggled("ahead again", 1, stage.now().plus_seconds(300), false)).await;
    stage.clock.advance(Duration::from_secs(1));
    assert_eq!(stage.outcome(toggled("later", 1, stage.now(), true)).await, "applied");
    assert_eq!(stage.outcome(toggled("too far", 1, stage.now().plus_seconds(301), false)).await, "rejected");
    stage.service.stop().await;
}
