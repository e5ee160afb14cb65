//! docs/promises.md W4: a cancelled request affects no other request.

use std::collections::HashSet;
use std::time::Duration;

use rand::Rng;
use rollcall::domain::EventId;
use serde_json::Value;
use tokio::time::timeout;

use super::Stage;
use crate::on_both_stores;
use crate::support::api::until_available;
use crate::support::audit::{Acknowledged, audit};
use crate::support::desks::{SOURCE, connected, toggled};
use crate::support::raw::RawStore;
use crate::support::tasks::{Stopwatch, spawn};
use crate::support::{Backend, Setup, tenant_id};

on_both_stores!(cancelled_requests_lose_nothing);

/// Requests that are cancelled at random times.
const REQUESTS: usize = 500;
/// Concurrent callers.
const CALLERS: usize = 16;

/// Measures the time that this many concurrent requests take: the shortest of three, since a machine may be busy at times.
async fn usual_latency(stage: &Stage) -> Duration {
    let mut shortest = Duration::MAX;
    for round in 0..3 {
        let watch = Stopwatch::start();
        let sent = |n| stage.send(vec![connected(format!("usual-{round}-{n}"), 1, stage.now())]);
        let requests: Vec<_> = (0..CALLERS).map(sent).collect();
        for request in requests {
            let answer = request.await.unwrap();
            assert!(answer.status == 200 || answer.is_unavailable(), "{} {}", answer.status, answer.text);
        }
        shortest = shortest.min(watch.elapsed());
    }
    shortest
}

async fn cancelled_requests_lose_nothing(backend: Backend) {
    let stage = Stage::with(backend, 50, Setup::default()).await;
    let tenant = tenant_id(&stage.persona.tenant);
    // Some requests are cancelled before they are handled, some while they are, and some are answered in time.
    let longest = usual_latency(&stage).await.as_micros() as u64 * 2;
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (api, key, clock) = (stage.service.api.clone(), stage.persona.key.clone(), stage.clock.clone());
            spawn(async move {
                let mut acknowledged = Vec::new();
                for n in (caller..REQUESTS).step_by(CALLERS) {
                    // One in 25 is cancelled at once and one waits to the end, however fast or slow the machine is.
                    let timeout_after = match n % 25 {
                        0 => Duration::ZERO,
                        1 => Duration::MAX,
                        _ => Duration::from_micros(rand::rng().random_range(0..longest)),
                    };
                    let user = n as i64 % 50 + 1;
                    // Two events a request, so that a partly journalled request would be noticed.
                    let events = [
                        toggled(format!("{n}-a"), user, clock.now(), n % 2 == 0),
                        connected(format!("{n}-b"), user, clock.now()),
                    ];
                    if let Ok(answer) = timeout(timeout_after, api.events(&key, &events)).await {
                        let answer = answer.expect("the service answers");
                        // A store that is slow for a moment leaves the outcome as unknown as a cancellation does.
                        if answer.is_unavailable() {
                            continue;
                        }
                        answer.ok();
                        acknowledged.extend(events.iter().map(|event| event["id"].as_str().unwrap().to_owned()));
                    }
                }
                acknowledged
            })
        })
        .collect();
    let mut acknowledged = Vec::new();
    for caller in callers {
        acknowledged.extend(caller.await.expect("a caller does not panic"));
    }
    let answered = acknowledged.len() / 2;
    assert!(answered > 0 && answered < REQUESTS, "{answered} of {REQUESTS} were answered");

    // Sending the acknowledged events again has the outcome `duplicate`.
    let again: Vec<Value> = acknowledged.iter().map(|id| connected(id, 1, stage.now())).collect();
    let answer = until_available(|| stage.service.api.events(&stage.persona.key, &again)).await.ok();
    assert!(answer.outcomes().iter().all(|outcome| outcome == "duplicate"), "{}", answer.text);

    let journal = RawStore::open(&stage.service.home.location).await.journal().await;
    let found: HashSet<String> = journal.iter().map(|line| line.id.id.to_string()).collect();
    let in_part = (0..REQUESTS).find(|n| found.contains(&format!("{n}-a")) != found.contains(&format!("{n}-b")));
    assert_eq!(in_part, None, "a request is journalled as a whole or not at all");

    let home = stage.service.stop().await;
    let of = |id: &String| -> Acknowledged { (tenant, EventId { source: SOURCE.into(), id: id.as_str().into() }) };
    let acknowledged: Vec<_> = acknowledged.iter().map(of).collect();
    assert_eq!(audit(&home.location, &acknowledged).await, [""; 0]);
}
