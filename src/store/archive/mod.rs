//! The archive of closed conversations: its rows, and the queries over them.

pub(super) mod statements;
mod tags;

use std::sync::Arc;

use serde::Deserialize;
use uuid::Uuid;

use super::{Store, StoreError, on_backend};
use crate::domain::conversation::{HistoryEntry, Key, Span, millis};
use crate::domain::{Conversation, TenantId, Time};
use crate::live::Listed;

pub use tags::{ArchiveFilter, Tags};
use tags::{COUNTED, ids};

/// Bytes after which a page ends early. The conversation that crosses the limit is still included.
const PAGE_BYTES: i64 = 4 * 1024 * 1024;

/// One page of a list.
#[derive(Debug)]
pub struct ArchivePage {
    /// The conversations, in the requested order.
    pub conversations: Vec<Arc<Conversation>>,
    /// True if the list may go on: the page ended at the requested number or at 4 MiB, rather than for lack of rows.
    pub is_cut: bool,
}

impl Store {
    /// Returns those of the tags that the fewest conversations of an interval have, as far as they are counted.
    pub async fn rarest_tags(
        &self,
        tenant: TenantId,
        all: Vec<Tags>,
        closed: Option<(Time, Time)>,
    ) -> Result<Option<Tags>, StoreError> {
        let mut rarest = None;
        for tags in all {
            let count = on_backend!(self, store => store.tagged(tenant, &tags, closed).await)?;
            if rarest.as_ref().is_none_or(|(least, _)| count < *least) {
                rarest = Some((count, tags));
            }
        }
        Ok(rarest.map(|(_, tags)| tags))
    }

    /// Reads closed conversations of one tenant that pass the filter, as of `position`.
    pub async fn archive_page(
        &self,
        tenant: TenantId,
        position: u64,
        filter: &ArchiveFilter,
        span: &Span,
    ) -> Result<ArchivePage, StoreError> {
        let read = on_backend!(self, store => store.archive_page(tenant, position, filter, span).await)?;
        let is_cut = read.len() >= span.limit || read.iter().any(|row| row.before >= PAGE_BYTES);
        let fits = read.into_iter().take_while(|row| row.before < PAGE_BYTES);
        Ok(ArchivePage { conversations: fits.map(ArchiveRow::conversation).collect::<Result<_, _>>()?, is_cut })
    }

    /// Returns the key of the conversation at place `rows` of a span, counted from 1 in its direction, among all of the
    /// interval that have one of the filter's tags, whether they meet the other criteria or not. One with several of the
    /// tags counts several times. `None` if there are fewer.
    pub async fn archive_end(
        &self,
        tenant: TenantId,
        filter: &ArchiveFilter,
        span: &Span,
        rows: usize,
    ) -> Result<Option<Key>, StoreError> {
        on_backend!(self, store => store.archive_end(tenant, filter, span, rows.max(1)).await)
    }

    /// Returns the ids among these that are in the archive.
    pub async fn are_archived(&self, tenant: TenantId, ids: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
        on_backend!(self, store => store.are_archived(tenant, ids).await)
    }

    /// Reads the conversations of these ids that are in the archive, as of `position`.
    pub async fn archived(
        &self,
        tenant: TenantId,
        position: u64,
        ids: &[Uuid],
    ) -> Result<Vec<Arc<Conversation>>, StoreError> {
        let read = on_backend!(self, store => store.archived(tenant, position, ids).await)?;
        read.into_iter().map(ArchiveRow::conversation).collect()
    }
}

/// The part of a conversation's JSON that is read back; the rest follows from it.
#[derive(Deserialize)]
struct StoredHistory {
    // The member's name in rows that are stored already, and must stay readable.
    #[serde(rename = "moments")]
    history: Vec<HistoryEntry>,
}

/// The columns of a row, as both backends write them.
pub(crate) struct ArchiveColumns {
    pub id: Uuid,
    pub closed_ms: i64,
    pub closed: i64,
    pub seq: i64,
    pub project: Option<i64>,
    pub channel: &'static str,
    pub reason: Option<String>,
    pub users: Vec<i64>,
    pub routing_groups: Vec<Uuid>,
    pub body: String,
}

impl ArchiveColumns {
    /// Makes the row of a conversation. `None` if it is not closed.
    pub fn of(listed: &Listed) -> Option<Self> {
        let conversation = &listed.conversation;
        let (summary, closing) = (conversation.summary()?, conversation.closing()?);
        Some(ArchiveColumns {
            id: conversation.id(),
            closed_ms: millis(closing.time),
            closed: closing.time.micros(),
            seq: conversation.position() as i64,
            project: listed.project,
            channel: summary.medium.name(),
            reason: closing.reason.as_deref().map(str::to_owned),
            users: conversation.users(),
            routing_groups: listed.routing_groups.clone(),
            // Serialising our own plain types cannot fail.
            body: serde_json::to_string(conversation).unwrap_or_default(),
        })
    }
}

/// The columns of a row, as both backends read them.
pub(crate) struct ArchiveRow {
    pub id: Uuid,
    /// The conversation's JSON. Empty if the rows before it fill the page, so that no large text is read in vain.
    pub body: String,
    /// Bytes of the rows before it on the page.
    pub before: i64,
}

impl ArchiveRow {
    fn conversation(self) -> Result<Arc<Conversation>, StoreError> {
        let kept: StoredHistory = serde_json::from_str(&self.body)
            .map_err(|error| StoreError::Unreadable(format!("conversation {}: {error}", self.id)))?;
        Ok(Arc::new(Conversation::with(self.id, kept.history)))
    }
}
