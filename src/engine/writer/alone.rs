//! Appends for tenants whose heads were locked by another session twice in a row. Each is appended alone, on a session of
//! its own that waits for the head, and holds up no other tenant.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;

use metrics::counter;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::appender::{AppendResult, Appender, UnknownAppend};
use super::super::queue::Item;
use super::super::replay::in_time;
use super::super::tenants::{Inbox, PendingEntry};
use super::{Engine, RETRY_BACKOFF};
use crate::clock::Clock;
use crate::domain::{EventId, TenantId};
use crate::engine::following::Links;
use crate::journal::{Draft, Journal, JournalError};

/// Times in a row that a tenant is left out before it is appended alone.
const LEFT_OUT: u32 = 2;
/// Sessions for such tenants, and so the number of tenants that are appended alone at a time. The others that are left out
/// are tried with the next batch.
pub const LONE_APPENDS: usize = 2;

/// The tenants that are left out, and the sessions on which they are appended alone.
#[derive(Debug)]
pub(in crate::engine) struct Alone {
    /// The sessions that are not in use. They connect at their first append.
    idle: Vec<Appender>,
    /// Times in a row that a tenant was left out.
    left_out: HashMap<TenantId, u32>,
    /// The tenants that are appended now. Until that is applied, nothing else of them is.
    under_way: HashSet<TenantId>,
    ended: Arc<Inbox<Ended>>,
}

/// An append of one tenant that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    tenant: TenantId,
    items: Vec<Item>,
    result: Appended,
    appender: Appender,
}

/// The result of an append on a session of its own.
#[derive(Debug)]
enum Appended {
    /// Nothing was sent, since the session could not be opened.
    Unsent(JournalError),
    /// The outcome of each event is known.
    Known(AppendResult),
    /// These batches may be in the journal. No other can be placed there any more.
    Unknown(Vec<Uuid>),
    /// The outcome is unknown, and the engine stops.
    Stopped,
}

impl Alone {
    /// With up to this many sessions, for a journal that other servers append to as well. Otherwise no head is locked for
    /// long, and there are none.
    pub fn new(journal: &Journal, links: &Links, clock: &Clock, sessions: usize) -> Self {
        let journals = (0..sessions).filter_map(|_| journal.alone());
        let idle = journals.map(|journal| Appender::new(journal, links.clone(), clock.clone())).collect();
        Alone { idle, left_out: HashMap::new(), under_way: HashSet::new(), ended: Arc::default() }
    }

    /// Returns true while the tenant is appended alone.
    pub fn is_under_way(&self, tenant: TenantId) -> bool {
        self.under_way.contains(&tenant)
    }

    /// Returns true while any tenant is appended alone.
    pub fn is_any(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// Returns true if another tenant can be appended alone now.
    pub fn has_session(&self) -> bool {
        !self.idle.is_empty()
    }

    /// Notes that a tenant's head was locked.
    pub fn note_left_out(&mut self, tenant: TenantId) {
        *self.left_out.entry(tenant).or_default() += 1;
    }

    /// Notes that a tenant's head was free.
    pub fn note_free(&mut self, tenant: TenantId) {
        if !self.left_out.is_empty() {
            self.left_out.remove(&tenant);
        }
    }

    /// Returns once an append has ended.
    pub async fn wait(&self) {
        self.ended.wait().await;
    }

    fn is_due(&self, tenant: TenantId) -> bool {
        self.left_out.get(&tenant).is_some_and(|times| *times >= LEFT_OUT)
    }
}

impl Engine {
    /// Starts the appends of the tenants that were left out, as far as there are sessions. Puts back what is there of tenants
    /// that are appended already. Returns the items of all others.
    pub(super) fn start_alone(&mut self, items: Vec<Item>, stopping: &CancellationToken) -> Vec<Item> {
        if self.alone.left_out.is_empty() && !self.alone.is_any() {
            return items;
        }
        let mut apart: HashMap<TenantId, Vec<Item>> = HashMap::new();
        let mut rest = Vec::new();
        let mut sessions = self.alone.idle.len();
        for item in items {
            let tenant = item.draft.tenant;
            let is_chosen = apart.contains_key(&tenant) || self.alone.is_under_way(tenant);
            if !is_chosen && (sessions == 0 || !self.alone.is_due(tenant)) {
                rest.push(item);
                continue;
            }
            sessions -= usize::from(!is_chosen);
            apart.entry(tenant).or_default().push(item);
        }
        for (tenant, items) in apart {
            if self.alone.is_under_way(tenant) {
                self.queue.put_back(tenant, items);
            } else if let Some(appender) = self.alone.idle.pop() {
                counter!("rollcall_lone_appends_total").increment(1);
                self.alone.under_way.insert(tenant);
                let (ended, stopping) = (self.alone.ended.clone(), stopping.clone());
                self.lifecycle.spawn("append", async move {
                    ended.add(append(tenant, items, appender, stopping).await);
                    Ok::<(), Infallible>(())
                });
            }
        }
        rest
    }

    /// Takes the appends that have ended: applies what they placed, as after a common append.
    pub(super) async fn end_alone(&mut self, stopping: &CancellationToken) {
        for Ended { tenant, items, result, appender } in self.alone.ended.take() {
            self.alone.idle.push(appender);
            self.alone.under_way.remove(&tenant);
            match result {
                Appended::Unsent(error) => {
                    tracing::debug!(%tenant, %error, "the session for a tenant alone cannot be opened");
                    // The common append notices if the store is away.
                    self.alone.note_free(tenant);
                    self.queue.put_back(tenant, items);
                }
                Appended::Known(result) => {
                    let batches = result.batches.clone();
                    let (left, failure) = self.take_result(items, result).await;
                    if let Some(error) = failure {
                        self.find_again(left, UnknownAppend { batches, tenants: vec![tenant] }, error, stopping).await;
                    }
                }
                Appended::Unknown(batches) => match self.find(tenant, items, &batches).await {
                    Ok(left) => self.queue.put_back(tenant, left),
                    Err((left, error)) => {
                        self.find_again(left, UnknownAppend { batches, tenants: vec![tenant] }, error, stopping).await;
                    }
                },
                // Dropped: the requests are answered that the service is stopping.
                Appended::Stopped => {}
            }
        }
    }

    /// Applies what lies beyond the tenant's state, with the events of an append of unknown outcome that are there. Returns
    /// the others.
    async fn find(
        &mut self,
        tenant: TenantId,
        items: Vec<Item>,
        batches: &[Uuid],
    ) -> Result<Vec<Item>, (Vec<Item>, JournalError)> {
        let looking = async {
            let heads = self.appender.journal.heads_of(&[tenant]).await?;
            // Confirms the look, as in the follower: a server that a failover has deposed answers reads as well.
            self.appender.journal.probe().await?;
            Ok(heads)
        };
        let head = match in_time::<_, JournalError>(looking).await {
            Ok(heads) => heads.get(&tenant).copied(),
            Err(error) => return Err((items, error)),
        };
        // Without a head the tenant was deleted, which the common append notices.
        let Some(head) = head else { return Ok(items) };
        // The first of equal ids, which is the one that was placed.
        let mut places: HashMap<EventId, usize> = HashMap::new();
        for (n, item) in items.iter().enumerate() {
            places.entry(item.draft.event.id.clone()).or_insert(n);
        }
        let mut items: Vec<Option<Item>> = items.into_iter().map(Some).collect();
        let finding = self.bring_to(tenant, head.into(), |tenants, logged| {
            let is_ours = logged.batch.is_some_and(|batch| batches.contains(&batch));
            let place = if is_ours { places.get(&logged.entry.event.id) } else { None };
            match place.and_then(|n| items[*n].take()) {
                Some(Item { request, received, .. }) => {
                    let (entry, batch) = (logged.entry, logged.batch);
                    tenants.accept(tenant, PendingEntry { entry, batch, request, received: Some(received) });
                    Ok(())
                }
                None => tenants.accept_logged(tenant, logged),
            }
        });
        let found = finding.await;
        let left = items.into_iter().flatten().collect();
        match found {
            Ok(()) => Ok(left),
            Err(error) => Err((left, error)),
        }
    }

    /// Recovers from an error of the engine's own session, and looks for the events of an append then.
    async fn find_again(
        &mut self,
        items: Vec<Item>,
        unknown: UnknownAppend,
        error: JournalError,
        stopping: &CancellationToken,
    ) {
        if let Some(found) = self.recover(Some(&unknown), &error, stopping).await {
            let left = self.answer_found(items, found);
            if let Some(tenant) = unknown.tenants.first() {
                self.queue.put_back(*tenant, left);
            }
        }
    }
}

/// Appends one tenant's events on a session of its own, which waits for the head for a second at most.
async fn append(tenant: TenantId, items: Vec<Item>, mut appender: Appender, stopping: CancellationToken) -> Ended {
    if !appender.journal.is_locked()
        && let Err(error) = in_time(appender.journal.recover()).await
    {
        return Ended { tenant, items, result: Appended::Unsent(error), appender };
    }
    let (drafts, waiting): (Vec<Draft>, Vec<_>) =
        items.into_iter().map(|item| (item.draft, (item.request, item.received))).unzip();
    let mut result = appender.append(&drafts).await;
    let items =
        drafts.into_iter().zip(waiting).map(|(draft, (request, received))| Item { draft, request, received }).collect();
    let Some(error) = result.failure.take() else {
        return Ended { tenant, items, result: Appended::Known(result), appender };
    };
    counter!("rollcall_failed_writes_total", "write" => "append").increment(1);
    tracing::warn!(%tenant, %error, "an append of a tenant alone failed; its outcome is unknown until it is found");
    let result = match until_fenced(tenant, &mut appender, &stopping).await {
        true => Appended::Unknown(result.batches),
        false => Appended::Stopped,
    };
    Ended { tenant, items, result, appender }
}

/// Waits until no earlier append to the tenant can still commit. False if the engine must stop meanwhile.
async fn until_fenced(tenant: TenantId, appender: &mut Appender, stopping: &CancellationToken) -> bool {
    loop {
        let fencing = async {
            appender.journal.recover().await?;
            appender.journal.fence(&[tenant]).await
        };
        let fenced: Result<(), JournalError> = in_time(fencing).await;
        if fenced.is_ok() {
            return true;
        }
        tokio::select! {
            () = tokio::time::sleep(RETRY_BACKOFF) => {}
            () = stopping.cancelled() => return false,
        }
    }
}
