//! Claims on conversations: the holder follows from the newest take and the newest releases
//! (docs/reference/events.md, "Slots").

use super::tight;
use crate::domain::settings::limits::USERS_PER_CONVERSATION;
use crate::domain::{Channel, Time};

/// A point in the order of events: by event time, and at equal times by position in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Event time.
    pub time: Time,
    /// Position of the entry in the journal.
    pub seq: u64,
}

impl Stamp {
    /// A stamp before every event.
    pub const NEVER: Stamp = Stamp { time: Time::NEVER, seq: 0 };
}

/// A user taking a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Take {
    /// Point in the order of events.
    pub stamp: Stamp,
    /// The user by integer id; 0 for a user that was not in the directory.
    pub user: i64,
    /// Channel of the slot.
    pub channel: Channel,
}

/// The effect of a take on the takers that are remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakerChange {
    /// True if the user was added.
    pub is_first: bool,
    /// The user that was removed to make room, with the position of that user's first take.
    pub evicted: Option<(i64, u64)>,
}

/// The takes and releases of one conversation, as far as they are remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The newest take. It ends every older one.
    pub take: Option<Take>,
    /// The newest release without a subject, or by a user that is no longer in `released_by`.
    pub released: Stamp,
    /// The newest release by each user, ascending by user: those of the [`USERS_PER_CONVERSATION`] users who released
    /// it last.
    pub released_by: Vec<(i64, Stamp)>,
    /// The users that ever took it, ascending, with the position of the user's first take: those with the lowest ids,
    /// [`USERS_PER_CONVERSATION`] at most. The number of conversations handled counts a conversation once per user by
    /// means of it.
    pub takers: Vec<(i64, u64)>,
    /// The newest event time of all takes and releases. The state's floor rises to it when the claim is dropped.
    pub newest: Time,
    /// Recorded time of the newest entry about it, if no user holds it. Its tombstone's term starts then.
    pub ended: Option<Time>,
}

impl Default for Claim {
    fn default() -> Self {
        Claim {
            take: None,
            released: Stamp::NEVER,
            released_by: Vec::new(),
            takers: Vec::new(),
            newest: Time::NEVER,
            ended: None,
        }
    }
}

impl Claim {
    /// Records a take; one older than the newest has no effect on the holder. Returns the change of the takers.
    pub fn take(&mut self, take: Take) -> TakerChange {
        self.supersede(take);
        let Err(at) = self.takers.binary_search_by_key(&take.user, |(user, _)| *user) else {
            return TakerChange::default();
        };
        tight::insert(&mut self.takers, at, (take.user, take.stamp.seq));
        // The lowest ids are kept, rather than the first takers, since which ones take first depends on the order of
        // arrival.
        let is_over = self.takers.len() > USERS_PER_CONVERSATION;
        match self.takers.pop_if(|_| is_over) {
            Some((user, _)) if user == take.user => TakerChange::default(),
            evicted => TakerChange { is_first: true, evicted },
        }
    }

    /// Records a take that was refused: by a user that is not in the directory, or past a quota. It ends older takes
    /// and holds nothing itself.
    pub fn take_by_other(&mut self, stamp: Stamp, channel: Channel) {
        self.supersede(Take { stamp, user: 0, channel });
    }

    fn supersede(&mut self, take: Take) {
        if self.take.is_none_or(|newest| newest.stamp < take.stamp) {
            self.take = Some(take);
        }
        self.newest = self.newest.max(take.stamp.time);
    }

    /// Records a release by `user`, or without a subject. Returns true if it is newer than all of that user's, or than
    /// all without a subject.
    pub fn release(&mut self, user: Option<i64>, stamp: Stamp) -> bool {
        self.newest = self.newest.max(stamp.time);
        let newest = match user {
            None => &mut self.released,
            Some(user) => {
                let at = self.released_by.binary_search_by_key(&user, |(user, _)| *user).unwrap_or_else(|at| {
                    tight::insert(&mut self.released_by, at, (user, Stamp::NEVER));
                    at
                });
                &mut self.released_by[at].1
            }
        };
        let advances = stamp > *newest;
        *newest = stamp.max(*newest);
        self.bound_releases();
        advances
    }

    /// Merges the oldest release by a user beyond [`USERS_PER_CONVERSATION`] into the one without a subject. No release
    /// is lost by that, in whatever order takes and releases arrive; it may also end older takes by other users
    /// (docs/decisions/0064-ends-take-effect.md).
    fn bound_releases(&mut self) {
        if self.released_by.len() <= USERS_PER_CONVERSATION {
            return;
        }
        let oldest = self.released_by.iter().enumerate().min_by_key(|(_, (_, stamp))| *stamp).map(|(at, _)| at);
        if let Some(at) = oldest {
            let (_, stamp) = self.released_by.remove(at);
            self.released = self.released.max(stamp);
        }
    }

    /// Removes takes and releases of an earlier owner of the id `user`, which was assigned anew by the entry at
    /// `created`. The earlier owner's take still ends every older one.
    pub fn disown(&mut self, user: i64, created: u64) {
        self.released_by.retain(|(by, stamp)| *by != user || stamp.seq >= created);
        self.takers.retain(|(by, seq)| *by != user || *seq >= created);
        if let Some(take) = self.take.as_mut().filter(|take| take.user == user && take.stamp.seq < created) {
            take.user = 0;
        }
    }

    /// Bytes that the lists occupy on the heap.
    pub fn heap_bytes(&self) -> usize {
        tight::heap_bytes(&self.released_by) + tight::heap_bytes(&self.takers)
    }

    /// The newest event time of the stored take and releases. Older than [`Claim::newest`] if that came from a take or
    /// release no longer stored.
    pub fn newest_standing(&self) -> Time {
        let taken = self.take.map_or(Time::NEVER, |take| take.stamp.time);
        let by_users = self.released_by.iter().map(|(_, stamp)| stamp.time).max().unwrap_or(Time::NEVER);
        taken.max(self.released.time).max(by_users)
    }

    /// The newest take, unless a release that applies to it is at least as new. The caller also has to compare it with
    /// the floor of the user's newest sync.
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
    fn a_release_by_the_previous_holder_has_no_effect() {
        let mut claim = Claim::default();
        claim.take(taken(1, 10));
        claim.take(taken(2, 20));
        claim.release(Some(1), at(21));
        assert_eq!(claim.standing(), Some(taken(2, 20)));
        claim.release(None, at(22));
        assert_eq!(claim.standing(), None);
    }

    #[test]
    fn a_take_older_than_a_release_holds_nothing() {
        let mut claim = Claim::default();
        claim.release(Some(1), at(20));
        claim.take(taken(1, 10));
        assert_eq!(claim.standing(), None, "released before the take arrived");
        claim.take(taken(2, 5));
        assert_eq!(claim.standing(), None, "and the released take had ended the older one");
    }

    const MOST: i64 = USERS_PER_CONVERSATION as i64;

    #[test]
    fn the_takers_with_the_lowest_ids_are_remembered_in_any_order() {
        let users: Vec<i64> = (1..=MOST + 50).collect();
        let mut ascending = Claim::default();
        let mut descending = Claim::default();
        let mut counted = std::collections::BTreeSet::new();
        for user in &users {
            ascending.take(taken(*user, *user));
        }
        for user in users.iter().rev() {
            let change = descending.take(taken(*user, *user));
            assert!(change.is_first);
            counted.insert(*user);
            assert!(change.evicted.is_none_or(|(evicted, _)| counted.remove(&evicted)));
        }
        assert_eq!(ascending, descending);
        assert_eq!(counted, (1..=MOST).collect(), "those that are counted are those that are remembered");
        assert_eq!(ascending.standing(), Some(taken(MOST + 50, MOST + 50)), "takes beyond hold the conversation");
        let again = ascending.take(taken(MOST + 1, MOST + 60));
        assert_eq!(again, TakerChange::default());
    }

    #[test]
    fn releases_by_many_users_are_never_lost_in_any_order() {
        let releases: Vec<i64> = (1..=MOST + 50).collect();
        for released in [releases.clone(), releases.into_iter().rev().collect()] {
            for (user, at, is_held) in [(7, 40, false), (7, 60, true), (MOST + 50, MOST + 49, false), (7, 50, false)] {
                let mut before = Claim::default();
                before.take(taken(user, at));
                let mut after = Claim::default();
                for other in &released {
                    before.release(Some(*other), self::at(*other));
                    after.release(Some(*other), self::at(*other));
                }
                after.take(taken(user, at));
                assert_eq!(before.standing().is_some(), is_held, "{user} at {at}");
                assert_eq!(before, after, "{user} at {at}");
                assert_eq!(before.released_by.len(), USERS_PER_CONVERSATION);
            }
        }
    }

    #[test]
    fn disown_removes_takes_and_releases_of_an_earlier_owner() {
        let mut claim = Claim::default();
        claim.take(taken(1, 10));
        claim.release(Some(1), at(30));
        claim.disown(1, 40);
        assert!(claim.take(taken(1, 50)).is_first, "the first take of the new owner");
        assert_eq!(claim.standing(), Some(taken(1, 50)));
        assert_eq!(claim.newest, at(50).time);
    }
}
