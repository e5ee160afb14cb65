//! Who holds a conversation, decided from the newest take and the newest releases (EVENTS.md, "Order").

use crate::domain::{Channel, Time};

/// A point in the order of events: by time, and at equal times by the order of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// When it happened.
    pub time: Time,
    /// Its position in the journal.
    pub seq: u64,
}

impl Stamp {
    /// Before every event.
    pub const NEVER: Stamp = Stamp { time: Time::NEVER, seq: 0 };
}

/// A user taking a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Take {
    /// When.
    pub stamp: Stamp,
    /// Who, by integer id.
    pub user: i64,
    /// On which channel.
    pub channel: Channel,
}

/// All that is remembered of one conversation's holders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The newest take. It also ends every older one.
    pub take: Option<Take>,
    /// The newest release without a subject.
    pub released: Stamp,
    /// The newest release of each user who released it, ascending by user.
    pub released_by: Vec<(i64, Stamp)>,
    /// Everybody who ever took it, ascending: the conversations that each of them handled are counted by it.
    pub takers: Vec<i64>,
    /// While nobody holds it: when that was last recorded, for the tombstone.
    pub ended: Option<Time>,
}

impl Default for Claim {
    fn default() -> Self {
        Claim { take: None, released: Stamp::NEVER, released_by: Vec::new(), takers: Vec::new(), ended: None }
    }
}

impl Claim {
    /// Records a take; an older one than the newest holds nothing. Tells whether it is the user's first.
    pub fn take(&mut self, take: Take) -> bool {
        if self.take.is_none_or(|newest| newest.stamp < take.stamp) {
            self.take = Some(take);
        }
        let first = self.takers.binary_search(&take.user);
        if let Err(at) = first {
            self.takers.insert(at, take.user);
        }
        first.is_err()
    }

    /// Records a release by `user`, or by nobody in particular. Tells whether it is the newest of its sort.
    pub fn release(&mut self, user: Option<i64>, stamp: Stamp) -> bool {
        let newest = match user {
            None => &mut self.released,
            Some(user) => {
                let at = self.released_by.binary_search_by_key(&user, |(user, _)| *user).unwrap_or_else(|at| {
                    self.released_by.insert(at, (user, Stamp::NEVER));
                    at
                });
                &mut self.released_by[at].1
            }
        };
        let advances = stamp > *newest;
        *newest = stamp.max(*newest);
        advances
    }

    /// Takes a forgotten user's name off what is remembered, since the id may be given again. Their take still ends
    /// every older one. Tells whether anything changed.
    pub fn disown(&mut self, user: i64) -> bool {
        let before = (self.released_by.len(), self.takers.len());
        self.released_by.retain(|(by, _)| *by != user);
        self.takers.retain(|by| *by != user);
        let mut changed = before != (self.released_by.len(), self.takers.len());
        if let Some(take) = self.take.as_mut().filter(|take| take.user == user) {
            take.user = 0;
            changed = true;
        }
        changed
    }

    /// The newest take, unless a release that applies to it is newer. A sync's floor is for the caller to compare.
    pub fn standing(&self) -> Option<Take> {
        let take = self.take?;
        let by_user = self.released_by.iter().find(|(user, _)| *user == take.user);
        let released = by_user.map_or(self.released, |(_, stamp)| self.released.max(*stamp));
        (take.stamp > released).then_some(take)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Stamp {
        Stamp { time: Time::from_micros(seconds * 1_000_000), seq: seconds as u64 }
    }

    fn taken(user: i64, seconds: i64) -> Take {
        Take { stamp: at(seconds), user, channel: Channel::Chat }
    }

    #[test]
    fn the_old_holder_cannot_free_the_new_one() {
        let mut claim = Claim::default();
        claim.take(taken(1, 10));
        claim.take(taken(2, 20));
        claim.release(Some(1), at(21));
        assert_eq!(claim.standing(), Some(taken(2, 20)));
        claim.release(None, at(22));
        assert_eq!(claim.standing(), None);
    }

    #[test]
    fn a_late_take_does_not_come_back_to_life() {
        let mut claim = Claim::default();
        claim.release(Some(1), at(20));
        claim.take(taken(1, 10));
        assert_eq!(claim.standing(), None, "released before the take arrived");
        claim.take(taken(2, 5));
        assert_eq!(claim.standing(), None, "and the released take had ended the older one");
    }
}
