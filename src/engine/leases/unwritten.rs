//! Signs of life that are to be written to the store, and the callers that wait for it.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::domain::TenantId;
use crate::store::{Heard, Incarnation, Signs};

/// The longest wait of a heartbeat for being written.
const WRITE_TIMEOUT: Duration = Duration::from_millis(250);

/// The number of a batch of signs, from 1. Batches are written in order.
pub(in crate::engine) type BatchNumber = u64;

/// The newest sign of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sign {
    /// The incarnation that it is of.
    opened: u64,
    /// Monotonic time of receipt; `None` for the end of the session.
    heard: Option<Duration>,
}

impl Sign {
    /// Returns the later of two signs of a session: that of the newer incarnation, else the end, else the newer receipt.
    fn later(self, other: Sign) -> Sign {
        let rank = |sign: Sign| (sign.opened, sign.heard.is_none(), sign.heard);
        if rank(other) > rank(self) { other } else { self }
    }
}

/// A session, whatever its incarnation.
type Key = (TenantId, i64, Box<str>);

/// Signs that were taken to be written.
#[derive(Debug)]
pub(super) struct Batch {
    number: BatchNumber,
    signs: Vec<(Key, Sign)>,
}

#[derive(Debug)]
struct Waiting {
    signs: HashMap<Key, Sign>,
    /// The batch that the next sign will be in.
    next: BatchNumber,
}

/// The signs that are not written.
#[derive(Debug)]
pub(super) struct Unwritten {
    waiting: Mutex<Waiting>,
    added: Notify,
    /// The newest batch that is written.
    written: watch::Sender<BatchNumber>,
}

impl Default for Unwritten {
    fn default() -> Self {
        let waiting = Mutex::new(Waiting { signs: HashMap::new(), next: 1 });
        Unwritten { waiting, added: Notify::new(), written: watch::Sender::new(0) }
    }
}

impl Unwritten {
    /// Adds a sign of life that was received at monotonic time `heard`. Returns the batch that it will be in.
    pub fn add(&self, of: Incarnation, heard: Duration) -> BatchNumber {
        self.push(of, Some(heard))
    }

    /// Adds the end of an incarnation, whose row is to be deleted.
    pub fn end(&self, of: Incarnation) {
        self.push(of, None);
    }

    fn push(&self, of: Incarnation, heard: Option<Duration>) -> BatchNumber {
        let Incarnation { tenant, user, session, opened } = of;
        let mut waiting = self.waiting.lock();
        let number = waiting.next;
        merge(&mut waiting.signs, (tenant, user, session), Sign { opened, heard });
        drop(waiting);
        self.added.notify_one();
        number
    }

    /// Returns once a sign waits to be written.
    pub async fn wait(&self) {
        while self.is_empty() {
            self.added.notified().await;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.lock().signs.is_empty()
    }

    /// Takes everything that waits, as one batch.
    pub fn take(&self) -> Batch {
        let mut waiting = self.waiting.lock();
        let number = waiting.next;
        waiting.next += 1;
        Batch { number, signs: std::mem::take(&mut waiting.signs).into_iter().collect() }
    }

    /// Puts a batch back that may not be written. Its signs are then in a later batch.
    pub fn put_back(&self, batch: Batch) {
        let mut waiting = self.waiting.lock();
        for (key, sign) in batch.signs {
            merge(&mut waiting.signs, key, sign);
        }
    }

    /// Notes that a batch, and every earlier one, is written.
    pub fn note_written(&self, batch: &Batch) {
        self.written.send_replace(batch.number);
    }

    /// Waits until a batch is written. False if that takes longer than [`WRITE_TIMEOUT`].
    pub async fn until_written(&self, number: BatchNumber) -> bool {
        let mut written = self.written.subscribe();
        // The sender is this struct's own, so waiting itself cannot fail.
        let waiting = written.wait_for(|written| *written >= number);
        tokio::time::timeout(WRITE_TIMEOUT, waiting).await.is_ok()
    }
}

impl Batch {
    /// Returns the signs in pieces of up to `limit`, with their ages at monotonic time `now`. A sign counts as received at
    /// `least` at the earliest. There is one piece at least.
    pub fn pieces(&self, limit: usize, now: Duration, least: Duration) -> Vec<Signs> {
        let mut pieces = Vec::from([Signs::default()]);
        for signs in self.signs.chunks(limit) {
            let mut piece = Signs::default();
            for ((tenant, user, session), sign) in signs {
                let of = Incarnation { tenant: *tenant, user: *user, session: session.clone(), opened: sign.opened };
                match sign.heard {
                    Some(heard) => piece.heard.push(Heard { of, age: now.saturating_sub(heard.max(least)) }),
                    None => piece.ended.push(of),
                }
            }
            pieces.push(piece);
        }
        if pieces.len() > 1 {
            pieces.swap_remove(0);
        }
        pieces
    }
}

fn merge(signs: &mut HashMap<Key, Sign>, key: Key, sign: Sign) {
    signs.entry(key).and_modify(|known| *known = known.later(sign)).or_insert(sign);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn of(session: &str, opened: u64) -> Incarnation {
        Incarnation { tenant: TenantId(uuid::Uuid::nil()), user: 1, session: session.into(), opened }
    }

    #[test]
    fn the_newest_sign_of_a_session_is_written() {
        let unwritten = Unwritten::default();
        unwritten.add(of("a", 1), seconds(3));
        unwritten.add(of("a", 1), seconds(2));
        unwritten.add(of("b", 1), seconds(1));
        unwritten.end(of("b", 1));
        unwritten.add(of("b", 1), seconds(4));
        unwritten.end(of("c", 1));
        unwritten.add(of("c", 2), seconds(5));
        let mut signs = unwritten.take().pieces(10, seconds(10), seconds(0)).remove(0);
        signs.heard.sort_by(|a, b| a.of.cmp(&b.of));
        assert_eq!(signs.heard, [Heard { of: of("a", 1), age: seconds(7) }, Heard { of: of("c", 2), age: seconds(5) }]);
        assert_eq!(signs.ended, [of("b", 1)]);
        assert!(unwritten.is_empty());
    }

    #[tokio::test]
    async fn a_batch_that_failed_is_written_with_the_next() {
        let unwritten = Unwritten::default();
        let first = unwritten.add(of("a", 1), seconds(1));
        let failed = unwritten.take();
        let second = unwritten.add(of("a", 1), seconds(2));
        unwritten.put_back(failed);
        assert!(!unwritten.until_written(first).await, "not in time");
        let batch = unwritten.take();
        let pieces = batch.pieces(10, seconds(2), seconds(0));
        assert_eq!(pieces[0].heard, [Heard { of: of("a", 1), age: seconds(0) }]);
        unwritten.note_written(&batch);
        assert!(unwritten.until_written(first).await && unwritten.until_written(second).await);
        let later = unwritten.add(of("a", 1), seconds(3));
        assert!(!unwritten.until_written(later).await);
    }

    #[test]
    fn a_batch_is_cut_into_pieces_and_an_empty_one_is_one() {
        let unwritten = Unwritten::default();
        assert_eq!(unwritten.take().pieces(2, seconds(1), seconds(0)).len(), 1);
        for n in 0..5 {
            unwritten.add(of(&n.to_string(), 1), seconds(1));
        }
        let pieces = unwritten.take().pieces(2, seconds(9), seconds(8));
        assert_eq!(pieces.iter().map(|piece| piece.heard.len()).collect::<Vec<_>>(), [1, 2, 2]);
        assert!(pieces.iter().flat_map(|piece| &piece.heard).all(|heard| heard.age == seconds(1)), "8 s at least");
    }
}
