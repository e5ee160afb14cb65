//! Pages of closed conversations while more conversations close and move from the view to the archive.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rollcall::domain::Time;
use rollcall::engine::Limits;
use rollcall::limits::TenantLimits;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Stage, manual_clock};
use crate::on_both_stores;
use crate::support::api::Api;
use crate::support::desks::event;
use crate::support::raw::RawStore;
use crate::support::tasks::{eventually, spawn};
use crate::support::{Backend, Setup};

on_both_stores!(pages_stay_consistent_while_conversations_close);
on_both_stores!(searches_pass_over_rows_that_do_not_match);
on_both_stores!(an_archive_read_is_as_of_its_position);

/// Conversations that are closed before the first pass.
const FIRST: u128 = 60;
/// Passes over all pages, half of them backward.
const PASSES: usize = 12;
/// Conversations on a page.
const PAGE: usize = 7;

fn id(n: u128) -> Uuid {
    Uuid::from_u128(0xc105_ed00_0000_4000_8000_0000_0000_0000 + n)
}

/// Returns the push and the close of a conversation, at times among those of the others.
fn closed(n: u128, origin: Time) -> [Value; 2] {
    let conversation = id(n);
    let at = origin.plus_seconds(-((n * 7_919 % 5_000) as i64) - 60);
    [
        event(
            format!("push-{n}"),
            "conversation.pushed",
            Some(1),
            at.plus_seconds(-30),
            json!({
            "conversation": conversation, "channel": "CHAT" }),
        ),
        event(format!("close-{n}"), "conversation.closed", None, at, json!({ "conversation": conversation })),
    ]
}

/// The only conversations by SMS are the first and the last of more than one part of a search has.
async fn searches_pass_over_rows_that_do_not_match(backend: Backend) {
    const LAST: u128 = 1_100;
    let limits = Limits { checkpoint_entries: 40, ..Limits::default() };
    let stage = Stage::with(backend, 1, Setup { clock: manual_clock(), limits, ..Setup::default() }).await;
    let origin = stage.now().plus_seconds(-3_600);
    let events: Vec<Value> = (1..=LAST)
        .flat_map(|n| {
            let (at, data) = (origin.plus_seconds(n as i64), json!({ "conversation": id(n) }));
            let channel = if n == 1 || n == LAST { "SMS" } else { "CHAT" };
            let pushed = json!({ "conversation": id(n), "channel": channel });
            [
                event(format!("push-{n}"), "conversation.pushed", Some(1), at, pushed),
                event(format!("close-{n}"), "conversation.closed", None, at, data),
            ]
        })
        .collect();
    stage.service.api.apply(&stage.persona.key, &events).await;
    let mut raw = RawStore::open(&stage.service.home.location).await;
    // Once in the view, and once a day later, when they are only in the archive.
    for day in 0..2 {
        stage.outcome(event(day, "desk.disconnected", Some(1), stage.now(), json!({ "session": "unknown" }))).await;
        eventually("all are archived", async || {
            stage.clock.advance(Duration::from_secs(31));
            raw.number("SELECT count(*) FROM archive").await == LAST as i64
        })
        .await;
        for (size, expected) in [("first:1", 1), ("last:1", LAST)] {
            let interval = "interval:{from:\"2021-02-01T00:00:00Z\",to:\"2021-05-03T00:00:00Z\"}";
            let query = format!("{{closedConversations({interval},channels:[SMS],{size}){{edges{{node{{id}}}}}}}}");
            let answer = stage.service.api.graphql(&stage.persona.key, &query).await.expect("an answer").ok();
            let found = &answer.json()["data"]["closedConversations"]["edges"];
            assert_eq!(found, &json!([{ "node": { "id": id(expected) } }]), "{size} {}", answer.text);
        }
        stage.clock.advance(Duration::from_secs(25 * 3_600));
    }
    stage.service.stop().await;
}

/// Reads a page; returns its ids in ascending order, and the cursor of the next page, if there is one.
async fn page(api: &Api, key: &str, forward: bool, cursor: Option<String>) -> (Vec<Uuid>, Option<String>) {
    let (size, place, more, own) = match forward {
        true => ("first", "after", "hasNextPage", "endCursor"),
        false => ("last", "before", "hasPreviousPage", "startCursor"),
    };
    let from_here = cursor.map(|cursor| format!(",{place}:\"{cursor}\"")).unwrap_or_default();
    let interval = "interval:{from:\"2021-02-01T00:00:00Z\",to:\"2021-05-03T00:00:00Z\"}";
    let query = format!(
        "{{closedConversations({interval},{size}:{PAGE}{from_here}){{edges{{node{{id}}}} pageInfo{{{more} {own}}}}}}}"
    );
    let answer = api.graphql(key, &query).await.expect("an answer").ok().json();
    let list = &answer["data"]["closedConversations"];
    let edges = list["edges"].as_array().unwrap_or_else(|| panic!("no page: {answer}"));
    let ids = edges.iter().map(|edge| edge["node"]["id"].as_str().expect("an id").parse().expect("a GUID")).collect();
    let goes_on = list["pageInfo"][more].as_bool().expect("a flag");
    (ids, goes_on.then(|| list["pageInfo"][own].as_str().expect("a cursor").to_owned()))
}

/// Conversations are closed, days pass and checkpoints are written while all pages are read repeatedly.
async fn pages_stay_consistent_while_conversations_close(backend: Backend) {
    let limits = Limits { checkpoint_entries: 40, ..Limits::default() };
    // The clock is advanced only now and then, and a rate refills by the clock.
    let tenant_limits = TenantLimits { rate: 0, ..TenantLimits::default() };
    let setup = Setup { clock: manual_clock(), limits, tenant_limits, ..Setup::default() };
    let stage = Stage::with(backend, 1, setup).await;
    let origin = stage.now();
    let (api, key) = (stage.service.api.clone(), stage.persona.key.clone());
    for n in 0..FIRST {
        api.apply(&key, &closed(n, origin)).await;
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let meanwhile = Arc::new(AtomicU64::new(0));
    let closer = spawn({
        let (api, key, clock) = (api.clone(), key.clone(), stage.clock.clone());
        let (is_over, meanwhile) = (is_over.clone(), meanwhile.clone());
        async move {
            let mut closed_by_now = FIRST;
            while !is_over.load(Ordering::Acquire) && closed_by_now < 20 * FIRST {
                // Closed at the current time: events older than the forgotten ones would be stale.
                api.apply(&key, &closed(closed_by_now, clock.now())).await;
                closed_by_now += 1;
                meanwhile.fetch_add(1, Ordering::AcqRel);
                // Twenty closes take a day, after which conversations leave the view for the archive.
                clock.advance(Duration::from_secs(24 * 3_600 / 20));
            }
            closed_by_now
        }
    });
    let mut before: BTreeSet<Uuid> = (0..FIRST).map(id).collect();
    let mut pass = 0;
    while pass < PASSES || meanwhile.load(Ordering::Acquire) < 40 {
        let mut seen: BTreeMap<Uuid, usize> = BTreeMap::new();
        let mut cursor = None;
        loop {
            let (ids, next) = page(&api, &key, pass % 2 == 0, cursor).await;
            ids.into_iter().for_each(|id| *seen.entry(id).or_default() += 1);
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        for conversation in &before {
            assert_eq!(seen.get(conversation), Some(&1), "{conversation} in pass {pass}");
        }
        assert!(seen.values().all(|times| *times == 1), "no conversation is on two pages: pass {pass}");
        before = seen.into_keys().collect();
        pass += 1;
    }
    is_over.store(true, Ordering::Release);
    let all = closer.await.expect("the closer ends");
    let view =
        stage.service.app.reader.snapshot(crate::support::tenant_id(&stage.persona.tenant)).unwrap().view.clone();
    let remembered = (0..all).filter(|n| view.conversations().get(id(*n)).is_some()).count();
    assert!(remembered < all as usize, "no conversation has left the view");
    stage.service.stop().await;
}

/// A read of the archive at a position does not contain what was archived after it.
async fn an_archive_read_is_as_of_its_position(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let origin = stage.now();
    let snapshot = stage.service.app.reader.snapshot(crate::support::tenant_id(&stage.persona.tenant)).unwrap();
    let (api, key) = (&stage.service.api, &stage.persona.key);
    api.apply(key, &closed(1, origin)).await;
    let Stage { service, clock, persona } = stage;
    // Stopping writes a checkpoint, and with it the archive.
    let service = service.restart(Setup { clock, ..Setup::default() }).await;
    let archived = |position| {
        let tenant = crate::support::tenant_id(&persona.tenant);
        let store = service.app.store.clone();
        async move { store.archived(tenant, position, &[id(1)]).await.expect("an answer").len() }
    };
    assert_eq!(archived(snapshot.view.position()).await, 0, "at a position before the close");
    assert_eq!(archived(service.position(&persona.tenant)).await, 1);
    service.stop().await;
}
