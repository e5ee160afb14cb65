//! The event rate of a tenant: a request is accepted or rejected as a whole.

use std::time::Duration;

use rollcall::limits::TenantLimits;
use serde_json::Value;

use super::{Stage, is_throttled};
use crate::on_both_stores;
use crate::support::Backend;
use crate::support::desks::{directory, toggled};
use crate::support::requests::Dialect;

on_both_stores!(a_request_past_the_event_rate_is_rejected_whole);

async fn a_request_past_the_event_rate_is_rejected_whole(backend: Backend) {
    let limits = TenantLimits { rate: 0, events: 5_000, at_a_time: 0 };
    let stage = Stage::new(backend, limits).await;
    let Stage { service, clock, flooding, quiet } = &stage;
    for persona in [flooding, quiet] {
        service.api.put_directory(&persona.key, &directory(2)).await;
    }
    let events = |from: usize, count: usize| -> Vec<Value> {
        (from..from + count).map(|n| toggled(n, 1, clock.now(), n % 2 == 0)).collect()
    };
    service.api.events(&flooding.key, &events(0, 6_000)).await.expect("an answer").ok();
    let position = service.position(&flooding.tenant);
    let answer = service.api.events(&flooding.key, &events(6_000, 6_000)).await.expect("an answer");
    assert!(is_throttled(Dialect::Native, &answer, "1"), "{} {}", answer.status, answer.text);
    assert_eq!(service.position(&flooding.tenant), position, "no event of it was journalled");
    service.api.events(&flooding.key, &events(6_000, 4_000)).await.expect("an answer").ok();
    service.api.events(&quiet.key, &events(0, 1)).await.expect("an answer").ok();
    assert_eq!(service.api.events(&flooding.key, &events(20_000, 1)).await.expect("an answer").status, 429);
    clock.advance(Duration::from_secs(1));
    service.api.events(&flooding.key, &events(20_000, 1)).await.expect("an answer").ok();
    stage.service.stop().await;
}
