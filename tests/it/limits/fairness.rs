//! One tenant floods: what another waits for stays bounded. Measured against the same flood without turns, which is the
//! control: there the other one waits for all that the first has sent.

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

/// Clients of the tenant that floods.
const CLIENTS: usize = 24;
/// Events of each of their requests.
const EVENTS: usize = 500;
/// Requests of the other one.
const ASKED: usize = 20;

/// Sends the same large request without a pause until it is over, but for one after a refusal.
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

/// How long the slower ones of another tenant's writes take beside the flood: nine in ten are faster.
async fn beside_a_flood(budgets: Budgets) -> Duration {
    let tenant_limits = TenantLimits { rate: 0, events: 0, at_a_time: 0 };
    let setup = Setup { tenant_limits, budgets, limits: Limits { budgets, ..Limits::default() }, ..Setup::default() };
    let service = Service::start_on(Home::new(Backend::Embedded).await, setup).await;
    let (flooding, quiet) = (service.api.persona("flooding").await, service.api.persona("quiet").await);
    for persona in [&flooding, &quiet] {
        service.api.put_directory(&persona.key, &directory(2)).await;
    }
    let over = Arc::new(AtomicBool::new(false));
    // Made once, so that the flood costs the service work and this test little.
    let now = rollcall::clock::Clock::system().now();
    let events: Vec<Value> = (0..EVENTS).map(|n| toggled(n, 1, now, n % 2 == 0)).collect();
    let body = Bytes::from(Value::from(events).to_string());
    let clients: Vec<_> = (0..CLIENTS).map(|_| flood(&service, &flooding, body.clone(), &over)).collect();
    let mut took = Vec::new();
    for n in 0..ASKED {
        let event = connected(n, 1, rollcall::clock::Clock::system().now());
        let watch = Stopwatch::start();
        // Whether it was taken or not within its time: that is how long the caller waited.
        service.api.events(&quiet.key, &[event]).await.expect("an answer");
        took.push(watch.elapsed());
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("a client does not panic");
    }
    service.stop().await;
    took.sort();
    took[ASKED * 9 / 10]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fair_turns_halve_the_wait_beside_a_flood() {
    let without = beside_a_flood(Budgets::without([Budget::Turns])).await;
    let with = beside_a_flood(Budgets::default()).await;
    println!("with turns {with:?}, without {without:?}");
    assert!(with * 2 < without, "with turns {with:?}, without {without:?}");
}
