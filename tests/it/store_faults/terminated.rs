//! PostgreSQL terminates connections under load.

use std::time::Duration;

use super::{Load, recovers};
use crate::support::audit::audit;
use crate::support::desks::{connected, directory};
use crate::support::raw::RawStore;
use crate::support::{Backend, Service};

/// Terminates the connection that holds the service's lock; returns the number of connections.
pub(super) const JOURNAL: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks
    WHERE locktype = 'advisory' AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
/// Terminates every connection but the one that runs the query; returns the number of connections.
const ALL: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terminated_connections_lose_nothing() {
    let service = Service::start(Backend::Postgres).await;
    let persona = service.api.persona("tenant").await;
    service.api.put_directory(&persona.key, &directory(10)).await;
    let mut raw = RawStore::open(&service.home.location).await;
    let load = Load::start(&service.api, &persona, 6);
    for (round, statement) in [JOURNAL, JOURNAL, ALL, JOURNAL, ALL, JOURNAL].into_iter().enumerate() {
        tokio::time::sleep(Duration::from_millis(100 + 37 * round as u64)).await;
        assert!(raw.number(statement).await >= 1, "a connection was terminated");
        let event = connected(format!("recovered-{round}"), 10, rollcall::clock::Clock::system().now());
        recovers(&service.api, &persona, &event).await;
    }
    let written = load.stop().await;
    assert!(written.acknowledged.len() > 100, "only {} events", written.acknowledged.len());
    assert!(service.api.is_ready().await);
    let home = service.stop().await;
    assert_eq!(audit(&home.location, &written.acknowledged).await, [""; 0], "{} refused", written.refused);
}
