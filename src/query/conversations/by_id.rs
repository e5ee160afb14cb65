//! Finds conversations by their ids.

use std::sync::Arc;

use uuid::Uuid;

use super::Archive;
use crate::domain::{Conversation, Fault};
use crate::live::View;

/// Returns a conversation of the view: an open one, or one that closed recently.
pub fn remembered(view: &View, id: Uuid) -> Option<&Arc<Conversation>> {
    // Without a summary it was neither started nor pushed, and does not exist for readers yet.
    view.conversations().get(id).filter(|conversation| conversation.summary().is_some())
}

impl Archive {
    /// Reads the conversations of these ids that are in the archive.
    pub async fn find(&self, ids: &[Uuid]) -> Result<Vec<Arc<Conversation>>, Fault> {
        self.reads.archived(self.tenant, self.view.position(), ids).await
    }
}
