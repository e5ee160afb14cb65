//! Jumps of the wall clock: nothing is forgotten, nothing expires, and the service reports that it is not ready.

use std::time::Duration;

use rollcall::domain::Time;

use super::Stage;
use crate::on_both_stores;
use crate::support::Backend;
use crate::support::api::{Answer, send};
use crate::support::desks::{connected, toggled};
use crate::support::tasks::eventually;

on_both_stores!(clock_jumps_do_not_expire_event_ids);
on_both_stores!(a_clock_that_is_set_back_makes_nothing_stale);
on_both_stores!(producers_ahead_do_not_override_later_events);

const DAY: i64 = 24 * 60 * 60;
/// Longer than the interval of the retention of old rows.
const RETENTION_ROUND: Duration = Duration::from_secs(75);

impl Stage {
    async fn readyz(&self) -> Answer {
        send(self.service.api.request(reqwest::Method::GET, "/readyz")).await.expect("an answer")
    }

    /// Advances the clock and waits until the engine has done what is due.
    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.settle().await;
    }

    /// Returns the time without the jumps of the wall clock.
    fn true_time(&self, origin: Time) -> Time {
        Time::from_micros(origin.micros() + self.clock.monotonic().as_micros() as i64)
    }
}

async fn clock_jumps_do_not_expire_event_ids(backend: Backend) {
    let stage = Stage::new(backend, 2).await;
    let origin = stage.now();
    let first = toggled("first", 1, origin, false);
    stage.apply(first.clone()).await;
    eventually("ready", async || stage.readyz().await.status == 200).await;
    for days in [8, 400] {
        stage.clock.jump(days * DAY);
        let answer = stage.readyz().await;
        assert_eq!(answer.status, 503);
        assert!(answer.text.contains("the wall clock is"), "{}", answer.text);
        stage.pass(RETENTION_ROUND).await;
        assert_eq!(stage.outcome(first.clone()).await, "duplicate", "{days} days ahead");
        let event = connected(format!("{days}-during"), 1, stage.true_time(origin));
        assert_eq!(stage.outcome(event).await, "applied", "{days} days ahead");
        stage.clock.jump(-days * DAY);
        stage.pass(RETENTION_ROUND).await;
        assert_eq!(stage.outcome(first.clone()).await, "duplicate", "{days} days ahead, and back");
        let event = toggled(format!("{days}-after"), 1, stage.true_time(origin), false);
        assert_eq!(stage.outcome(event).await, "applied", "{days} days ahead, and back");
        eventually("ready again", async || stage.readyz().await.status == 200).await;
    }
    stage.service.stop().await;
}

async fn a_clock_that_is_set_back_makes_nothing_stale(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let origin = stage.now();
    stage.apply(toggled("before", 1, origin, true)).await;
    stage.clock.jump(-3_600);
    stage.pass(RETENTION_ROUND).await;
    assert_eq!(stage.outcome(toggled("during", 1, stage.true_time(origin), false)).await, "applied");
    assert_eq!(stage.readyz().await.status, 503);
    stage.clock.jump(3_600);
    stage.pass(RETENTION_ROUND).await;
    assert_eq!(stage.outcome(toggled("after", 1, stage.true_time(origin), true)).await, "applied");
    stage.service.stop().await;
}

async fn producers_ahead_do_not_override_later_events(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    stage.apply(toggled("ahead", 1, stage.now().plus_seconds(240), false)).await;
    // At equal times the event that is journalled later wins.
    assert_eq!(stage.outcome(toggled("same", 1, stage.now(), true)).await, "applied");
    stage.apply(toggled("ahead again", 1, stage.now().plus_seconds(300), false)).await;
    stage.clock.advance(Duration::from_secs(1));
    assert_eq!(stage.outcome(toggled("later", 1, stage.now(), true)).await, "applied");
    assert_eq!(stage.outcome(toggled("too far", 1, stage.now().plus_seconds(301), false)).await, "rejected");
    stage.service.stop().await;
}
