//! Group commit: concurrent requests share transactions, and each gets its own outcomes.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use rollcall::engine::Limits;
use serde_json::Value;

use super::Stage;
use crate::on_both_stores;
use crate::support::api::Answer;
use crate::support::audit::{audit, journals};
use crate::support::desks::{connected, directory, heartbeat, toggled};
use crate::support::raw::RawStore;
use crate::support::tasks::{Stopwatch, eventually, spawn};
use crate::support::{Backend, Service, Setup};

on_both_stores!(each_request_gets_its_own_outcomes);
on_both_stores!(heartbeats_take_no_position);
on_both_stores!(waiting_requests_share_a_transaction);
on_both_stores!(a_full_queue_rejects_at_once);
on_both_stores!(acknowledged_writes_are_readable);
on_both_stores!(repeats_return_the_first_outcome_or_that_it_is_unknown);

async fn each_request_gets_its_own_outcomes(backend: Backend) {
    let stage = Stage::new(backend, 100).await;
    stage.apply(toggled("newest", 1, stage.now(), true)).await;
    let before = stage.position();
    let now = stage.now();
    let request = |n: i64| {
        vec![
            connected(format!("{n}-a"), n, now),
            // The same event in every request; one of them is the first.
            connected("shared", 100, now),
            connected(format!("{n}-b"), 101, now),
            toggled(format!("{n}-c"), 1, now.plus_seconds(-10), false),
            connected(format!("{n}-a"), n, now),
            heartbeat(format!("{n}-d"), n, &format!("desk-{n}"), now),
        ]
    };
    let sent: Vec<_> = (1..=64).map(|n| stage.send(request(n))).collect();
    let mut firsts = 0;
    let mut positions = BTreeSet::new();
    for answer in sent {
        let answer = answer.await.unwrap().ok();
        let outcomes = answer.outcomes();
        firsts += usize::from(outcomes[1] == "applied");
        assert!(outcomes[1] == "applied" || outcomes[1] == "duplicate");
        assert_eq!(outcomes[0], "applied");
        assert_eq!(outcomes[2..], ["rejected", "stale", "duplicate", "applied"], "{}", answer.text);
        positions.insert(answer.json()["position"].as_u64().unwrap());
        assert_eq!(answer.json()["position"], answer.position(), "header and body agree");
    }
    assert_eq!(firsts, 1);
    // Three events of each request are journalled, and the shared one.
    assert_eq!(stage.position(), before + 3 * 64 + 1);
    assert_eq!(positions.last(), Some(&stage.position()));
    a_requests_events_are_together(&stage, before).await;
    let home = stage.service.stop().await;
    assert_eq!(audit(&home.location, &[]).await, [""; 0]);
}

async fn heartbeats_take_no_position(backend: Backend) {
    let stage = Stage::new(backend, 2).await;
    stage.apply(connected("open", 1, stage.now())).await;
    let before = stage.position();
    let beat = heartbeat("same", 1, "desk-1", stage.now());
    let both = stage.send(vec![beat.clone(), toggled("same", 1, stage.now(), true), beat]).await.unwrap().ok();
    assert_eq!(both.outcomes(), ["applied"; 3]);
    assert_eq!(stage.position(), before + 1);
    stage.apply(connected("next", 2, stage.now())).await;
    let home = stage.service.stop().await;
    assert_eq!(audit(&home.location, &[]).await, [""; 0]);
}

/// Checks that the events of a request are adjacent in the journal, in their order and in one transaction.
async fn a_requests_events_are_together(stage: &Stage, after: u64) {
    let mut requests: HashMap<String, Vec<(u64, i64, char)>> = HashMap::new();
    for line in RawStore::open(&stage.service.home.location).await.journal().await {
        if line.seq > after && line.id.id.contains('-') {
            let (request, event) = line.id.id.split_once('-').unwrap();
            let event = event.chars().next().unwrap();
            requests.entry(request.to_owned()).or_default().push((line.seq, line.recorded, event));
        }
    }
    assert_eq!(requests.len(), 64);
    for (request, events) in requests {
        let kinds: String = events.iter().map(|(_, _, event)| *event).collect();
        assert_eq!(kinds, "abc", "the order of request {request}");
        let (first, recorded, _) = events[0];
        // The shared event may stand between the first two.
        assert!(events[2].0 - first <= 3, "the events are adjacent: {events:?}");
        assert!(events.iter().all(|(_, at, _)| *at == recorded), "the events are in one transaction: {events:?}");
    }
}

async fn waiting_requests_share_a_transaction(backend: Backend) {
    const WAITING: i64 = 40;
    let stage = Stage::with(backend, WAITING, Setup::default()).await;
    let mut raw = RawStore::open(&stage.service.home.location).await;
    raw.block().await;
    let stalled = stage.stall().await;
    let before = stage.depth();
    let waiting: Vec<_> = (1..=WAITING).map(|n| stage.send(vec![connected(n, n, stage.now())])).collect();
    eventually("all requests wait", async || stage.depth() == before + WAITING as usize).await;
    raw.release().await;
    for answer in waiting.into_iter().chain(stalled) {
        assert_eq!(answer.await.unwrap().ok().outcomes(), ["applied"]);
    }
    let journal = raw.journal().await;
    let recorded: BTreeSet<i64> = journal.iter().rev().take(WAITING as usize).map(|line| line.recorded).collect();
    assert_eq!(recorded.len(), 1, "all waiting requests are in one transaction");
}

async fn a_full_queue_rejects_at_once(backend: Backend) {
    const QUEUE: usize = 32;
    let limits = Limits { queue: QUEUE, ..Limits::default() };
    let stage = Stage::with(backend, 20, Setup { limits, ..Setup::default() }).await;
    let other = stage.service.api.persona("other").await;
    stage.service.api.put_directory(&other.key, &directory(1)).await;
    let mut raw = RawStore::open(&stage.service.home.location).await;
    raw.block().await;
    let mut queued = stage.stall().await;
    // One tenant may fill half of the queue; the rest stays free for others.
    let (before, room) = (stage.depth(), (QUEUE / 2 - queued.len()) as i64);
    queued.extend((1..=room).map(|n| stage.send(vec![connected(n, n, stage.now())])));
    eventually("the tenant's share is full", async || stage.depth() == before + room as usize).await;
    let watch = Stopwatch::start();
    for n in 17..=20 {
        let answer = stage.send(vec![connected(n, n, stage.now())]).await.unwrap();
        assert!(answer.is_unavailable(), "{} {:?}", answer.text, answer.headers);
        assert!(answer.text.contains("queue is full"), "{}", answer.text);
    }
    assert!(watch.elapsed() < Duration::from_millis(500), "the rejections took {:?}", watch.elapsed());
    // Reads continue, and so do writes of another tenant.
    assert_eq!(stage.connected().await, 0);
    let (api, now) = (stage.service.api.clone(), stage.now());
    queued.push(spawn(async move { api.events(&other.key, &[connected(1, 1, now)]).await.expect("an answer") }));
    eventually("the other tenant's write is queued", async || stage.depth() == before + room as usize + 1).await;
    raw.release().await;
    for answer in queued {
        assert_eq!(answer.await.unwrap().ok().outcomes(), ["applied"]);
    }
    assert_eq!(stage.connected().await, room as u64);
    assert_eq!(stage.outcome(connected(17, 17, stage.now())).await, "applied", "a rejected event can be sent again");
    assert_eq!(journals(&mut raw, &[]).await, [""; 0]);
}

async fn acknowledged_writes_are_readable(backend: Backend) {
    let stage = Stage::with(backend, 8, Setup::default()).await;
    let now = stage.now();
    let all: Vec<Value> = (1..=8).map(|user| connected(format!("desk-{user}"), user, now)).collect();
    stage.service.api.apply(&stage.persona.key, &all).await;
    let desks: Vec<_> = (1..=8)
        .map(|user| {
            let (api, key, clock) = (stage.service.api.clone(), stage.persona.key.clone(), stage.clock.clone());
            spawn(async move {
                for n in 0..25 {
                    let on = n % 2 == 1;
                    let applied = api.apply(&key, &[toggled(format!("{user}-{n}"), user, clock.now(), on)]).await;
                    let seen = api.get(&key, &format!("/operator/{user}/live")).await.unwrap().ok();
                    assert_eq!(seen.json()["data"]["chat"]["available"], on, "{}", seen.text);
                    assert!(seen.position() >= applied.position(), "{} < {}", seen.position(), applied.position());
                }
            })
        })
        .collect();
    for desk in desks {
        desk.await.expect("every acknowledged write is readable");
    }
}

/// Returns the first outcome of each repeat in an answer.
fn firsts(answer: &Answer) -> Vec<Value> {
    let results = answer.json()["results"].as_array().cloned().unwrap_or_default();
    let repeats = results.into_iter().filter(|result| result["outcome"] == "duplicate");
    repeats.map(|result| result["first"]["outcome"].clone()).collect()
}

async fn repeats_return_the_first_outcome_or_that_it_is_unknown(backend: Backend) {
    let stage = Stage::new(backend, 2).await;
    let now = stage.now();
    let events = vec![
        toggled("applied", 1, now, true),
        toggled("stale", 1, now.plus_seconds(-10), false),
        connected("rejected", 3, now),
    ];
    let again = [events.clone(), events.clone()].concat();
    let known = [Value::Null, "stale".into(), "rejected".into()];
    let answer = stage.send(again).await.unwrap().ok();
    assert_eq!(answer.outcomes()[..3], ["applied", "stale", "rejected"]);
    assert_eq!(firsts(&answer), known, "in the same request");
    assert_eq!(firsts(&stage.send(events.clone()).await.unwrap()), known, "in a later request");

    // A server whose last checkpoint fails leaves the store as one that was killed does.
    let mut raw = RawStore::open(&stage.service.home.location).await;
    raw.refuse("checkpoint", "true").await;
    let Stage { service, clock, persona } = stage;
    let home = service.stop().await;
    raw.accept().await;
    let setup = Setup { clock: clock.clone(), ..Setup::default() };
    let stage = Stage { service: Service::start_on(home, setup).await, clock, persona };
    assert_eq!(firsts(&stage.send(events.clone()).await.unwrap()), known, "after the entries were replayed");

    let stage = stage.restart().await;
    let answer = stage.send(events).await.unwrap();
    assert_eq!(firsts(&answer), ["unknown", "unknown", "unknown"], "a checkpoint covers the entries");
    stage.clock.advance(std::time::Duration::from_secs(1));
    let new =
        [connected("new", 3, now), connected("new", 3, now), connected("known", 2, now), connected("known", 2, now)];
    let answer = stage.send(new.to_vec()).await.unwrap();
    assert_eq!(firsts(&answer), [Value::from("rejected"), Value::Null], "events after the restart");
    stage.service.stop().await;
}
