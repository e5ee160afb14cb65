//! docs/promises.md R2: every answer has a position, positions never go back, and a read may wait for one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use reqwest::Method;

use super::Stage;
use crate::on_both_stores;
use crate::support::api::{Answer, send};
use crate::support::desks::{connected, toggled};
use crate::support::tasks::spawn;
use crate::support::{Backend, Setup, tenant_id};

on_both_stores!(a_read_waits_for_its_minimum_position);
on_both_stores!(a_read_waits_at_most_250_ms);
on_both_stores!(positions_never_go_back);

/// The time that a read waits for its position.
const READ_TIMEOUT: Duration = Duration::from_millis(250);

impl Stage {
    /// Sends a read that waits for a position, in the background.
    fn read_at(&self, position: u64) -> tokio::task::JoinHandle<Answer> {
        let request = self.service.api.request(Method::GET, "/operator/live").bearer_auth(&self.persona.key);
        let request = request.header("Rollcall-Min-Position", position);
        spawn(async move { send(request).await.expect("an answer") })
    }
}

async fn a_read_waits_for_its_minimum_position(backend: Backend) {
    let stage = Stage::new(backend, 2).await;
    let now = stage.position();
    assert_eq!(stage.read_at(now).await.unwrap().ok().position(), now, "the position is reached already");
    let waiting = stage.read_at(now + 2);
    stage.apply(connected(1, 1, stage.now())).await;
    // The manual clock stands still, so the read does not time out.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!waiting.is_finished(), "one event is not enough");
    stage.apply(connected(2, 2, stage.now())).await;
    let answer = waiting.await.unwrap().ok();
    assert!(answer.position() >= now + 2);
    assert_eq!(answer.json()["data"].as_array().unwrap().len(), 2, "the answer includes both events");
}

async fn a_read_waits_at_most_250_ms(backend: Backend) {
    let stage = Stage::new(backend, 2).await;
    let mut waiting = stage.read_at(stage.position() + 1);
    let soon = tokio::time::timeout(Duration::from_millis(100), &mut waiting).await;
    assert!(soon.is_err(), "the read waits");
    stage.clock.advance(READ_TIMEOUT - Duration::from_millis(1));
    let soon = tokio::time::timeout(Duration::from_millis(100), &mut waiting).await;
    assert!(soon.is_err(), "the read still waits");
    stage.clock.advance(Duration::from_millis(1));
    let answer = waiting.await.unwrap();
    assert!(answer.is_unavailable(), "{} {:?}", answer.text, answer.headers);
}

async fn positions_never_go_back(backend: Backend) {
    let stage = Stage::with(backend, 20, Setup::default()).await;
    let (tenant, done) = (tenant_id(&stage.persona.tenant), Arc::new(AtomicBool::new(false)));
    let acknowledged = Arc::new(AtomicU64::new(stage.position()));
    let mut readers = Vec::new();
    for n in 0..4 {
        let (api, key) = (stage.service.api.clone(), stage.persona.key.clone());
        let (done, acknowledged) = (done.clone(), acknowledged.clone());
        let path = ["/operator/live", "/v1/directory", "/operator/1/live", "/operator/live?connected=0"][n];
        readers.push(spawn(async move {
            let (mut last, mut reads) = (0, 0u64);
            while !done.load(Ordering::Relaxed) {
                let known = acknowledged.load(Ordering::Acquire);
                let position = api.get(&key, path).await.expect("an answer").ok().position();
                assert!(position >= last, "{path} went back from {last} to {position}");
                assert!(position >= known, "{path} is at {position}, before the acknowledged {known}");
                (last, reads) = (position, reads + 1);
            }
            reads
        }));
    }
    // Reading snapshots without HTTP checks many more of them.
    let (reader, done_too) = (stage.service.app.reader.clone(), done.clone());
    readers.push(spawn(async move {
        let (mut last, mut reads) = (0, 0);
        while !done_too.load(Ordering::Relaxed) {
            let position = reader.snapshot(tenant).unwrap().view.position();
            assert!(position >= last, "the position went back from {last} to {position}");
            (last, reads) = (position, reads + 1);
            tokio::task::yield_now().await;
        }
        reads
    }));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (api, key, clock) = (stage.service.api.clone(), stage.persona.key.clone(), stage.clock.clone());
            let acknowledged = acknowledged.clone();
            spawn(async move {
                for n in 0..60 {
                    // Each writer has users of its own, so that no event is stale.
                    let user = 5 * writer + n % 5 + 1;
                    let event = toggled(format!("{writer}-{n}"), user, clock.now(), n % 2 == 0);
                    acknowledged.fetch_max(api.apply(&key, &[event]).await.position(), Ordering::Release);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("a writer does not panic");
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.expect("a reader does not panic") > 10);
    }
    assert_eq!(stage.position(), 1 + 4 * 60);
}
