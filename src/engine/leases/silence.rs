//! Leases that ran out in memory, and their rows in the store: only what is silent in both ends.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{Incarnation, Key, LeaseTable, term};

/// The time after a write of this server's row within which it may end leases, and after a look at a lease's row within
/// which that counts.
const VALID: Duration = Duration::from_secs(1);

/// A lease that was found silent.
#[derive(Debug)]
struct Silent {
    of: Incarnation,
    /// Monotonic time at which it was found.
    found: Duration,
}

/// The leases that were found silent, for the engine to end.
#[derive(Debug, Default)]
pub(super) struct Silence {
    found: Mutex<VecDeque<Silent>>,
    /// Wakes the engine.
    wake: Notify,
    /// Milliseconds of monotonic time at which the newest successful write of this server's row was sent.
    renewed: AtomicU64,
}

impl Silence {
    /// Returns true if the engine has leases to end.
    pub fn is_due(&self) -> bool {
        !self.found.lock().is_empty()
    }

    /// Returns true if this server's row was written within the last second.
    fn is_renewed(&self, now: Duration) -> bool {
        now.saturating_sub(Duration::from_millis(self.renewed.load(Ordering::Acquire))) < VALID
    }
}

impl LeaseTable {
    /// Takes the leases that ran out by now. Each is to be given to [`LeaseTable::judge`].
    pub(super) fn candidates(&self) -> Vec<Incarnation> {
        // A pause that ended just now must be recorded first, or its length would count as the desks' silence.
        self.note();
        std::iter::from_fn(|| self.next_due(false)).collect()
    }

    /// Decides on a lease that ran out, after its row was read: `age` is the time since its session was heard, as of
    /// monotonic time `as_of`, and `None` if there is no row. A session without one was heard in a way that the store lost,
    /// so that its lease gets a full term and is written.
    pub(super) fn judge(&self, of: Incarnation, age: Option<Duration>, as_of: Duration) {
        let (Some(kept), now) = (&self.kept, self.clock.monotonic()) else { return };
        let lease_now = self.pauses.lease_time(now);
        let mut shard = self.shard(of.tenant, of.user).lock();
        // Closed meanwhile, or opened again.
        let Some(known) = known(shard.get_mut(&(of.tenant, of.user)), &of) else { return };
        let heard = age.map_or(now, |_| as_of);
        let stored = (self.pauses.lease_time(heard) + term(known.seconds)).saturating_sub(age.unwrap_or_default());
        known.ends = known.ends.max(stored);
        let ends = known.ends;
        if ends > lease_now {
            known.queued = ends;
        }
        drop(shard);
        if age.is_none() {
            kept.unwritten.add(of.clone(), now);
        }
        if ends > lease_now {
            self.order.lock().insert((ends, Key { tenant: of.tenant, user: of.user, session: of.session }));
        } else {
            kept.silence.found.lock().push_back(Silent { of, found: now });
        }
    }

    /// Wakes the engine if there are leases to end.
    pub(super) fn wake(&self) {
        if let Some(kept) = self.kept.as_ref().filter(|kept| kept.silence.is_due()) {
            kept.silence.wake.notify_one();
        }
    }

    /// Waits until leases were found silent; for ever where heartbeats are not kept.
    pub async fn wait(&self) {
        match &self.kept {
            Some(kept) => kept.silence.wake.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Notes that this server's row was written by a statement that was sent at monotonic time `sent`.
    pub(super) fn note_renewed(&self, sent: Duration) {
        if let Some(kept) = &self.kept {
            // 64 bits of milliseconds last for millions of years.
            kept.silence.renewed.store(sent.as_millis() as u64, Ordering::Release);
        }
    }

    /// Takes up to `limit` of the leases that were found silent, and marks them as ending. One that was renewed since, and
    /// every one if this server's row was not written for a second, is looked for again.
    pub(super) fn end_silent(&self, silence: &Silence, limit: usize) -> Vec<Incarnation> {
        let now = self.clock.monotonic();
        let lease_now = self.pauses.lease_time(now);
        let mut ended = Vec::new();
        while ended.len() < limit {
            let Some(Silent { of, found }) = silence.found.lock().pop_front() else { break };
            let is_valid = silence.is_renewed(now) && now.saturating_sub(found) < VALID;
            let mut shard = self.shard(of.tenant, of.user).lock();
            let Some(known) = known(shard.get_mut(&(of.tenant, of.user)), &of) else { continue };
            if is_valid && known.ends <= lease_now {
                known.is_ending = true;
                drop(shard);
                ended.push(of);
                continue;
            }
            known.queued = known.ends;
            let ends = known.ends;
            drop(shard);
            self.order.lock().insert((ends, Key { tenant: of.tenant, user: of.user, session: of.session }));
        }
        ended
    }
}

/// Finds an incarnation that is open and not ending.
fn known<'a>(sessions: Option<&'a mut Vec<super::Session>>, of: &Incarnation) -> Option<&'a mut super::Session> {
    let is_it = |known: &&mut super::Session| known.name == of.session && known.opened == of.opened && !known.is_ending;
    sessions?.iter_mut().find(is_it)
}
