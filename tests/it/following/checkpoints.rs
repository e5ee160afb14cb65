//! One server writes the checkpoints of all: docs/decisions/0116-checkpoints-by-several.md.

use std::time::Duration;

use rollcall::live::State;

use super::Pair;
use crate::support::Home;
use crate::support::desks::{connected, toggled};
use crate::support::tasks::eventually;

/// Longer than the interval of checkpoints.
pub(super) const CHECKPOINT: Duration = Duration::from_secs(31);

impl Pair {
    /// Lets time pass at both servers, in steps, until the tenant's checkpoint is at a position.
    pub(super) async fn stored(&mut self, position: u64, step: Duration) {
        let sql = format!("SELECT coalesce(max(position), 0) FROM checkpoint WHERE tenant = '{}'", self.persona.tenant);
        eventually("a checkpoint is stored", async || {
            self.clocks.iter().for_each(|clock| clock.advance(step));
            self.raw.number(&sql).await as u64 == position
        })
        .await;
    }

    /// Returns the digest of the stored checkpoint.
    async fn stored_digest(&self) -> String {
        let stored = self.two.app.store.load_checkpoint(self.tenant()).await.expect("the store answers");
        let stored = stored.expect("a checkpoint");
        State::load(self.tenant(), stored.position, stored.rows).expect("rows that can be read").digest()
    }

    /// Changes all users at both servers. Returns the position.
    async fn change(&self, round: i64) -> u64 {
        for user in 1..=3 {
            let now = self.now();
            let events = [
                connected(format!("{round}-{user}-c"), user, now),
                toggled(format!("{round}-{user}-t"), user, now.plus_seconds(round), round % 2 == 0),
            ];
            let service = if user % 2 == 0 { &self.one } else { &self.two };
            service.api.apply(&self.persona.key, &events).await;
        }
        self.level().await;
        self.positions()[0]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_server_goes_on_with_the_checkpoints() {
    let mut pair = Pair::new().await;
    let holder = "SELECT count(*) FROM duty WHERE holder IS NOT NULL AND until > 0";
    assert_eq!(pair.raw.number(holder).await, 3, "the first server took all duties");
    for round in 0..3 {
        let position = pair.change(round).await;
        pair.stored(position, CHECKPOINT / 4).await;
        assert_eq!(pair.stored_digest().await, pair.raw.replay().await[&pair.tenant()].digest(), "round {round}");
    }
    // Some rows were covered by checkpoints of the first server, and some were changed since the last.
    let last = pair.change(3).await;
    let Pair { one, two, clocks, persona, mut raw } = pair;
    one.stop().await;
    let event = connected("alone", 1, clocks[1].now());
    let position = two.api.apply(&persona.key, &[event]).await.position();
    assert!(position > last);
    let sql = format!("SELECT count(*) FROM checkpoint WHERE tenant = '{}' AND position = {position}", persona.tenant);
    eventually("the second server writes a checkpoint", async || {
        clocks[1].advance(CHECKPOINT / 4);
        raw.number(&sql).await == 1
    })
    .await;
    let tenant = crate::support::tenant_id(&persona.tenant);
    let stored = two.app.store.load_checkpoint(tenant).await.expect("the store answers").expect("a checkpoint");
    let stored = State::load(tenant, stored.position, stored.rows).expect("rows that can be read");
    let served = two.app.reader.state(tenant).await.expect("a state").expect("a state");
    assert_eq!((stored.digest(), served.digest()), (raw.replay().await[&tenant].digest(), stored.digest()));
    two.stop().await;
}

/// The checkpoint that a server has written is gone, as after a restore of these tables: the next one cannot leave out what
/// did not change since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_without_its_predecessor_has_all_rows() {
    let mut pair = Pair::new().await;
    let position = pair.change(0).await;
    pair.stored(position, CHECKPOINT / 4).await;
    pair.raw.run("DELETE FROM state_row; DELETE FROM checkpoint").await;
    pair.one.api.apply(&pair.persona.key, &[connected("one more", 1, pair.now())]).await;
    pair.level().await;
    let position = pair.positions()[0];
    pair.stored(position, CHECKPOINT / 4).await;
    assert_eq!(pair.stored_digest().await, pair.raw.replay().await[&pair.tenant()].digest());
    let location = pair.one.home.location.clone();
    pair.end().await;
    let again = super::start_on(Home::at(location), &rollcall::clock::Clock::system()).await;
    again.stop().await;
}
