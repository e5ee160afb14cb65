//! The duties that this server holds, and what it knows of the other servers on the store
//! (docs/decisions/0115-duties.md).

mod others;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::gauge;

use crate::clock::{Clock, millis};
use crate::journal::{Duty, Round};
pub(super) use others::Others;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Time;

    #[test]
    fn leases_are_ended_within_a_second_of_a_round_only() {
        let clock = Clock::manual(Time::from_micros(0));
        clock.advance(Duration::from_secs(10));
        let duties = Duties::new(clock.clone(), false);
        assert!(!duties.ends_leases(), "before the first round");
        duties.note(&Round { held: vec![Duty::Leases], ..Round::default() }, clock.monotonic());
        assert!(duties.ends_leases());
        clock.advance(Duration::from_millis(999));
        assert!(duties.ends_leases());
        clock.advance(Duration::from_millis(1));
        assert!(!duties.ends_leases() && duties.has(Duty::Leases));
        duties.note(&Round::default(), clock.monotonic());
        assert!(!duties.ends_leases() && !duties.has(Duty::Leases));
        assert!(Duties::new(clock, true).ends_leases(), "a server that has the store for itself");
    }
}
