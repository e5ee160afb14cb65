//! A queue for processor time in which keys take turns, so that one tenant's work never waits behind all of another's.
//!
//! Callers of one key are served in the order in which they came; the keys are served in turn. What a piece of work
//! took is measured: a key whose piece took longer than a turn is passed over until the others have had as much.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::domain::{Fault, TenantId};

/// What one turn is worth, in microseconds: about one slice of a long answer.
const TURN: i64 = 200;

/// For whom work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TurnKey {
    /// An authenticated caller, by tenant.
    Tenant(TenantId),
    /// Unauthenticated callers, all of them together.
    Strangers,
    /// Unauthenticated callers of one network, where a flood from elsewhere must not lock them out.
    Network(IpAddr),
}

/// How much a queue takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Pieces of work done at a time.
    pub permits: usize,
    /// Callers of one key that may wait.
    pub waiting_per_key: usize,
    /// Callers that may wait in all.
    pub waiting: usize,
}

/// A queue whose keys take turns. A clone is another handle to the same queue.
#[derive(Clone, Debug)]
pub struct FairQueue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    limits: QueueLimits,
    /// Whether keys are told apart.
    is_fair: bool,
    state: Mutex<State>,
}

/// The permission to do one piece of work. Dropping it charges its key for the time since it was given, and serves the
/// next caller.
#[derive(Debug)]
pub struct QueuePermit {
    queue: FairQueue,
    key: TurnKey,
    since: Duration,
}

/// Where keys stand. Each key of `lanes` is in `order` once.
#[derive(Debug, Default)]
struct State {
    running: usize,
    waiting: usize,
    last_id: u64,
    lanes: HashMap<TurnKey, Lane>,
    order: VecDeque<TurnKey>,
}

/// One key's callers, and what it owes.
#[derive(Debug, Default)]
struct Lane {
    waiters: VecDeque<Waiter>,
    running: usize,
    /// Microseconds by which its work was longer than its turns.
    debt: i64,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    grant: oneshot::Sender<QueuePermit>,
}

/// A caller that waits. Dropping it gives its place in the queue up.
struct Waiting<'q> {
    queue: &'q FairQueue,
    key: TurnKey,
    id: u64,
    granted: oneshot::Receiver<QueuePermit>,
}

/// What a caller that asks for a permit gets at once.
enum Entered<'q> {
    Permit(QueuePermit),
    Waiting(Waiting<'q>),
}

impl FairQueue {
    /// An empty queue whose keys take turns.
    pub fn new(limits: QueueLimits, clock: &Clock) -> Self {
        FairQueue::with(limits, true, clock)
    }

    /// An empty queue without keys and without bounds: first come, first served.
    pub fn first_come(permits: usize, clock: &Clock) -> Self {
        let limits = QueueLimits { permits, waiting_per_key: usize::MAX, waiting: usize::MAX };
        FairQueue::with(limits, false, clock)
    }

    fn with(limits: QueueLimits, is_fair: bool, clock: &Clock) -> Self {
        FairQueue(Arc::new(Inner { clock: clock.clone(), limits, is_fair, state: Mutex::default() }))
    }

    /// Waits for a permit. [`Fault::TooMany`] when too many callers of the key wait, [`Fault::Unavailable`] when too
    /// many wait in all.
    pub async fn enter(&self, key: TurnKey) -> Result<QueuePermit, Fault> {
        self.join(key, true)?.permit().await
    }

    /// Waits for the permit to go on with work that was begun, which is never refused.
    pub async fn enter_again(&self, key: TurnKey) -> Result<QueuePermit, Fault> {
        self.join(key, false)?.permit().await
    }

    /// Whether keys are told apart.
    pub fn is_fair(&self) -> bool {
        self.0.is_fair
    }

    /// Callers that wait, in all.
    pub fn waiting(&self) -> usize {
        self.0.state.lock().waiting
    }

    /// Permits that are in use.
    pub fn running(&self) -> usize {
        self.0.state.lock().running
    }

    fn join(&self, key: TurnKey, is_bounded: bool) -> Result<Entered<'_>, Fault> {
        let key = if self.0.is_fair { key } else { TurnKey::Strangers };
        let limits = &self.0.limits;
        let mut state = self.0.state.lock();
        if state.running < limits.permits {
            // While a permit is free, nothing waits.
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

    /// Takes a permit back that was held for `micros`, and serves the next caller.
    fn leave(&self, key: TurnKey, micros: i64) {
        let next = {
            let mut state = self.0.state.lock();
            state.charge(key, micros);
            state.next()
        };
        if let Some((key, waiter)) = next {
            // A caller that went away at this moment gives the permit back by dropping it, outside of the lock.
            let _received = waiter.grant.send(self.permit(key));
        }
    }
}

impl Entered<'_> {
    async fn permit(self) -> Result<QueuePermit, Fault> {
        match self {
            Entered::Permit(permit) => Ok(permit),
            // A waiter leaves the queue with a permit or by its caller's own doing.
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
    fn lane(&mut self, key: TurnKey) -> &mut Lane {
        self.lanes.entry(key).or_insert_with(|| {
            self.order.push_back(key);
            Lane::default()
        })
    }

    fn charge(&mut self, key: TurnKey, micros: i64) {
        self.running -= 1;
        let lane = self.lane(key);
        lane.running -= 1;
        // A turn that was not used up is not saved for later.
        lane.debt = (lane.debt.saturating_add(micros) - TURN).max(0);
        self.forget_if_idle(key);
    }

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

    /// Takes the caller whose turn it is out of the queue.
    fn next(&mut self) -> Option<(TurnKey, Waiter)> {
        if self.waiting == 0 {
            // Nothing competes with a key that owes, so there is no one to make up to.
            self.lanes.values_mut().for_each(|lane| lane.debt = 0);
            self.lanes.retain(|_, lane| !lane.is_idle());
            self.order.retain(|key| self.lanes.contains_key(key));
            return None;
        }
        // Rounds in which every waiting key would be passed over are counted at once.
        let waiting = self.lanes.values().filter(|lane| !lane.waiters.is_empty());
        let rounds = waiting.map(Lane::turns_owed).min().unwrap_or(0);
        self.lanes.values_mut().for_each(|lane| lane.pay(rounds));
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

    const fn turns_owed(&self) -> i64 {
        self.debt / TURN + (self.debt % TURN > 0) as i64
    }

    fn pay(&mut self, turns: i64) {
        self.debt = self.debt.saturating_sub(turns.saturating_mul(TURN)).max(0);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::Time;

    const A: TurnKey = TurnKey::Tenant(TenantId(Uuid::from_u128(1)));
    const B: TurnKey = TurnKey::Tenant(TenantId(Uuid::from_u128(2)));
    const C: TurnKey = TurnKey::Strangers;

    /// One permit; three callers a key and five in all may wait.
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

    /// Serves callers until none waits; the cost of each piece of work by its key, in microseconds.
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
    fn a_flood_delays_another_key_by_the_piece_under_way() {
        let (clock, queue) = bench();
        let first = running(&queue, A);
        let callers = [A, A, A, B].map(|key| waiting(&queue, key)).into();
        // The piece under way was longer than a turn, so its key is passed over.
        assert_eq!(order(&clock, first, callers, &[(A, 10_000), (B, 10)]), [4, 1, 2, 3]);
    }

    #[test]
    fn a_key_with_long_pieces_gets_no_more_time_than_one_with_short_ones() {
        let clock = Clock::manual(Time::from_micros(0));
        let queue = FairQueue::new(QueueLimits { permits: 1, waiting_per_key: 100, waiting: 200 }, &clock);
        let first = running(&queue, A);
        let callers: Vec<_> = [A; 10].into_iter().chain([B; 50]).map(|key| waiting(&queue, key)).collect();
        let served = order(&clock, first, callers, &[(A, 10 * TURN as u64), (B, TURN as u64)]);
        let long: Vec<usize> = served.iter().enumerate().filter(|(_, id)| **id <= 10).map(|(n, _)| n).collect();
        // Nine or ten short ones to each long one, as long as there are short ones; then the rest.
        assert!(long[..5].windows(2).all(|pair| (10..=11).contains(&(pair[1] - pair[0]))), "{long:?}");
        assert_eq!(served.len(), 60, "work goes on when every waiting key owes");
    }

    #[test]
    fn what_a_key_owes_is_forgotten_when_nothing_waits() {
        let (clock, queue) = bench();
        let first = running(&queue, A);
        assert!(order(&clock, first, Vec::new(), &[(A, 1_000_000)]).is_empty());
        let first = running(&queue, C);
        let callers = [A, B, A].map(|key| waiting(&queue, key)).into();
        assert_eq!(order(&clock, first, callers, &[]), [1, 2, 3]);
    }

    #[test]
    fn too_many_of_a_key_are_429_and_too_many_in_all_503() {
        let (_, queue) = bench();
        let _first = running(&queue, A);
        let mut callers: Vec<_> = [A, A, A, B].map(|key| waiting(&queue, key)).into();
        assert_eq!(queue.join(A, true).err(), Some(Fault::TooMany { seconds: 1 }));
        callers.push(waiting(&queue, B));
        assert_eq!(queue.join(B, true).err(), Some(Fault::Unavailable("too much work is waiting")));
        assert_eq!(queue.join(C, true).err(), Some(Fault::Unavailable("too much work is waiting")));
        assert!(queue.join(A, false).is_ok(), "what was begun may go on");
        callers.remove(0);
        callers.push(waiting(&queue, C));
        assert!(queue.join(A, true).is_err(), "the queue as a whole is full again");
    }

    #[test]
    fn a_caller_that_goes_away_gives_its_place_up() {
        let (clock, queue) = bench();
        let first = running(&queue, A);
        let [one, two, three] = [A, B, A].map(|key| waiting(&queue, key));
        drop((one, two));
        assert_eq!(queue.waiting(), 1);
        assert_eq!(order(&clock, first, vec![three], &[]), [3]);
        // The permit was given, but its caller is gone before it is received.
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
    fn without_keys_the_first_to_come_is_the_first_served() {
        let clock = Clock::manual(Time::from_micros(0));
        let queue = FairQueue::first_come(1, &clock);
        let first = running(&queue, A);
        let callers = [A, A, A, A, B].map(|key| waiting(&queue, key)).into();
        assert_eq!(order(&clock, first, callers, &[(A, 10_000)]), [1, 2, 3, 4, 5]);
    }
}
