//! One conversation, or a few, by id.

use std::sync::Arc;

use uuid::Uuid;

use super::Archive;
use crate::domain::{Conversation, Fault};
use crate::live::View;
use crate::store::in_time;

/// A conversation that is open, or closed not long ago.
pub fn remembered(view: &View, id: Uuid) -> Option<&Arc<Conversation>> {
    view.conversations().get(id).filter(|conversation| conversation.life().is_some())
}

impl Archive {
    /// Those of these conversations that closed before the view's memory begins. One read, however many they are.
    pub async fn find(&self, ids: &[Uuid]) -> Result<Vec<Arc<Conversation>>, Fault> {
        in_time(self.store.archived(self.caller.tenant(), self.view.position(), ids)).await
    }
}
