//! The store lost entries that servers have applied, as after a failover to a server that was behind: docs/promises.md R3,
//! docs/decisions/0116-checkpoints-by-several.md.

use serde_json::json;

use super::checkpoints::CHECKPOINT;
use super::{POLL, Pair};
use crate::support::desks::connected;
use crate::support::tasks::eventually;

/// Deletes the newest entry.
const SHORTEN: &str = "
    DELETE FROM journal USING head WHERE journal.tenant = head.tenant AND journal.seq = head.seq
        AND head.tenant = '{tenant}';
    UPDATE head SET seq = seq - 1, tail = NULL WHERE tenant = '{tenant}'";
/// Puts another entry in the place of the newest one: that of the user after.
const REPLACE: &str = "
    UPDATE journal SET batch = gen_random_uuid(), event = replace(event::text, '\"id\":1', '\"id\":2')::json FROM head
        WHERE journal.tenant = head.tenant AND journal.seq = head.seq AND head.tenant = '{tenant}';
    UPDATE head SET tail = batch FROM journal
        WHERE journal.tenant = head.tenant AND journal.seq = head.seq AND head.tenant = '{tenant}'";

impl Pair {
    /// Connects a user, and then lets the store lose that.
    async fn lose(loss: &str) -> Self {
        let mut pair = Pair::new().await;
        pair.one.api.apply(&pair.persona.key, &[connected("first", 1, pair.now())]).await;
        pair.level().await;
        // The control: looks at heads that nothing happened to leave the state as it is.
        for _ in 0..3 {
            pair.clocks.iter().for_each(|clock| clock.advance(POLL));
            pair.one.api.connected(&pair.persona.key).await;
        }
        assert_eq!(pair.two.api.connected(&pair.persona.key).await.0, 1);
        pair.raw.run(&loss.replace("{tenant}", &pair.persona.tenant)).await;
        pair
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_whose_history_was_lost_is_loaded_again() {
    for loss in [SHORTEN, REPLACE] {
        let mut pair = Pair::lose(loss).await;
        let digest = pair.raw.replay().await[&pair.tenant()].digest();
        for (service, clock) in [(&pair.one, &pair.clocks[0]), (&pair.two, &pair.clocks[1])] {
            eventually("the state is that of the journal", async || {
                clock.advance(POLL);
                let state = service.app.reader.state(pair.tenant()).await;
                state.is_ok_and(|state| state.is_some_and(|state| state.digest() == digest))
            })
            .await;
        }
        pair.level().await;
        // Times ahead of a server's clock are clamped, and the event would be older than the one before.
        let [one, two] = [&pair.clocks[0], &pair.clocks[1]].map(|clock| clock.monotonic());
        pair.clocks[0].advance(two.saturating_sub(one));
        pair.clocks[1].advance(one.saturating_sub(two));
        for (n, service) in [&pair.one, &pair.two].into_iter().enumerate() {
            // Events of one time and session are in no order.
            pair.level().await;
            let event = connected(format!("later-{n}"), 3, pair.now());
            service.api.apply(&pair.persona.key, &[event]).await;
        }
        pair.level().await;
        pair.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_whose_checkpoint_is_beyond_the_journal_is_not_served() {
    let mut pair = Pair::new().await;
    pair.one.api.apply(&pair.persona.key, &[connected("first", 1, pair.now())]).await;
    pair.level().await;
    let head = pair.positions()[0];
    pair.stored(head, CHECKPOINT).await;
    pair.raw.run(&SHORTEN.replace("{tenant}", &pair.persona.tenant)).await;
    for (service, clock) in [(&pair.one, &pair.clocks[0]), (&pair.two, &pair.clocks[1])] {
        eventually("the tenant is out of service", async || {
            clock.advance(POLL);
            service.app.reader.out_of_service(pair.tenant()).is_some()
        })
        .await;
        let body = json!({ "query": "{connectedUsersIndicator{connectedUsersCount}}" });
        let answer = service.api.post(&pair.persona.key, "/graphql", &body).await.expect("an answer");
        assert_eq!(answer.status, 503, "{}", answer.text);
    }
    pair.stop().await;
}
