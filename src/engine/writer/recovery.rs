//! Brings the states to the journal's heads: after an outage, and where another server appended entries.

use std::collections::HashMap;

use metrics::counter;
use tokio_util::sync::CancellationToken;

use super::super::appender::UnknownAppend;
use super::super::following::{Delivery, Reloaded};
use super::super::health::Ownership;
use super::super::queue::Item;
use super::super::replay::{ReplayError, Tail, load_again, reload, replay};
use super::super::request::EventResult;
use super::super::tenants::Tenants;
use super::{Engine, RETRY_BACKOFF};
use crate::domain::{EventId, Outcome, TenantId};
use crate::journal::{Head, JournalError, Logged};
use crate::live::State;

/// The events of a failed append that were found in the journal, with their positions and outcomes.
pub(super) type Found = HashMap<(TenantId, EventId), (u64, Outcome)>;

impl Engine {
    /// Takes what the follower read of other servers' entries.
    pub(super) fn receive(&mut self) {
        let (tenants, alone) = (&self.tenants, &self.alone);
        // Entries of a tenant that is appended alone may be those of its append, which come with their requests.
        let is_busy = |tenant| tenants.is_busy(tenant) || alone.is_under_way(tenant);
        for (tenant, delivery) in self.links.feed.take(is_busy) {
            match delivery {
                Delivery::Settled(loaded) => {
                    self.checkpoints.forget(tenant);
                    self.tenants.take_over(tenant, loaded.map(|state| *state));
                }
                _ if self.tenants.is_absent(tenant) => {}
                Delivery::OtherVersion(version) => {
                    self.tenants.unsettle(tenant, version > self.apply_version());
                }
                Delivery::Entries(entries) => {
                    let accept = |logged| self.tenants.accept_logged(tenant, logged);
                    match entries.into_iter().try_for_each(accept) {
                        Ok(()) => {}
                        // An earlier piece was dropped with an outage. The follower reads on from the state.
                        Err(ReplayError::Gap(gap)) => tracing::debug!(%tenant, %gap, "entries came too early"),
                        Err(ReplayError::Diverged(diverged)) => self.links.note_lost(tenant, diverged.to_string()),
                        Err(error) => self.tenants.quarantine(tenant, &error.to_string()),
                    }
                }
                Delivery::Loaded(state) => self.replace(tenant, *state, None),
                Delivery::Reloaded(reloaded) => {
                    let Reloaded { state, replaces, reason } = *reloaded;
                    // Otherwise this server loaded the tenant again when it appended to the journal.
                    if self.tenants.end(tenant) == replaces {
                        self.replace(tenant, state, Some(&reason));
                    }
                }
                Delivery::Faulty(reason) => self.tenants.quarantine(tenant, &reason),
            }
        }
    }

    /// Replaces the state of a tenant that fell behind the entries that the journal keeps; with a reason that of one whose
    /// entries the store lost.
    fn replace(&mut self, tenant: TenantId, state: State, lost: Option<&str>) {
        if let Some(reason) = lost {
            counter!("rollcall_lost_histories_total").increment(1);
            let position = state.position();
            tracing::error!(%tenant, reason, position, "the store lost entries; the tenant is loaded again");
        }
        if self.tenants.replace(tenant, state, lost.is_some()) {
            // Its rows are those of the state before.
            self.checkpoints.forget(tenant);
        }
        self.tenants.publish();
    }

    /// Loads a tenant's state again after the store lost entries of it. Puts the tenant in quarantine if that fails.
    async fn reload(&mut self, tenant: TenantId, reason: &str) -> Result<(), JournalError> {
        match reload(&mut self.appender.journal, &self.store, &self.lifecycle, tenant).await? {
            Ok(state) => self.replace(tenant, state, Some(reason)),
            Err(why) => self.tenants.quarantine(tenant, &format!("{reason}; {why}")),
        }
        Ok(())
    }

    /// Adds the entries of other servers that lie before those of an append, so that these follow the states. After an
    /// error some of the tenants are not brought up.
    pub(super) async fn follow(&mut self, heads: &HashMap<TenantId, Head>) -> Result<(), JournalError> {
        for (tenant, head) in heads {
            let (end, head) = (self.tenants.end(*tenant), Tail::from(*head));
            if end == head || self.tenants.is_absent(*tenant) {
                continue;
            }
            if end.seq != head.seq && !self.links.is_followed() {
                tracing::warn!(%tenant, head = head.seq, "the state is not at the head of its journal");
            }
            self.bring_to(*tenant, head, |tenants, logged| tenants.accept_logged(*tenant, logged)).await?;
        }
        Ok(())
    }

    /// Adds the entries of other servers that lie before position `seq` to the tenant's backlog.
    pub(super) async fn follow_before(&mut self, tenant: TenantId, seq: u64) -> Result<(), JournalError> {
        if self.tenants.end(tenant).seq + 1 >= seq {
            return Ok(());
        }
        let before = Tail { seq: seq - 1, batch: None };
        self.bring_to(tenant, before, |tenants, logged| tenants.accept_logged(tenant, logged)).await
    }

    /// Calls `take` with the journal's entries beyond a tenant's state and backlog, up to its head. Loads the tenant's
    /// checkpoint again if some of them are deleted, or if the store lost entries that the state has. Puts the tenant in
    /// quarantine if its entries are at fault; an error is the store's.
    pub(super) async fn bring_to(
        &mut self,
        tenant: TenantId,
        head: Tail,
        mut take: impl FnMut(&mut Tenants, Logged) -> Result<(), ReplayError>,
    ) -> Result<(), JournalError> {
        let mut is_reloaded = false;
        loop {
            if self.tenants.is_absent(tenant) {
                return Ok(());
            }
            let end = self.tenants.end(tenant);
            if end.seq > head.seq {
                // The checkpoint may be newer than the head was when it was read.
                if is_reloaded {
                    return Ok(());
                }
                let reason = format!("the journal ends at {}, the state is at {}", head.seq, end.seq);
                self.reload(tenant, &reason).await?;
                is_reloaded = true;
                continue;
            }
            let Self { tenants, appender, .. } = self;
            let taking = replay(&mut appender.journal, tenant, end, head, |logged| take(tenants, logged));
            match taking.await {
                Ok(()) => return Ok(()),
                Err(ReplayError::Journal(error)) if !ReplayError::is_tenants(&error) => return Err(error),
                Err(ReplayError::Gap(gap)) => match load_again(&self.store, &self.lifecycle, tenant, gap.at).await? {
                    Some(state) => self.replace(tenant, state, None),
                    None => self.tenants.quarantine(tenant, &gap.to_string()),
                },
                Err(ReplayError::Diverged(diverged)) if !is_reloaded => {
                    self.reload(tenant, &diverged.to_string()).await?;
                    is_reloaded = true;
                }
                Err(ReplayError::Journal(JournalError::Version { found, .. })) if found > self.apply_version() => {
                    self.tenants.unsettle(tenant, true);
                }
                Err(error) => self.tenants.quarantine(tenant, &error.to_string()),
            }
        }
    }

    /// The version of the rules by which this server applies entries.
    pub(super) const fn apply_version(&self) -> u32 {
        self.appender.journal.apply_version()
    }

    /// Settles the events that the failed append had placed after all. Returns those to be appended again.
    pub(super) fn answer_found(&mut self, undecided: Vec<Item>, mut found: Found) -> Vec<Item> {
        let mut retried = Vec::new();
        for item in undecided {
            let tenant = item.draft.tenant;
            match found.remove(&(tenant, item.draft.event.id.clone())) {
                Some((seq, outcome)) => {
                    let result = EventResult { outcome, position: Some(seq), first: None };
                    self.tenants.settle(tenant, item.request.as_ref(), result);
                }
                None => retried.push(item),
            }
        }
        self.tenants.publish();
        // Events without a caller would end leases, which the recovery reopened.
        retried.retain(|item| item.request.as_ref().is_some_and(|(request, _)| !request.is_gone()));
        retried
    }

    /// Waits until the store answers again, and brings every tenant to its head. Returns the events of a failed append
    /// that were found in the journal; `None` if the engine must stop meanwhile.
    pub(super) async fn recover(
        &mut self,
        unknown: Option<&UnknownAppend>,
        error: &JournalError,
        stopping: &CancellationToken,
    ) -> Option<Found> {
        // First, so that new requests are rejected at once instead of running into their timeout.
        self.health.lose(self.appender.ownership(error));
        match unknown {
            Some(_) => tracing::warn!(%error, "an append failed; its outcome is unknown until the store is back"),
            None => tracing::warn!(%error, "the store does not answer; writes are rejected until it does"),
        }
        self.tenants.apply_pending(None);
        let mut reported = String::new();
        // Kept across attempts: an entry that an attempt applied before it failed is not read again by the next.
        let mut found = Found::new();
        let sent = loop {
            let sent = self.clock.monotonic();
            match self.catch_up(unknown, &mut found).await {
                Ok(()) => break sent,
                Err(error) => {
                    self.note_lock(&error);
                    let error = error.to_string();
                    // Each cause is logged once rather than ten times a second.
                    if error != reported {
                        tracing::warn!(%error, "waiting for the store");
                        reported = error;
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY_BACKOFF) => {}
                () = stopping.cancelled() => return None,
            }
        };
        self.probed_at = None;
        self.tenants.publish();
        self.leases.recover();
        // Last: writes are accepted again once the views and the leases are current.
        self.health.confirm(sent);
        tracing::info!(entries = found.len(), "the store is back");
        Some(found)
    }

    /// Notes after a failed attempt to recover which server may have the store's lock.
    fn note_lock(&self, error: &JournalError) {
        match (self.health.ownership(), self.appender.ownership(error)) {
            // This state is known to be behind until it is brought to the heads, whatever the store answers.
            (Ownership::Taken, _) => {}
            (_, Ownership::Taken) => {
                tracing::error!("another server has the store; requests are rejected until this one has it again");
                self.health.lose(Ownership::Taken);
            }
            (Ownership::Held, Ownership::Held) => {}
            // The lock was regained, and entries that another server may have appended are not applied yet; or no session
            // was made: the store is away for this process, and perhaps for all.
            (_, Ownership::Held | Ownership::Unknown) => self.health.lose(Ownership::Unknown),
        }
    }

    /// Reconnects and brings every tenant to its head. A tenant with faulty entries does not stop the others.
    async fn catch_up(&mut self, unknown: Option<&UnknownAppend>, found: &mut Found) -> Result<(), JournalError> {
        let (batches, fenced) = unknown.map_or((&[][..], &[][..]), |unknown| (&unknown.batches, &unknown.tenants));
        for (tenant, head) in self.appender.reconnect(fenced).await? {
            if self.alone.is_under_way(tenant) {
                continue;
            }
            self.bring_to(tenant, head.into(), |tenants, logged| {
                let outcome = tenants.replayed(tenant, &logged)?;
                // Entries of other batches are applied too, but no request waits for them.
                if logged.batch.is_some_and(|batch| batches.contains(&batch)) {
                    found.insert((tenant, logged.entry.event.id.clone()), (logged.entry.seq, outcome));
                }
                Ok(())
            })
            .await?;
        }
        Ok(())
    }
}
