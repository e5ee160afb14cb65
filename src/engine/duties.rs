//! The duties that this server holds, and what it knows of the other servers on the store
//! (docs/decisions/0115-duties.md).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::gauge;
use uuid::Uuid;

use crate::clock::Clock;
use crate::journal::{Claim, Duty, Round};

/// The time for which a server's counter stands still before its duties are taken over.
const GONE: Duration = Duration::from_secs(5);
/// The time after which the row of such a server is removed.
const FORGOTTEN: Duration = Duration::from_secs(60);
/// The time after a round within which leases may be ended.
const VALID: Duration = Duration::from_secs(1);

/// The duties that this server holds. Read by the tasks that do the work.
#[derive(Debug)]
pub(super) struct Duties {
    clock: Clock,
    /// For each duty the milliseconds of monotonic time, 1 at least, at which the newest round was sent that it was held in;
    /// 0 if it was not held in the newest round.
    held: [AtomicU64; Duty::ALL.len()],
    /// True if this server has the store for itself: it holds everything at all times.
    is_alone: bool,
}

impl Duties {
    pub fn new(clock: Clock, is_alone: bool) -> Self {
        Duties { clock, held: Default::default(), is_alone }
    }

    /// Returns true if the duty was this server's in its newest round.
    pub fn has(&self, duty: Duty) -> bool {
        self.is_alone || self.held[duty as usize].load(Ordering::Acquire) > 0
    }

    /// Returns true if this server may end leases: the duty was its own in a round within the last second.
    pub fn ends_leases(&self) -> bool {
        let held = self.held[Duty::Leases as usize].load(Ordering::Acquire);
        self.is_alone || (held > 0 && millis(self.clock.monotonic()) < held + millis(VALID))
    }

    /// Notes a round that was sent at this monotonic time.
    fn note(&self, round: &Round, sent: Duration) {
        for duty in Duty::ALL {
            let is_held = round.held.contains(&duty);
            let held = if is_held { millis(sent).max(1) } else { 0 };
            let before = self.held[duty as usize].swap(held, Ordering::AcqRel);
            if is_held != (before > 0) {
                gauge!("rollcall_duties_held", "duty" => duty.name()).set(f64::from(u8::from(is_held)));
                if !self.is_alone {
                    let duty = duty.name();
                    tracing::info!(duty, is_held, "a duty of all servers was taken or handed on");
                }
            }
        }
    }
}

/// Another server, as it was seen last.
#[derive(Clone, Copy, Debug)]
struct Seen {
    rounds: i64,
    /// Monotonic time at which the counter moved last, as far as this server saw it.
    moved: Duration,
}

/// The other servers on the store. Each is judged by this server's own clock: no two clocks are compared.
#[derive(Debug)]
pub(super) struct Others {
    duties: Arc<Duties>,
    seen: HashMap<Uuid, Seen>,
}

impl Others {
    pub fn new(duties: Arc<Duties>) -> Self {
        Others { duties, seen: HashMap::new() }
    }

    /// Returns what the next round needs to know, at monotonic time `now`.
    pub fn claim(&self, now: Duration) -> Claim {
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
        for (id, rounds) in &round.others {
            let seen = self.seen.entry(*id).or_insert(Seen { rounds: *rounds, moved: sent });
            if seen.rounds != *rounds {
                *seen = Seen { rounds: *rounds, moved: sent };
            }
        }
        let now = self.duties.clock.monotonic();
        let alive = self.seen.values().filter(|seen| now.saturating_sub(seen.moved) < GONE).count();
        gauge!("rollcall_replicas").set(1.0 + alive as f64);
    }
}

fn millis(duration: Duration) -> u64 {
    // 64 bits of milliseconds last for millions of years.
    duration.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let mut at = |seconds: u64, rounds: i64| {
            let now = Duration::from_secs(seconds);
            others.note(&round(&[Duty::Housekeeping], rounds), now);
            let claim = others.claim(now);
            (claim.gone, claim.removed)
        };
        assert_eq!(at(1, 10), (vec![], vec![]), "the first sight counts as a move");
        assert_eq!(at(5, 10), (vec![], vec![]));
        assert_eq!(at(6, 10), (vec![OTHER], vec![]));
        assert_eq!(at(7, 11), (vec![], vec![]), "it was only paused");
        assert_eq!(at(66, 11), (vec![OTHER], vec![]));
        assert_eq!(at(67, 11), (vec![OTHER], vec![OTHER]));
        assert!(duties.has(Duty::Housekeeping) && !duties.has(Duty::Leases));
    }

    #[test]
    fn leases_are_ended_within_a_second_of_a_round_only() {
        let clock = Clock::manual(Time::from_micros(0));
        clock.advance(Duration::from_secs(10));
        let duties = Duties::new(clock.clone(), false);
        assert!(!duties.ends_leases(), "before the first round");
        duties.note(&round(&[Duty::Leases], 1), clock.monotonic());
        assert!(duties.ends_leases());
        clock.advance(Duration::from_millis(999));
        assert!(duties.ends_leases());
        clock.advance(Duration::from_millis(1));
        assert!(!duties.ends_leases() && duties.has(Duty::Leases));
        duties.note(&round(&[], 1), clock.monotonic());
        assert!(!duties.ends_leases() && !duties.has(Duty::Leases));
        assert!(Duties::new(clock, true).ends_leases(), "a server that has the store for itself");
    }
}
