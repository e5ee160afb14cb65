//! Log-ins while many addresses try passwords: an address without failures is next. The control is the same without
//! turns.

use std::net::IpAddr;

use rollcall::lifecycle::cpu_permits;
use rollcall::limits::{Budget, Budgets, QueuePermit, TurnKey};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{ANN, PASSWORD, Stage};
use crate::on_both_stores;
use crate::support::api::{Answer, send};
use crate::support::tasks::{eventually, spawn};
use crate::support::{Backend, Setup};

on_both_stores!(a_new_address_is_served_before_waiting_ones);
on_both_stores!(addresses_without_failures_are_served_before_those_with_some);
on_both_stores!(a_full_queue_makes_room_for_another_address);
on_both_stores!(without_the_budget_a_log_in_waits_for_all_earlier_ones);

/// Addresses that try passwords, and the log-ins of each that wait.
const ADDRESSES: usize = 300;
const TRIES: usize = 2;
const FLOOD: usize = ADDRESSES * TRIES;

/// A log-in through HTTP that was begun.
type LogIn = JoinHandle<Answer>;

impl Stage {
    /// Begins to log in from an address.
    fn log_in_from(&self, from: [u8; 4], email: &str, password: &str) -> LogIn {
        let client = reqwest::Client::builder().local_address(IpAddr::from(from)).build().expect("a client");
        let body = format!("grant_type=password&username={email}&password={password}");
        let request = client.post(self.service.url("/oauth2/token")).body(body);
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        spawn(async move { send(request).await.expect("an answer") })
    }

    /// Begins the log-in of an owner, from an address that no attack comes from.
    fn owner(&self) -> LogIn {
        self.log_in_from([127, 0, 0, 2], ANN, PASSWORD)
    }

    /// Takes every permit for passwords.
    async fn all_permits(&self, permits: usize) -> Vec<QueuePermit> {
        let mut held = Vec::new();
        for _ in 0..permits {
            held.push(self.service.app.passwords().queue().enter(TurnKey::Unauthenticated).await.expect("a permit"));
        }
        held
    }

    async fn waiting(&self, count: usize) {
        let queue = self.service.app.passwords().queue();
        eventually("the log-ins wait", async || queue.waiting() == count).await;
    }

    /// Fills the queue with log-ins from many addresses. Each that is served keeps its permit, so that an owner is
    /// answered only if it is next.
    async fn flood(&self, addresses: usize, each: usize) -> mpsc::UnboundedReceiver<QueuePermit> {
        let (sender, receiver) = mpsc::unbounded_channel();
        for n in 0..addresses * each {
            let address = n % addresses;
            let key = TurnKey::Network([127, 3, (address / 250) as u8, (address % 250) as u8].into());
            let (queue, sender) = (self.service.app.passwords().queue().clone(), sender.clone());
            drop(spawn(async move {
                let Ok(permit) = queue.enter(key).await else { return };
                let _over = sender.send(permit);
            }));
        }
        self.waiting(addresses * each).await;
        receiver
    }
}

async fn a_new_address_is_served_before_waiting_ones(backend: Backend) {
    let stage = Stage::new(backend).await;
    let mut held = stage.all_permits(cpu_permits()).await;
    let flood = stage.flood(ADDRESSES, TRIES).await;
    let owner = stage.owner();
    stage.waiting(FLOOD + 1).await;
    held.pop();
    assert_eq!(owner.await.expect("an answer").status, 200);
    drop((held, flood));
    stage.service.stop().await;
}

async fn addresses_without_failures_are_served_before_those_with_some(backend: Backend) {
    let stage = Stage::new(backend).await;
    let attack = |n: u8| stage.log_in_from([127, 3, 0, n], "nobody@example.com", "wrong");
    for n in 1..=4 {
        assert_eq!(attack(n).await.expect("an answer").status, 400);
    }
    let mut held = stage.all_permits(cpu_permits()).await;
    let owner = stage.owner();
    stage.waiting(1).await;
    // These are newer in the queue, but have failed.
    let attacks: Vec<LogIn> = (1..=4).chain(1..=4).map(attack).collect();
    stage.waiting(1 + attacks.len()).await;
    held.pop();
    assert_eq!(owner.await.expect("an answer").status, 200);
    // Some may be answered while the owner's answer is read.
    assert!(!attacks.iter().all(LogIn::is_finished), "the owner is answered last");
    drop(held);
    for attack in attacks {
        attack.await.expect("an answer");
    }
    stage.service.stop().await;
}

async fn a_full_queue_makes_room_for_another_address(backend: Backend) {
    let stage = Stage::new(backend).await;
    let mut held = stage.all_permits(cpu_permits()).await;
    let flood = stage.flood(16, 64).await;
    let owner = stage.owner();
    // The task of the log-in that made room ends, which drops its sender.
    eventually("one made room", async || flood.sender_strong_count() == 16 * 64 - 1).await;
    held.pop();
    assert_eq!(owner.await.expect("an answer").status, 200);
    drop((held, flood));
    stage.service.stop().await;
}

async fn without_the_budget_a_log_in_waits_for_all_earlier_ones(backend: Backend) {
    let stage =
        Stage::with(backend, Setup { budgets: Budgets::without([Budget::Passwords]), ..Setup::default() }).await;
    let mut held = stage.all_permits(2).await;
    let flood = stage.flood(8, 1).await;
    let owner = stage.owner();
    stage.waiting(9).await;
    held.pop();
    stage.waiting(8).await;
    assert!(!owner.is_finished());
    drop((held, flood));
    assert_eq!(owner.await.expect("an answer").status, 200);
    stage.service.stop().await;
}
