//! The amount of work in a turn of the engine.

use std::time::Duration;

/// The target duration of a turn, since another tenant's single event waits for it.
const TURN_TARGET: Duration = Duration::from_millis(4);
/// The least and the most work of one turn: one unit for each event, and one for each KiB.
pub(super) const TURN_WORK: (usize, usize) = (64, 4_096);

/// The work of the next turn, adapted to how long the last ones took.
#[derive(Debug)]
pub(super) struct Pace {
    /// Units of work.
    pub work: usize,
    /// Seconds that a commit takes apart from its work. A smaller turn would not shorten them.
    fixed: f64,
    /// Seconds that a unit of work takes besides.
    unit: f64,
}

impl Default for Pace {
    fn default() -> Self {
        // Until turns were measured, 512 units are taken to fill one.
        Pace { work: 512, fixed: 0.0, unit: TURN_TARGET.as_secs_f64() / 512.0 }
    }
}

impl Pace {
    /// Learns from a turn of `work` units that took `took`, by moving averages.
    pub fn note(&mut self, work: usize, took: Duration) {
        let took = took.as_secs_f64();
        // Nearly empty turns show the fixed time, and full ones the time of a unit.
        if (1..=8).contains(&work) {
            self.fixed += (took - self.fixed) * 0.1;
        } else if work >= TURN_WORK.0 {
            let unit = (took - self.fixed).max(0.0) / work as f64;
            self.unit += (unit - self.unit) * 0.2;
            // Turns that take no measurable time bring the unit to zero, by which nothing can be divided.
            self.work = ((TURN_TARGET.as_secs_f64() / self.unit.max(1e-9)) as usize).clamp(TURN_WORK.0, TURN_WORK.1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_fit_their_time_whatever_a_commit_takes() {
        let mut pace = Pace::default();
        let commit = Duration::from_millis(20);
        (0..100).for_each(|_| pace.note(1, commit));
        (0..100).for_each(|_| pace.note(500, commit + Duration::from_millis(1)));
        assert!((1_800..=2_200).contains(&pace.work), "{pace:?}");
        (0..100).for_each(|_| pace.note(2_000, commit + Duration::from_millis(200)));
        assert_eq!(pace.work, TURN_WORK.0, "{pace:?}");
        (0..100).for_each(|_| pace.note(64, Duration::ZERO));
        assert_eq!(pace.work, TURN_WORK.1, "{pace:?}");
    }
}
