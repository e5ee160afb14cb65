//! Slots: the conversations that each user holds. They are sets of ids, never counters, so that repeated or reordered
//! events cannot make them drift.

use std::collections::BTreeSet;

use super::State;
use super::tombstones::Tombstone;
use crate::domain::event::Rejection;
use crate::domain::ids::parse_guid;
use crate::domain::{Channel, ConversationId, Entry, Outcome, Quota, Time, UserRef};
use crate::live::claim::{Claim, Stamp, Take, TakerChange};
use crate::live::persistent::steps;
use crate::live::stored::RowKey;

/// A planned change to a claim. Nothing is changed until it is applied, so that it can still be rejected.
pub(super) struct PlannedChange {
    conversation: ConversationId,
    claim: Claim,
    /// Dense index of the holder before the change, and the channel.
    before: Option<(u32, Channel)>,
    /// Dense index of the holder after the change, and the channel.
    after: Option<(u32, Channel)>,
}

impl PlannedChange {
    /// Returns true if the holder or the channel changes.
    fn moves(&self) -> bool {
        self.before != self.after
    }

    /// Returns true if the conversation had a holder and has none after the change.
    const fn releases(&self) -> bool {
        self.before.is_some() && self.after.is_none()
    }
}

/// A planned take by a user of the directory.
pub(super) struct PlannedTake {
    change: PlannedChange,
    /// The user's dense index.
    ix: u32,
    takers: TakerChange,
    /// True if it is the newest take and makes the user hold the conversation.
    holds: bool,
}

/// The planned effect of an event on a slot.
pub(super) enum SlotPlan {
    /// A take by a user of the directory.
    Taken(PlannedTake),
    /// Any other change.
    Changed(PlannedChange),
}

impl SlotPlan {
    /// Returns true if the conversation has a holder and has none after the change.
    pub(super) const fn releases(&self) -> bool {
        match self {
            SlotPlan::Taken(take) => take.change.releases(),
            SlotPlan::Changed(change) => change.releases(),
        }
    }
}

impl State {
    pub(super) fn take_slot(
        &mut self,
        entry: &Entry,
        user: &UserRef,
        channel: Channel,
        conversation: &ConversationId,
    ) -> Result<Outcome, Rejection> {
        let (plan, refused) = match self.subject(user) {
            Ok(ix) => self.plan_take(entry, ix, channel, conversation),
            Err(unknown) => (self.refused_take(entry, channel, conversation), Some(unknown)),
        };
        let Some(refused) = refused else { return Ok(plan.map_or(Outcome::Stale, |plan| self.apply_slot(plan))) };
        let releases = plan.as_ref().is_some_and(SlotPlan::releases);
        plan.map(|plan| self.apply_slot(plan));
        if releases { Ok(Outcome::HolderReleased(refused)) } else { Err(refused) }
    }

    /// Plans a take by the user at `ix`. `None` if the event is too late and the conversation unknown. Past a quota the
    /// rejection is returned as well, and the plan is that of a refused take.
    pub(super) fn plan_take(
        &self,
        entry: &Entry,
        ix: u32,
        channel: Channel,
        conversation: &ConversationId,
    ) -> (Option<SlotPlan>, Option<Rejection>) {
        let take = Take { stamp: stamp(entry), user: self.user_id(ix), channel };
        let created = self.people[ix as usize].created.unwrap_or(0);
        let mut takers = TakerChange::default();
        let change = self.change(entry, conversation, |claim| {
            claim.disown(take.user, created);
            takers = claim.take(take);
        });
        let Some(change) = change else { return (None, None) };
        takers.is_first &= !self.was_pushed_to(conversation, take.user, created);
        if let Err(full) = self.check_slots(ix, std::slice::from_ref(&change), 0) {
            return (self.refused_take(entry, channel, conversation), Some(full));
        }
        // A newer take, release or sync may have arrived before this event.
        let holds = change.claim.take == Some(take) && change.after == Some((ix, channel));
        (Some(SlotPlan::Taken(PlannedTake { change, ix, takers, holds })), None)
    }

    /// Plans a take that is refused: by a user that is not in the directory, or past a quota. The conversation went to
    /// that user, so the take ends every older one, in whatever order they arrive. `None` if the event is too late and
    /// the conversation unknown.
    pub(super) fn refused_take(
        &self,
        entry: &Entry,
        channel: Channel,
        conversation: &ConversationId,
    ) -> Option<SlotPlan> {
        self.change(entry, conversation, |claim| claim.take_by_other(stamp(entry), channel)).map(SlotPlan::Changed)
    }

    /// Applies a plan, and counts the conversation as handled at the user's first take. [`Outcome::Applied`] if it
    /// changes or confirms the holder, else [`Outcome::Stale`].
    pub(super) fn apply_slot(&mut self, plan: SlotPlan) -> Outcome {
        let (change, holds, counted) = match plan {
            SlotPlan::Taken(PlannedTake { change, ix, takers, holds }) => (change, holds, Some((ix, takers))),
            SlotPlan::Changed(change) => (change, false, None),
        };
        let moves = change.moves();
        self.apply_change(change);
        if let Some((ix, takers)) = counted {
            self.count_handled(ix, u64::from(takers.is_first));
            self.uncount_handled(takers.evicted);
        }
        if holds || moves { Outcome::Applied } else { Outcome::Stale }
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
            newest = claim.release(user, stamp(entry));
        });
        let Some(change) = change else { return Ok(Outcome::Stale) };
        // For a release by a user only that user's own claim matters, for one without a subject any holder's.
        let still_held = match (change.after, ix) {
            (Some((holder, _)), Some(ix)) => holder == ix,
            (holder, None) => holder.is_some(),
            (None, Some(_)) => false,
        };
        let is_applied = newest && !still_held || change.moves();
        self.apply_change(change);
        Ok(if is_applied { Outcome::Applied } else { Outcome::Stale })
    }

    /// Plans a release without a subject. `None` if the event is too late and the conversation unknown.
    pub(super) fn plan_release(&self, entry: &Entry, conversation: &ConversationId) -> Option<SlotPlan> {
        let change = self.change(entry, conversation, |claim| {
            claim.release(None, stamp(entry));
        });
        change.map(SlotPlan::Changed)
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
        // More could not be held anyway, and this bounds the work of one event.
        self.check_room(Quota::SlotsPerUser, 0, named.len())?;
        let stamp = stamp(entry);
        let before = self.people[ix as usize].lanes.of(channel).floor;
        let newest = stamp > before;
        // `holder` reads the floor, so it is raised before planning, and restored if the plan is rejected.
        self.people[ix as usize].lanes.of_mut(channel).floor = stamp.max(before);
        let planned = self.plan_sync(entry, ix, channel, &named);
        let (changes, takers) =
            planned.inspect_err(|_| self.people[ix as usize].lanes.of_mut(channel).floor = before)?;
        self.touch(ix);
        let changed = changes.iter().any(PlannedChange::moves);
        for change in changes {
            self.apply_change(change);
        }
        self.count_handled(ix, takers.iter().filter(|takers| takers.is_first).count() as u64);
        takers.into_iter().for_each(|takers| self.uncount_handled(takers.evicted));
        Ok(if newest || changed { Outcome::Applied } else { Outcome::Stale })
    }

    /// Plans a sync, which is applied as a whole or not at all: takes of the conversations it names and the end of the
    /// user's other claims on the channel. The channel's floor must have been raised to the sync already. Also returns
    /// the changes of the takers.
    fn plan_sync(
        &self,
        entry: &Entry,
        ix: u32,
        channel: Channel,
        named: &BTreeSet<&ConversationId>,
    ) -> Result<(Vec<PlannedChange>, Vec<TakerChange>), Rejection> {
        let take = Take { stamp: stamp(entry), user: self.user_id(ix), channel };
        let person = &self.people[ix as usize];
        let created = person.created.unwrap_or(0);
        let (mut changes, mut takers) = (Vec::new(), Vec::new());
        // A sync older than the newest one, which set the floor, ends nothing that the newest did not end.
        if take.stamp == person.lanes.of(channel).floor {
            steps::count(person.held.count(channel));
            for conversation in person.held.of(channel).filter(|held| !named.contains(held)) {
                let change = self.change(entry, conversation, |_| {});
                changes.extend(change.filter(PlannedChange::moves));
            }
        }
        let ended = changes.len();
        for conversation in named {
            changes.extend(self.change(entry, conversation, |claim| {
                claim.disown(take.user, created);
                let mut change = claim.take(take);
                change.is_first &= !self.was_pushed_to(conversation, take.user, created);
                takers.push(change);
            }));
        }
        self.check_slots(ix, &changes[ended..], ended)?;
        Ok((changes, takers))
    }

    /// Checks the slot quotas of user and tenant for the changes, after `ended` of the user's claims have ended.
    fn check_slots(&self, ix: u32, changes: &[PlannedChange], ended: usize) -> Result<(), Rejection> {
        let is_held_by = |holder: Option<(u32, Channel)>| holder.is_some_and(|(holder, _)| holder == ix);
        let all = self.usage.slots;
        let own = self.people[ix as usize].held.size();
        let (mut all_after, mut own_after) = (all - ended, own - ended);
        for change in changes {
            // Added before it is subtracted, since the numbers are unsigned.
            own_after = own_after + usize::from(is_held_by(change.after)) - usize::from(is_held_by(change.before));
            all_after = all_after + usize::from(change.after.is_some()) - usize::from(change.before.is_some());
        }
        self.check_room(Quota::SlotsPerUser, own, own_after)?;
        self.check_room(Quota::Slots, all, all_after)
    }

    /// Returns true if a push took the conversation for the user before. A claim is forgotten a day after its release,
    /// whereas an open conversation keeps its history.
    fn was_pushed_to(&self, conversation: &ConversationId, user: i64, created: u64) -> bool {
        let known = parse_guid(conversation.as_str()).and_then(|id| self.conversations.known(id));
        known.is_some_and(|known| known.conversation.was_taken_by(user, created))
    }

    /// Adds conversations that the user had not taken before to the number handled.
    fn count_handled(&mut self, ix: u32, conversations: u64) {
        if conversations > 0 {
            self.people[ix as usize].handled += conversations;
            self.touch(ix);
        }
    }

    /// Takes back the count of a taker that a claim no longer remembers, unless the id is another user's by now.
    fn uncount_handled(&mut self, evicted: Option<(i64, u64)>) {
        let Some((user, first)) = evicted else { return };
        let Some(ix) = self.directory.users().by_id(user) else { return };
        let person = &mut self.people[ix as usize];
        if first >= person.created.unwrap_or(0) {
            person.handled = person.handled.saturating_sub(1);
            self.touch(ix);
        }
    }

    /// Plans a change to a claim. `None` if the event is too late and the conversation unknown.
    pub(super) fn change(
        &self,
        entry: &Entry,
        conversation: &ConversationId,
        change: impl FnOnce(&mut Claim),
    ) -> Option<PlannedChange> {
        let known = self.claims.get(conversation);
        if known.is_none() && self.is_late(&entry.event) {
            return None;
        }
        let mut claim = known.cloned().unwrap_or_default();
        // Not `holder(&claim)`: a sync's floor and a deletion are in place before changes are planned, while `held`
        // still names the previous holder.
        let before = claim.take.and_then(|take| {
            let ix = self.directory.users().by_id(take.user)?;
            self.people[ix as usize].held.contains(take.channel, conversation).then_some((ix, take.channel))
        });
        change(&mut claim);
        let after = self.holder(&claim);
        Some(PlannedChange { conversation: conversation.clone(), claim, before, after })
    }

    /// Applies a planned change, and updates the holders' sets, the tombstone and the rows.
    pub(super) fn apply_change(&mut self, change: PlannedChange) {
        let moves = change.moves();
        let PlannedChange { conversation, mut claim, before, after } = change;
        if moves {
            if let Some((ix, channel)) = before {
                self.people[ix as usize].held.remove(channel, &conversation);
                self.touch(ix);
            }
            if let Some((ix, channel)) = after {
                self.people[ix as usize].held.insert(channel, conversation.clone());
                self.touch(ix);
            }
            self.usage.slots = self.usage.slots + usize::from(after.is_some()) - usize::from(before.is_some());
        }
        let ended_before = claim.ended;
        // Every entry about a claim without a holder renews the tombstone.
        claim.ended = after.is_none().then_some(self.recorded);
        self.tombstones.place(Tombstone::Claim(conversation.clone()), ended_before, claim.ended);
        self.dirty.insert(RowKey::Claim(conversation.clone()));
        self.claims.insert(conversation, claim);
    }

    /// The dense index and channel of the holder: those of the newest take, unless a release, a sync or the user's
    /// deletion ended it.
    pub(in crate::live) fn holder(&self, claim: &Claim) -> Option<(u32, Channel)> {
        let take = claim.standing()?;
        let ix = self.directory.users().by_id(take.user)?;
        self.directory.profile(ix)?;
        let person = &self.people[ix as usize];
        let is_valid =
            take.stamp >= person.lanes.of(take.channel).floor && take.stamp.seq >= person.created.unwrap_or(0);
        is_valid.then_some((ix, take.channel))
    }

    /// Drops a claim. Returns the newest event time of its takes and releases.
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
