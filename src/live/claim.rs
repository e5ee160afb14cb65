//! Claims on conversations: the holder follows from the newest take and the newest releases
//! (docs/reference/events.md, "Slots").

use crate::domain::event::Rejection;
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

/// The takes and releases of one conversation, as far as they are remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The newest take. It ends every older one.
    pub take: Option<Take>,
    /// The newest release without a subject.
    pub released: Stamp,
    /// The newest release by each user, ascending by user.
    pub released_by: Vec<(i64, Stamp)>,
    /// Each user that ever took it, ascending, with the position of the user's first take. The number of conversations
    /// handled counts a conversation once per user by means of it.
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
    /// Records a take; one older than the newest has no effect on the holder. Returns true if it is the user's first
    /// take of the conversation. [`Rejection::Limit`] if too many users took it.
    pub fn take(&mut self, take: Take) -> Result<bool, Rejection> {
        let first = self.takers.binary_search_by_key(&take.user, |(user, _)| *user);
        if let Err(at) = first {
            self.takers.insert(at, (take.user, take.stamp.seq));
            // Checked after the insertion: a change works on a copy, which is dropped if it is rejected.
            has_room(self.takers.len())?;
        }
        self.supersede(take);
        Ok(first.is_err())
    }

    /// Records a take by a user that is not in the directory. It ends older takes and holds nothing itself.
    pub fn take_unknown(&mut self, stamp: Stamp, channel: Channel) {
        self.supersede(Take { stamp, user: 0, channel });
    }

    fn supersede(&mut self, take: Take) {
        if self.take.is_none_or(|newest| newest.stamp < take.stamp) {
            self.take = Some(take);
        }
        self.newest = self.newest.max(take.stamp.time);
    }

    /// Records a release by `user`, or without a subject. Returns true if it is newer than all of that user's, or than
    /// all without a subject. [`Rejection::Limit`] if too many users released it.
    pub fn release(&mut self, user: Option<i64>, stamp: Stamp) -> Result<bool, Rejection> {
        let newest = match user {
            None => &mut self.released,
            Some(user) => {
                let at = self.released_by.binary_search_by_key(&user, |(user, _)| *user).unwrap_or_else(|at| {
                    self.released_by.insert(at, (user, Stamp::NEVER));
                    at
                });
                has_room(self.released_by.len())?;
                &mut self.released_by[at].1
            }
        };
        let advances = stamp > *newest;
        *newest = stamp.max(*newest);
        self.newest = self.newest.max(stamp.time);
        Ok(advances)
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

fn has_room(users: usize) -> Result<(), Rejection> {
    let limit = USERS_PER_CONVERSATION;
    if users > limit as usize { Err(Rejection::Limit { name: "users_per_conversation", limit }) } else { Ok(()) }
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
        claim.take(taken(1, 10)).unwrap();
        claim.take(taken(2, 20)).unwrap();
        claim.release(Some(1), at(21)).unwrap();
        assert_eq!(claim.standing(), Some(taken(2, 20)));
        claim.release(None, at(22)).unwrap();
        assert_eq!(claim.standing(), None);
    }

    #[test]
    fn a_take_older_than_a_release_holds_nothing() {
        let mut claim = Claim::default();
        claim.release(Some(1), at(20)).unwrap();
        claim.take(taken(1, 10)).unwrap();
        assert_eq!(claim.standing(), None, "released before the take arrived");
        claim.take(taken(2, 5)).unwrap();
        assert_eq!(claim.standing(), None, "and the released take had ended the older one");
    }

    #[test]
    fn takers_and_releasers_of_a_conversation_are_limited() {
        let mut claim = Claim::default();
        let last = i64::from(USERS_PER_CONVERSATION);
        for user in 1..=last {
            claim.take(taken(user, user)).unwrap();
            claim.release(Some(user), at(user)).unwrap();
        }
        let refused = Rejection::Limit { name: "users_per_conversation", limit: USERS_PER_CONVERSATION };
        assert_eq!(claim.clone().take(taken(last + 1, last + 1)), Err(refused.clone()));
        assert_eq!(claim.clone().release(Some(last + 1), at(last + 1)), Err(refused));
        assert_eq!(claim.take(taken(1, last + 2)), Ok(false));
        assert_eq!(claim.release(None, at(last + 3)), Ok(true));
    }

    #[test]
    fn disown_removes_takes_and_releases_of_an_earlier_owner() {
        let mut claim = Claim::default();
        claim.take(taken(1, 10)).unwrap();
        claim.release(Some(1), at(30)).unwrap();
        claim.disown(1, 40);
        assert_eq!(claim.take(taken(1, 50)), Ok(true), "the first take of the new owner");
        assert_eq!(claim.standing(), Some(taken(1, 50)));
        assert_eq!(claim.newest, at(50).time);
    }
}
