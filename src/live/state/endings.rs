//! What ended, and is remembered for a while (EVENTS.md, "Order, repeats, truth").

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::domain::{ConversationId, Time};

/// How long what ended stays remembered, in seconds of recorded time.
pub const TOMBSTONE_SECONDS: i64 = 24 * 60 * 60;

/// Something that ended.
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
pub struct Endings(BTreeSet<(Time, Ending)>);

impl Endings {
    /// Puts a thing where it belongs: it had ended at `before`, if at all, and has now at `after`, if at all.
    pub fn place(&mut self, thing: Ending, before: Option<Time>, after: Option<Time>) {
        let mut place = (before.unwrap_or(Time::NEVER), thing);
        if before.is_some() {
            self.0.remove(&place);
        }
        if let Some(after) = after {
            place.0 = after;
            self.0.insert(place);
        }
    }

    /// Takes out one that ended a tombstone's time before `recorded`, the oldest first.
    pub fn due(&mut self, recorded: Time) -> Option<(Time, Ending)> {
        let (ended, _) = self.0.first()?;
        if ended.plus_seconds(TOMBSTONE_SECONDS) > recorded {
            return None;
        }
        self.0.pop_first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn what_ends_again_is_remembered_once_and_from_then_on() {
        let mut endings = Endings::default();
        for second in 1..=1000 {
            let before = (second > 1).then(|| at(second - 1));
            endings.place(Ending::User(7), before, Some(at(second)));
        }
        assert_eq!(endings.0.len(), 1);
        assert_eq!(endings.due(at(999 + TOMBSTONE_SECONDS)), None);
        assert_eq!(endings.due(at(1000 + TOMBSTONE_SECONDS)), Some((at(1000), Ending::User(7))));
        assert_eq!(endings.due(at(i64::from(u32::MAX))), None);
    }

    #[test]
    fn what_begins_again_is_not_remembered() {
        let mut endings = Endings::default();
        let session = || Ending::Session(1, "desk".into());
        endings.place(session(), None, Some(at(1)));
        endings.place(Ending::User(1), None, Some(at(2)));
        endings.place(session(), Some(at(1)), None);
        assert_eq!(endings.due(at(2 + TOMBSTONE_SECONDS)), Some((at(2), Ending::User(1))));
        assert_eq!(endings.due(at(2 + TOMBSTONE_SECONDS)), None);
    }
}
