//! Appending to the journal: placed, refused, or undecided until the store is back.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use metrics::{counter, histogram};
use uuid::Uuid;

use crate::clock::Clock;
use crate::domain::{TenantId, Time};
use crate::journal::{Appended, Batch, Draft, Head, Journal, JournalError, Placement};

/// How long the journal may take for an append; a megabyte more may take a second more.
const APPEND_TIMEOUT: Duration = Duration::from_secs(2);
/// How long one step of a recovery, or a confirmation, may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// What became of one draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placing {
    /// It is journalled.
    Placed { seq: u64, recorded: Time },
    /// Its id was looked up and found.
    Duplicate,
    /// The tenant's head was locked by another session; it is to be sent again.
    Busy,
    /// The tenant has no head.
    Missing,
    /// The store refuses its content.
    Refused,
    /// Unknown until the store is back.
    Undecided,
}

/// What an append came to.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    /// One per draft, in order.
    pub placings: Vec<Placing>,
    /// The heads as they were before.
    pub heads: HashMap<TenantId, Head>,
    /// The ids under which the drafts were sent: one, or one a piece where content was refused.
    pub batches: Vec<Uuid>,
    /// The error that left some drafts undecided.
    pub failure: Option<JournalError>,
}

/// An append whose outcome is unknown until the journal is read.
#[derive(Debug)]
pub(super) struct UnknownAppend {
    /// The batches that may be journalled.
    pub batches: Vec<Uuid>,
    /// Their tenants.
    pub tenants: Vec<TenantId>,
}

/// The journal's one writer.
#[derive(Debug)]
pub(super) struct Appender {
    pub journal: Journal,
    clock: Clock,
}

impl Appender {
    pub const fn new(journal: Journal, clock: Clock) -> Self {
        Appender { journal, clock }
    }

    /// Appends the drafts in one transaction. What the store refuses for its content is found by halving: the culprits
    /// are refused, the others are appended in order, in more than one transaction.
    pub async fn append(&mut self, drafts: &[Draft]) -> Attempt {
        let mut attempt = Attempt { placings: vec![Placing::Undecided; drafts.len()], ..Attempt::default() };
        let whole = 0..drafts.len();
        let mut pieces = Vec::from([whole]);
        while let Some(piece) = pieces.pop() {
            let batch = Batch { id: self.clock.new_id(), recorded: self.clock.now(), drafts: &drafts[piece.clone()] };
            attempt.batches.push(batch.id);
            match self.append_batch(batch).await {
                Ok(appended) => attempt.note(&piece, batch.drafts, appended),
                Err(JournalError::Content(error)) => {
                    tracing::warn!(%error, events = piece.len(), "the store refuses content; looking for the event");
                    halve(&piece, &mut pieces, &mut attempt);
                }
                Err(error) => {
                    attempt.failure = Some(error);
                    break;
                }
            }
        }
        attempt
    }

    async fn append_batch(&mut self, batch: Batch<'_>) -> Result<Appended, JournalError> {
        let began = self.clock.monotonic();
        let bytes: usize = batch.drafts.iter().map(|draft| draft.json.len()).sum();
        let timeout = APPEND_TIMEOUT + Duration::from_secs(bytes as u64 / (1024 * 1024));
        let appended =
            tokio::time::timeout(timeout, self.journal.append(batch)).await.map_err(|_| JournalError::TimedOut)??;
        histogram!("rollcall_commit_seconds").record((self.clock.monotonic() - began).as_secs_f64());
        histogram!("rollcall_batch_events").record(batch.drafts.len() as f64);
        Ok(appended)
    }

    /// Confirms that the store answers and is still ours, and compares the clocks.
    pub async fn confirm(&mut self) -> Result<(), JournalError> {
        let confirming = tokio::time::timeout(ANSWER_TIMEOUT, self.journal.confirm());
        let database = confirming.await.map_err(|_| JournalError::TimedOut)??;
        // A clock that a test drives has nothing to do with the database's.
        if let Some(database) = database.filter(|_| !self.clock.is_manual()) {
            self.clock.observe_database(database);
        }
        Ok(())
    }

    /// Connects anew, waits until no earlier append to these tenants can be under way, and returns all heads.
    pub async fn reconnect(&mut self, tenants: &[TenantId]) -> Result<HashMap<TenantId, Head>, JournalError> {
        let reconnecting = async {
            self.journal.recover().await?;
            self.journal.fence(tenants).await?;
            self.journal.heads().await
        };
        tokio::time::timeout(ANSWER_TIMEOUT, reconnecting).await.map_err(|_| JournalError::TimedOut)?
    }
}

impl Attempt {
    /// Leaves what was placed undecided as well: the entries before it could not be read.
    pub fn undecide(&mut self, error: JournalError) {
        for placing in self.placings.iter_mut().filter(|placing| matches!(placing, Placing::Placed { .. })) {
            *placing = Placing::Undecided;
        }
        self.failure.get_or_insert(error);
    }

    fn note(&mut self, piece: &Range<usize>, drafts: &[Draft], appended: Appended) {
        for ((n, draft), placement) in piece.clone().zip(drafts).zip(appended.placements) {
            self.placings[n] = match placement {
                Placement::Placed(seq) => {
                    let recorded = appended.heads.get(&draft.tenant).map_or(0, |head| head.recorded);
                    Placing::Placed { seq, recorded: Time::from_micros(recorded) }
                }
                Placement::Duplicate => Placing::Duplicate,
                Placement::Busy => Placing::Busy,
                Placement::Missing => Placing::Missing,
            };
        }
        for (tenant, head) in appended.heads {
            self.heads.entry(tenant).or_insert(head);
        }
    }
}

/// Puts the halves of a refused piece on the stack, the first one on top; a piece of one is the culprit.
fn halve(piece: &Range<usize>, pieces: &mut Vec<Range<usize>>, attempt: &mut Attempt) {
    if piece.len() == 1 {
        attempt.placings[piece.start] = Placing::Refused;
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
    fn what_was_placed_is_undecided_when_the_entries_before_it_cannot_be_read() {
        let placed = Placing::Placed { seq: 4, recorded: Time::NEVER };
        let placings = Vec::from([placed, Placing::Duplicate, Placing::Refused, placed]);
        let mut attempt = Attempt { placings, ..Attempt::default() };
        attempt.undecide(JournalError::TimedOut);
        let expected = [Placing::Undecided, Placing::Duplicate, Placing::Refused, Placing::Undecided];
        assert_eq!(attempt.placings, expected);
        assert!(matches!(attempt.failure, Some(JournalError::TimedOut)));
    }
}
