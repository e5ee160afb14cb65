//! Conversations: their ids, their histories, and the lifecycle and contacts derived from a history.

mod contact;
mod criteria;
mod history;
mod medium;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use contact::{Contact, Ending};
pub use criteria::{Criteria, IdOwner, Key, Span, millis};
pub use history::{Closing, Conversation, Full, HistoryEntry, HistoryEvent, MAX_HISTORY, NamedUser, Summary};
pub use medium::Medium;

use super::ids::parse_guid;

/// A conversation's id within its tenant: 1 to 128 bytes. An id that is a GUID is kept in lower case
/// (docs/reference/events.md, "Slots").
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConversationId(Arc<str>);

impl ConversationId {
    /// Longest id, in bytes.
    pub const MAX: usize = 128;

    /// Validates and normalizes an id. `None` if it is empty, longer than [`Self::MAX`] or contains U+0000.
    pub fn new(text: &str) -> Option<Self> {
        if text.is_empty() || text.len() > Self::MAX || text.contains('\0') {
            return None;
        }
        // A GUID written in either case is one conversation; other ids are case-sensitive.
        Some(ConversationId(match parse_guid(text) {
            Some(_) => text.to_ascii_lowercase().into(),
            None => text.into(),
        }))
    }

    /// The id as text, a GUID in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Uuid> for ConversationId {
    fn from(id: Uuid) -> Self {
        ConversationId(id.to_string().into())
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_become_lower_case_and_other_ids_keep_their_case() {
        let guid = ConversationId::new("CBE51CD9-0000-4000-8000-00000000000A").unwrap();
        assert_eq!(guid.as_str(), "cbe51cd9-0000-4000-8000-00000000000a");
        assert_eq!(ConversationId::new("Case-7").unwrap().as_str(), "Case-7");
        assert_eq!(ConversationId::new(""), None);
        assert_eq!(ConversationId::new(&"x".repeat(129)), None);
        assert_eq!(ConversationId::new("a\0b"), None);
    }
}
