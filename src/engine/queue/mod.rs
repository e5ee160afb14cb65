//! The engine's queue, served fairly by tenant.
//!
//! Tenants are served by deficit round robin: each may take one quantum of work a round, so that a tenant's long
//! request delays another tenant's single event by a quantum, not by the whole request.

pub(super) mod shares;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use shares::{Load, Shares};

use super::request::PendingRequest;
use crate::domain::TenantId;
use crate::journal::Draft;

/// Events of a request that are appended in one transaction; a longer request is cut.
const SLICE_EVENTS: usize = 256;
/// Bytes of JSON of those events. A single larger event is a slice of its own.
const SLICE_BYTES: usize = 1024 * 1024;
/// Work of the largest slice of more than one event.
const SLICE_WORK: usize = SLICE_EVENTS + SLICE_BYTES / 1024;
/// Work that a tenant may take in one round: enough for a full slice of small events.
const QUANTUM: usize = 512;

/// An event that waits to be appended, and the request that waits for its outcome.
#[derive(Debug)]
pub(super) struct Item {
    pub draft: Draft,
    /// The request and the event's index in it; `None` for events made by the engine.
    pub request: Option<(Arc<PendingRequest>, usize)>,
    /// Monotonic time of receipt, from which a lease runs.
    pub received: Duration,
}

impl Item {
    /// Returns the event's work: one unit, and one for each KiB. Applying costs per event, storing costs per byte.
    pub fn work(&self) -> usize {
        1 + self.draft.json.len() / 1024
    }
}

/// Events of one tenant that are appended in one transaction or not at all.
#[derive(Debug)]
struct Slice {
    items: Vec<Item>,
    work: usize,
}

impl Slice {
    /// Returns true if the slice is its request's last, with which the request stops waiting. `next` is the slice
    /// behind.
    fn is_last(&self, next: Option<&Slice>) -> bool {
        let request = |slice: &Slice| slice.items.first()?.request.as_ref().map(|(request, _)| Arc::as_ptr(request));
        let own = request(self);
        own.is_some() && next.and_then(request) != own
    }
}

/// Cuts a request's events into slices. A request that fits one slice is appended as a whole or not at all.
fn slices(items: Vec<Item>) -> Vec<Slice> {
    let mut slices: Vec<Slice> = Vec::new();
    let mut bytes = 0;
    for item in items {
        let length = item.draft.json.len();
        let fits = |slice: &Slice| slice.items.len() < SLICE_EVENTS && bytes + length <= SLICE_BYTES;
        if slices.last().is_some_and(fits) {
            bytes += length;
        } else {
            bytes = length;
            slices.push(Slice { items: Vec::new(), work: 0 });
        }
        if let Some(slice) = slices.last_mut() {
            slice.work += item.work();
            slice.items.push(item);
        }
    }
    slices
}

/// The waiting slices of all tenants.
#[derive(Debug, Default)]
struct Lanes {
    lanes: HashMap<TenantId, Lane>,
    /// Tenants with waiting slices, in the order in which they are served.
    ring: VecDeque<TenantId>,
    /// Requests with their last slice still in a lane.
    requests: usize,
    is_closed: bool,
}

/// One tenant's waiting slices, in order.
#[derive(Debug, Default)]
struct Lane {
    slices: VecDeque<Slice>,
    /// Work that the tenant may take before the next round.
    deficit: usize,
}

impl Lane {
    /// Returns the work of the first slice; 0 if there is none.
    fn next_work(&self) -> usize {
        self.slices.front().map_or(0, |slice| slice.work)
    }
}

/// The engine's queue.
#[derive(Debug)]
pub(super) struct FairQueue {
    shares: Arc<Shares>,
    lanes: Mutex<Lanes>,
    changed: Notify,
    /// False for a single first-in-first-out lane, which measurements compare the fair queue with.
    takes_turns: bool,
}

impl FairQueue {
    pub fn new(bound: Load, takes_turns: bool) -> Arc<Self> {
        Arc::new(FairQueue { shares: Shares::new(bound), lanes: Mutex::default(), changed: Notify::new(), takes_turns })
    }

    /// The shares of the requests that wait.
    pub fn shares(&self) -> &Arc<Shares> {
        &self.shares
    }

    /// Appends a request's events to its tenant's lane. Returns false if the queue is closed.
    pub fn push(&self, tenant: TenantId, items: Vec<Item>) -> bool {
        let mut lanes = self.lanes.lock();
        if lanes.is_closed {
            return false;
        }
        lanes.requests += 1;
        lanes.push(self.lane_of(tenant), slices(items), false);
        drop(lanes);
        // The engine is the only waiter. If it is not waiting now, the notification is kept for its next wait.
        self.changed.notify_one();
        true
    }

    /// Puts taken events back at the front of their tenant's lane.
    pub fn put_back(&self, tenant: TenantId, items: Vec<Item>) {
        if items.is_empty() {
            return;
        }
        let mut lanes = self.lanes.lock();
        // Events of the engine's own have a slice of their own, which counts as no request.
        let (own, items): (Vec<Item>, Vec<Item>) = items.into_iter().partition(|item| item.request.is_none());
        let slices: Vec<Slice> = slices(own).into_iter().chain(slices(items)).collect();
        let tenant = self.lane_of(tenant);
        let behind = lanes.lanes.get(&tenant).and_then(|lane| lane.slices.front());
        // `take` will subtract each request a second time, but not one whose further slices are still in the lane.
        let ended = slices.iter().enumerate().filter(|(n, slice)| slice.is_last(slices.get(n + 1).or(behind))).count();
        lanes.requests += ended;
        lanes.push(tenant, slices, true);
        drop(lanes);
        self.changed.notify_one();
    }

    /// Returns the lane of a tenant; without turns all tenants share one.
    fn lane_of(&self, tenant: TenantId) -> TenantId {
        if self.takes_turns { tenant } else { TenantId(uuid::Uuid::nil()) }
    }

    /// Takes slices of about `limit` work, from the tenants in turn, skipping those that are `busy`. At least one slice
    /// is taken if any tenant that is not busy has one. The last slice may exceed the limit.
    pub fn take(&self, limit: usize, busy: impl Fn(TenantId) -> bool) -> Vec<Item> {
        self.lanes.lock().take(limit, busy)
    }

    /// Returns once events were added. Events that are still there from before do not wake it again.
    pub async fn wait(&self) {
        self.changed.notified().await;
    }

    /// Returns the number of requests that wait.
    pub fn len(&self) -> usize {
        self.lanes.lock().requests
    }

    /// Returns true if an event of a tenant waits that can be taken.
    pub fn has_any(&self, can_go_on: impl Fn(TenantId) -> bool) -> bool {
        self.lanes.lock().ring.iter().any(|tenant| can_go_on(*tenant))
    }

    /// Closes the queue for further requests. Events in it can still be taken and put back.
    pub fn close(&self) {
        self.lanes.lock().is_closed = true;
    }
}

impl Lanes {
    fn push(&mut self, tenant: TenantId, slices: Vec<Slice>, first: bool) {
        let lane = self.lanes.entry(tenant).or_default();
        // A tenant is in the ring exactly as long as its lane has slices.
        if lane.slices.is_empty() {
            self.ring.push_back(tenant);
        }
        if first {
            slices.into_iter().rev().for_each(|slice| lane.slices.push_front(slice));
        } else {
            lane.slices.extend(slices);
        }
    }

    fn take(&mut self, limit: usize, busy: impl Fn(TenantId) -> bool) -> Vec<Item> {
        let (mut items, mut work, mut passed) = (Vec::new(), 0, 0);
        // Ends when no tenant in the ring made progress for a whole round.
        while work < limit && passed < self.ring.len() {
            let Some(tenant) = self.ring.pop_front() else { break };
            let Some(lane) = self.lanes.get_mut(&tenant) else { continue };
            if busy(tenant) {
                passed += 1;
                self.ring.push_back(tenant);
                continue;
            }
            // A lane with a slice beyond its deficit saves up one quantum a round until the slice fits.
            if lane.next_work() > lane.deficit {
                lane.deficit += QUANTUM;
            }
            let taken = items.len();
            // The last slice may exceed the limit. A slice above SLICE_WORK is a single large event, such as a
            // document, which may be far more than a turn: it is taken alone.
            while lane.next_work() <= lane.deficit
                && (work == 0 || (work < limit && lane.next_work() <= SLICE_WORK))
                && let Some(slice) = lane.slices.pop_front()
            {
                lane.deficit -= slice.work;
                work += slice.work;
                self.requests -= usize::from(slice.is_last(lane.slices.front()));
                items.extend(slice.items);
            }
            if lane.slices.is_empty() {
                // The deficit is dropped with the lane: an idle tenant must not save up turns.
                self.lanes.remove(&tenant);
                passed = 0;
                continue;
            }
            // The deficit suffices and the turn has no room: this lane cannot go on in this call. One that saves up its
            // deficit makes progress and does not count.
            let is_full = items.len() == taken && lane.next_work() <= lane.deficit;
            passed = if is_full { passed + 1 } else { 0 };
            self.ring.push_back(tenant);
        }
        items
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::{ConversationId, Event, EventBody, Time};

    fn tenant(n: u128) -> TenantId {
        TenantId(Uuid::from_u128(n))
    }

    fn queue() -> Arc<FairQueue> {
        FairQueue::new(Load { requests: 1_000_000, kib: 1 << 40 }, true)
    }

    /// Queues a request of `events` events of `bytes` bytes each.
    fn push(queue: &Arc<FairQueue>, tenant: TenantId, events: usize, bytes: usize) {
        let permit = queue.shares().enter(tenant, 1).unwrap();
        let (request, _answer) = PendingRequest::new(events, permit);
        let conversation = ConversationId::new("c").unwrap();
        let body = EventBody::SlotReleased { user: None, conversation };
        let event = Event::internal("rollcall:tests", Uuid::nil(), Time::from_micros(0), body);
        let item = |n| Item {
            draft: Draft { tenant, event: event.clone(), json: "x".repeat(bytes) },
            request: Some((request.clone(), n)),
            received: Duration::ZERO,
        };
        assert!(queue.push(tenant, (0..events).map(item).collect()));
    }

    /// Takes one turn and returns the runs of events by tenant, in order.
    fn turn(queue: &FairQueue, limit: usize) -> Vec<(u128, usize)> {
        let items = queue.take(limit, |_| false);
        let mut turn: Vec<(u128, usize)> = Vec::new();
        for item in items {
            let tenant = item.draft.tenant.0.as_u128();
            match turn.last_mut() {
                Some((last, count)) if *last == tenant => *count += 1,
                _ => turn.push((tenant, 1)),
            }
        }
        turn
    }

    #[test]
    fn a_single_event_waits_at_most_one_turn_behind_a_flood() {
        for limit in [1, 100, 256, 1_000] {
            let queue = queue();
            (0..16).for_each(|_| push(&queue, tenant(1), 10_000, 100));
            turn(&queue, limit);
            push(&queue, tenant(2), 1, 100);
            let next = turn(&queue, limit);
            let after = turn(&queue, limit);
            assert!(next.iter().chain(&after).any(|(tenant, _)| *tenant == 2), "{limit}: {next:?} {after:?}");
            assert!(next.iter().map(|(_, count)| count).sum::<usize>() < limit + SLICE_EVENTS, "{next:?}");
        }
    }

    #[test]
    fn flooding_tenants_get_equal_work() {
        let queue = queue();
        push(&queue, tenant(1), 100_000, 100);
        (0..20_000).for_each(|_| push(&queue, tenant(2), 1, 100));
        // Ten times the bytes per event: 11 units of work each.
        push(&queue, tenant(3), 4_000, 10 * 1024);
        let mut taken = HashMap::new();
        for _ in 0..20 {
            for (tenant, count) in turn(&queue, 1_024) {
                *taken.entry(tenant).or_insert(0) += count;
            }
        }
        let work = [taken[&1], taken[&2], taken[&3] * 11];
        assert!(work.iter().max().unwrap() - work.iter().min().unwrap() <= 2 * SLICE_WORK, "{work:?}");
    }

    #[test]
    fn an_event_larger_than_a_turn_is_taken_alone_once_its_deficit_allows() {
        let queue = queue();
        push(&queue, tenant(1), 1, 8 * 1024 * 1024);
        let mut turns = 0;
        loop {
            (0..600).for_each(|_| push(&queue, tenant(2), 1, 100));
            let taken = turn(&queue, 600);
            turns += 1;
            if taken.iter().any(|(tenant, _)| *tenant == 1) {
                assert_eq!(taken, [(1, 1)]);
                break;
            }
            assert!(turns < 50, "it is never taken");
        }
        assert!(turns > 1, "others come first");
    }

    #[test]
    fn short_requests_stay_whole_and_long_ones_keep_their_order() {
        let queue = queue();
        push(&queue, tenant(1), 256, 100);
        push(&queue, tenant(1), 600, 100);
        assert_eq!(queue.len(), 2);
        assert_eq!(turn(&queue, 10), [(1, 256)]);
        assert_eq!(queue.len(), 1);
        let mut next = 0;
        while queue.len() > 0 {
            for item in queue.take(10, |_| false) {
                assert_eq!(item.request.unwrap().1, next);
                next += 1;
            }
        }
        assert_eq!(next, 600);
        assert!(queue.take(10, |_| false).is_empty());
    }

    #[test]
    fn events_put_back_come_first_and_busy_tenants_are_skipped() {
        let queue = queue();
        push(&queue, tenant(1), 2, 100);
        let mut items = queue.take(10, |_| false);
        push(&queue, tenant(1), 1, 100);
        push(&queue, tenant(2), 1, 100);
        items.remove(0);
        queue.put_back(tenant(1), items);
        assert_eq!(queue.len(), 3);
        assert!(queue.take(10, |_| true).is_empty());
        let taken = queue.take(10, |busy| busy == tenant(2));
        assert_eq!(taken.iter().map(|item| item.request.as_ref().unwrap().1).collect::<Vec<_>>(), [1, 0]);
        assert_eq!(queue.take(10, |_| false).len(), 1);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn events_without_a_request_that_are_put_back_do_not_count() {
        let queue = queue();
        push(&queue, tenant(1), 2, 100);
        let mut items = queue.take(10, |_| false);
        items[0].request = None;
        queue.put_back(tenant(1), items.split_off(1));
        queue.put_back(tenant(1), items);
        assert_eq!(queue.len(), 1);
        // Another one comes behind the event without a request once that is alone.
        let one = queue.take(1, |_| false);
        assert!(one.iter().any(|item| item.request.is_none()));
        queue.put_back(tenant(1), one);
        push(&queue, tenant(1), 1, 100);
        assert!(queue.has_any(|_| true) && !queue.has_any(|tenant| tenant.0.is_nil()));
        while !queue.take(1, |_| false).is_empty() {}
        assert_eq!(queue.len(), 0);
        assert!(!queue.has_any(|_| true));
    }

    #[test]
    fn a_part_of_a_request_that_is_put_back_is_counted_once() {
        let queue = queue();
        push(&queue, tenant(1), 600, 100);
        let part = queue.take(10, |_| false);
        assert_eq!((part.len(), queue.len()), (256, 1));
        queue.put_back(tenant(1), part);
        assert_eq!(queue.len(), 1);
        let mut taken = 0;
        while queue.len() > 0 {
            taken += queue.take(10, |_| false).len();
        }
        assert_eq!(taken, 600);
        assert!(queue.take(10, |_| false).is_empty());
    }
}
