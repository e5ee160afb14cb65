//! Slots: who holds which conversation. Sets of ids, never counters.

use std::collections::BTreeSet;

use super::State;
use super::endings::Ending;
use crate::domain::event::Rejection;
use crate::domain::{Channel, ConversationId, Entry, Outcome, Time, UserRef};
use crate::live::claim::{Claim, Stamp, Take};
use crate::live::rows::RowKey;

/// What a change to a claim came to.
pub(super) struct Settled {
    /// What the change said of itself.
    said: bool,
    /// Whether anybody holds it who did not, or the other way round.
    changed: bool,
    /// Who holds the conversation now, and on which channel.
    holder: Option<(u32, Channel)>,
}

impl State {
    pub(super) fn take_slot(
        &mut self,
        entry: &Entry,
        user: &UserRef,
        channel: Channel,
        conversation: &ConversationId,
    ) -> Result<Outcome, Rejection> {
        let ix = self.subject(user)?;
        let take = Take { stamp: stamp(entry), user: self.user_id(ix), channel };
        let mut first = false;
        let settled = self.settle(conversation, |claim| {
            first = claim.take(take);
            claim.take == Some(take)
        });
        self.handle(ix, u64::from(first));
        let holds = settled.said && settled.holder == Some((ix, channel));
        Ok(if holds || settled.changed { Outcome::Applied } else { Outcome::Stale })
    }

    pub(super) fn release_slot(
        &mut self,
        entry: &Entry,
        user: Option<&UserRef>,
        conversation: &ConversationId,
    ) -> Result<Outcome, Rejection> {
        let ix = user.map(|user| self.subject(user)).transpose()?;
        let user = ix.map(|ix| self.user_id(ix));
        let settled = self.settle(conversation, |claim| claim.release(user, stamp(entry)));
        let still_held = match (settled.holder, ix) {
            (Some((holder, _)), Some(ix)) => holder == ix,
            (holder, None) => holder.is_some(),
            (None, Some(_)) => false,
        };
        Ok(if settled.said && !still_held || settled.changed { Outcome::Applied } else { Outcome::Stale })
    }

    pub(super) fn sync_slots(
        &mut self,
        entry: &Entry,
        user: &UserRef,
        channel: Channel,
        conversations: &[ConversationId],
    ) -> Result<Outcome, Rejection> {
        let ix = self.subject(user)?;
        let user = self.user_id(ix);
        let stamp = stamp(entry);
        let floor = &mut self.people[ix as usize].floors[channel];
        let newest = stamp > *floor;
        *floor = stamp.max(*floor);
        self.touch(ix);
        let (mut changed, mut handled) = (false, 0);
        for conversation in conversations {
            changed |= self
                .settle(conversation, |claim| {
                    handled += u64::from(claim.take(Take { stamp, user, channel }));
                    true
                })
                .changed;
        }
        self.handle(ix, handled);
        let named: BTreeSet<_> = conversations.iter().collect();
        let held = &self.people[ix as usize].held[channel];
        let unnamed: Vec<_> = held.iter().filter(|conversation| !named.contains(conversation)).cloned().collect();
        for conversation in unnamed {
            self.settle(&conversation, |_| true);
        }
        Ok(if newest || changed { Outcome::Applied } else { Outcome::Stale })
    }

    /// Counts conversations that the user had not taken before.
    fn handle(&mut self, ix: u32, conversations: u64) {
        if conversations > 0 {
            self.people[ix as usize].handled += conversations;
            self.touch(ix);
        }
    }

    /// Changes a claim and lets the holders' sets follow.
    pub(super) fn settle(&mut self, conversation: &ConversationId, change: impl FnOnce(&mut Claim) -> bool) -> Settled {
        let mut claim = self.claims.remove(conversation).unwrap_or_default();
        let before = claim.take.and_then(|take| {
            let ix = self.directory.users().by_id(take.user)?;
            self.people[ix as usize].held[take.channel].contains(conversation).then_some((ix, take.channel))
        });
        let said = change(&mut claim);
        let holder = self.holder(&claim);
        if before != holder {
            if let Some((ix, channel)) = before {
                self.people[ix as usize].held[channel].remove(conversation);
                self.touch(ix);
            }
            if let Some((ix, channel)) = holder {
                self.people[ix as usize].held[channel].insert(conversation.clone());
                self.touch(ix);
            }
        }
        let ended_before = claim.ended;
        claim.ended = holder.is_none().then_some(self.recorded);
        self.endings.place(Ending::Claim(conversation.clone()), ended_before, claim.ended);
        self.dirty.insert(RowKey::Claim(conversation.clone()));
        self.claims.insert(conversation.clone(), claim);
        Settled { said, changed: before != holder, holder }
    }

    /// Who holds the conversation: the newest take, if no release, no sync's floor and no deletion ended it.
    pub(in crate::live) fn holder(&self, claim: &Claim) -> Option<(u32, Channel)> {
        let take = claim.standing()?;
        let ix = self.directory.users().by_id(take.user)?;
        self.directory.profile(ix)?;
        let floor = self.people[ix as usize].floors[take.channel];
        (take.stamp >= floor).then_some((ix, take.channel))
    }

    pub(super) fn forget_claim(&mut self, conversation: &ConversationId, ended: Time) {
        if self.claims.get(conversation).is_some_and(|claim| claim.ended == Some(ended)) {
            self.claims.remove(conversation);
            self.dirty.insert(RowKey::Claim(conversation.clone()));
        }
    }
}

fn stamp(entry: &Entry) -> Stamp {
    Stamp { time: entry.event.fact.time, seq: entry.seq }
}
