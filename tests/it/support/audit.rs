//! Audits a store: every acknowledged event is stored once, and every tenant loads as a replay of its journal.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rollcall::domain::{EventId, Filter, TenantId};
use rollcall::http::iadvize_rest::operator::live::row::Row;
use rollcall::journal::{Journal, LockMode, PostgresJournal, SqliteJournal};
use rollcall::live::state::APPLY_VERSION;
use rollcall::live::{State, View};
use rollcall::projection::roster::Connection;
use rollcall::query::connected_users::connected_users;
use rollcall::query::directory::{directory, directory_head};
use rollcall::query::people::operators_live::operators_live;
use rollcall::store::{Location, Store};

use super::Api;
use super::raw::RawStore;
use super::tasks::eventually;

/// The tenant and id of an event that a service acknowledged.
pub type Acknowledged = (TenantId, EventId);

/// Returns every violation found in a store that no service runs on; an empty list if there is none.
pub async fn audit(location: &Location, acknowledged: &[Acknowledged]) -> Vec<String> {
    let mut raw = RawStore::open(location).await;
    let mut findings = journals(&mut raw, acknowledged).await;
    // The next check applies the journal, which fails on gaps; so it runs on a sound journal only.
    if findings.is_empty() {
        findings = states(location, &mut raw).await;
    }
    findings
}

/// Checks the journals by reading their tables: contiguous positions, ordered times, unique ids, matching heads, and
/// every acknowledged event.
pub async fn journals(raw: &mut RawStore, acknowledged: &[Acknowledged]) -> Vec<String> {
    let mut findings = Vec::new();
    let lines = raw.journal().await;
    let mut ends: HashMap<TenantId, u64> = HashMap::new();
    let mut times: HashMap<TenantId, i64> = HashMap::new();
    let mut found: HashSet<Acknowledged> = HashSet::new();
    for line in &lines {
        let end = ends.entry(line.tenant).or_default();
        if line.seq != *end + 1 {
            findings.push(format!("position {} of {} follows {end}", line.seq, line.tenant));
        }
        *end = line.seq;
        let time = times.entry(line.tenant).or_insert(line.recorded);
        if line.recorded < *time {
            findings.push(format!("position {} of {} was recorded before the one it follows", line.seq, line.tenant));
        }
        *time = line.recorded;
        if !found.insert((line.tenant, line.id.clone())) {
            findings.push(format!("{:?} of {} is stored twice", line.id, line.tenant));
        }
    }
    for (tenant, head) in raw.heads().await {
        let end = ends.get(&tenant).copied().unwrap_or(0);
        if head != end {
            findings.push(format!("the head of {tenant} is at {head}, its journal ends at {end}"));
        }
    }
    for (tenant, id) in acknowledged {
        if !found.contains(&(*tenant, id.clone())) {
            findings.push(format!("{id:?} of {tenant} was acknowledged and is lost"));
        }
    }
    findings
}

/// Checks that every tenant's checkpoint and journal tail load as the same state as its whole journal.
async fn states(location: &Location, raw: &mut RawStore) -> Vec<String> {
    let (store, _) = Store::open(location).await.expect("the store opens");
    let mut journal = take_journal(&store, APPLY_VERSION).await;
    let tenants = match rollcall::boot::load(&store, &mut journal).await {
        Ok(tenants) => tenants,
        Err(error) => return vec![format!("the store cannot be loaded: {error}")],
    };
    let unreadable = |(tenant, reason)| format!("{tenant} cannot be loaded: {reason}");
    let mut findings: Vec<_> = tenants.quarantined.iter().map(unreadable).collect();
    let replayed = raw.replay().await;
    for (tenant, state) in &replayed {
        let digest = tenants.loaded.states.get(tenant).map(State::digest);
        if digest.as_ref() != Some(&state.digest()) {
            findings.push(format!("{tenant} loads as another state than a replay of its journal"));
        }
    }
    findings
}

/// Compares three of a service's answers with those computed from a view; returns the differences.
pub async fn differences(api: &Api, key: &str, view: &Arc<View>) -> Vec<String> {
    let mut findings = Vec::new();
    let everyone = Filter::default();
    for (path, connection) in
        [("/operator/live", Connection::Online), ("/operator/live?connected=0", Connection::OfflineSeenBefore)]
    {
        let rows: Vec<Row> = operators_live(view, &everyone, connection).map(Row::from).collect();
        let expected = serde_json::to_value(rows).expect("plain types");
        let answer = api.get(key, path).await.expect("an answer").ok();
        if answer.json()["data"] != expected || answer.position() != view.position() {
            findings.push(format!("{path} at {}: {}, not {expected}", answer.position(), answer.text));
        }
    }
    let (headcount, _) = connected_users(view, &everyone);
    let expected = (headcount.connected, view.position());
    let connected = api.connected(key).await;
    if connected != expected {
        findings.push(format!("connected and position: {connected:?}, not {expected:?}"));
    }
    let members = directory(view).into_iter().map(|(name, rows)| (name, rows.collect::<Vec<_>>()));
    let mut expected = serde_json::to_value(members.collect::<HashMap<_, _>>()).expect("plain types");
    let head = serde_json::to_value(directory_head(view)).expect("plain types");
    let members = expected.as_object_mut().expect("an object");
    members.extend(head.as_object().expect("an object").clone());
    if api.get(key, "/v1/directory").await.expect("an answer").ok().json() != expected {
        findings.push(String::from("/v1/directory differs from the view"));
    }
    findings
}

/// Opens the journal of a store. Retries while the lock of a server that was just stopped or killed is still held.
pub async fn take_journal(store: &Store, apply_version: u32) -> Journal {
    let mut taken = None;
    eventually("the last server's lock is released", async || {
        taken = try_journal(store, apply_version).await;
        taken.is_some()
    })
    .await;
    taken.expect("a journal")
}

/// Opens the journal of a store for the test alone. `None` if a server has the lock of a database; a folder's is not taken.
pub async fn try_journal(store: &Store, apply_version: u32) -> Option<Journal> {
    match store {
        Store::Sqlite(store) => Some(Journal::Sqlite(SqliteJournal::new(store.writer().clone(), apply_version))),
        Store::Postgres(store) => {
            let (sessions, mode) = (store.sessions().clone(), LockMode::Exclusive);
            let mut connection = sessions.connect().await.expect("a session");
            if !PostgresJournal::try_lock(&mut connection, mode).await.expect("an answer") {
                return None;
            }
            let journal = PostgresJournal::locked(sessions, connection, mode, apply_version).await;
            Some(Journal::Postgres(journal.expect("a journal")))
        }
    }
}
