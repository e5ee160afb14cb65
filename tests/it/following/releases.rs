//! Servers of two releases, one of which applies entries by other rules: docs/decisions/0128-releases.md. In these tests the
//! rules are the same, and only the apply version differs.

use rollcall::clock::Clock;
use rollcall::engine::Limits;
use rollcall::live::state::APPLY_VERSION;

use super::start_on;
use crate::support::api::{Answer, Persona};
use crate::support::audit::audit;
use crate::support::desks::{connected, directory};
use crate::support::process::{program, store_flags};
use crate::support::raw::RawStore;
use crate::support::tasks::eventually;
use crate::support::{ADMIN, Backend, Home, Service, Setup};

/// Starts a server of a release with this apply version.
async fn start(home: Home, apply_version: u32) -> Service {
    // No checkpoint before the end, however long a test takes: one at the head settles its tenant.
    let limits = Limits { apply_version, checkpoint_seconds: 86_400, ..Limits::default() };
    let service = Service::start_on(home, Setup { limits, ..Setup::default() }).await;
    eventually("ready", || service.api.is_ready()).await;
    service
}

/// Starts a server of the next release.
async fn start_newer(home: Home) -> Service {
    start(home, APPLY_VERSION + 1).await
}

async fn persona(service: &Service, name: &str) -> Persona {
    let persona = service.api.persona(name).await;
    service.api.put_directory(&persona.key, &directory(3)).await;
    persona
}

async fn write(service: &Service, key: &str, id: &str) -> Answer {
    let event = [connected(id, 1, Clock::system().now())];
    service.api.events(key, &event).await.expect("an answer")
}

async fn read(service: &Service, key: &str) -> Answer {
    service.api.get(key, "/v1/state").await.expect("an answer")
}

/// Waits until reads and writes of a tenant are 503 for this reason.
async fn is_refused(service: &Service, key: &str, why: &str) {
    eventually("the tenant is out of service", async || read(service, key).await.text.contains(why)).await;
    let answer = write(service, key, "refused").await;
    assert!(answer.is_unavailable() && answer.text.contains(why), "{} {}", answer.status, answer.text);
}

/// Runs `rollcall settle`, which is of the release with [`APPLY_VERSION`]. Returns its output if it succeeds.
fn settle(home: &Home) -> Result<String, String> {
    let output = program().arg("settle").args(store_flags(&home.location)).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stdout) + &text(&output.stderr)) }
}

/// Deletes a tenant's checkpoint, as if its server had been killed before it wrote one.
async fn without_checkpoint(raw: &mut RawStore, tenant: &str) {
    raw.run(&format!(
        "DELETE FROM state_row WHERE tenant = '{tenant}'; DELETE FROM checkpoint WHERE tenant = '{tenant}'"
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_release_serves_the_tenants_that_are_settled() {
    let older = start(Home::new(Backend::Postgres).await, APPLY_VERSION).await;
    let (settled, left) = (persona(&older, "settled").await, persona(&older, "left").await);
    let before = older.position(&left.tenant);
    let home = older.stop().await;
    let mut raw = RawStore::open(&home.location).await;
    without_checkpoint(&mut raw, &left.tenant).await;
    let newer = start_newer(home).await;
    assert_eq!(write(&newer, &settled.key, "first").await.ok().outcomes(), ["applied"]);
    is_refused(&newer, &left.key, "rollcall settle").await;
    let listed = newer.api.get(ADMIN, "/v1/tenants").await.expect("an answer").ok().json();
    let out: Vec<_> = listed["tenants"].as_array().expect("a list").iter().map(|one| &one["quarantined"]).collect();
    assert_eq!(out.iter().filter(|is_out| **is_out == &serde_json::Value::Bool(true)).count(), 1, "{listed}");
    assert_eq!(write(&newer, &settled.key, "second").await.ok().outcomes(), ["applied"], "the others run");

    let output = settle(&newer.home).expect("it settles");
    assert!(output.contains(&format!("{}  {before}  settled\n", left.tenant)), "{output}");
    assert!(output.contains(&format!("{}  taken over by a newer release", settled.tenant)), "{output}");
    eventually("the tenant is served", async || write(&newer, &left.key, "first").await.status == 200).await;
    assert_eq!(newer.position(&left.tenant), before + 1);
    assert!(settle(&newer.home).expect("nothing is left").contains("taken over"));
    let replayed = raw.replay().await;
    for tenant in [&settled.tenant, &left.tenant] {
        let tenant = crate::support::tenant_id(tenant);
        let state = newer.app.reader.state(tenant).await.expect("a state").expect("a state");
        assert_eq!(state.digest(), replayed[&tenant].digest());
    }
    newer.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_releases_beside_each_other_refuse_what_is_of_the_other() {
    let older = start(Home::new(Backend::Postgres).await, APPLY_VERSION).await;
    let (first, second) = (persona(&older, "first").await, persona(&older, "second").await);
    let older = start(older.stop().await, APPLY_VERSION).await;
    assert_eq!(write(&older, &second.key, "beyond its checkpoint").await.ok().outcomes(), ["applied"]);
    let newer = start_newer(Home::at(older.home.location.clone())).await;
    // The checkpoint of the first is at its head: the older release loses it at once, before it appends.
    is_refused(&older, &first.key, "of a newer release").await;
    assert_eq!(write(&newer, &first.key, "newer").await.ok().outcomes(), ["applied"]);
    is_refused(&newer, &second.key, "rollcall settle").await;
    assert_eq!(write(&older, &second.key, "older").await.ok().outcomes(), ["applied"]);
    // The first entry of a tenant decides.
    let third = persona(&older, "third").await;
    eventually("the newer release has the key", async || read(&newer, &third.key).await.status != 401).await;
    is_refused(&newer, &third.key, "rollcall settle").await;
    // At its stop the last server of the older release settles what is left.
    older.stop().await;
    for persona in [&second, &third] {
        eventually("it is served", async || write(&newer, &persona.key, "taken over").await.status == 200).await;
    }
    let mut raw = RawStore::open(&newer.home.location).await;
    let mixed = "SELECT count(*) FROM (SELECT apply_version < lag(apply_version)
                 OVER (PARTITION BY tenant ORDER BY seq) AS is_back FROM journal) AS entries WHERE is_back";
    assert_eq!(raw.number(mixed).await, 0, "no entry of the older release follows one of the newer");
    newer.stop().await;
}

/// Control: an append that does not compare versions, as of a release before decision 128, is accepted by the store, and the
/// tenant is lost to the release that has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_does_not_compare_versions_breaks_the_tenant() {
    let older = start(Home::new(Backend::Postgres).await, APPLY_VERSION).await;
    let Persona { tenant, key } = persona(&older, "tenant").await;
    let newer = start_newer(older.stop().await).await;
    assert_eq!(write(&newer, &key, "newer").await.ok().outcomes(), ["applied"]);
    let mut raw = RawStore::open(&newer.home.location).await;
    raw.run(&format!(
        "INSERT INTO journal (tenant, seq, recorded, source, event_id, apply_version, batch, event)
         SELECT tenant, seq + 1, recorded, source, 'unchecked', {APPLY_VERSION}, '{tenant}', event
         FROM journal WHERE tenant = '{tenant}' ORDER BY seq DESC LIMIT 1;
         UPDATE head SET seq = seq + 1, tail = '{tenant}' WHERE tenant = '{tenant}'"
    ))
    .await;
    is_refused(&newer, &key, "cannot be read").await;
    newer.stop().await;
}

/// Returns the number of tenants without a checkpoint at their heads.
async fn unsettled(raw: &mut RawStore) -> i64 {
    raw.number(
        "SELECT count(*) FROM head WHERE seq > 0 AND NOT EXISTS (
             SELECT FROM checkpoint WHERE checkpoint.tenant = head.tenant AND position = seq AND batch = tail)",
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_server_that_stops_writes_all_checkpoints() {
    let mut pair = super::Pair::new().await;
    pair.two.api.apply(&pair.persona.key, &[connected("one", 1, pair.now())]).await;
    pair.level().await;
    assert_eq!(unsettled(&mut pair.raw).await, 1);
    let super::Pair { one, two, raw: mut store, clocks, persona } = pair;
    one.stop().await;
    assert_eq!(unsettled(&mut store).await, 1, "another server is left, which goes on");
    // Appended by a server that ended meanwhile, and not followed yet: this server does not poll.
    let more = "INSERT INTO journal (tenant, seq, recorded, source, event_id, apply_version, batch, event)
                SELECT tenant, seq + 1, recorded, source, 'more', apply_version, tenant, event
                FROM journal ORDER BY seq DESC LIMIT 1;
                UPDATE head SET seq = seq + 1, tail = tenant WHERE seq > 0";
    store.run(more).await;
    let head = store.heads().await[&crate::support::tenant_id(&persona.tenant)];
    let home = two.stop().await;
    assert_eq!(unsettled(&mut store).await, 0);
    let stored = store.number("SELECT max(position) FROM checkpoint").await;
    assert_eq!(stored as u64, head);
    assert_eq!(audit(&home.location, &[]).await, [""; 0]);
    drop(clocks);

    // Of two that stop at a time one is the last.
    let clock = Clock::system();
    let one = start_on(home, &clock).await;
    let two = start_on(Home::at(one.home.location.clone()), &clock).await;
    one.api.apply(&persona.key, &[connected("again", 2, clock.now())]).await;
    assert_eq!(unsettled(&mut store).await, 1);
    let (home, _) = tokio::join!(one.stop(), two.stop());
    assert_eq!(unsettled(&mut store).await, 0);
    assert_eq!(audit(&home.location, &[]).await, [""; 0]);
}
