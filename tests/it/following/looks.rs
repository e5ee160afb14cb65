//! Looks at the heads find entries, new and deleted tenants, and lost history.

use reqwest::Method;

use super::{POLL, Pair};
use crate::support::ADMIN;
use crate::support::api::send;
use crate::support::desks::{connected, directory, toggled};
use crate::support::tasks::eventually;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_of_another_server_is_applied_when_it_notifies() {
    let pair = Pair::new().await;
    // The clocks stand still, so that no server polls.
    for n in 1..=20 {
        let (writer, other) = if n % 2 == 0 { (&pair.one, &pair.two) } else { (&pair.two, &pair.one) };
        let event = toggled(n, 1, pair.now(), n % 4 < 2);
        let position = writer.api.apply(&pair.persona.key, &[event]).await.position();
        eventually("the other server has the entry", async || other.position(&pair.persona.tenant) == position).await;
    }
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_notification_costs_one_poll() {
    let mut pair = Pair::new().await;
    pair.one.api.apply(&pair.persona.key, &[connected("first", 1, pair.now())]).await;
    pair.quiet().await;
    let before = pair.positions();
    let head = pair.append_unnoticed(5_000).await;
    // The control: without a poll both stay where they are, whatever else they answer.
    for service in [&pair.one, &pair.two] {
        let answer = service.api.get(&pair.persona.key, "/v1/directory").await.expect("an answer").ok();
        assert_eq!(answer.position(), before[0]);
    }
    assert_eq!(pair.positions(), before);
    pair.clocks.iter().for_each(|clock| clock.advance(POLL));
    eventually("both have applied the entries", async || pair.positions() == [head, head]).await;
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_of_another_server_takes_turns() {
    let mut pair = Pair::new().await;
    let other = pair.one.api.persona("other").await;
    pair.one.api.put_directory(&other.key, &directory(1)).await;
    let document = directory(4_000);
    let position = pair.one.api.put_directory(&pair.persona.key, &document).await.position();
    let toggles: Vec<_> = (0..50).map(|n| toggled(n, 1, pair.now(), n % 2 == 0)).collect();
    let last = pair.one.api.apply(&pair.persona.key, &toggles).await.position();
    assert_eq!(last, position + 50);
    // While it is applied there, the other tenant's events are taken and answered.
    for n in 0..10 {
        pair.two.api.apply(&other.key, &[toggled(n, 1, pair.now(), n % 2 == 0)]).await;
    }
    eventually("the document is applied", async || pair.positions() == [last, last]).await;
    let replayed = pair.raw.replay().await;
    pair.compare(&replayed[&pair.tenant()].digest()).await;
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_tenant_appears_and_a_deleted_one_goes() {
    let pair = Pair::new().await;
    let new = pair.two.api.persona("new").await;
    pair.two.api.put_directory(&new.key, &directory(2)).await;
    pair.two.api.apply(&new.key, &[connected("first", 1, pair.now())]).await;
    eventually("the tenant is there", async || pair.one.position(&new.tenant) == 2).await;
    assert_eq!(pair.one.api.connected(&new.key).await, (1, 2));
    let path = format!("/v1/tenants/{}", pair.persona.tenant);
    let deleted = send(pair.one.api.request(Method::DELETE, &path).bearer_auth(ADMIN)).await.expect("an answer");
    assert_eq!(deleted.status, 204, "{}", deleted.text);
    assert!(pair.two.app.reader.snapshot(pair.tenant()).is_ok(), "it was not looked for");
    // Half of the time after which the changes of keys and tenants are read.
    pair.clocks[1].advance(POLL);
    eventually("the tenant is gone", async || pair.two.app.reader.snapshot(pair.tenant()).is_err()).await;
    let event = connected("late", 1, pair.now());
    let answer = pair.two.api.events(&pair.persona.key, &[event]).await.expect("an answer");
    assert_eq!(answer.status, 401, "{}", answer.text);
    assert!(pair.two.app.reader.state(pair.tenant()).await.is_ok_and(|state| state.is_none()), "its state is dropped");
    assert_eq!(pair.two.api.connected(&new.key).await.0, 1, "the other tenant stays");
    pair.stop().await;
}
