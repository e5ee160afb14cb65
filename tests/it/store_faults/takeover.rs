//! Something that needs the store on PostgreSQL for itself, such as a server of an older release, has it:
//! docs/promises.md R3 and W6, docs/decisions/0067-takeovers.md.

use std::time::Duration;

use reqwest::Method;
use rollcall::clock::Clock;
use serde_json::json;

use super::recovers;
use super::terminated::JOURNAL;
use crate::support::api::{Answer, Persona, send};
use crate::support::audit::audit;
use crate::support::desks::{connected, directory, heartbeat, leased};
use crate::support::raw::RawStore;
use crate::support::sockets::Desk;
use crate::support::tasks::{Stopwatch, eventually, eventually_within, spawn};
use crate::support::{ADMIN, Api, Backend, Service, Setup};

/// The time after which a server of an older release that took the lock over begins to load the store.
const TAKEOVER_PAUSE: Duration = Duration::from_secs(1);
/// Waits for the server's lock and holds it.
const LOCK: &str = "SELECT pg_advisory_lock(1919904876)";

/// Requests that any server must reject while another one has the store: reads of all dialects, writes, administration.
async fn requests(api: &Api, persona: &Persona) -> Vec<Answer> {
    let (key, now) = (&persona.key, Clock::system().now());
    let graphql = "{connectedUsersIndicator{connectedUsersCount}}";
    let convoso = json!({ "auth_token": key });
    let vonage = api.request(Method::POST, "/agents-availability").json(&json!({})).bearer_auth(key);
    let vonage = vonage.header("Accept", "application/vnd.newvoicemedia.v1+json");
    vec![
        api.graphql(key, graphql).await.expect("an answer"),
        api.get(key, "/operator/live").await.expect("an answer"),
        api.get(key, "/operator?connected=1").await.expect("an answer"),
        api.get(key, "/v1/directory").await.expect("an answer"),
        send(api.request(Method::POST, "/v1/user-activity/search").json(&convoso)).await.expect("an answer"),
        send(vonage).await.expect("an answer"),
        api.events(key, &[connected("late", 3, now)]).await.expect("an answer"),
        api.events(key, &[heartbeat("late beat", 2, "desk", now)]).await.expect("an answer"),
        api.post(ADMIN, "/v1/tenants", &json!({ "name": "late" })).await.expect("an answer"),
    ]
}

async fn readyz(api: &Api) -> Answer {
    send(api.request(Method::GET, "/readyz")).await.expect("an answer")
}

/// Starts a service with a tenant, one connected user and one with a lease.
async fn start() -> (Service, Persona, RawStore) {
    let service = Service::start(Backend::Postgres).await;
    let persona = service.api.persona("tenant").await;
    service.api.put_directory(&persona.key, &directory(10)).await;
    let now = Clock::system().now();
    let events = [connected("one", 1, now), leased("two", 2, "desk", now, 3_600)];
    service.api.apply(&persona.key, &events).await;
    let raw = RawStore::open(&service.home.location).await;
    (service, persona, raw)
}

/// Lets every change of this kind, such as `INSERT ON journal`, fail as on a full disk, until the function `fail` is
/// dropped.
async fn fail_on(raw: &mut RawStore, change: &str) {
    raw.run(&format!(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE 'no space' USING ERRCODE = 'disk_full'; END $$;
         CREATE TRIGGER fail BEFORE {change} FOR EACH ROW EXECUTE FUNCTION fail()"
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_lock_another_has_rejects_everything() {
    let (service, persona, mut raw) = start().await;
    let api = &service.api;
    let mut desk = Desk::welcomed(api, &persona.key, 4, "tab").await;
    // The lock passes to the other session in the same instant.
    let mut other = RawStore::open(&service.home.location).await;
    let waiting = spawn(async move {
        other.run(LOCK).await;
        other
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let watch = Stopwatch::start();
    assert!(raw.number(JOURNAL).await >= 1, "the lock's session was terminated");
    let other = waiting.await.expect("the other session has the lock");
    eventually_within(TAKEOVER_PAUSE, "not ready", async || !api.is_ready().await).await;
    println!("noticed after {:?}", watch.elapsed());
    eventually_within(TAKEOVER_PAUSE, "another server is noticed", async || {
        readyz(api).await.text.contains("another server is running on this store")
    })
    .await;
    assert!(watch.elapsed() < TAKEOVER_PAUSE, "{:?}: the other server serves by now", watch.elapsed());
    for answer in requests(api, &persona).await {
        assert!(answer.is_unavailable(), "{} {}", answer.status, answer.text);
    }
    assert_eq!(api.get("", "/livez").await.expect("an answer").status, 200);
    assert_eq!(api.get(ADMIN, "/metrics").await.expect("an answer").status, 200);
    // The desk must connect to the other server.
    desk.send_text(r#"{"type":"heartbeat"}"#).await;
    assert_eq!(desk.close_code().await, Some(1_012));
    drop(other);
    eventually_within(Duration::from_secs(5), "ready again", || api.is_ready()).await;
    assert_eq!(api.connected(&persona.key).await.0, 3);
    let beat = [heartbeat("beat", 2, "desk", Clock::system().now())];
    assert_eq!(api.events(&persona.key, &beat).await.expect("an answer").ok().outcomes(), ["applied"]);
    recovers(api, &persona, &connected("back", 5, Clock::system().now())).await;
    let home = service.stop().await;
    assert_eq!(audit(&home.location, &[]).await, [""; 0]);
}

/// The row of a server is deleted by its orderly end, and otherwise once it has stood still for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_row_of_a_server_that_did_not_end_in_order_is_removed() {
    const ROWS: &str = "SELECT count(*) FROM replica";
    let (service, _, mut raw) = start().await;
    assert_eq!(raw.number(ROWS).await, 1, "the row is there from the start");
    let home = service.stop().await;
    assert_eq!(raw.number(ROWS).await, 0, "an orderly end deletes the row");
    raw.run("INSERT INTO replica VALUES ('00000000-0000-0000-0000-000000000001', 7)").await;
    let clock = Clock::manual(Clock::system().now());
    let service = Service::start_on(home, Setup { clock: clock.clone(), ..Setup::default() }).await;
    const LEFT: &str = "SELECT count(*) FROM replica WHERE id = '00000000-0000-0000-0000-000000000001'";
    assert_eq!(raw.number(LEFT).await, 1, "it may be of a server that starts");
    const ROUNDS: &str = "SELECT sum(rounds)::bigint FROM replica";
    while raw.number(LEFT).await > 0 {
        let before = raw.number(ROUNDS).await;
        clock.advance(Duration::from_secs(1));
        eventually("a round", async || raw.number(ROUNDS).await > before).await;
        assert!(clock.monotonic() < Duration::from_secs(80), "it is still there");
    }
    assert!(clock.monotonic() >= Duration::from_secs(60));
    service.stop().await;
}

/// Without a single event, a database that takes no writes shows within seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_server_whose_store_refuses_writes_is_not_ready() {
    let (service, persona, mut raw) = start().await;
    let api = &service.api;
    fail_on(&mut raw, "INSERT OR UPDATE ON replica").await;
    eventually_within(Duration::from_secs(4), "not ready", async || !api.is_ready().await).await;
    let answer = readyz(api).await;
    assert!(answer.text.contains("does not accept writes"), "{}", answer.text);
    assert_eq!(api.connected(&persona.key).await.0, 2, "reads go on");
    raw.run("DROP FUNCTION fail CASCADE").await;
    eventually_within(Duration::from_secs(4), "ready again", || api.is_ready()).await;
    service.stop().await;
}

/// An append that PostgreSQL rejects for a reason of its own, such as a full disk, does not end the session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_appends_fail_keeps_its_lock() {
    let (service, persona, mut raw) = start().await;
    let api = &service.api;
    fail_on(&mut raw, "INSERT ON journal").await;
    let mut other = RawStore::open(&service.home.location).await;
    let waiting = spawn(async move { other.run(LOCK).await });
    let now = Clock::system().now();
    for n in 0..3 {
        let answer = api.events(&persona.key, &[connected(format!("full-{n}"), 3, now)]).await.expect("an answer");
        assert!(answer.is_unavailable(), "{} {}", answer.status, answer.text);
        assert!(!waiting.is_finished(), "the lock was given up");
        let answer = readyz(api).await;
        assert_eq!(answer.status, 503);
        assert!(answer.text.contains("does not accept writes"), "{}", answer.text);
        // The lock is held, so that leases are this server's.
        let beat = [heartbeat(format!("beat-{n}"), 2, "desk", now)];
        assert_eq!(api.events(&persona.key, &beat).await.expect("an answer").ok().outcomes(), ["applied"]);
        assert_eq!(api.connected(&persona.key).await.0, 2);
    }
    raw.run("DROP FUNCTION fail CASCADE").await;
    recovers(api, &persona, &connected("full-0", 3, now)).await;
    eventually("ready again", || api.is_ready()).await;
    waiting.abort();
    let home = service.stop().await;
    assert_eq!(audit(&home.location, &[]).await, [""; 0]);
}
