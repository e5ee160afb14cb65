//! Which conversations a list is about, and which part of it is asked for.

use uuid::Uuid;

use super::{Life, Medium};
use crate::domain::Time;

/// Where a conversation stands in a list: by milliseconds of its time, then by id. Milliseconds, since that is what the
/// vendor's cursors hold (CONTRACTS.md 2.4), and a place that a cursor cannot name would be passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Milliseconds since 1970.
    pub millis: i64,
    /// The conversation.
    pub id: Uuid,
}

impl Key {
    /// The place of a conversation in the list of the open ones, by when it began, or of the closed ones, by when it
    /// closed.
    pub fn of(life: &Life, id: Uuid) -> Self {
        let time = life.closing.as_ref().map_or(life.created, |closing| closing.time);
        Key { millis: millis(time), id }
    }
}

/// Whole milliseconds since 1970, downwards.
pub const fn millis(time: Time) -> i64 {
    time.micros().div_euclid(1_000)
}

/// All that a conversation must be. What is not given restricts nothing; an empty list matches nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Criteria {
    /// Closed from then to then, both included.
    pub closed: Option<(Time, Time)>,
    /// This one.
    pub id: Option<Uuid>,
    /// On any of these projects, by integer id.
    pub projects: Option<Vec<i64>>,
    /// On any of these channels.
    pub media: Option<Vec<Medium>>,
    /// Closed for any of these reasons.
    pub reasons: Option<Vec<String>>,
    /// Given to any of these routing groups.
    pub routing_groups: Option<Vec<Uuid>>,
    /// Of each list somebody took part, by integer id, ascending.
    pub users: Vec<Vec<i64>>,
}

/// The part of a list that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// From its beginning, or from its end.
    pub forward: bool,
    /// Beyond this place.
    pub after: Option<Key>,
    /// Before this place.
    pub before: Option<Key>,
    /// Conversations, at most.
    pub limit: usize,
}
