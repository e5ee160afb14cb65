//! What ended, and is remembered for a while (EVENTS.md, "Order, repeats, truth").

use uuid::Uuid;

use crate::domain::{ConversationId, Time};
use crate::live::persistent::Ordered;

/// How long what ended stays remembered, in seconds of recorded time.
const TOMBSTONE_SECONDS: i64 = 24 * 60 * 60;

/// Something that ended. The order of the variants is the order in which things that ended at one time are forgotten:
/// it is part of the rules that `APPLY_VERSION` names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// A session of a user, by the user's integer id.
    Session(i64, Box<str>),
    /// A slot of which nobody holds the conversation any more.
    Claim(ConversationId),
    /// A conversation that is not open.
    Conversation(Uuid),
    /// A deleted user, by integer id.
    User(i64),
}

/// What is remembered, by when it ended. Each thing is in it once, however often it ended, so that its size is bounded by
/// what there is and not by what happened.
#[derive(Clone, Debug, Default)]
pub struct Endings(Ordered<(Time, Ending)>);

impl Endings {
    /// Puts a thing where it belongs: it had ended at `before`, if at all, and has now at `after`, if at all.
    pub fn place(&mut self, thing: Ending, before: Option<Time>, after: Option<Time>) {
        if before == after {
            return;
        }
        let mut place = (before.unwrap_or(Time::NEVER), thing);
        if before.is_some() {
            self.0.remove(&place);
        }
        if let Some(after) = after {
            place.0 = after;
            self.0.insert(place);
        }
    }

    /// How many things are remembered.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes out the oldest one, if it ended a tombstone's time before `recorded`, or if there are more than `limit`.
    pub fn due(&mut self, recorded: Time, limit: u32) -> Option<Ending> {
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
    fn a_repeated_ending_is_remembered_once_and_from_the_newest_time() {
        let mut endings = Endings::default();
        for second in 1..=1000 {
            let before = (second > 1).then(|| at(second - 1));
            endings.place(Ending::User(7), before, Some(at(second)));
        }
        assert_eq!(endings.0.len(), 1);
        assert_eq!(endings.due(at(999 + TOMBSTONE_SECONDS), 1), None);
        assert_eq!(endings.due(at(1000 + TOMBSTONE_SECONDS), 1), Some(Ending::User(7)));
        assert_eq!(endings.due(at(i64::from(u32::MAX)), 1), None);
    }

    #[test]
    fn what_begins_again_is_not_remembered() {
        let mut endings = Endings::default();
        let session = || Ending::Session(1, "desk".into());
        endings.place(session(), None, Some(at(1)));
        endings.place(Ending::User(1), None, Some(at(2)));
        endings.place(session(), Some(at(1)), None);
        assert_eq!(endings.due(at(2 + TOMBSTONE_SECONDS), 10), Some(Ending::User(1)));
        assert_eq!(endings.due(at(2 + TOMBSTONE_SECONDS), 10), None);
    }

    #[test]
    fn past_the_limit_the_oldest_is_due_early() {
        let mut endings = Endings::default();
        for user in 1..=3 {
            endings.place(Ending::User(user), None, Some(at(user)));
        }
        assert_eq!(endings.due(at(3), 3), None);
        assert_eq!(endings.due(at(3), 2), Some(Ending::User(1)));
        assert_eq!(endings.due(at(3), 2), None);
    }
}
