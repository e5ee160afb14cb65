//! SIGTERM stops the service whatever the state of its store.

use std::time::Duration;

use rollcall::store::Location;

use crate::support::audit::audit;
use crate::support::desks::{connected, directory};
use crate::support::postgres;
use crate::support::postgres::proxy::{Link, Proxy};
use crate::support::process::Process;
use crate::support::tasks::Stopwatch;

/// Longer than the service waits for requests and for the store when it stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_stops_the_service_without_a_store() {
    stops(Link::Cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_stops_the_service_with_a_frozen_store() {
    stops(Link::Frozen).await;
}

async fn stops(link: Link) {
    let direct = postgres::new_database().await;
    let (proxy, through) = Proxy::start(&direct).await;
    let process = Process::start(&Location::Postgres(Box::new(through)), &[]).await;
    let persona = process.api.persona("tenant").await;
    process.api.put_directory(&persona.key, &directory(10)).await;
    process.api.apply(&persona.key, &[connected(1, 1, rollcall::clock::Clock::system().now())]).await;
    proxy.set(link);
    let refused = process.api.events(&persona.key, &[connected(2, 2, rollcall::clock::Clock::system().now())]).await;
    assert!(refused.expect("the service answers").is_unavailable());
    let watch = Stopwatch::start();
    let (status, output) = process.terminate_within(STOP_TIMEOUT).await;
    println!("{link:?}: {:?}", watch.elapsed());
    assert!(status.success(), "{status} {output}");
    assert!(!output.contains("was paused"), "the process was not: {output}");
    drop(proxy);
    // Without a last checkpoint the store still loads from its journal.
    assert_eq!(audit(&Location::Postgres(Box::new(direct)), &[]).await, [""; 0]);
}
