//! Appends drafts to the journal and sorts out errors: each draft is placed, refused, or undecided until the journal
//! can be read again.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use metrics::{counter, histogram};
use uuid::Uuid;

use super::following::Links;
use super::health::Ownership;
use super::replay::in_time;
use crate::clock::Clock;
use crate::domain::{TenantId, Time};
use crate::journal::{Appended, Batch, Claim, ClockBounds, Draft, Head, Journal, JournalError, Placement, Round};

/// The longest wait for an append; each MiB of JSON adds a second.
const APPEND_TIMEOUT: Duration = Duration::from_secs(2);

/// The result of an append for one draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DraftOutcome {
    /// The event is journalled, by this batch.
    Placed { seq: u64, recorded: Time, batch: Uuid },
    /// The event's id was placed before, by an entry of this recorded time; [`Time::NEVER`] if that is not known.
    Duplicate(Time),
    /// The tenant's head was locked by another session; the draft must be sent again.
    Busy,
    /// The store has lost the tenant's head.
    Missing,
    /// The tenant was deleted.
    Deleted,
    /// The tenant's entries are of this other apply version.
    OtherVersion(u32),
    /// The store rejected the event's content.
    Refused,
    /// The store's clock and the server's differ. Nothing was placed.
    Untimed,
    /// The outcome is unknown until the journal is read.
    Undecided,
}

impl DraftOutcome {
    /// Returns the position of a placed draft.
    pub const fn position(self) -> Option<u64> {
        match self {
            DraftOutcome::Placed { seq, .. } => Some(seq),
            _ => None,
        }
    }
}

/// The result of an append.
#[derive(Debug, Default)]
pub(super) struct AppendResult {
    /// One per draft, in order.
    pub outcomes: Vec<DraftOutcome>,
    /// The heads before the append.
    pub heads: HashMap<TenantId, Head>,
    /// The ids of the batches that were sent: one, or several if the store rejected content.
    pub batches: Vec<Uuid>,
    /// True if some drafts are [`DraftOutcome::Untimed`].
    pub is_untimed: bool,
    /// The error that left some drafts undecided.
    pub failure: Option<JournalError>,
}

/// An append whose outcome is unknown until the journal is read.
#[derive(Debug)]
pub(super) struct UnknownAppend {
    /// The ids of the batches that may be journalled.
    pub batches: Vec<Uuid>,
    /// The tenants with undecided events.
    pub tenants: Vec<TenantId>,
}

/// Confirms that the store answers and that this process still holds its lock, and compares the clock with the store's
/// own, if it has one.
pub async fn compare_clocks(journal: &mut Journal, clock: &Clock) -> Result<(), JournalError> {
    let asked = clock.monotonic();
    // A manual clock has nothing to do with the database's.
    if let Some(database) = journal.confirm().await?.filter(|_| !clock.is_manual()) {
        clock.observe_database(database, asked);
    }
    Ok(())
}

/// The only writer of the journal.
#[derive(Debug)]
pub(super) struct Appender {
    pub journal: Journal,
    links: Links,
    clock: Clock,
}

impl Appender {
    pub const fn new(journal: Journal, links: Links, clock: Clock) -> Self {
        Appender { journal, links, clock }
    }

    /// Appends the drafts in one transaction. If the store rejects their content, the rejected drafts are found by
    /// halving the batch; the others are appended in order, in several transactions.
    pub async fn append(&mut self, drafts: &[Draft]) -> AppendResult {
        let mut result =
            AppendResult { outcomes: vec![DraftOutcome::Undecided; drafts.len()], ..AppendResult::default() };
        let whole = 0..drafts.len();
        let mut pieces = Vec::from([whole]);
        while let Some(piece) = pieces.pop() {
            let (id, recorded, store_clock) = (self.clock.new_id(), self.clock.now(), self.store_clock());
            let batch = Batch { id, recorded, store_clock, drafts: &drafts[piece.clone()] };
            // Noted before the append: after an error its entries may be in the journal under this id.
            result.batches.push(batch.id);
            self.links.note_batch(batch.id);
            match self.append_batch(batch).await {
                Ok(appended) => result.note(&piece, batch, appended),
                Err(JournalError::Clock(_)) => {
                    // The pieces left as well: the clock would reject them, or place them before this one.
                    result.untime(piece.start);
                    break;
                }
                Err(JournalError::Content(error)) => {
                    tracing::warn!(%error, events = piece.len(), "the store rejects content; looking for the event");
                    halve(&piece, &mut pieces, &mut result);
                }
                Err(error) => {
                    // The pieces left stay undecided: appended now, they could come before this one, whose outcome is
                    // unknown.
                    result.failure = Some(error);
                    break;
                }
            }
        }
        result
    }

    /// Returns the times of the store's clock to be believed. `None` if service time records the entries: the embedded
    /// store has no clock, and a manual one of a test has nothing to do with the store's.
    fn store_clock(&self) -> Option<ClockBounds> {
        let is_used = self.journal.has_clock() && !self.clock.is_manual();
        is_used.then(|| {
            let (earliest, latest) = self.clock.agreeing();
            ClockBounds { earliest, latest }
        })
    }

    /// Appends one batch within its time limit and records its duration.
    async fn append_batch(&mut self, batch: Batch<'_>) -> Result<Appended, JournalError> {
        let began = self.clock.monotonic();
        let bytes: usize = batch.drafts.iter().map(|draft| draft.json.len()).sum();
        let timeout = APPEND_TIMEOUT + Duration::from_secs(bytes as u64 / (1024 * 1024));
        let appended = tokio::time::timeout(timeout, self.journal.append(batch)).await;
        let appended = appended.map_err(|_| JournalError::TimedOut)?;
        if let Err(JournalError::Clock(database)) = appended {
            self.clock.observe_database(database, began);
        }
        let appended = appended?;
        histogram!("rollcall_commit_seconds").record((self.clock.monotonic() - began).as_secs_f64());
        histogram!("rollcall_batch_events").record(batch.drafts.len() as f64);
        Ok(appended)
    }

    /// Works as [`compare_clocks`], within a time limit.
    pub async fn confirm(&mut self) -> Result<(), JournalError> {
        in_time(compare_clocks(&mut self.journal, &self.clock)).await
    }

    /// Commits a small write within a time limit, by which this server renews and claims duties.
    pub async fn round(&mut self, claim: &Claim) -> Result<Round, JournalError> {
        in_time(self.journal.round(claim)).await
    }

    /// The interval at which a server commits a small write.
    pub const fn probe_interval(&self) -> Duration {
        self.journal.probe_interval()
    }

    /// Notes in the store that this server ends, and gives its duties back. Returns true if no other server of this apply
    /// version is left, but for those that are `gone`. Where the store does not answer, it is taken for shared if it can be:
    /// the others find out within seconds.
    pub async fn end(&mut self, gone: &[Uuid]) -> bool {
        let ended = in_time(self.journal.end(gone)).await;
        ended.unwrap_or_else(|error| {
            tracing::debug!(%error, "the end of this server was not noted in the store");
            !self.links.is_followed()
        })
    }

    /// Returns the heads of all tenants, within a time limit.
    pub async fn heads(&mut self) -> Result<HashMap<TenantId, Head>, JournalError> {
        in_time(self.journal.heads()).await
    }

    /// Returns true for an error with which the store answered, on a session that goes on.
    pub fn is_reported(&self, error: &JournalError) -> bool {
        self.journal.is_locked() && !matches!(error, JournalError::TimedOut)
    }

    /// Returns the ownership of the store's lock after an error.
    pub fn ownership(&self, error: &JournalError) -> Ownership {
        match error {
            _ if self.journal.is_locked() => Ownership::Held,
            JournalError::Taken => Ownership::Taken,
            // Nothing is lost with the session but the connection: other servers have the store as well.
            _ => Ownership::Unknown,
        }
    }

    /// Takes the lock again if it was lost, waits until no earlier append to these tenants can still commit, and returns
    /// the heads of all tenants; none where other servers append and the store commits nothing that would confirm them.
    pub async fn reconnect(&mut self, tenants: &[TenantId]) -> Result<HashMap<TenantId, Head>, JournalError> {
        let reconnecting = async {
            // In this order: an append on the lost connection may still commit until the fence, so heads that were read
            // before it could be too old.
            self.journal.recover().await?;
            self.journal.fence(tenants).await?;
            let heads = self.journal.heads().await?;
            // Another server may have removed this one's row, without which no heartbeat is written. Where others append,
            // this commit also confirms the heads: a server that a failover has deposed answers reads as well, and its
            // commits do not end.
            match self.journal.probe().await {
                Ok(()) => Ok(heads),
                // A store that accepts no writes is no reason to stay away from it, and no reason to trust its heads.
                Err(error) if self.journal.is_locked() => {
                    tracing::debug!(%error, "the server's row was not written after an outage");
                    Ok(if self.links.is_followed() { HashMap::new() } else { heads })
                }
                Err(error) => Err(error),
            }
        };
        in_time(reconnecting).await
    }
}

impl AppendResult {
    /// Makes the placed drafts undecided as well. Used if the entries before theirs cannot be read: they are applied
    /// later, when the journal is read.
    pub fn undecide(&mut self, error: JournalError) {
        for outcome in self.outcomes.iter_mut().filter(|outcome| matches!(outcome, DraftOutcome::Placed { .. })) {
            *outcome = DraftOutcome::Undecided;
        }
        // An error of the append itself is kept: this one follows from the same outage.
        self.failure.get_or_insert(error);
    }

    /// Marks the undecided drafts from `start` on as rejected for the clock.
    fn untime(&mut self, start: usize) {
        for outcome in self.outcomes[start..].iter_mut().filter(|outcome| **outcome == DraftOutcome::Undecided) {
            *outcome = DraftOutcome::Untimed;
        }
        self.is_untimed = true;
    }

    /// Records the result of one batch, which had the drafts of `piece`. Keeps the first head of each tenant.
    fn note(&mut self, piece: &Range<usize>, batch: Batch<'_>, appended: Appended) {
        for ((n, draft), placement) in piece.clone().zip(batch.drafts).zip(appended.placements) {
            self.outcomes[n] = match placement {
                Placement::Placed(seq) => {
                    // A placed draft has a head, since only tenants with one are appended to: 0 is never used.
                    let recorded = appended.heads.get(&draft.tenant).map_or(0, |head| head.recorded);
                    DraftOutcome::Placed { seq, recorded: Time::from_micros(recorded), batch: batch.id }
                }
                Placement::Duplicate(recorded) => DraftOutcome::Duplicate(recorded),
                Placement::Busy => DraftOutcome::Busy,
                Placement::Missing => DraftOutcome::Missing,
                Placement::Deleted => DraftOutcome::Deleted,
                Placement::OtherVersion(version) => DraftOutcome::OtherVersion(version),
            };
        }
        for (tenant, head) in appended.heads {
            // Later pieces find heads that this append has moved itself; the state is brought to the first.
            self.heads.entry(tenant).or_insert(head);
        }
    }
}

/// Puts the halves of a rejected piece on the stack, the first one on top. A piece of one draft is the rejected one.
fn halve(piece: &Range<usize>, pieces: &mut Vec<Range<usize>>, result: &mut AppendResult) {
    if piece.len() == 1 {
        result.outcomes[piece.start] = DraftOutcome::Refused;
        counter!("rollcall_refused_content_total").increment(1);
        return;
    }
    let middle = piece.start + piece.len() / 2;
    pieces.push(middle..piece.end);
    pieces.push(piece.start..middle);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placed_drafts_become_undecided_if_earlier_entries_cannot_be_read() {
        let placed = DraftOutcome::Placed { seq: 4, recorded: Time::NEVER, batch: Uuid::nil() };
        let outcomes = Vec::from([placed, DraftOutcome::Duplicate(Time::NEVER), DraftOutcome::Refused, placed]);
        let mut result = AppendResult { outcomes, ..AppendResult::default() };
        result.undecide(JournalError::TimedOut);
        let repeat = DraftOutcome::Duplicate(Time::NEVER);
        let expected = [DraftOutcome::Undecided, repeat, DraftOutcome::Refused, DraftOutcome::Undecided];
        assert_eq!(result.outcomes, expected);
        assert!(matches!(result.failure, Some(JournalError::TimedOut)));
    }
}
