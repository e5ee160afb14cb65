//! The lanes of a fair queue: the waiting callers and the debt of each key, and the choice of the next one.

use std::collections::{HashMap, VecDeque};

use tokio::sync::oneshot;

use super::{QueueLimits, QueuePermit, TurnKey};

/// The length of one turn, in microseconds: about one slice of a long answer.
pub(super) const TURN_MICROS: i64 = 200;

/// The lanes of all keys. Each key of `lanes` is in `order` once.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Permits in use, in all.
    pub running: usize,
    /// Waiting callers, in all.
    pub waiting: usize,
    last_id: u64,
    pub lanes: HashMap<TurnKey, Lane>,
    /// The order in which keys are served.
    pub order: VecDeque<TurnKey>,
}

/// One key's callers and debt.
#[derive(Debug, Default)]
pub(super) struct Lane {
    waiters: VecDeque<Waiter>,
    /// Permits in use.
    running: usize,
    /// Microseconds of work beyond the key's turns.
    debt: i64,
    /// Keys of a lower rank are served first.
    rank: u32,
}

/// The queue's side of a waiting caller.
#[derive(Debug)]
pub(super) struct Waiter {
    id: u64,
    /// True if it continues work that was begun, so that it must not be rejected.
    has_begun: bool,
    pub grant: oneshot::Sender<QueuePermit>,
}

/// The place of a key that has no lane yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    First,
    Last,
}

impl State {
    /// Sets the key's rank, adding a lane at `place` of the order if there is none.
    pub fn rank(&mut self, key: TurnKey, rank: u32, place: Place) {
        if !self.change_rank(key, rank) {
            match place {
                Place::First => self.order.push_front(key),
                Place::Last => self.order.push_back(key),
            }
            self.lanes.insert(key, Lane { rank, ..Lane::default() });
        }
    }

    /// Sets the rank of the key's lane. Returns false if there is none.
    pub fn change_rank(&mut self, key: TurnKey, rank: u32) -> bool {
        let Some(lane) = self.lanes.get_mut(&key) else { return false };
        lane.rank = rank;
        true
    }

    /// Takes a permit for the key if one is free. A waiting caller is never overtaken: while a permit is free, every
    /// key with waiting callers has all the permits that one key may have.
    pub fn try_run(&mut self, key: TurnKey, limits: &QueueLimits) -> bool {
        let Some(lane) = self.lanes.get_mut(&key) else { return false };
        let is_free = self.running < limits.permits && lane.running < limits.permits_per_key;
        if is_free {
            lane.running += 1;
            self.running += 1;
        }
        is_free
    }

    /// Returns the number of waiting callers of a key.
    pub fn waiting_of(&self, key: TurnKey) -> usize {
        self.lanes.get(&key).map_or(0, |lane| lane.waiters.len())
    }

    /// Adds a waiting caller to the key's lane and returns its id. The lane must be there.
    pub fn wait(&mut self, key: TurnKey, has_begun: bool, grant: oneshot::Sender<QueuePermit>) -> u64 {
        self.last_id += 1;
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.waiters.push_back(Waiter { id: self.last_id, has_begun, grant });
            self.waiting += 1;
        }
        self.last_id
    }

    /// Removes and returns the newest waiting caller of the key of the highest rank with the most of them, if that key
    /// is behind `key` even with one more caller there. Callers that continue begun work stay.
    pub fn make_room(&mut self, key: TurnKey) -> Option<Waiter> {
        let own = self.lanes.get(&key).map_or((0, 1), |lane| (lane.rank, lane.waiters.len() + 1));
        let may_leave = |lane: &Lane| lane.waiters.iter().any(|waiter| !waiter.has_begun);
        let last = self.lanes.values_mut().filter(|lane| may_leave(lane));
        let last = last.max_by_key(|lane| (lane.rank, lane.waiters.len()))?;
        if (last.rank, last.waiters.len()) <= own {
            return None;
        }
        let newest = last.waiters.iter().rposition(|waiter| !waiter.has_begun)?;
        let removed = last.waiters.remove(newest)?;
        self.waiting -= 1;
        // The lane is forgotten with its next permit or caller; an idle one left behind is skipped.
        Some(removed)
    }

    /// Ends a piece of work and adds its time beyond one turn to the key's debt.
    pub fn charge(&mut self, key: TurnKey, micros: i64) {
        self.running -= 1;
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        lane.running -= 1;
        // Unused time of a turn is not saved for later: the debt never goes below zero.
        lane.debt = (lane.debt.saturating_add(micros) - TURN_MICROS).max(0);
        self.forget_if_idle(key);
    }

    /// Removes a waiting caller, if it still waits.
    pub fn cancel(&mut self, key: TurnKey, id: u64) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        if let Some(place) = lane.waiters.iter().position(|waiter| waiter.id == id) {
            lane.waiters.remove(place);
            self.waiting -= 1;
        }
        self.forget_if_idle(key);
    }

    /// Removes the key's lane if it has neither callers nor debt.
    pub fn forget_if_idle(&mut self, key: TurnKey) {
        if self.lanes.get(&key).is_some_and(Lane::is_idle) {
            self.lanes.remove(&key);
            self.order.retain(|other| *other != key);
        }
    }

    /// Removes and returns the next caller in turn. `None` if no waiting caller may run.
    pub fn next(&mut self, limits: &QueueLimits) -> Option<(TurnKey, Waiter)> {
        if self.waiting == 0 {
            // No key competes with those in debt, so the debts are dropped.
            self.lanes.values_mut().for_each(|lane| lane.debt = 0);
            self.lanes.retain(|_, lane| !lane.is_idle());
            self.order.retain(|key| self.lanes.contains_key(key));
            return None;
        }
        let may_run = |lane: &&Lane| lane.may_run(limits);
        let rank = self.lanes.values().filter(may_run).map(|lane| lane.rank).min()?;
        // Rounds in which every waiting key of the rank would be skipped are paid at once.
        let waiting = self.lanes.values().filter(may_run).filter(|lane| lane.rank == rank);
        let rounds = waiting.map(Lane::turns_owed).min().unwrap_or(0);
        self.lanes.values_mut().for_each(|lane| lane.pay(rounds));
        // One round is enough: after the payment above, at least one waiting key of the rank owes nothing.
        for _ in 0..self.order.len() {
            let key = self.order.pop_front()?;
            let Some(lane) = self.lanes.get_mut(&key) else { continue };
            if lane.debt > 0 {
                lane.pay(1);
            } else if lane.rank == rank && lane.may_run(limits) {
                let waiter = lane.waiters.pop_front()?;
                lane.running += 1;
                self.running += 1;
                self.waiting -= 1;
                self.order.push_back(key);
                return Some((key, waiter));
            }
            if lane.is_idle() {
                self.lanes.remove(&key);
            } else {
                self.order.push_back(key);
            }
        }
        None
    }
}

impl Lane {
    fn is_idle(&self) -> bool {
        self.waiters.is_empty() && self.running == 0 && self.debt == 0
    }

    /// Returns true if a caller waits and the key has not all the permits that it may have.
    fn may_run(&self, limits: &QueueLimits) -> bool {
        !self.waiters.is_empty() && self.running < limits.permits_per_key
    }

    /// Returns the number of turns that pay the debt, rounded up.
    const fn turns_owed(&self) -> i64 {
        self.debt / TURN_MICROS + (self.debt % TURN_MICROS > 0) as i64
    }

    /// Reduces the debt by a number of turns.
    fn pay(&mut self, turns: i64) {
        self.debt = self.debt.saturating_sub(turns.saturating_mul(TURN_MICROS)).max(0);
    }
}
