//! A fair queue for processor time and for reads of the store: one tenant's work never waits behind all of another's.
//!
//! Keys are served in turn, and the callers of one key in the order of arrival. The duration of each piece of work is
//! measured: after a piece longer than a turn, its key is skipped until the other keys have had as much time. A full
//! queue makes room for a key with few waiting callers at the expense of the key with the most.

mod lanes;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::domain::{Fault, TenantId};

use lanes::{Place, State};

/// The fault of a caller for which a full queue has no room.
const FULL: Fault = Fault::Unavailable("too much work is waiting");

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
    /// Pieces of work of one key that run at a time.
    pub permits_per_key: usize,
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
    order: Order,
    state: Mutex<State>,
}

/// The order in which a queue serves its callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Keys in turn, a new key last.
    Turns,
    /// Keys in turn, a new key first.
    NewestFirst,
    /// All callers share one key, first come, first served.
    FirstCome,
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
        FairQueue::with(limits, Order::Turns, clock)
    }

    /// Makes an empty queue that serves its keys in turn, and a key that neither waits nor runs yet before all others
    /// of its rank. For keys that cost an attacker nothing, so that few of them must not fill the turns before another.
    pub fn newest_first(limits: QueueLimits, clock: &Clock) -> Self {
        FairQueue::with(limits, Order::NewestFirst, clock)
    }

    /// Makes an empty queue without keys and without bounds on waiting callers: first come, first served.
    pub fn first_come(permits: usize, clock: &Clock) -> Self {
        let limits =
            QueueLimits { permits, permits_per_key: permits, waiting_per_key: usize::MAX, waiting: usize::MAX };
        FairQueue::with(limits, Order::FirstCome, clock)
    }

    fn with(limits: QueueLimits, order: Order, clock: &Clock) -> Self {
        FairQueue(Arc::new(Inner { clock: clock.clone(), limits, order, state: Mutex::default() }))
    }

    /// Waits for a permit. [`Fault::TooMany`] if too many callers of the key wait, [`Fault::Unavailable`] if too many
    /// wait in all.
    pub async fn enter(&self, key: TurnKey) -> Result<QueuePermit, Fault> {
        self.enter_ranked(key, 0).await
    }

    /// Works as [`FairQueue::enter`], and sets the rank of the key. Callers of a key wait until those of every lower
    /// rank are served.
    pub async fn enter_ranked(&self, key: TurnKey, rank: u32) -> Result<QueuePermit, Fault> {
        self.join(key, Some(rank))?.permit().await
    }

    /// Waits for a permit to continue work that was begun. Never rejected for the number of waiting callers.
    pub async fn enter_again(&self, key: TurnKey) -> Result<QueuePermit, Fault> {
        self.join(key, None)?.permit().await
    }

    /// Changes the rank of a key that waits or runs.
    pub fn set_rank(&self, key: TurnKey, rank: u32) {
        let _is_known = self.0.state.lock().change_rank(key, rank);
    }

    /// Returns true if keys are served in turn, false if all callers share one key.
    pub fn is_fair(&self) -> bool {
        self.0.order != Order::FirstCome
    }

    /// Returns the number of waiting callers.
    pub fn waiting(&self) -> usize {
        self.0.state.lock().waiting
    }

    /// Returns the number of permits in use.
    pub fn running(&self) -> usize {
        self.0.state.lock().running
    }

    /// Takes a free permit, or joins the waiting callers of the key. The rank is `None` for begun work, which is of rank
    /// 0 and never rejected.
    fn join(&self, key: TurnKey, rank: Option<u32>) -> Result<Entered<'_>, Fault> {
        let key = if self.is_fair() { key } else { TurnKey::Unauthenticated };
        let place = if self.0.order == Order::NewestFirst { Place::First } else { Place::Last };
        let mut state = self.0.state.lock();
        state.rank(key, rank.unwrap_or_default(), place);
        if state.try_run(key, &self.0.limits) {
            return Ok(Entered::Permit(self.permit(key)));
        }
        if rank.is_some()
            && let Err(fault) = self.check_room(&mut state, key)
        {
            state.forget_if_idle(key);
            return Err(fault);
        }
        let (grant, granted) = oneshot::channel();
        let id = state.wait(key, rank.is_none(), grant);
        Ok(Entered::Waiting(Waiting { queue: self, key, id, granted }))
    }

    /// Rejects a caller for which there is no room. In a full queue, a caller of the key with the most makes room.
    fn check_room(&self, state: &mut State, key: TurnKey) -> Result<(), Fault> {
        if state.waiting_of(key) >= self.0.limits.waiting_per_key {
            return Err(Fault::TooMany { seconds: 1 });
        }
        // Dropping what was removed ends that caller's wait.
        if state.waiting >= self.0.limits.waiting && state.make_room(key).is_none() {
            return Err(FULL);
        }
        Ok(())
    }

    fn permit(&self, key: TurnKey) -> QueuePermit {
        QueuePermit { queue: self.clone(), key, since: self.0.clock.monotonic() }
    }

    /// Takes back a permit that was held for `micros` microseconds, and serves the next caller.
    fn leave(&self, key: TurnKey, micros: i64) {
        let next = {
            let mut state = self.0.state.lock();
            state.charge(key, micros);
            state.next(&self.0.limits)
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
            // Without a grant it was removed from the queue, to make room for another key.
            Entered::Waiting(mut waiting) => (&mut waiting.granted).await.map_err(|_| FULL),
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

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot::error::TryRecvError;
    use uuid::Uuid;

    use super::lanes::TURN_MICROS;
    use super::*;
    use crate::domain::Time;

    const A: TurnKey = TurnKey::Tenant(TenantId(Uuid::from_u128(1)));
    const B: TurnKey = TurnKey::Tenant(TenantId(Uuid::from_u128(2)));
    const C: TurnKey = TurnKey::Unauthenticated;

    const fn limits(waiting_per_key: usize, waiting: usize) -> QueueLimits {
        QueueLimits { permits: 1, permits_per_key: 1, waiting_per_key, waiting }
    }

    /// Makes a queue with one permit, in which three callers of a key and five in all may wait.
    fn bench() -> (Clock, FairQueue) {
        let clock = Clock::manual(Time::from_micros(0));
        (clock.clone(), FairQueue::new(limits(3, 5), &clock))
    }

    fn running(queue: &FairQueue, key: TurnKey) -> QueuePermit {
        match queue.join(key, Some(0)) {
            Ok(Entered::Permit(permit)) => permit,
            _ => panic!("no permit is free"),
        }
    }

    fn waiting(queue: &FairQueue, key: TurnKey) -> Waiting<'_> {
        match queue.join(key, Some(0)) {
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
        let queue = FairQueue::new(limits(100, 200), &clock);
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
        assert_eq!(queue.join(A, Some(0)).err(), Some(Fault::TooMany { seconds: 1 }));
        callers.push(waiting(&queue, B));
        assert_eq!(queue.join(B, Some(0)).err(), Some(FULL), "no key has more than it would have");
        assert!(queue.join(A, None).is_ok(), "begun work may continue");
    }

    #[test]
    fn a_full_queue_makes_room_for_a_key_with_fewer_callers() {
        let (clock, queue) = bench();
        let first = running(&queue, A);
        let mut callers: Vec<_> = [A, A, A, B, B].map(|key| waiting(&queue, key)).into();
        callers.push(waiting(&queue, C));
        assert!(callers[2].granted.try_recv().is_err_and(|error| error == TryRecvError::Closed), "the newest of A");
        assert_eq!(queue.join(C, Some(0)).err(), Some(FULL), "every key has two");
        drop(callers.remove(2));
        assert_eq!(queue.waiting(), 5);
        assert_eq!(order(&clock, first, callers, &[]), [1, 4, 6, 2, 5]);
        assert!(queue.0.state.lock().lanes.is_empty() && queue.0.state.lock().order.is_empty());
    }

    #[test]
    fn a_key_has_no_more_permits_than_its_share() {
        let clock = Clock::manual(Time::from_micros(0));
        let queue = FairQueue::new(QueueLimits { permits: 2, ..limits(3, 5) }, &clock);
        let first = running(&queue, A);
        let mut second = waiting(&queue, A);
        let other = running(&queue, B);
        let mut third = waiting(&queue, C);
        assert_eq!((queue.running(), queue.waiting()), (2, 2));
        drop(other);
        assert!(second.granted.try_recv().is_err(), "its key has its only permit");
        drop(third.granted.try_recv().expect("a permit is free"));
        assert!(second.granted.try_recv().is_err());
        drop(first);
        assert!(second.granted.try_recv().is_ok());
    }

    #[test]
    fn lower_ranks_are_served_first_and_new_keys_first_of_their_rank() {
        let clock = Clock::manual(Time::from_micros(0));
        let queue = FairQueue::newest_first(limits(3, 9), &clock);
        let join = |key, rank| match queue.join(key, Some(rank)) {
            Ok(Entered::Waiting(waiting)) => waiting,
            _ => panic!("it need not wait, or may not"),
        };
        let home = |n| TurnKey::Network([127, 0, 0, n].into());
        let first = running(&queue, home(1));
        let callers = vec![join(home(2), 0), join(home(2), 0), join(home(3), 3), join(home(4), 0), join(home(5), 1)];
        assert_eq!(order(&clock, first, callers, &[(home(4), 10_000)]), [4, 1, 2, 5, 3]);
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
