//! Leases that PostgreSQL keeps, by a driven clock: docs/promises.md S1 and S2, docs/decisions/0100-leases-in-the-store.md.

use std::time::Duration;

use serde_json::json;

use super::{Stage, manual_clock};
use crate::support::desks::{event, heartbeat, leased};
use crate::support::raw::RawStore;
use crate::support::tasks::{Stopwatch, eventually};
use crate::support::{Backend, Service, Setup};

const MILLI: Duration = Duration::from_millis(1);
/// Drops every change of a session's row, as if its heartbeats were not written.
const DROP_HEARTBEATS: &str = "
    CREATE FUNCTION ignore() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
    CREATE TRIGGER ignore BEFORE UPDATE ON heartbeat FOR EACH ROW WHEN (OLD.alive IS NULL) EXECUTE FUNCTION ignore()";

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A stage whose only user has a lease of ten seconds, and its store.
async fn leased_stage() -> (Stage, RawStore) {
    let stage = Stage::with(Backend::Postgres, 2, Setup { clock: manual_clock(), ..Setup::default() }).await;
    stage.apply(leased(1, 1, "desk", stage.now(), 10)).await;
    let mut raw = RawStore::open(&stage.service.home.location).await;
    eventually("the opening is written", async || rows(&mut raw).await == 1).await;
    (stage, raw)
}

/// Returns the number of sessions with a row.
async fn rows(raw: &mut RawStore) -> i64 {
    raw.number("SELECT count(*) FROM heartbeat WHERE alive IS NULL").await
}

/// Waits until the server has renewed its row at the present time.
async fn renewed(stage: &Stage, raw: &mut RawStore) {
    eventually("the server renews its row", async || {
        let mark = "SELECT coalesce(max(alive), 0)::bigint FROM heartbeat";
        raw.number(mark).await == stage.now().micros()
    })
    .await;
}

impl Stage {
    /// Restarts the service; `away` passes while it is stopped, and the statements are run then.
    async fn restart_after(self, away: Duration, statements: &str) -> Self {
        let Stage { service, clock, persona } = self;
        let home = service.stop().await;
        let mut raw = RawStore::open(&home.location).await;
        raw.run(statements).await;
        clock.advance(away);
        let service = Service::start_on(home, Setup { clock: clock.clone(), ..Setup::default() }).await;
        Stage { service, clock, persona }
    }

    /// Waits for longer than it takes to find a silent desk.
    async fn look(&self) {
        tokio::time::sleep(Duration::from_millis(900)).await;
        self.settle().await;
    }

    /// Checks that the user's lease ends after `left`, and not before.
    async fn ends_after(&self, left: Duration) {
        self.clock.advance(left - MILLI);
        self.look().await;
        assert_eq!(self.connected().await, 1, "no lease ends early");
        self.clock.advance(MILLI);
        eventually("the lease ends", async || self.connected().await == 0).await;
    }
}

/// Leaves one second of a lease, restarts, and checks what is left then.
async fn after_a_restart(away: Duration, statements: &str, left: Duration) {
    let (stage, mut raw) = leased_stage().await;
    stage.clock.advance(seconds(9));
    renewed(&stage, &mut raw).await;
    stage.restart_after(away, statements).await.ends_after(left).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_leaves_the_rest_of_a_lease() {
    after_a_restart(Duration::ZERO, "", seconds(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_absence_moves_the_deadlines() {
    after_a_restart(seconds(3), "", seconds(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_absence_gives_every_lease_a_full_term() {
    after_a_restart(seconds(20), "", seconds(10)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_table_gives_every_lease_a_full_term() {
    after_a_restart(Duration::ZERO, "TRUNCATE heartbeat", seconds(10)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_row_gives_its_lease_a_full_term() {
    after_a_restart(Duration::ZERO, "DELETE FROM heartbeat WHERE alive IS NULL", seconds(10)).await;
}

/// A clock that goes back by an hour finds all times of the table an hour ahead, and one that goes on by an hour finds
/// them an hour behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_off_by_an_hour_gives_every_lease_a_full_term() {
    for sign in ["+", "-"] {
        let shift = format!(
            "UPDATE heartbeat SET heard = heard {sign} 3600000000, alive = alive {sign} 3600000000 WHERE alive IS NOT NULL;
             UPDATE heartbeat SET heard = heard {sign} 3600000000 WHERE alive IS NULL"
        );
        after_a_restart(Duration::ZERO, &shift, seconds(10)).await;
    }
}

/// Sends a heartbeat 10 ms before the deadline and restarts the service; returns whether the user is there after that
/// deadline.
async fn beats_last(sabotage: &str) -> bool {
    let (stage, mut raw) = leased_stage().await;
    raw.run(sabotage).await;
    stage.clock.advance(seconds(10) - MILLI * 10);
    stage.apply(heartbeat(2, 1, "desk", stage.now())).await;
    renewed(&stage, &mut raw).await;
    let stage = stage.restart_after(Duration::ZERO, "").await;
    stage.clock.advance(MILLI * 10);
    stage.look().await;
    let is_there = stage.connected().await == 1;
    if is_there {
        stage.ends_after(seconds(10) - MILLI * 10).await;
    }
    is_there
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heartbeat_just_before_the_deadline_outlasts_a_restart() {
    assert!(beats_last("").await);
    assert!(!beats_last(DROP_HEARTBEATS).await, "control: without the row the heartbeat is lost");
}

/// Lets another server write a heartbeat at the deadline, if `is_written`; returns whether the user is there after it.
async fn heard_elsewhere(is_written: bool) -> bool {
    let (stage, mut raw) = leased_stage().await;
    if is_written {
        raw.run("UPDATE heartbeat SET heard = heard + 9990000 WHERE alive IS NULL").await;
    }
    stage.clock.advance(seconds(10));
    stage.look().await;
    let is_there = stage.connected().await == 1;
    if is_there {
        stage.ends_after(seconds(10) - MILLI * 10).await;
    }
    is_there
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heartbeat_at_another_server_keeps_the_lease() {
    assert!(heard_elsewhere(true).await);
    assert!(!heard_elsewhere(false).await, "control: a silent desk is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeats_that_cannot_be_written_are_rejected_and_end_no_lease() {
    let (stage, mut raw) = leased_stage().await;
    raw.run("BEGIN; LOCK TABLE heartbeat IN EXCLUSIVE MODE").await;
    let watch = Stopwatch::start();
    let beat = [heartbeat(2, 1, "desk", stage.now())];
    let answer = stage.service.api.events(&stage.persona.key, &beat).await.expect("an answer");
    assert!(answer.is_unavailable(), "{} {}", answer.status, answer.text);
    assert!(watch.elapsed() < seconds(1), "rejected after {:?}", watch.elapsed());
    stage.clock.advance(seconds(60));
    stage.look().await;
    assert_eq!(stage.connected().await, 1, "no end is journalled while heartbeats cannot be written");
    raw.run("ROLLBACK").await;
    eventually("heartbeats are written again", async || {
        let answer = stage.service.api.events(&stage.persona.key, &beat).await.expect("an answer");
        answer.status == 200 && answer.outcomes() == ["applied"]
    })
    .await;
    stage.ends_after(seconds(10)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_ended_sessions_are_deleted() {
    let (stage, mut raw) = leased_stage().await;
    stage.apply(leased(2, 2, "desk", stage.now(), 10)).await;
    stage.apply(leased(3, 2, "tab", stage.now(), 20)).await;
    eventually("three rows", async || rows(&mut raw).await == 3).await;
    stage.apply(event(4, "desk.disconnected", Some(2), stage.now(), json!({ "session": "desk" }))).await;
    eventually("two rows", async || rows(&mut raw).await == 2).await;
    stage.clock.advance(seconds(10));
    eventually("the row of the lease that ended is deleted", async || rows(&mut raw).await == 1).await;
    // A row without an open session, as after a kill, is deleted by the next start.
    let copy = "INSERT INTO heartbeat SELECT tenant, 2, 'other', opened, heard FROM heartbeat WHERE alive IS NULL";
    let stage = stage.restart_after(Duration::ZERO, copy).await;
    eventually("the row of no session is deleted", async || rows(&mut raw).await == 1).await;
    assert_eq!(stage.connected().await, 1);
    // A session that is opened again has one row, of the new incarnation.
    stage.apply(leased(5, 2, "tab", stage.now(), 30)).await;
    let opened = format!("SELECT count(*) FROM heartbeat WHERE opened = {}", stage.position());
    eventually("the row is the new incarnation's", async || raw.number(&opened).await == 1).await;
    assert_eq!(rows(&mut raw).await, 1);
}
