//! The events of a live breakdown.

use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::super::breakdown::answer::Answer;
use crate::http::describe;
use crate::http::live::events::{Form, event};
use crate::http::live::{Instant, LiveAnswer};

/// The shortest and the longest time after which a client connects again, in milliseconds. Each is given one between them,
/// so that clients that were cut together do not return together.
const RETRY: [u128; 2] = [2_000, 5_000];

/// The events of one client.
pub struct BreakdownEvents {
    /// Milliseconds after which the client connects again.
    retry: u128,
    /// True once there was an answer, which may have to wait for a position.
    has_answered: bool,
}

impl BreakdownEvents {
    /// Makes the events of a client. `random` is any random id.
    pub fn new(random: Uuid) -> Self {
        let [least, most] = RETRY;
        BreakdownEvents { retry: least + random.as_u128() % (most - least + 1), has_answered: false }
    }
}

impl Form for BreakdownEvents {
    const STILL_INTERVAL: Duration = Duration::from_secs(2);

    fn begin(&self) -> Bytes {
        format!("retry: {}\n\n", self.retry).into()
    }

    fn answer(&mut self, answer: &LiveAnswer, is_behind: bool) -> Bytes {
        self.has_answered = true;
        let name = if is_behind { "reset" } else { "moment" };
        let id = format!("id: {}\n", answer.position).into_bytes();
        [id, event(name, &answer.body)].concat().into()
    }

    fn still(&mut self, now: Instant) -> Bytes {
        if !self.has_answered {
            return Bytes::new();
        }
        // Serialising our own plain types cannot fail.
        event("still", &serde_json::to_vec(&now).unwrap_or_default()).into()
    }

    fn refused(&mut self, errors: &Bytes) -> Bytes {
        event("problem", errors).into()
    }
}

/// Returns the events of the description's example.
pub fn example() -> String {
    let moment = serde_json::to_vec(&Answer::example()).unwrap_or_default();
    let still = Instant { position: 19, time: describe::EXAMPLE_TIME.plus_seconds(2), staleness_ms: 40 };
    let still = serde_json::to_vec(&still).unwrap_or_default();
    let events = [b"retry: 3127\n\nid: 19\n".to_vec(), event("moment", &moment), event("still", &still)].concat();
    String::from_utf8_lossy(&events).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_return_after_two_to_five_seconds() {
        let of = |random: u128| BreakdownEvents::new(Uuid::from_u128(random)).begin();
        assert_eq!([of(0), of(3_000), of(3_001)], ["retry: 2000\n\n", "retry: 5000\n\n", "retry: 2000\n\n"]);
    }
}
