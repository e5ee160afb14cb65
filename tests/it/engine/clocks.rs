//! A wall clock that jumps: nothing is forgotten, nothing expires, and the service says that it is not ready.

use std::time::Duration;

use rollcall::domain::Time;

use super::Stage;
use crate::on_both_stores;
use crate::support::Backend;
use crate::support::api::{Answer, send};
use crate::support::desks::{connected, toggled};
use crate::support::tasks::eventually;

on_both_stores!(days, super::a_consumed_id_stays_consumed_while_the_clock_is_days_ahead);
on_both_stores!(behind, super::an_hour_behind_makes_nothing_stale);
on_both_stores!(ahead, super::a_producer_ahead_does_not_win_over_what_comes_later);

const DAY: i64 = 24 * 60 * 60;
/// Longer than the pause between two rounds in which old rows are forgotten.
const WHILE: Duration = Duration::from_secs(75);

impl Stage {
    async fn readyz(&self) -> Answer {
        send(self.service.api.request(reqwest::Method::GET, "/readyz")).await.expect("an answer")
    }

    /// Lets the engine do what is due after time has passed.
    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.settle().await;
    }

    /// The time of the test, which the wall clock shows no longer.
    fn true_time(&self, origin: Time) -> Time {
        Time::from_micros(origin.micros() + self.clock.monotonic().as_micros() as i64)
    }
}

async fn a_consumed_id_stays_consumed_while_the_clock_is_days_ahead(backend: Backend) {
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
        stage.pass(WHILE).await;
        assert_eq!(stage.outcome(first.clone()).await, "duplicate", "{days} days ahead");
        let event = connected(format!("{days}-during"), 1, stage.true_time(origin));
        assert_eq!(stage.outcome(event).await, "applied", "{days} days ahead");
        stage.clock.jump(-days * DAY);
        stage.pass(WHILE).await;
        assert_eq!(stage.outcome(first.clone()).await, "duplicate", "{days} days ahead, and back");
        let event = toggled(format!("{days}-after"), 1, stage.true_time(origin), false);
        assert_eq!(stage.outcome(event).await, "applied", "{days} days ahead, and back");
        eventually("ready again", async || stage.readyz().await.status == 200).await;
    }
    stage.service.stop().await;
}

async fn an_hour_behind_makes_nothing_stale(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let origin = stage.now();
    stage.apply(toggled("before", 1, origin, true)).await;
    stage.clock.jump(-3_600);
    stage.pass(WHILE).await;
    assert_eq!(stage.outcome(toggled("during", 1, stage.true_time(origin), false)).await, "applied");
    assert_eq!(stage.readyz().await.status, 503);
    stage.clock.jump(3_600);
    stage.pass(WHILE).await;
    assert_eq!(stage.outcome(toggled("after", 1, stage.true_time(origin), true)).await, "applied");
    stage.service.stop().await;
}

async fn a_producer_ahead_does_not_win_over_what_comes_later(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    stage.apply(toggled("ahead", 1, stage.now().plus_seconds(240), false)).await;
    // At the same instant of service time: what is journalled later wins.
    assert_eq!(stage.outcome(toggled("same", 1, stage.now(), true)).await, "applied");
    stage.apply(toggled("ahead again", 1, stage.now().plus_seconds(300), false)).await;
    stage.clock.advance(Duration::from_secs(1));
    assert_eq!(stage.outcome(toggled("later", 1, stage.now(), true)).await, "applied");
    assert_eq!(stage.outcome(toggled("too far", 1, stage.now().plus_seconds(301), false)).await, "rejected");
    stage.service.stop().await;
}
