//! Look-ups of credentials that are not valid in memory: another server, or a command on the store, may have made them a
//! moment ago.
//!
//! They are made in rounds, one at a time: what arrives during a round is looked up by the next one, in one statement.
//! However many credentials are guessed, the store is thus asked one thing at a time, and equal credentials are looked
//! up once.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use tokio::sync::OnceCell;

use crate::clock::Clock;
use crate::domain::Fault;
use crate::registry::Registry;
use crate::store::in_time;

/// Credentials in one round.
const MAX_AT_ONCE: usize = 1_024;
/// Credentials in one round that came from one network address.
const MAX_OF_NETWORK: usize = 256;
/// Looked-up credentials that are remembered, some 1 MiB.
const MAX_SETTLED: usize = 10_000;
/// The time for which a credential that was looked up is not looked up again. A secret is random and is shown once it is
/// stored: what the store does not have when it is presented, it will not have later.
const SETTLED_FOR: Duration = Duration::from_secs(60);

/// The look-ups under way, and the newest ones that were made.
#[derive(Debug)]
pub(super) struct LookUps {
    registry: Registry,
    clock: Clock,
    /// The round that credentials can still join.
    next: Mutex<Option<Arc<Round>>>,
    /// Held by the round under way.
    turn: tokio::sync::Mutex<()>,
    /// Monotonic time of each look-up, by the hash of the credential.
    settled: Cache<[u8; 32], Duration>,
}

/// The credentials of one statement.
#[derive(Debug, Default)]
struct Round {
    waiting: Mutex<Waiting>,
    result: OnceCell<Result<(), Fault>>,
}

#[derive(Debug, Default)]
struct Waiting {
    hashes: HashSet<[u8; 32]>,
    networks: HashMap<IpAddr, usize>,
}

impl LookUps {
    pub fn new(registry: Registry, clock: Clock) -> Self {
        let (next, turn, settled) = (Mutex::default(), tokio::sync::Mutex::default(), Cache::new(MAX_SETTLED));
        LookUps { registry, clock, next, turn, settled }
    }

    /// Returns true if the credential was looked up within the last minute.
    pub fn is_settled(&self, hash: &[u8; 32]) -> bool {
        self.settled.get(hash).is_some_and(|at| self.clock.monotonic() < at + SETTLED_FOR)
    }

    /// Looks a credential up. If the store has it, it is in memory when this returns.
    ///
    /// [`Fault::TooMany`] if too many credentials are looked up, from the network address or in all;
    /// [`Fault::Unavailable`] if the store does not answer.
    pub async fn look_up(&self, hash: [u8; 32], network: IpAddr) -> Result<(), Fault> {
        let result = match self.join(hash, network) {
            Ok(round) => self.result(&round).await,
            Err(fault) => Err(fault),
        };
        let is_found = || self.registry.current().key(&hash).is_some() || self.registry.tokens().contains(&hash);
        let outcome = match &result {
            Ok(()) if is_found() => "found",
            Ok(()) => "absent",
            Err(Fault::TooMany { .. }) => "rejected",
            Err(_) => "failed",
        };
        counter!("rollcall_credential_look_ups_total", "outcome" => outcome).increment(1);
        if result.is_ok() {
            self.settled.insert(hash, self.clock.monotonic());
        }
        result
    }

    /// Adds a credential to the next round. An equal one takes no further place.
    fn join(&self, hash: [u8; 32], network: IpAddr) -> Result<Arc<Round>, Fault> {
        let mut next = self.next.lock();
        let round = next.get_or_insert_default();
        let mut waiting = round.waiting.lock();
        if !waiting.hashes.contains(&hash) {
            let of_network = waiting.networks.get(&network).copied().unwrap_or_default();
            if waiting.hashes.len() >= MAX_AT_ONCE || of_network >= MAX_OF_NETWORK {
                return Err(Fault::TooMany { seconds: 1 });
            }
            waiting.hashes.insert(hash);
            waiting.networks.insert(network, of_network + 1);
        }
        Ok(round.clone())
    }

    /// Waits for the result of a round, which one of its callers makes. If that caller goes away, another one does.
    async fn result(&self, round: &Arc<Round>) -> Result<(), Fault> {
        let result = round.result.get_or_init(|| {
            in_time(async {
                let _turn = self.turn.lock().await;
                self.seal(round);
                let hashes: Vec<[u8; 32]> = round.waiting.lock().hashes.iter().copied().collect();
                self.registry.look_up(&hashes).await
            })
        });
        let result = result.await.clone();
        // A round that did not get its turn in time is still open.
        self.seal(round);
        result
    }

    /// Lets no further credential join a round: its statement begins after all of them were presented.
    fn seal(&self, round: &Arc<Round>) {
        let mut next = self.next.lock();
        if next.as_ref().is_some_and(|open| Arc::ptr_eq(open, round)) {
            *next = None;
        }
    }
}
