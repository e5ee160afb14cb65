//! Tickets of several servers on PostgreSQL, and those of an embedded store.

use reqwest::Method;
use rollcall::auth::tickets::{MAX_PER_TENANT, Pass};
use rollcall::auth::{Authorized, Credentials, OperatorHashes, Privilege, Tickets};
use rollcall::domain::Fault;
use rollcall::limits::throttle::UNAUTHENTICATED_AT_ONCE;
use rollcall::registry::Registry;
use rollcall::store::Location;
use serde_json::json;

use super::Stage;
use crate::live::socket::Graphql;
use crate::on_both_stores;
use crate::support::api::{send, until_available};
use crate::support::postgres::proxy::{Link, Proxy};
use crate::support::raw::RawStore;
use crate::support::sockets::Desk;
use crate::support::tasks::eventually;
use crate::support::{Backend, Home, Service, Setup, postgres};

on_both_stores!(wrong_tickets_count_against_the_rate);
on_both_stores!(a_restart_keeps_tickets_where_they_are_rows);

const CLIENT: [u8; 4] = [127, 0, 0, 1];

impl Stage {
    async fn ticket(&self, key: &str) -> String {
        let wanted = json!({ "user": "1" });
        let answer = until_available(|| self.service.api.post(key, "/v1/desk/tickets", &wanted)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["ticket"].as_str().expect("a ticket").to_owned()
    }

    /// Connects with a ticket; returns the status of a rejection.
    async fn connect(&self, ticket: &str) -> Result<Desk, u16> {
        let path = format!("/v1/desk?ticket={ticket}");
        Desk::open(&self.service.api, &path, &[]).await.map_err(|(status, _)| status)
    }

    /// Returns the tickets as another server has them, and its caller with a key.
    async fn elsewhere<P: Privilege>(&self, key: &str) -> (Tickets, Authorized<P>) {
        let registry = Registry::load(self.other.store.clone()).await.expect("a registry");
        let credentials = Credentials::load(registry, OperatorHashes::default(), self.clock.clone()).await;
        let caller = credentials.expect("credentials").caller(Some(key), |_, _| Ok(None)).expect("a caller");
        (Tickets::new(&self.other.store, &self.clock), caller.authorize().expect("the scope"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_is_good_at_every_server_once_postgres() {
    let stage = Stage::on(Home::new(Backend::Postgres).await).await;
    // Its key is new here as well.
    let (_, key) = stage.other.key(stage.tenant()).await;
    let (tickets, caller) = stage.elsewhere(&key).await;
    let pass = Pass { user: 2, session: Some("tab".into()) };
    let (theirs, _) = tickets.issue(&caller, pass, 60).await.expect("a ticket");
    let mut desk = stage.connect(theirs.reveal()).await.expect("a WebSocket");
    let welcome = desk.request(json!({ "type": "hello" })).await;
    assert_eq!((&welcome["user"], &welcome["session"]), (&json!("2"), &json!("tab")), "{welcome}");
    assert_eq!(stage.connect(theirs.reveal()).await.err(), Some(401), "it was used here");
    let reused = tickets.redeem(theirs.reveal(), CLIENT.into()).await;
    assert_eq!(reused.map(drop), Err(Fault::CredentialInvalid), "and is not good elsewhere");
    let ours = stage.ticket(&stage.persona.key).await;
    let redeemed = tickets.redeem(&ours, CLIENT.into()).await.expect("it is good elsewhere");
    assert_eq!(redeemed.pass, Pass { user: 1, session: None });
    assert_eq!(stage.connect(&ours).await.err(), Some(401), "it was used elsewhere");
    // Its key is revoked elsewhere before it is used.
    let (id, key) = stage.other.key(stage.tenant()).await;
    let (tickets, caller) = stage.elsewhere(&key).await;
    let (late, _) = tickets.issue(&caller, Pass { user: 1, session: None }, 60).await.expect("a ticket");
    assert!(stage.other.store.revoke_key(stage.tenant(), id, stage.clock.now()).await.expect("an answer"));
    assert_eq!(stage.connect(late.reveal()).await.err(), Some(401));
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_ticket_is_good_at_every_server_postgres() {
    let stage = Stage::on(Home::new(Backend::Postgres).await).await;
    let (id, key) = stage.other.key(stage.tenant()).await;
    let (tickets, caller) = stage.elsewhere(&key).await;
    let (theirs, _) = tickets.issue_live(&caller, Some("by=skill")).await.expect("a ticket");
    let path = format!("/v1/live?by=skill&ticket={}", theirs.reveal());
    let request = || stage.service.api.request(Method::GET, &path);
    let status = async || until_available(|| send(request())).await.status;
    assert_eq!([status().await, status().await], [200, 200], "it was made elsewhere, and stays valid");
    let (once, _) = tickets.issue_live(&caller, None).await.expect("a ticket");
    let mut socket = Graphql::connect(&stage.service.api).await;
    socket.init(json!({ "ticket": once.reveal() })).await;
    assert_eq!(socket.recv().await["type"], "connection_ack");
    let reused = tickets.redeem_live(once.reveal(), CLIENT.into()).await;
    assert_eq!(reused.map(drop), Err(Fault::CredentialInvalid), "it was used here");
    let wanted = json!({ "query": "by=group" });
    let ours = || stage.service.api.post(&stage.persona.key, "/v1/live/tickets", &wanted);
    let ours = until_available(ours).await.ok().json()["ticket"].as_str().expect("a ticket").to_owned();
    tickets.of_stream(&ours, "by=group", CLIENT.into()).await.expect("it is good elsewhere");
    let other = tickets.of_stream(&ours, "by=skill", CLIENT.into()).await;
    assert_eq!(other.map(drop), Err(Fault::CredentialInvalid), "but for no other query");
    // Its key is revoked elsewhere.
    assert!(stage.other.store.revoke_key(stage.tenant(), id, stage.clock.now()).await.expect("an answer"));
    eventually("the ticket has ended with its key", async || {
        stage.poll();
        status().await == 401
    })
    .await;
    stage.service.stop().await;
}

async fn a_restart_keeps_tickets_where_they_are_rows(backend: Backend) {
    let stage = Stage::on(Home::new(backend).await).await;
    let [used, kept] = [stage.ticket(&stage.persona.key).await, stage.ticket(&stage.persona.key).await];
    stage.connect(&used).await.expect("a WebSocket");
    let Stage { service, clock, persona, other } = stage;
    let service: Service = service.restart(Setup { clock: clock.clone(), ..Setup::default() }).await;
    let stage = Stage { service, clock, persona, other };
    assert_eq!(stage.connect(&used).await.err(), Some(401));
    let is_kept = stage.connect(&kept).await.is_ok();
    assert_eq!(is_kept, backend == Backend::Postgres);
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_tickets_are_limited_in_the_store_postgres() {
    let stage = Stage::on(Home::new(Backend::Postgres).await).await;
    let mut raw = RawStore::open(&stage.service.home.location).await;
    let (tenant, expires) = (&stage.persona.tenant, stage.clock.now().plus_seconds(60).micros());
    let most = MAX_PER_TENANT - 1;
    raw.run(&format!(
        "INSERT INTO ticket (hash, tenant, credential, person, expires)
         SELECT sha256(n::text::bytea), '{tenant}', '\\x00', 1, {expires} FROM generate_series(1, {most}) AS n"
    ))
    .await;
    stage.ticket(&stage.persona.key).await;
    let wanted = json!({ "user": "1" });
    let answer = stage.service.api.post(&stage.persona.key, "/v1/desk/tickets", &wanted).await.expect("an answer");
    assert_eq!(answer.status, 429, "{}", answer.text);
    let live = stage.service.api.post(&stage.persona.key, "/v1/live/tickets", &json!({})).await.expect("an answer");
    assert_eq!(live.status, 201, "those of live queries are counted apart: {}", live.text);
    eventually("expired ones are deleted", async || {
        stage.clock.advance(std::time::Duration::from_secs(31));
        raw.number("SELECT count(*) FROM ticket").await == 0
    })
    .await;
    stage.ticket(&stage.persona.key).await;
    stage.service.stop().await;
}

async fn wrong_tickets_count_against_the_rate(backend: Backend) {
    let stage = Stage::on(Home::new(backend).await).await;
    let ticket = stage.ticket(&stage.persona.key).await;
    let wrong = |n: u32| format!("dt_{n:064x}");
    for n in 0..UNAUTHENTICATED_AT_ONCE.get() {
        assert_eq!(stage.connect(&wrong(n)).await.err(), Some(401), "{n}");
    }
    assert_eq!(stage.connect(&wrong(0)).await.err(), Some(429));
    stage.connect(&ticket).await.expect("a valid one is not affected");
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_store_no_ticket_is_rejected_postgres() {
    let direct = postgres::new_database().await;
    let (proxy, through) = Proxy::start(&direct).await;
    let stage = Stage::on(Home::at(Location::Postgres(Box::new(through)))).await;
    let ticket = stage.ticket(&stage.persona.key).await;
    proxy.set(Link::Cut);
    assert_eq!(stage.connect(&ticket).await.err(), Some(503));
    let wanted = json!({ "user": "1" });
    let answer = stage.service.api.post(&stage.persona.key, "/v1/desk/tickets", &wanted).await.expect("an answer");
    assert!(answer.is_unavailable(), "{} {}", answer.status, answer.text);
    proxy.set(Link::Open);
    let mut desk = Err(0);
    eventually("it was not used", async || {
        desk = stage.connect(&ticket).await;
        desk.is_ok()
    })
    .await;
    stage.service.stop().await;
}
