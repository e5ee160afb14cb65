//! A checkpoint that fails is written later, with all rows that it should have had.

use std::time::Duration;

use rollcall::clock::Clock;
use rollcall::domain::Time;

use crate::on_both_stores;
use crate::support::audit::audit;
use crate::support::desks::{connected, directory};
use crate::support::raw::RawStore;
use crate::support::tasks::eventually;
use crate::support::{Backend, Home, Service, Setup, tenant_id};

on_both_stores!(failed_checkpoints_are_retried);

async fn failed_checkpoints_are_retried(backend: Backend) {
    let clock = Clock::manual(Time::from_micros(1_614_589_200_000_000));
    let setup = Setup { clock: clock.clone(), ..Setup::default() };
    let service = Service::start_on(Home::new(backend).await, setup).await;
    let persona = service.api.persona("tenant").await;
    let tenant = tenant_id(&persona.tenant);
    let mut raw = RawStore::open(&service.home.location).await;
    raw.refuse("checkpoint", "true").await;
    service.api.put_directory(&persona.key, &directory(10)).await;
    let connect = async |user: i64| {
        let event = connected(user, user, clock.now());
        service.api.apply(&persona.key, &[event]).await.position()
    };
    for user in 1..=5 {
        connect(user).await;
        // Another checkpoint is due each time, and fails.
        clock.advance(Duration::from_secs(31));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(raw.number("SELECT count(*) FROM checkpoint").await, 0);
    raw.accept().await;
    let newest = connect(6).await;
    let stored = format!("SELECT count(*) FROM checkpoint WHERE tenant = '{tenant}' AND position = {newest}");
    eventually("the checkpoint is written", async || {
        clock.advance(Duration::from_secs(31));
        raw.number(&stored).await == 1
    })
    .await;
    // The checkpoint is at the newest position, so no tail hides rows that it lacks.
    raw.run(&format!("DELETE FROM journal WHERE tenant = '{tenant}' AND seq < 0")).await;
    let loaded = service.app.store.load_checkpoint(tenant).await.unwrap().expect("a checkpoint");
    let loaded = rollcall::live::State::load(tenant, loaded.position, loaded.rows).expect("rows that can be read");
    let replayed = raw.replay().await;
    assert_eq!(loaded.digest(), replayed[&tenant].digest());
    let home = service.stop().await;
    assert_eq!(audit(&home.location, &[]).await, [""; 0]);
}
