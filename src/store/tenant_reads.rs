//! Reads of the store on behalf of tenants. They take turns by tenant, so that the searches of one tenant do not keep
//! the connections from the others; what the administrator and authentication read does not go through here.
//!
//! A long read is cut into parts, each a turn of its own. The time limit of a read counts the time of its turns only;
//! waiting for them has a limit of its own. Turns are tasks: a caller may itself wait for processor time, and must not
//! hold a turn meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use uuid::Uuid;

use super::{ArchiveFilter, LATE, POOL_CONNECTIONS, STORE_TIMEOUT, Store, StoreError, Tags, within};
use crate::clock::Clock;
use crate::domain::conversation::{Criteria, Key, Span};
use crate::domain::{Conversation, Fault, TenantId};
use crate::lifecycle::Lifecycle;
use crate::limits::{Budget, Budgets, FairQueue, QueueLimits, QueuePermit, TurnKey};

/// Reads of the archive at a time. Fewer than the pool has connections, since a statement whose caller gave up goes on
/// for a while; few, since in a SQLite file a search keeps a core busy. At most 256 reads of a tenant wait, as of other
/// long work.
const ARCHIVE: QueueLimits = QueueLimits { permits: 2, permits_per_key: 1, waiting_per_key: 256, waiting: 4_096 };
/// Look-ups of conversations at a time, for events about them. At least one connection of their pool stays free for
/// keys and tokens. More may wait than a tenant may have requests at a time, as connected desks send events as well.
const LOOK_UPS: QueueLimits = QueueLimits { permits: 3, permits_per_key: 2, waiting_per_key: 2_048, waiting: 8_192 };
const _: () = assert!(ARCHIVE.permits < POOL_CONNECTIONS as usize);
const _: () = assert!(LOOK_UPS.permits < POOL_CONNECTIONS as usize);

/// The longest time that a read of the archive waits for its turns, all of them together.
const WAIT_TIMEOUT: Duration = Duration::from_secs(5);
/// The time that a part of a search should take, from which the number of rows of the next one follows.
const PART_TIME: Duration = Duration::from_millis(10);
/// Rows of the first part of a search.
const FIRST_ROWS: usize = 1_000;
/// The fewest rows of a part, below which most of its time is not spent on rows.
const FEWEST_ROWS: usize = 100;
/// The most rows of a part, some 20 ms in memory.
const MOST_ROWS: usize = 16_000;
/// Conversations of one turn that are read by id. Each may have several MiB.
const IDS_PER_TURN: usize = 8;
/// Ids of one turn that are looked up without reading the conversations.
const LOOK_UPS_PER_TURN: usize = 1_000;

/// Reads the store for tenants, in turns. A clone is another handle to the same queues.
#[derive(Clone, Debug)]
pub struct TenantReads {
    store: Store,
    lifecycle: Lifecycle,
    clock: Clock,
    archive: FairQueue,
    look_ups: FairQueue,
}

/// A list that is read from the archive in parts.
#[derive(Debug)]
pub struct ArchiveSearch {
    store: Store,
    tenant: TenantId,
    position: u64,
    filter: ArchiveFilter,
    /// True once the part of the index to read was chosen.
    is_prepared: bool,
    turns: Turns,
    /// Rows of the next part.
    rows: usize,
}

/// A part of a list.
#[derive(Debug)]
pub struct ArchivePart {
    /// The conversations that meet the criteria, in the requested order.
    pub conversations: Vec<Arc<Conversation>>,
    /// The place up to which the part covers the list. `None` if it covers the rest.
    pub end: Option<Key>,
}

/// The turns of one read.
#[derive(Debug)]
struct Turns {
    lifecycle: Lifecycle,
    queue: FairQueue,
    clock: Clock,
    key: TurnKey,
    has_begun: bool,
    /// What is left of the time for waiting.
    waiting: Duration,
    /// What is left of the time for reading.
    reading: Duration,
}

impl TenantReads {
    /// Makes the queues, empty.
    pub fn new(store: Store, lifecycle: Lifecycle, clock: &Clock, budgets: Budgets) -> Self {
        let queue = |limits: QueueLimits| match budgets.has(Budget::StoreReads) {
            true => FairQueue::new(limits, clock),
            false => FairQueue::first_come(limits.permits, clock),
        };
        TenantReads { store, lifecycle, clock: clock.clone(), archive: queue(ARCHIVE), look_ups: queue(LOOK_UPS) }
    }

    /// The queue of reads of the archive.
    pub const fn queue(&self) -> &FairQueue {
        &self.archive
    }

    /// Begins to read a list of closed conversations as of `position`; reads nothing yet.
    pub fn search(&self, tenant: TenantId, position: u64, criteria: Arc<Criteria>) -> ArchiveSearch {
        let turns = self.turns(&self.archive, tenant);
        // Without the budget a search is one part.
        let rows = if self.archive.is_fair() { FIRST_ROWS } else { i64::MAX as usize };
        let filter = ArchiveFilter { criteria, tags: None };
        ArchiveSearch { store: self.store.clone(), tenant, position, filter, is_prepared: false, turns, rows }
    }

    /// Reads the conversations of these ids that are in the archive, as of `position`.
    ///
    /// [`Fault::TooMany`] if too many reads of the tenant wait, [`Fault::Unavailable`] if the store fails or a time
    /// limit is over.
    pub async fn archived(
        &self,
        tenant: TenantId,
        position: u64,
        ids: &[Uuid],
    ) -> Result<Vec<Arc<Conversation>>, Fault> {
        let mut turns = self.turns(&self.archive, tenant);
        let mut found = Vec::new();
        for ids in ids.chunks(IDS_PER_TURN) {
            let (store, ids) = (self.store.clone(), ids.to_vec());
            found.extend(turns.take(async move { store.archived(tenant, position, &ids).await }).await?);
        }
        Ok(found)
    }

    /// Returns the ids among these that are in the archive. Waits and reads for at most 900 ms, since a write waits for
    /// the answer. Faults as [`TenantReads::archived`].
    pub async fn are_archived(&self, tenant: TenantId, ids: &[Uuid]) -> Result<Vec<Uuid>, Fault> {
        let mut turns = self.turns(&self.look_ups, tenant);
        let looking_up = async {
            let mut found = Vec::new();
            for ids in ids.chunks(LOOK_UPS_PER_TURN) {
                let (store, ids) = (self.store.clone(), ids.to_vec());
                found.extend(turns.take(async move { store.are_archived(tenant, &ids).await }).await?);
            }
            Ok(found)
        };
        tokio::time::timeout(STORE_TIMEOUT, looking_up).await.unwrap_or(Err(LATE))
    }

    fn turns(&self, queue: &FairQueue, tenant: TenantId) -> Turns {
        Turns {
            lifecycle: self.lifecycle.clone(),
            queue: queue.clone(),
            clock: self.clock.clone(),
            key: TurnKey::Tenant(tenant),
            has_begun: false,
            waiting: WAIT_TIMEOUT,
            reading: STORE_TIMEOUT,
        }
    }
}

impl ArchiveSearch {
    /// Chooses the part of the index to read, before the first part of a search.
    async fn prepare(&mut self) -> Result<(), Fault> {
        let criteria = self.filter.criteria.clone();
        if std::mem::replace(&mut self.is_prepared, true) || !criteria.is_search() {
            return Ok(());
        }
        let mut tags = Tags::of(&criteria);
        self.filter.tags = if tags.len() > 1 {
            let (store, tenant, closed) = (self.store.clone(), self.tenant, criteria.closed);
            self.turns.take(async move { store.rarest_tags(tenant, tags, closed).await }).await?
        } else {
            tags.pop()
        };
        Ok(())
    }

    /// Reads the next part of the list, which begins where the span does, in one turn. A part may be empty although the
    /// list goes on: it covers a number of rows, whether they meet the criteria or not.
    ///
    /// Faults as [`TenantReads::archived`]; the time limits are those of all parts together.
    pub async fn next_part(&mut self, span: Span) -> Result<ArchivePart, Fault> {
        let (store, tenant, position, rows) = (self.store.clone(), self.tenant, self.position, self.rows);
        self.prepare().await?;
        let filter = self.filter.clone();
        let left = self.turns.reading;
        let part = self.turns.take(async move {
            // Without a search nearly every row is part of the page, which ends the statement soon.
            let scanned = match filter.is_search() {
                true => store.archive_end(tenant, &filter, &span, rows).await?,
                false => None,
            };
            let span = scanned.map_or(span, |end| span.up_to(end));
            let page = store.archive_page(tenant, position, &filter, &span).await?;
            let last = page.conversations.last().filter(|_| page.is_cut).and_then(|last| Key::of_listed(last));
            Ok(ArchivePart { conversations: page.conversations, end: last.or(scanned) })
        });
        let part = part.await?;
        let took = left.saturating_sub(self.turns.reading);
        if took < PART_TIME / 2 {
            self.rows = rows.saturating_mul(2).min(MOST_ROWS);
        } else if took > PART_TIME * 2 {
            self.rows = (rows / 2).max(FEWEST_ROWS);
        }
        Ok(part)
    }
}

impl Turns {
    /// Reads in one turn, within what is left of the time limits. A caller that goes away leaves the queue; a read that
    /// has begun keeps its turn.
    async fn take<T: Send + 'static>(
        &mut self,
        read: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, Fault> {
        let Turns { lifecycle, queue, clock, key, has_begun, waiting, reading } = self;
        let (mut answer, answered) = oneshot::channel();
        let entering = enter(queue.clone(), *key, *has_begun, *waiting);
        let (limit, began, task_clock) = (*reading, clock.monotonic(), clock.clone());
        drop(lifecycle.spawn_tracked(async move {
            let permit = tokio::select! {
                permit = entering => permit,
                () = answer.closed() => return,
            };
            let entered = task_clock.monotonic();
            let read = match &permit {
                Ok(_) => within(limit, read).await,
                Err(fault) => Err(fault.clone()),
            };
            let took = task_clock.monotonic().saturating_sub(entered);
            // Dropped before the answer, so that the caller's next turn does not wait for this one to end.
            drop(permit);
            let _is_there = answer.send((read, entered, took));
        }));
        let (read, entered, took) = answered.await.map_err(|_| Fault::Internal)?;
        *has_begun = true;
        *waiting = waiting.saturating_sub(entered.saturating_sub(began));
        *reading = reading.saturating_sub(took);
        read
    }
}

/// Waits for a turn, for at most `limit`.
async fn enter(queue: FairQueue, key: TurnKey, has_begun: bool, limit: Duration) -> Result<QueuePermit, Fault> {
    let entering = async { if has_begun { queue.enter_again(key).await } else { queue.enter(key).await } };
    let late = Err(Fault::Unavailable("too many reads of the store are waiting"));
    tokio::time::timeout(limit, entering).await.unwrap_or(late)
}
