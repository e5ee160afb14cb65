//! What this server knows of the others on the store.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::gauge;
use uuid::Uuid;

use super::Duties;
use crate::journal::{Claim, Duty, Round};

/// The time for which a server's counter stands still before its duties are taken over.
const GONE: Duration = Duration::from_secs(5);
/// The time after which the row of such a server is removed.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// The time between two rounds beyond which this server did not watch the others: it was paused, or the store was away.
const UNWATCHED: Duration = Duration::from_secs(2);

/// Another server, as it was seen last.
#[derive(Clone, Copy, Debug)]
struct Seen {
    rounds: i64,
    /// Monotonic time at which the counter moved last, as far as this server saw it.
    moved: Duration,
}

/// The other servers on the store. Each is judged by this server's own clock: no two clocks are compared.
#[derive(Debug)]
pub(in crate::engine) struct Others {
    duties: Arc<Duties>,
    seen: HashMap<Uuid, Seen>,
    /// Monotonic time at which the newest round was sent.
    watched: Duration,
}

impl Others {
    pub fn new(duties: Arc<Duties>) -> Self {
        Others { duties, seen: HashMap::new(), watched: Duration::ZERO }
    }

    /// Returns what the next round needs to know, at monotonic time `now`.
    pub fn claim(&self, now: Duration) -> Claim {
        if self.is_unwatched(now) {
            return Claim::default();
        }
        let still = |least: Duration| {
            let still = self.seen.iter().filter(move |(_, seen)| now.saturating_sub(seen.moved) >= least);
            still.map(|(id, _)| *id).collect()
        };
        let removed = if self.duties.has(Duty::Housekeeping) { still(FORGOTTEN) } else { Vec::new() };
        Claim { gone: still(GONE), removed }
    }

    /// Notes a round that was sent at monotonic time `sent`.
    pub fn note(&mut self, round: &Round, sent: Duration) {
        self.duties.note(round, sent);
        self.seen.retain(|id, _| round.others.contains_key(id));
        let is_unwatched = self.is_unwatched(sent);
        self.watched = sent;
        for (id, rounds) in &round.others {
            let seen = self.seen.entry(*id).or_insert(Seen { rounds: *rounds, moved: sent });
            if seen.rounds != *rounds || is_unwatched {
                *seen = Seen { rounds: *rounds, moved: sent };
            }
        }
        let now = self.duties.clock.monotonic();
        let alive = self.seen.values().filter(|seen| now.saturating_sub(seen.moved) < GONE).count();
        gauge!("rollcall_replicas").set(1.0 + alive as f64);
    }

    /// Returns true if a counter may have moved and stood still again unseen before monotonic time `now`.
    fn is_unwatched(&self, now: Duration) -> bool {
        now.saturating_sub(self.watched) > UNWATCHED
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::domain::Time;

    const OTHER: Uuid = Uuid::from_u128(7);

    fn round(held: &[Duty], rounds: i64) -> Round {
        Round { held: held.to_vec(), others: HashMap::from([(OTHER, rounds)]) }
    }

    #[test]
    fn a_server_is_gone_once_its_counter_stood_still_for_five_seconds() {
        let clock = Clock::manual(Time::from_micros(0));
        let duties = Arc::new(Duties::new(clock.clone(), false));
        let mut others = Others::new(duties.clone());
        let mut until = |seconds: u64, rounds: i64| {
            let mut claim = Claim::default();
            while clock.monotonic() < Duration::from_secs(seconds) {
                clock.advance(Duration::from_secs(1));
                claim = others.claim(clock.monotonic());
                others.note(&round(&[Duty::Housekeeping], rounds), clock.monotonic());
            }
            (claim.gone, claim.removed)
        };
        assert_eq!(until(5, 10), (vec![], vec![]), "the first sight, after a second, counts as a move");
        assert_eq!(until(6, 10), (vec![OTHER], vec![]));
        assert_eq!(until(7, 11), (vec![OTHER], vec![]), "claimed before the round that shows it");
        assert_eq!(until(8, 11), (vec![], vec![]), "it was only paused");
        assert_eq!(until(66, 11), (vec![OTHER], vec![]));
        assert_eq!(until(67, 11), (vec![OTHER], vec![OTHER]));
        // This server was paused: what it did not watch shows nothing.
        clock.advance(Duration::from_secs(8));
        assert!(others.claim(clock.monotonic()).gone.is_empty());
        others.note(&round(&[Duty::Housekeeping], 11), clock.monotonic());
        clock.advance(Duration::from_secs(1));
        assert!(others.claim(clock.monotonic()).gone.is_empty());
        assert!(duties.has(Duty::Housekeeping) && !duties.has(Duty::Leases));
    }
}
