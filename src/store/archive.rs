//! The archive: closed conversations, and how they are read back.

use std::sync::Arc;

use serde::Deserialize;
use uuid::Uuid;

use super::{Store, StoreError, on_backend};
use crate::domain::conversation::{Criteria, Moment, Span, millis};
use crate::domain::{Conversation, TenantId};
use crate::live::Listed;

/// Bytes of one page, but for its last conversation: a page that would be larger ends early.
pub(crate) const PAGE_BYTES: i64 = 4 * 1024 * 1024;

/// Conversations of a list, in the order asked for.
#[derive(Debug)]
pub struct ArchivePage {
    /// The conversations.
    pub conversations: Vec<Arc<Conversation>>,
    /// Whether the list may go on after them: there are as many as were asked for, or as large ones as a page takes.
    pub is_cut: bool,
}

impl Store {
    /// Closed conversations of one tenant that meet the criteria, as a reader at `position` sees them.
    pub async fn archive_page(
        &self,
        tenant: TenantId,
        position: u64,
        criteria: &Criteria,
        span: &Span,
    ) -> Result<ArchivePage, StoreError> {
        let read = on_backend!(self, store => store.archive_page(tenant, position, criteria, span).await)?;
        let is_cut = read.len() >= span.limit || read.iter().any(|row| row.before >= PAGE_BYTES);
        let fits = read.into_iter().take_while(|row| row.before < PAGE_BYTES);
        Ok(ArchivePage { conversations: fits.map(Read::conversation).collect::<Result<_, _>>()?, is_cut })
    }

    /// Returns which of these conversations the archive has.
    pub async fn are_archived(&self, tenant: TenantId, ids: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
        on_backend!(self, store => store.are_archived(tenant, ids).await)
    }

    /// Those of these conversations that are in the archive, as a reader at `position` sees them.
    pub async fn archived(
        &self,
        tenant: TenantId,
        position: u64,
        ids: &[Uuid],
    ) -> Result<Vec<Arc<Conversation>>, StoreError> {
        let read = on_backend!(self, store => store.archived(tenant, position, ids).await)?;
        read.into_iter().map(Read::conversation).collect()
    }
}

/// What is read back of a conversation.
#[derive(Deserialize)]
struct Kept {
    moments: Vec<Moment>,
}

/// A row as both backends write it.
pub(crate) struct Columns {
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

impl Columns {
    /// The row of a closed conversation.
    pub fn of(listed: &Listed) -> Option<Self> {
        let conversation = &listed.conversation;
        let (life, closing) = (conversation.life()?, conversation.closing()?);
        Some(Columns {
            id: conversation.id(),
            closed_ms: millis(closing.time),
            closed: closing.time.micros(),
            seq: conversation.position() as i64,
            project: listed.project,
            channel: life.medium.name(),
            reason: closing.reason.as_deref().map(str::to_owned),
            users: conversation.users(),
            routing_groups: listed.routing_groups.clone(),
            // Serialising our own plain types cannot fail.
            body: serde_json::to_string(conversation).unwrap_or_default(),
        })
    }
}

/// A row as both backends read it.
pub(crate) struct Read {
    pub id: Uuid,
    /// Empty where its page is full already: what is not given is not read.
    pub body: String,
    /// Bytes of the rows before it on its page.
    pub before: i64,
}

impl Read {
    fn conversation(self) -> Result<Arc<Conversation>, StoreError> {
        let kept: Kept = serde_json::from_str(&self.body)
            .map_err(|error| StoreError::Unreadable(format!("conversation {}: {error}", self.id)))?;
        Ok(Arc::new(Conversation::with(self.id, kept.moments)))
    }
}
