//! A fair queue for processor time: one tenant's work never waits behind all of another's.
//!
//! Keys are served in turn, and the callers of one key in the order of arrival. The duration of each piece of work is
//! measured: after a piece longer than a turn, its key is skipped until the other keys have had as much time.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::domain::{Fault, TenantId};

/// The length of one turn, in microseconds: about one slice of a long answer.
const TURN_MICROS: i64 = 200;

/// The key under which a caller's work is queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TurnKey {
    /// All authenticated callers of a tenant.
    Tenant(TenantId),
    /// All unauthenticated callers together.
    Unauthenticated,
    /// Unauthenticated callers of one network, for work from which a flood from elsewhere must not lock them out.
    Network(IpAddr),
}

/// The bounds of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Pieces of work that run at a time.
    pub permits: usize,
    /// Callers of one key that may wait.
    pub waiting_per_key: usize,
    /// Callers that may wait in all.
    pub waiting: usize,
}

/// A queue that serves its keys in turn. A clone is another handle to the same queue.
#[derive(Clone, Debug)]
pub struct FairQueue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    limits: QueueLimits,
    /// False if all callers share one key, first come, first served.
    is_fair: bool,
    state: Mutex<State>,
}

/// A permit to do one piece of work. Dropping it charges its key for the time since it was granted, and serves the next
/// caller.
#[derive(Debug)]
pub struct QueuePermit {
    queue: FairQueue,
    key: TurnKey,
    /// Monotonic time at which it was granted.
    since: Duration,
}

/// The lanes of all keys. Each key of `lanes` is in `order` once.
#[derive(Debug, Default)]
struct State {
    /// Permits in use, in all.
    running: usize,
    /// Waiting callers, in all.
    waiting: usize,
    last_id: u64,
    lanes: HashMap<TurnKey, Lane>,
    /// The order in which keys are served.
    order: VecDeque<TurnKey>,
}

/// One key's callers and debt.
#[derive(Debug, Default)]
struct Lane {
    waiters: VecDeque<Waiter>,
    /// Permits in use.
    running: usize,
    /// Microseconds of work beyond the key's turns.
    debt: i64,
}

/// The queue's side of a waiting caller.
#[derive(Debug)]
struct Waiter {
    id: u64,
    grant: oneshot::Sender<QueuePermit>,
}

/// The caller's side of a waiting caller. Dropping it leaves the queue.
struct Waiting<'q> {
    queue: &'q FairQueue,
    key: TurnKey,
    id: u64,
    granted: oneshot::Receiver<QueuePermit>,
}

/// The immediate result of entering the queue.
enum Entered<'q> {
    Permit(QueuePermit),
    Waiting(Waiting<'q>),
}

impl FairQueue {
    /// Makes an empty queue that serves its keys in turn.
    pub fn new(limits: QueueLimits, clock: &Clock) -> Self {
        FairQueue::with(limits, true, clock)
    }

    /// Makes an empty queue without keys and without bounds on waiting callers: first come, first served.
    pub fn first_come(permits: usize, clock: &Clock) -> Self {
        let limits = QueueLimits { permits, waiting_per_key: usize::MAX, waiting: usize::MAX };
        FairQueue::with(limits, false, clock)
    }

    fn with(limits: QueueLimits, is_fair: bool, clock: &Clock) -> Self {
        FairQueue(Arc::new(Inner { clock: clock.clone(), limits, is_fair, state: Mutex::default() }))
    }

    /// Waits for a permit. [`Fault::TooMany`] if too many callers of the key wait, [`Fault::Unavailable`] if too many
    /// wait in all.
    pub async fn enter(&self, key: TurnKey) -> Result<QueuePermit, Fault> {
        self.join(key, true)?.permit().await
    }

    /// Waits for a permit to continue work that was begun. Never rejected for the number of waiting callers.
    pub async fn enter_again(&self, key: TurnKey) -> Result<QueuePermit, Fault> {
        self.join(key, false)?.permit().await
    }

    /// Returns true if keys are served in turn, false if all callers share one key.
    pub fn is_fair(&self) -> bool {
        self.0.is_fair
    }

    /// Returns the number of waiting callers.
    pub fn waiting(&self) -> usize {
        self.0.state.lock().waiting
    }

    /// Returns the number of permits in use.
    pub fn running(&self) -> usize {
        self.0.state.lock().running
    }

    /// Takes a free permit, or joins the waiting callers of the key.
    fn join(&self, key: TurnKey, is_bounded: bool) -> Result<Entered<'_>, Fault> {
        let key = if self.0.is_fair { key } else { TurnKey::Unauthenticated };
        let limits = &self.0.limits;
        let mut state = self.0.state.lock();
        if state.running < limits.permits {
            // A free permit means that no caller waits, so none is overtaken.
            state.lane(key).running += 1;
            state.running += 1;
            return Ok(Entered::Permit(self.permit(key)));
        }
        if is_bounded && state.lanes.get(&key).is_some_and(|lane| lane.waiters.len() >= limits.waiting_per_key) {
            return Err(Fault::TooMany { seconds: 1 });
        }
        if is_bounded && state.waiting >= limits.waiting {
            return Err(Fault::Unavailable("too much work is waiting"));
        }
        let (grant, granted) = oneshot::channel();
        state.last_id += 1;
        state.waiting += 1;
        let id = state.last_id;
        state.lane(key).waiters.push_back(Waiter { id, grant });
        Ok(Entered::Waiting(Waiting { queue: self, key, id, granted }))
    }

    fn permit(&self, key: TurnKey) -> QueuePermit {
        QueuePermit { queue: self.clone(), key, since: self.0.clock.monotonic() }
    }

    /// Takes back a permit that was held for `micros` microseconds, and serves the next caller.
    fn leave(&self, key: TurnKey, micros: i64) {
        let next = {
            let mut state = self.0.state.lock();
            state.charge(key, micros);
            state.next()
        };
        if let Some((key, waiter)) = next {
            // Sent outside of the lock: if the caller was dropped meanwhile, so is the permit, which calls `leave`
            // again.
            let _received = waiter.grant.send(self.permit(key));
        }
    }
}

impl Entered<'_> {
    async fn permit(self) -> Result<QueuePermit, Fault> {
        match self {
            Entered::Permit(permit) => Ok(permit),
            // A waiter leaves the queue by a grant, or when its caller is dropped, so receiving cannot fail.
            Entered::Waiting(mut waiting) => (&mut waiting.granted).await.map_err(|_| Fault::Internal),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.queue.0.state.lock().cancel(self.key, self.id);
    }
}

impl Drop for QueuePermit {
    fn drop(&mut self) {
        let took = self.queue.0.clock.monotonic().saturating_sub(self.since);
        self.queue.leave(self.key, i64::try_from(took.as_micros()).unwrap_or(i64::MAX));
    }
}

impl State {
    /// Returns the key's lane, adding one at the end of the order if there is none.
    fn lane(&mut self, key: TurnKey) -> &mut Lane {
        self.lanes.entry(key).or_insert_with(|| {
            self.order.push_back(key);
            Lane::default()
        })
    }

    /// Ends a piece of work and adds its time beyond one turn to the key's debt.
    fn charge(&mut self, key: TurnKey, micros: i64) {
        self.running -= 1;
        let lane = self.lane(key);
        lane.running -= 1;
        // Unused time of a turn is not saved for later: the debt never goes below zero.
        lane.debt = (lane.debt.saturating_add(micros) - TURN_MICROS).max(0);
        self.forget_if_idle(key);
    }

    /// Removes a waiting caller, if it still waits.
    fn cancel(&mut self, key: TurnKey, id: u64) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        let Some(place) = lane.waiters.iter().position(|waiter| waiter.id == id) else { return };
        lane.waiters.remove(place);
        self.waiting -= 1;
        self.forget_if_idle(key);
    }

    fn forget_if_idle(&mut self, key: TurnKey) {
        if self.lanes.get(&key).is_some_and(Lane::is_idle) {
            self.lanes.remove(&key);
            self.order.retain(|other| *other != key);
        }
    }

    /// Removes and returns the next caller in turn. `None` if none waits.
    fn next(&mut self) -> Option<(TurnKey, Waiter)> {
        if self.waiting == 0 {
            // No key competes with those in debt, so the debts are dropped.
            self.lanes.values_mut().for_each(|lane| lane.debt = 0);
            self.lanes.retain(|_, lane| !lane.is_idle());
            self.order.retain(|key| self.lanes.contains_key(key));
            return None;
        }
        // Rounds in which every waiting key would be skipped are paid at once.
        let waiting = self.lanes.values().filter(|lane| !lane.waiters.is_empty());
        let rounds = waiting.map(Lane::turns_owed).min().unwrap_or(0);
        self.lanes.values_mut().for_each(|lane| lane.pay(rounds));
        // One round is enough: after the payment above, at least one waiting key owes nothing.
        for _ in 0..self.order.len() {
            let key = self.order.pop_front()?;
            let Some(lane) = self.lanes.get_mut(&key) else { continue };
            if lane.debt > 0 {
                lane.pay(1);
            } else if let Some(waiter) = lane.waiters.pop_front() {
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

    /// Returns the number of turns that pay the debt, rounded up.
    const fn turns_owed(&self) -> i64 {
        self.debt / TURN_MICROS + (self.debt % TURN_MICROS > 0) as i64
    }

    /// Reduces the debt by a number of turns.
    fn pay(&mut self, turns: i64) {
        self.debt = self.debt.saturating_sub(turns.saturating_mul(TURN_MICROS)).max(0);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::Time;

    const A: TurnKey = TurnKey::Tenant(TenantId(Uuid::from_u128(1)));
    const B: TurnKey = TurnKey::Tenant(TenantId(Uuid::from_u128(2)));
    const C: TurnKey = TurnKey::Unauthenticated;

    /// Makes a queue with one permit, in which three callers of a key and five in all may wait.
    fn bench() -> (Clock, FairQueue) {
        let clock = Clock::manual(Time::from_micros(0));
        (clock.clone(), FairQueue::new(QueueLimits { permits: 1, waiting_per_key: 3, waiting: 5 }, &clock))
    }

    fn running(queue: &FairQueue, key: TurnKey) -> QueuePermit {
        match queue.join(key, true) {
            Ok(Entered::Permit(permit)) => permit,
            _ => panic!("no permit is free"),
        }
    }

    fn waiting(queue: &FairQueue, key: TurnKey) -> Waiting<'_> {
        match queue.join(key, true) {
            Ok(Entered::Waiting(waiting)) => waiting,
            _ => panic!("it need not wait, or may not"),
        }
    }

    /// Serves callers until none waits, and returns their ids in order. `costs` has the microseconds of work by key.
    fn order(
        clock: &Clock,
        mut permit: QueuePermit,
        mut callers: Vec<Waiting<'_>>,
        costs: &[(TurnKey, u64)],
    ) -> Vec<u64> {
        let mut served = Vec::new();
        loop {
            let cost = costs.iter().find(|(key, _)| *key == permit.key).map_or(0, |(_, cost)| *cost);
            clock.advance(Duration::from_micros(cost));
            drop(permit);
            let granted =
                callers.iter_mut().enumerate().find_map(|(n, caller)| Some((n, caller.granted.try_recv().ok()?)));
            let Some((n, next)) = granted else { return served };
            served.push(callers.remove(n).id);
            permit = next;
        }
    }

    #[test]
    fn keys_take_turns_and_callers_of_one_key_are_served_in_order() {
        let (clock, queue) = bench();
        let first = running(&queue, A);
        let callers = [A, A, A, B, C].map(|key| waiting(&queue, key)).into();
        assert_eq!(order(&clock, first, callers, &[]), [1, 4, 5, 2, 3], "ids count up as callers come");
        assert_eq!((queue.waiting(), queue.running()), (0, 0));
        assert!(queue.0.state.lock().lanes.is_empty() && queue.0.state.lock().order.is_empty());
    }

    #[test]
    fn a_flood_delays_another_key_by_one_piece_of_work() {
        let (clock, queue) = bench();
        let first = running(&queue, A);
        let callers = [A, A, A, B].map(|key| waiting(&queue, key)).into();
        // The running piece was longer than a turn, so its key is skipped.
        assert_eq!(order(&clock, first, callers, &[(A, 10_000), (B, 10)]), [4, 1, 2, 3]);
    }

    #[test]
    fn keys_with_long_and_short_pieces_get_equal_time() {
        let clock = Clock::manual(Time::from_micros(0));
        let queue = FairQueue::new(QueueLimits { permits: 1, waiting_per_key: 100, waiting: 200 }, &clock);
        let first = running(&queue, A);
        let callers: Vec<_> = [A; 10].into_iter().chain([B; 50]).map(|key| waiting(&queue, key)).collect();
        let served = order(&clock, first, callers, &[(A, 10 * TURN_MICROS as u64), (B, TURN_MICROS as u64)]);
        let long: Vec<usize> = served.iter().enumerate().filter(|(_, id)| **id <= 10).map(|(n, _)| n).collect();
        // Nine or ten short pieces for each long one, while there are short ones; then the rest.
        assert!(long[..5].windows(2).all(|pair| (10..=11).contains(&(pair[1] - pair[0]))), "{long:?}");
        assert_eq!(served.len(), 60, "callers are served when every waiting key is in debt");
    }

    #[test]
    fn debts_are_dropped_when_no_caller_waits() {
        let (clock, queue) = bench();
        let first = running(&queue, A);
        assert!(order(&clock, first, Vec::new(), &[(A, 1_000_000)]).is_empty());
        let first = running(&queue, C);
        let callers = [A, B, A].map(|key| waiting(&queue, key)).into();
        assert_eq!(order(&clock, first, callers, &[]), [1, 2, 3]);
    }

    #[test]
    fn too_many_callers_of_a_key_are_429_and_in_all_503() {
        let (_, queue) = bench();
        let _first = running(&queue, A);
        let mut callers: Vec<_> = [A, A, A, B].map(|key| waiting(&queue, key)).into();
        assert_eq!(queue.join(A, true).err(), Some(Fault::TooMany { seconds: 1 }));
        callers.push(waiting(&queue, B));
        assert_eq!(queue.join(B, true).err(), Some(Fault::Unavailable("too much work is waiting")));
        assert_eq!(queue.join(C, true).err(), Some(Fault::Unavailable("too much work is waiting")));
        assert!(queue.join(A, false).is_ok(), "begun work may continue");
        callers.remove(0);
        callers.push(waiting(&queue, C));
        assert!(queue.join(A, true).is_err(), "the queue as a whole is full again");
    }

    #[test]
    fn a_dropped_caller_leaves_the_queue() {
        let (clock, queue) = bench();
        let first = running(&queue, A);
        let [one, two, three] = [A, B, A].map(|key| waiting(&queue, key));
        drop((one, two));
        assert_eq!(queue.waiting(), 1);
        assert_eq!(order(&clock, first, vec![three], &[]), [3]);
        // The permit is granted, but its caller is dropped before it receives it.
        let first = running(&queue, A);
        let [one, two] = [A, B].map(|key| waiting(&queue, key));
        drop(first);
        assert_eq!((queue.running(), queue.waiting()), (1, 1));
        drop(one);
        let Waiting { .. } = &two;
        assert_eq!((queue.running(), queue.waiting()), (1, 0), "the next one has it");
        drop(two);
        assert_eq!((queue.running(), queue.waiting()), (0, 0));
    }

    #[test]
    fn without_keys_callers_are_served_in_order_of_arrival() {
        let clock = Clock::manual(Time::from_micros(0));
        let queue = FairQueue::first_come(1, &clock);
        let first = running(&queue, A);
        let callers = [A, A, A, A, B].map(|key| waiting(&queue, key)).into();
        assert_eq!(order(&clock, first, callers, &[(A, 10_000)]), [1, 2, 3, 4, 5]);
    }
}
