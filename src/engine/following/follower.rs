//! Looks at the heads of all tenants, and reads the entries beyond the engine's states.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::super::replay::{ReplayError, Tail, in_time, load_again, next_entries, reload};
use super::super::tenants::Removals;
use super::super::views::Views;
use super::wanted::Looks;
use super::{Delivery, Links, Reloaded};
use crate::clock::Clock;
use crate::domain::TenantId;
use crate::journal::{Head, Journal, JournalError};
use crate::lifecycle::Lifecycle;
use crate::store::Store;

/// The interval at which all heads are read.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// The interval at which tenants of an older release are looked at that it had not settled.
const SETTLED_INTERVAL: Duration = Duration::from_secs(1);
/// The pause between two attempts to reach the store.
const RETRY_BACKOFF: Duration = Duration::from_millis(100);

/// The dependencies of a [`Follower`].
pub(in crate::engine) struct FollowerParts {
    pub links: Links,
    pub views: Arc<Views>,
    pub removals: Arc<Removals>,
    pub store: Store,
    pub clock: Clock,
    pub lifecycle: Lifecycle,
}

/// A tenant whose state is behind its head.
#[derive(Clone, Copy, Debug)]
struct Lag {
    /// The newest position that was seen.
    head: u64,
    /// The newest entry that was handed over; `None` before the first.
    handed: Option<Tail>,
}

/// Follows the heads on a session of its own.
#[derive(Debug)]
pub(super) struct Follower {
    journal: Journal,
    links: Links,
    views: Arc<Views>,
    removals: Arc<Removals>,
    store: Store,
    clock: Clock,
    lifecycle: Lifecycle,
    /// The head of each tenant as it was seen last.
    seen: HashMap<TenantId, Head>,
    /// Positions that were published before the newest look at all heads, and that it did not show.
    ahead: HashMap<TenantId, u64>,
    lagging: HashMap<TenantId, Lag>,
    /// The tenants of `lagging`, in the order in which they are read.
    ring: VecDeque<TenantId>,
    /// Monotonic time of the next look at all heads.
    next_poll: Duration,
    /// Monotonic time of the next look at the tenants that are not settled.
    next_settled: Duration,
}

impl Follower {
    pub fn new(journal: Journal, parts: FollowerParts) -> Self {
        let FollowerParts { links, views, removals, store, clock, lifecycle } = parts;
        // Tenants that were loaded may be deleted before the first look.
        let head = |tail: Tail| Head { seq: tail.seq, tail: tail.batch, ..Head::default() };
        let seen = views.tails().into_iter().map(|(tenant, tail)| (tenant, head(tail))).collect();
        let (next_poll, next_settled) = (clock.monotonic(), clock.monotonic());
        let (ahead, lagging, ring) = (HashMap::new(), HashMap::new(), VecDeque::new());
        Follower {
            journal,
            links,
            views,
            removals,
            store,
            clock,
            lifecycle,
            seen,
            ahead,
            lagging,
            ring,
            next_poll,
            next_settled,
        }
    }

    /// Runs until `stopping` is cancelled.
    pub async fn run(mut self, stopping: CancellationToken) {
        let mut is_failing = false;
        // An error is one of the first look as well, which reports it.
        let _connected = tokio::select! {
            () = stopping.cancelled() => return,
            connected = in_time(self.journal.recover()) => connected,
        };
        loop {
            let can_read = self.ring.iter().any(|tenant| self.links.feed.has_room(*tenant));
            tokio::select! {
                biased;
                () = stopping.cancelled() => return,
                () = self.links.wanted.wait() => {}
                () = self.links.feed.room(), if !self.ring.is_empty() => {}
                () = self.clock.sleep_until(self.next_poll) => {}
                () = std::future::ready(()), if can_read => {}
            }
            let round = tokio::select! {
                () = stopping.cancelled() => return,
                round = self.round() => round,
            };
            match round {
                Ok(()) => is_failing = false,
                Err(error) => {
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::warn!(%error, "the heads of other servers' entries cannot be read");
                    }
                    // What was requested is not answered: all heads are read next.
                    self.links.wanted.add_all();
                    tokio::select! {
                        () = stopping.cancelled() => return,
                        () = tokio::time::sleep(RETRY_BACKOFF) => {}
                    }
                    // An error here is one of the next look as well, which reports it.
                    let _recovered = in_time(self.journal.recover()).await;
                }
            }
        }
    }

    /// Makes the look that is due or requested, then reads entries. An error of the commit that confirms a look is returned
    /// after that: what the look found is read even if the store accepts no writes.
    async fn round(&mut self) -> Result<(), JournalError> {
        let wanted = self.links.wanted.take();
        let now = self.clock.monotonic();
        let mut confirmed = Ok(());
        if wanted.all || now >= self.next_poll {
            self.next_poll = now + POLL_INTERVAL;
            let behind = self.look(wanted.waiting).await?;
            confirmed = self.confirm(now, &behind).await;
            // Not before: a server that a failover has deposed shows old heads.
            if confirmed.is_ok() {
                self.reload_lost().await?;
                self.take_over_settled(now).await?;
            }
        } else if !wanted.tenants.is_empty() {
            let tenants: Vec<TenantId> = wanted.tenants.into_iter().collect();
            let heads = in_time(self.journal.heads_of(&tenants)).await?;
            heads.iter().for_each(|(tenant, head)| self.note(*tenant, *head));
            Looks::answer(wanted.waiting, |tenant| heads.get(&tenant).map(|head| head.seq));
        }
        self.read().await?;
        gauge!("rollcall_lagging_tenants").set(self.lagging.len() as f64);
        confirmed
    }

    /// Confirms a look at all heads that began at this monotonic time by a later commit on the same session. Reads alone
    /// confirm nothing: a server that a failover has deposed answers them as well.
    async fn confirm(&mut self, began: Duration, behind: &[(TenantId, u64)]) -> Result<(), JournalError> {
        in_time(self.journal.probe()).await?;
        if let Some(confirmations) = &self.links.confirmations {
            confirmations.confirm(began, behind);
        }
        Ok(())
    }

    /// Looks at all heads. Returns those that the states have not reached.
    async fn look(
        &mut self,
        waiting: Vec<(TenantId, oneshot::Sender<u64>)>,
    ) -> Result<Vec<(TenantId, u64)>, JournalError> {
        let heads = in_time(self.journal.heads()).await?;
        let gone: Vec<TenantId> = self.seen.keys().filter(|tenant| !heads.contains_key(tenant)).copied().collect();
        if !gone.is_empty() {
            self.drop_gone(&gone).await?;
        }
        // A position was published after its commit. If it was published before this look began, and the look does not
        // show it, the store lost it.
        for (tenant, position) in std::mem::take(&mut self.ahead) {
            if let Some(head) = heads.get(&tenant).filter(|head| head.seq < position) {
                let reason = format!("the journal ends at {}, the state is at {position}", head.seq);
                self.links.note_lost(tenant, reason);
            }
        }
        let mut behind = Vec::new();
        let ours = self.journal.apply_version();
        for (tenant, head) in heads {
            if let Some(version) = head.other_version(ours).filter(|_| !self.views.is_absent(tenant)) {
                if self.links.feed.has_room(tenant) {
                    self.links.feed.add(tenant, Delivery::OtherVersion(version));
                }
                continue;
            }
            self.note(tenant, head);
            let published = self.views.tail(tenant).seq;
            if published > head.seq {
                self.ahead.insert(tenant, published);
            } else if published < head.seq && !self.views.is_absent(tenant) {
                behind.push((tenant, head.seq));
            }
        }
        Looks::answer(waiting, |tenant| self.seen.get(&tenant).map(|head| head.seq));
        Ok(behind)
    }

    /// Drops the tenants that were deleted. The others without a head go out of service.
    async fn drop_gone(&mut self, gone: &[TenantId]) -> Result<(), JournalError> {
        let deleted = in_time(self.journal.deleted(gone)).await?;
        for tenant in gone {
            self.seen.remove(tenant);
            self.ahead.remove(tenant);
            self.lagging.remove(tenant);
            if !deleted.contains(tenant) {
                self.give_up(*tenant, String::from("the tenant has no head in the journal"));
                continue;
            }
            if self.views.delete(*tenant) {
                gauge!("rollcall_quarantined_tenants").decrement(1.0);
            }
            self.removals.add(*tenant);
        }
        Ok(())
    }

    /// Notes a tenant's head, and that its state is behind it.
    fn note(&mut self, tenant: TenantId, head: Head) {
        let before = self.seen.insert(tenant, head);
        let state = self.views.tail(tenant);
        if self.views.is_absent(tenant) || (before == Some(head) && state.seq >= head.seq) {
            return;
        }
        if state.seq == head.seq {
            if let Err(diverged) = state.check(head.tail) {
                self.links.note_lost(tenant, diverged.to_string());
            }
            return;
        }
        // The engine applies what lies before its own entries with them.
        if state.seq > head.seq || head.tail.is_some_and(|batch| self.links.own.contains(batch)) {
            return;
        }
        let lag = self.lagging.entry(tenant).or_insert_with(|| {
            self.ring.push_back(tenant);
            Lag { head: head.seq, handed: None }
        });
        lag.head = lag.head.max(head.seq);
    }

    /// Reads one piece of each tenant that is behind and whose last piece was taken. Ends early when a look is due.
    async fn read(&mut self) -> Result<(), JournalError> {
        for _ in 0..self.ring.len() {
            let Some(tenant) = self.ring.pop_front() else { break };
            let Some(lag) = self.lagging.get(&tenant).copied() else { continue };
            if !self.links.feed.has_room(tenant) {
                self.ring.push_back(tenant);
                continue;
            }
            match self.read_of(tenant, lag).await {
                Ok(Some(handed)) => {
                    self.lagging.insert(tenant, Lag { handed: Some(handed), ..lag });
                    self.ring.push_back(tenant);
                }
                Ok(None) => drop(self.lagging.remove(&tenant)),
                Err(error) => {
                    // Read again after the outage, from the state that is published by then.
                    self.lagging.remove(&tenant);
                    return Err(error);
                }
            }
            if self.links.wanted.is_any() || self.clock.monotonic() >= self.next_poll {
                break;
            }
        }
        Ok(())
    }

    /// Reads a tenant's next entries and hands them over. Returns the last one; `None` if that is the newest, or no more
    /// can be read.
    async fn read_of(&mut self, tenant: TenantId, lag: Lag) -> Result<Option<Tail>, JournalError> {
        let state = self.views.tail(tenant);
        let from = lag.handed.filter(|handed| handed.seq > state.seq).unwrap_or(state);
        if from.seq >= lag.head || self.views.is_absent(tenant) {
            return Ok(None);
        }
        match in_time(next_entries(&mut self.journal, tenant, from, lag.head)).await {
            Ok(entries) => {
                counter!("rollcall_followed_entries_total").increment(entries.len() as u64);
                let last = entries.last().map(|logged| Tail { seq: logged.entry.seq, batch: logged.batch });
                self.links.feed.add(tenant, Delivery::Entries(entries));
                Ok(last.filter(|last| last.seq < lag.head))
            }
            Err(ReplayError::Gap(gap)) => match load_again(&self.store, &self.lifecycle, tenant, from.seq).await? {
                Some(state) => {
                    tracing::warn!(%tenant, "the tenant fell behind the entries that are kept; its checkpoint is loaded");
                    let loaded = Tail::of(&state);
                    self.links.feed.add(tenant, Delivery::Loaded(Box::new(state)));
                    Ok(Some(loaded))
                }
                None => {
                    self.give_up(tenant, gap.to_string());
                    Ok(None)
                }
            },
            Err(ReplayError::Diverged(diverged)) => {
                self.links.note_lost(tenant, diverged.to_string());
                Ok(None)
            }
            Err(ReplayError::Journal(JournalError::Version { found, .. })) if found > self.journal.apply_version() => {
                self.links.feed.add(tenant, Delivery::OtherVersion(found));
                Ok(None)
            }
            Err(ReplayError::Journal(error)) if !ReplayError::is_tenants(&error) => Err(error),
            Err(error) => {
                self.give_up(tenant, error.to_string());
                Ok(None)
            }
        }
    }

    /// Takes over the tenants that an older release has settled since the newest look at them.
    async fn take_over_settled(&mut self, now: Duration) -> Result<(), JournalError> {
        let unsettled = self.views.unsettled();
        if unsettled.is_empty() || now < self.next_settled {
            return Ok(());
        }
        self.next_settled = now + SETTLED_INTERVAL;
        in_time(self.journal.raise(&unsettled)).await?;
        // Raised by this server or by another one of this release.
        let heads = in_time(self.journal.heads_of(&unsettled)).await?;
        for (tenant, head) in heads {
            if head.other_version(self.journal.apply_version()).is_some() || !self.links.feed.has_room(tenant) {
                continue;
            }
            // The next look finds what was appended since.
            self.seen.remove(&tenant);
            let loaded = reload(&mut self.journal, &self.store, &self.lifecycle, tenant).await?;
            self.links.feed.add(tenant, Delivery::Settled(loaded.map(Box::new)));
        }
        Ok(())
    }

    /// Loads the tenants again whose states have entries that the store lost. Those that cannot be loaded go out of service.
    async fn reload_lost(&mut self) -> Result<(), JournalError> {
        let lost: Vec<_> = self.links.lost.lock().drain().collect();
        for (tenant, reason) in lost {
            // Compared and read again by the next look, from the state that is published by then.
            self.seen.remove(&tenant);
            self.lagging.remove(&tenant);
            let replaces = self.views.tail(tenant);
            // A delivery that waits may be the reloaded state, and the engine may have loaded the tenant again by itself.
            if self.views.is_absent(tenant)
                || !self.links.feed.has_room(tenant)
                || !self.is_lost(tenant, replaces).await?
            {
                continue;
            }
            match reload(&mut self.journal, &self.store, &self.lifecycle, tenant).await? {
                Ok(state) => {
                    let reloaded = Reloaded { state, replaces, reason };
                    self.links.feed.add(tenant, Delivery::Reloaded(Box::new(reloaded)));
                }
                Err(why) => self.give_up(tenant, format!("{reason}; {why}")),
            }
        }
        Ok(())
    }

    /// Returns true if the journal does not have the end of a state, or has another entry there.
    async fn is_lost(&mut self, tenant: TenantId, end: Tail) -> Result<bool, JournalError> {
        let heads = in_time(self.journal.heads_of(&[tenant])).await?;
        let Some(head) = heads.get(&tenant).copied() else { return Ok(false) };
        if end.seq >= head.seq {
            return Ok(end.seq > head.seq || end.check(head.tail).is_err());
        }
        match in_time(next_entries(&mut self.journal, tenant, end, head.seq)).await {
            Err(ReplayError::Diverged(_)) => Ok(true),
            Err(ReplayError::Journal(error)) if !ReplayError::is_tenants(&error) => Err(error),
            Ok(_) | Err(_) => Ok(false),
        }
    }

    /// Takes a tenant out of service, by the engine, which has its state.
    fn give_up(&mut self, tenant: TenantId, reason: String) {
        self.lagging.remove(&tenant);
        self.links.feed.add(tenant, Delivery::Faulty(reason));
    }
}
