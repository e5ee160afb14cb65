//! A service that is told to end does so, whatever its store does.

use std::time::Duration;

use rollcall::store::Location;

use crate::support::audit::audit;
use crate::support::desks::{connected, directory};
use crate::support::postgres;
use crate::support::postgres::proxy::{Link, Proxy};
use crate::support::process::Process;
use crate::support::tasks::Stopwatch;

/// Longer than it takes to give up on requests and on the store.
const SURELY: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_stops_the_service_without_a_store() {
    ends(Link::Cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_stops_the_service_with_a_frozen_store() {
    ends(Link::Frozen).await;
}

async fn ends(way: Link) {
    let direct = postgres::new_database().await;
    let (proxy, through) = Proxy::start(&direct).await;
    let process = Process::start(&Location::Postgres(Box::new(through)), &[]).await;
    let persona = process.api.persona("tenant").await;
    process.api.put_directory(&persona.key, &directory(10)).await;
    process.api.apply(&persona.key, &[connected(1, 1, rollcall::clock::Clock::system().now())]).await;
    proxy.set(way);
    let refused = process.api.events(&persona.key, &[connected(2, 2, rollcall::clock::Clock::system().now())]).await;
    assert!(refused.expect("the service is there").is_unavailable());
    let watch = Stopwatch::start();
    let (status, said) = process.terminate_within(SURELY).await;
    println!("{way:?}: {:?}", watch.elapsed());
    assert!(status.success(), "{status} {said}");
    drop(proxy);
    // What it could not write it left to the next one.
    assert_eq!(audit(&Location::Postgres(Box::new(direct)), &[]).await, [""; 0]);
}
