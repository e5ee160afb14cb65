//! Fair turns: beside a tenant that floods the service, another tenant's latency stays bounded. The control is the same
//! flood without turns, where a request waits for all earlier requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use reqwest::Method;
use rollcall::engine::Limits;
use rollcall::limits::{Budget, Budgets, TenantLimits};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::support::api::{Persona, send};
use crate::support::desks::{connected, directory, toggled};
use crate::support::tasks::{Stopwatch, spawn};
use crate::support::{Backend, Home, Service, Setup};

/// Clients of the flooding tenant.
const CLIENTS: usize = 24;
/// Events of each of their requests.
const EVENTS: usize = 500;
/// Requests of the other tenant.
const MEASURED: usize = 20;

/// Sends the same large request repeatedly until `over`, with a pause only after a rejection.
fn flood(service: &Service, persona: &Persona, body: Bytes, over: &Arc<AtomicBool>) -> JoinHandle<()> {
    let (api, key, over) = (service.api.clone(), persona.key.clone(), over.clone());
    spawn(async move {
        while !over.load(Ordering::Relaxed) {
            let request = api.request(Method::POST, "/v1/events").bearer_auth(&key).body(body.clone());
            let answer = send(request.header("Content-Type", "application/json")).await.expect("an answer");
            if answer.status != 200 {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    })
}

/// Returns the 90th percentile of another tenant's write latency beside a flood.
async fn latency_beside_a_flood(budgets: Budgets) -> Duration {
    let tenant_limits = TenantLimits { rate: 0, events: 0, at_a_time: 0 };
    let setup = Setup { tenant_limits, budgets, limits: Limits { budgets, ..Limits::default() }, ..Setup::default() };
    let service = Service::start_on(Home::new(Backend::Embedded).await, setup).await;
    let (flooding, quiet) = (service.api.persona("flooding").await, service.api.persona("quiet").await);
    for persona in [&flooding, &quiet] {
        service.api.put_directory(&persona.key, &directory(2)).await;
    }
    let over = Arc::new(AtomicBool::new(false));
    // The body is made once, so that the flood costs the test little CPU time.
    let now = rollcall::clock::Clock::system().now();
    let events: Vec<Value> = (0..EVENTS).map(|n| toggled(n, 1, now, n % 2 == 0)).collect();
    let body = Bytes::from(Value::from(events).to_string());
    let clients: Vec<_> = (0..CLIENTS).map(|_| flood(&service, &flooding, body.clone(), &over)).collect();
    let mut took = Vec::new();
    for n in 0..MEASURED {
        let event = connected(n, 1, rollcall::clock::Clock::system().now());
        let watch = Stopwatch::start();
        // Rejected requests count as well: this is the time that the caller waited.
        service.api.events(&quiet.key, &[event]).await.expect("an answer");
        took.push(watch.elapsed());
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("a client does not panic");
    }
    service.stop().await;
    took.sort();
    took[MEASURED * 9 / 10]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fair_turns_halve_the_wait_beside_a_flood() {
    let without = latency_beside_a_flood(Budgets::without([Budget::Turns])).await;
    let with = latency_beside_a_flood(Budgets::default()).await;
    println!("with turns {with:?}, without {without:?}");
    assert!(with * 2 < without, "with turns {with:?}, without {without:?}");
}
