//! Filter, sort key and page of a list of conversations.

use uuid::Uuid;

use super::{Conversation, Medium, Summary};
use crate::domain::Time;

/// The sort key of a conversation in a list: milliseconds of its time, then its id. Cursors of the vendor hold
/// milliseconds (docs/reference/iadvize-graphql.md, "Pages"); a finer key would make a cursor skip conversations within
/// its millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub millis: i64,
    /// Id of the conversation; it orders those within one millisecond.
    pub id: Uuid,
}

impl Key {
    /// The key of a conversation of this summary. Open conversations are listed by the time they began, closed ones by the time they
    /// were closed.
    pub fn of(summary: &Summary, id: Uuid) -> Self {
        let time = summary.closing.as_ref().map_or(summary.created, |closing| closing.time);
        Key { millis: millis(time), id }
    }
}

impl Key {
    /// The key of a conversation. `None` while it has no summary, and so is in no list.
    pub fn of_listed(conversation: &Conversation) -> Option<Self> {
        Some(Key::of(conversation.summary()?, conversation.id()))
    }

    /// Returns the place that follows directly.
    fn next(self) -> Self {
        match self.id.as_u128().checked_add(1) {
            Some(id) => Key { id: Uuid::from_u128(id), ..self },
            None => Key { millis: self.millis + 1, id: Uuid::nil() },
        }
    }

    /// Returns the place directly before.
    fn previous(self) -> Self {
        match self.id.as_u128().checked_sub(1) {
            Some(id) => Key { id: Uuid::from_u128(id), ..self },
            None => Key { millis: self.millis - 1, id: Uuid::max() },
        }
    }
}

/// Converts a time to milliseconds since 1970, rounded down.
pub const fn millis(time: Time) -> i64 {
    time.micros().div_euclid(1_000)
}

/// Criteria that a listed conversation meets, all of them. `None` restricts nothing; an empty list matches nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Criteria {
    /// Closed between these times, both inclusive.
    pub closed: Option<(Time, Time)>,
    /// Has this id.
    pub id: Option<Uuid>,
    /// Belongs to one of these projects, by integer id.
    pub projects: Option<Vec<i64>>,
    /// Takes place on one of these media.
    pub media: Option<Vec<Medium>>,
    /// Was closed for one of these reasons.
    pub reasons: Option<Vec<String>>,
    /// Was routed to one of these routing groups.
    pub routing_groups: Option<Vec<Uuid>>,
    /// Had at least one participant from each of these lists, ascending by id.
    pub users: Vec<Vec<IdOwner>>,
}

/// The owner of a user's integer id from a position of the journal on. An id can be given again; participants before the
/// position were other users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdOwner {
    /// The integer id.
    pub id: i64,
    /// Position of the entry that created the user; 0 for whichever user had the id.
    pub since: u64,
}

impl IdOwner {
    /// Whichever user had the id.
    pub const fn any(id: i64) -> Self {
        IdOwner { id, since: 0 }
    }
}

impl Criteria {
    /// Returns true if conversations of the interval have to be read that do not meet the criteria. One id is found by
    /// itself.
    pub fn is_search(&self) -> bool {
        self.id.is_none() && self.filters() > 0
    }

    /// Returns true if the conversation had a participant from each list. The archive's rows have integer ids only, so
    /// what it finds by them is compared again.
    pub fn took_part(&self, conversation: &Conversation) -> bool {
        self.users.iter().all(|list| {
            conversation.pushed_to().any(|user| {
                // At most one owner of an id is listed besides that of any position, which is the lower.
                let at = list.partition_point(|owner| owner.id < user.id);
                list.get(at).is_some_and(|owner| owner.id == user.id && owner.since <= user.at)
            })
        })
    }

    /// Returns the number of criteria besides the interval and the id.
    pub fn filters(&self) -> usize {
        let Criteria { projects, media, reasons, routing_groups, users, .. } = self;
        let given = [projects.is_some(), media.is_some(), reasons.is_some(), routing_groups.is_some()];
        given.into_iter().filter(|is_given| *is_given).count() + users.len()
    }
}

/// The requested page of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// True to count the limit from the beginning of the list, false from its end.
    pub forward: bool,
    /// Only conversations after this key.
    pub after: Option<Key>,
    /// Only conversations before this key.
    pub before: Option<Key>,
    /// Maximum number of conversations.
    pub limit: usize,
}

impl Span {
    /// Returns the part of the span up to a place in its direction, which it includes.
    pub fn up_to(self, end: Key) -> Self {
        // The bounds of a span are excluded, so the part ends before the place that follows.
        if self.forward {
            Span { before: Some(end.next()), ..self }
        } else {
            Span { after: Some(end.previous()), ..self }
        }
    }

    /// Returns the part of the span beyond a place in its direction. `None` stands for the end of the span.
    pub fn beyond(self, place: Option<Key>) -> Self {
        if self.forward { Span { after: place, ..self } } else { Span { before: place, ..self } }
    }
}
