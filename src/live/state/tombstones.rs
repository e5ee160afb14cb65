//! Tombstones: ended things that are remembered for a limited time (docs/reference/events.md, "Order").

use uuid::Uuid;

use crate::domain::{ConversationId, Time};
use crate::live::persistent::Ordered;

/// The term of a tombstone, in seconds of recorded time.
const TOMBSTONE_SECONDS: i64 = 24 * 60 * 60;

/// A tombstone, named by the thing that ended. Those that ended at the same time are dropped in the order of the
/// variants, which is therefore part of the rules covered by `APPLY_VERSION`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tombstone {
    /// A closed session: the user's integer id and the session id.
    Session(i64, Box<str>),
    /// A claim without a holder.
    Claim(ConversationId),
    /// A conversation that is closed or was never started.
    Conversation(Uuid),
    /// A deleted user, by integer id.
    User(i64),
}

/// The tombstones, ordered by recorded time of the end. Each thing has at most one, however often it ended, so that
/// their number is bounded by the number of things, not of events.
#[derive(Clone, Debug, Default)]
pub struct Tombstones(Ordered<(Time, Tombstone)>);

impl Tombstones {
    /// Moves a thing's tombstone from `before` to `after`, the recorded times of its end. `None` means that it had, or
    /// has, not ended.
    pub fn place(&mut self, tombstone: Tombstone, before: Option<Time>, after: Option<Time>) {
        if before == after {
            return;
        }
        let mut place = (before.unwrap_or(Time::NEVER), tombstone);
        if before.is_some() {
            self.0.remove(&place);
        }
        if let Some(after) = after {
            place.0 = after;
            self.0.insert(place);
        }
    }

    /// The number of tombstones.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Removes and returns the oldest tombstone, if its term is over by `recorded` or there are more than `limit`.
    pub fn due(&mut self, recorded: Time, limit: u32) -> Option<Tombstone> {
        let oldest = self.0.first()?;
        if oldest.0.plus_seconds(TOMBSTONE_SECONDS) > recorded && self.len() <= limit as usize {
            return None;
        }
        let oldest = oldest.clone();
        self.0.remove(&oldest);
        Some(oldest.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_repeated_end_keeps_one_tombstone_at_the_newest_time() {
        let mut tombstones = Tombstones::default();
        for second in 1..=1000 {
            let before = (second > 1).then(|| at(second - 1));
            tombstones.place(Tombstone::User(7), before, Some(at(second)));
        }
        assert_eq!(tombstones.0.len(), 1);
        assert_eq!(tombstones.due(at(999 + TOMBSTONE_SECONDS), 1), None);
        assert_eq!(tombstones.due(at(1000 + TOMBSTONE_SECONDS), 1), Some(Tombstone::User(7)));
        assert_eq!(tombstones.due(at(i64::from(u32::MAX)), 1), None);
    }

    #[test]
    fn a_reopened_session_has_no_tombstone() {
        let mut tombstones = Tombstones::default();
        let session = || Tombstone::Session(1, "desk".into());
        tombstones.place(session(), None, Some(at(1)));
        tombstones.place(Tombstone::User(1), None, Some(at(2)));
        tombstones.place(session(), Some(at(1)), None);
        assert_eq!(tombstones.due(at(2 + TOMBSTONE_SECONDS), 10), Some(Tombstone::User(1)));
        assert_eq!(tombstones.due(at(2 + TOMBSTONE_SECONDS), 10), None);
    }

    #[test]
    fn beyond_the_limit_the_oldest_is_due_early() {
        let mut tombstones = Tombstones::default();
        for user in 1..=3 {
            tombstones.place(Tombstone::User(user), None, Some(at(user)));
        }
        assert_eq!(tombstones.due(at(3), 3), None);
        assert_eq!(tombstones.due(at(3), 2), Some(Tombstone::User(1)));
        assert_eq!(tombstones.due(at(3), 2), None);
    }
}
