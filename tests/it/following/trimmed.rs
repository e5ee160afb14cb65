//! A server that fell behind the entries that the journal keeps loads the checkpoint.

use std::time::Duration;

use super::{POLL, Pair};
use crate::support::desks::{connected, toggled};
use crate::support::tasks::eventually;

/// Longer than the interval of checkpoints.
const CHECKPOINT: Duration = Duration::from_secs(31);
/// Entries that the second server does not see.
const UNNOTICED: u64 = 10;

impl Pair {
    /// Appends entries that the second server does not see, and deletes them once the first has them in a checkpoint.
    /// Returns the position of the checkpoint.
    async fn trim_unnoticed(&mut self) -> u64 {
        self.one.api.apply(&self.persona.key, &[connected("first", 1, self.now())]).await;
        // A notification of that entry may come late, by which the second server finds the next ones.
        for _ in 0..10 {
            self.level().await;
            let head = self.trim().await;
            if self.positions() == [head, head - UNNOTICED] {
                return head;
            }
        }
        panic!("the second server notices all entries");
    }

    /// Appends entries, and deletes them once the first server has them in a checkpoint. Returns its position.
    async fn trim(&mut self) -> u64 {
        let head = self.append_unnoticed(UNNOTICED).await;
        let tenant = self.tenant();
        // The first server's duty, whichever had it: the second one does not see the entries.
        let first = self.one.app.reader.replica();
        self.raw.run(&format!("UPDATE duty SET holder = '{first}', until = {}", i64::MAX)).await;
        eventually("the first server has a checkpoint at the head", async || {
            self.clocks[0].advance(CHECKPOINT);
            self.one.api.connected(&self.persona.key).await;
            let sql = format!("SELECT coalesce(max(position), 0) FROM checkpoint WHERE tenant = '{tenant}'");
            self.raw.number(&sql).await as u64 == head
        })
        .await;
        self.raw.run(&format!("DELETE FROM journal WHERE tenant = '{tenant}' AND seq < {head}")).await;
        eventually("ready", || self.one.api.is_ready()).await;
        head
    }

    async fn digest_of_one(&self) -> String {
        self.one.app.reader.state(self.tenant()).await.expect("a state").expect("a state").digest()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_behind_the_kept_entries_loads_the_checkpoint() {
    let mut pair = Pair::new().await;
    let head = pair.trim_unnoticed().await;
    pair.clocks[1].advance(POLL);
    eventually("the second server is at the head", async || pair.positions() == [head, head]).await;
    pair.compare(&pair.digest_of_one().await).await;
    assert_eq!(pair.two.api.connected(&pair.persona.key).await, (1, head));
    // It goes on from there, in both directions, once the clocks agree: times ahead of a server's clock are clamped.
    let behind = pair.clocks[0].monotonic() - pair.clocks[1].monotonic();
    pair.clocks[1].advance(behind);
    pair.level().await;
    for (n, service) in [&pair.one, &pair.two].into_iter().enumerate() {
        service.api.apply(&pair.persona.key, &[toggled(n, 1, pair.now().plus_seconds(60), n == 0)]).await;
    }
    pair.level().await;
    pair.compare(&pair.digest_of_one().await).await;
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_behind_the_kept_entries_loads_the_checkpoint() {
    let mut pair = Pair::new().await;
    let head = pair.trim_unnoticed().await;
    let answer = pair.two.api.apply(&pair.persona.key, &[connected("second", 2, pair.clocks[1].now())]).await;
    assert_eq!(answer.position(), head + 1);
    assert_eq!(pair.two.api.connected(&pair.persona.key).await, (2, head + 1));
    pair.level().await;
    pair.compare(&pair.digest_of_one().await).await;
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_checkpoint_a_tenant_behind_the_kept_entries_is_not_served() {
    let mut pair = Pair::new().await;
    pair.trim_unnoticed().await;
    // Removes the way back, as the control of both tests above.
    pair.raw.run("UPDATE checkpoint SET position = 1").await;
    pair.clocks[1].advance(POLL);
    eventually("out of service", async || pair.two.app.reader.out_of_service(pair.tenant()).is_some()).await;
    pair.stop().await;
}
