//! Slots: who holds which conversation. Sets of ids, never counters.

use std::collections::BTreeSet;

use super::State;
use super::endings::Ending;
use crate::domain::event::Rejection;
use crate::domain::{Channel, ConversationId, Entry, Outcome, Quota, Time, UserRef};
use crate::live::claim::{Claim, Stamp, Take};
use crate::live::persistent::steps;
use crate::live::rows::RowKey;

/// A change to a claim that was decided and is not made yet, so that it can still be refused.
pub(super) struct Change {
    conversation: ConversationId,
    claim: Claim,
    /// Who held the conversation, and on which channel.
    before: Option<(u32, Channel)>,
    /// Who holds it after the change.
    after: Option<(u32, Channel)>,
}

impl Change {
    /// Whether the holder changes.
    fn moves(&self) -> bool {
        self.before != self.after
    }

    /// Whether the change leaves a conversation that was held without a holder.
    pub(super) const fn releases(&self) -> bool {
        self.before.is_some() && self.after.is_none()
    }
}

/// A take that may be made.
pub(super) struct Taking {
    change: Change,
    /// The user, where it is the first take of this conversation by this user.
    first: Option<u32>,
    /// Whether it is the newest take, and the user holds the conversation by it.
    holds: bool,
}

impl State {
    pub(super) fn take_slot(
        &mut self,
        entry: &Entry,
        user: &UserRef,
        channel: Channel,
        conversation: &ConversationId,
    ) -> Result<Outcome, Rejection> {
        let Ok(ix) = self.subject(user) else {
            let Some(change) = self.unknown_take(entry, channel, conversation) else {
                return Err(Rejection::UnknownUser);
            };
            let releases = change.releases();
            self.make(change);
            return if releases { Ok(Outcome::HolderReleased) } else { Err(Rejection::UnknownUser) };
        };
        Ok(match self.taking(entry, ix, channel, conversation)? {
            Some(taking) => self.make_taking(taking),
            None => Outcome::Stale,
        })
    }

    /// A take by a user of the directory; `None` when it is too late for a conversation that is not known.
    pub(super) fn taking(
        &self,
        entry: &Entry,
        ix: u32,
        channel: Channel,
        conversation: &ConversationId,
    ) -> Result<Option<Taking>, Rejection> {
        let take = Take { stamp: stamp(entry), user: self.user_id(ix), channel };
        let created = self.people[ix as usize].created.unwrap_or(0);
        let mut first = false;
        let change = self.change(entry, conversation, |claim| {
            claim.disown(take.user, created);
            first = claim.take(take)?;
            Ok(())
        })?;
        let Some(change) = change else { return Ok(None) };
        self.check_slots(ix, std::slice::from_ref(&change), 0)?;
        let holds = change.claim.take == Some(take) && change.after == Some((ix, channel));
        Ok(Some(Taking { change, first: first.then_some(ix), holds }))
    }

    /// Makes a take.
    pub(super) fn make_taking(&mut self, taking: Taking) -> Outcome {
        let Taking { change, first, holds } = taking;
        let moves = change.moves();
        self.make(change);
        if let Some(ix) = first {
            self.handle(ix, 1);
        }
        if holds || moves { Outcome::Applied } else { Outcome::Stale }
    }

    /// A take by a user whom the directory does not know: the conversation went to that user, so that the take ends
    /// every older one, whatever the order of arrival. `None` when it is too late.
    pub(super) fn unknown_take(
        &self,
        entry: &Entry,
        channel: Channel,
        conversation: &ConversationId,
    ) -> Option<Change> {
        let taken = self.change(entry, conversation, |claim| {
            claim.take_unknown(stamp(entry), channel);
            Ok(())
        });
        taken.ok().flatten()
    }

    pub(super) fn release_slot(
        &mut self,
        entry: &Entry,
        user: Option<&UserRef>,
        conversation: &ConversationId,
    ) -> Result<Outcome, Rejection> {
        let ix = user.map(|user| self.subject(user)).transpose()?;
        let user = ix.map(|ix| self.user_id(ix));
        let created = ix.map_or(0, |ix| self.people[ix as usize].created.unwrap_or(0));
        let mut newest = false;
        let change = self.change(entry, conversation, |claim| {
            if let Some(user) = user {
                claim.disown(user, created);
            }
            newest = claim.release(user, stamp(entry))?;
            Ok(())
        })?;
        let Some(change) = change else { return Ok(Outcome::Stale) };
        let still_held = match (change.after, ix) {
            (Some((holder, _)), Some(ix)) => holder == ix,
            (holder, None) => holder.is_some(),
            (None, Some(_)) => false,
        };
        let is_applied = newest && !still_held || change.moves();
        self.make(change);
        Ok(if is_applied { Outcome::Applied } else { Outcome::Stale })
    }

    /// A release without a subject; `None` when it is too late.
    pub(super) fn release(&self, entry: &Entry, conversation: &ConversationId) -> Result<Option<Change>, Rejection> {
        self.change(entry, conversation, |claim| claim.release(None, stamp(entry)).map(|_| ()))
    }

    pub(super) fn sync_slots(
        &mut self,
        entry: &Entry,
        user: &UserRef,
        channel: Channel,
        conversations: &[ConversationId],
    ) -> Result<Outcome, Rejection> {
        let ix = self.subject(user)?;
        let named: BTreeSet<_> = conversations.iter().collect();
        // A longer list could not be held, and the work that one event may ask for ends somewhere.
        self.check_room(Quota::SlotsPerUser, 0, named.len())?;
        let stamp = stamp(entry);
        let before = self.people[ix as usize].floors[channel];
        let newest = stamp > before;
        // Who holds what depends on the floor; a refusal below puts it back.
        self.people[ix as usize].floors[channel] = stamp.max(before);
        let planned = self.syncing(entry, ix, (channel, newest), &named);
        let (changes, handled) = planned.inspect_err(|_| self.people[ix as usize].floors[channel] = before)?;
        self.touch(ix);
        let changed = changes.iter().any(Change::moves);
        for change in changes {
            self.make(change);
        }
        self.handle(ix, handled);
        Ok(if newest || changed { Outcome::Applied } else { Outcome::Stale })
    }

    /// What a sync changes, all of it or nothing: the takes of what it names, and the end of what it does not. Returns
    /// the number of first takes as well.
    fn syncing(
        &self,
        entry: &Entry,
        ix: u32,
        (channel, newest): (Channel, bool),
        named: &BTreeSet<&ConversationId>,
    ) -> Result<(Vec<Change>, u64), Rejection> {
        let take = Take { stamp: stamp(entry), user: self.user_id(ix), channel };
        let person = &self.people[ix as usize];
        let created = person.created.unwrap_or(0);
        let (mut changes, mut handled) = (Vec::new(), 0);
        // An older sync than the newest ends nothing that the newest did not end.
        if newest {
            steps::count(person.held[channel].len());
            for conversation in person.held[channel].iter().filter(|held| !named.contains(held)) {
                let change = self.change(entry, conversation, |_| Ok(()))?;
                changes.extend(change.filter(Change::moves));
            }
        }
        let ended = changes.len();
        for conversation in named {
            changes.extend(self.change(entry, conversation, |claim| {
                claim.disown(take.user, created);
                handled += u64::from(claim.take(take)?);
                Ok(())
            })?);
        }
        self.check_slots(ix, &changes[ended..], ended)?;
        Ok((changes, handled))
    }

    /// Whether the user and the tenant have room for what the changes make them hold, of which `ended` less.
    fn check_slots(&self, ix: u32, changes: &[Change], ended: usize) -> Result<(), Rejection> {
        let is_held_by = |holder: Option<(u32, Channel)>| holder.is_some_and(|(holder, _)| holder == ix);
        let all = self.usage.slots;
        let own = self.people[ix as usize].held_in_all();
        let (mut all_after, mut own_after) = (all - ended, own - ended);
        for change in changes {
            own_after = own_after + usize::from(is_held_by(change.after)) - usize::from(is_held_by(change.before));
            all_after = all_after + usize::from(change.after.is_some()) - usize::from(change.before.is_some());
        }
        self.check_room(Quota::SlotsPerUser, own, own_after)?;
        self.check_room(Quota::Slots, all, all_after)
    }

    /// Counts conversations that the user had not taken before.
    fn handle(&mut self, ix: u32, conversations: u64) {
        if conversations > 0 {
            self.people[ix as usize].handled += conversations;
            self.touch(ix);
        }
    }

    /// Decides a change to a claim. `None` for a conversation that the state does not know, when the event is too late.
    pub(super) fn change(
        &self,
        entry: &Entry,
        conversation: &ConversationId,
        change: impl FnOnce(&mut Claim) -> Result<(), Rejection>,
    ) -> Result<Option<Change>, Rejection> {
        let known = self.claims.get(conversation);
        if known.is_none() && self.is_late(&entry.event) {
            return Ok(None);
        }
        let mut claim = known.cloned().unwrap_or_default();
        let before = claim.take.and_then(|take| {
            let ix = self.directory.users().by_id(take.user)?;
            self.people[ix as usize].held[take.channel].contains(conversation).then_some((ix, take.channel))
        });
        change(&mut claim)?;
        let after = self.holder(&claim);
        Ok(Some(Change { conversation: conversation.clone(), claim, before, after }))
    }

    /// Makes a change, and lets the holders' sets follow.
    pub(super) fn make(&mut self, change: Change) {
        let moves = change.moves();
        let Change { conversation, mut claim, before, after } = change;
        if moves {
            if let Some((ix, channel)) = before {
                self.people[ix as usize].held[channel].remove(&conversation);
                self.touch(ix);
            }
            if let Some((ix, channel)) = after {
                self.people[ix as usize].held[channel].insert(conversation.clone());
                self.touch(ix);
            }
            self.usage.slots = self.usage.slots + usize::from(after.is_some()) - usize::from(before.is_some());
        }
        let ended_before = claim.ended;
        claim.ended = after.is_none().then_some(self.recorded);
        self.endings.place(Ending::Claim(conversation.clone()), ended_before, claim.ended);
        self.dirty.insert(RowKey::Claim(conversation.clone()));
        self.claims.insert(conversation, claim);
    }

    /// Who holds the conversation: the newest take, if no release, no sync's floor and no deletion ended it.
    pub(in crate::live) fn holder(&self, claim: &Claim) -> Option<(u32, Channel)> {
        let take = claim.standing()?;
        let ix = self.directory.users().by_id(take.user)?;
        self.directory.profile(ix)?;
        let person = &self.people[ix as usize];
        let is_theirs = take.stamp >= person.floors[take.channel] && take.stamp.seq >= person.created.unwrap_or(0);
        is_theirs.then_some((ix, take.channel))
    }

    /// Forgets a claim; returns the newest event time that was said of it.
    pub(super) fn forget_claim(&mut self, conversation: &ConversationId) -> Time {
        let newest = self.claims.get(conversation).map_or(Time::NEVER, |claim| claim.newest);
        self.claims.remove(conversation);
        self.dirty.insert(RowKey::Claim(conversation.clone()));
        newest
    }
}

fn stamp(entry: &Entry) -> Stamp {
    Stamp { time: entry.event.fact.time, seq: entry.seq }
}
