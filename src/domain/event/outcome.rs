//! The result of applying an event, and the reasons of a rejection.

use crate::domain::directory::{Changes, Problem};
use crate::domain::settings::limits::Quota;

/// The result of applying an event (docs/reference/events.md, "Outcomes").
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It changed the state, or confirmed it.
    Applied,
    /// A take that was refused, which nevertheless ended the previous holder's claim.
    HolderReleased(Rejection),
    /// An event of a conversation that its history has no room for. Its effect on the slot was applied.
    SlotOnly(Rejection),
    /// A directory document was applied, with these counts.
    Upserted(Changes),
    /// Valid, but newer events override all of it.
    Stale,
    /// An event with the same source and id was taken before.
    Duplicate,
    /// Rejected; nothing observable has changed.
    Rejected(Rejection),
}

impl Outcome {
    /// The outcome's name on the wire.
    pub const fn name(&self) -> &'static str {
        match self {
            // The two with a rejection changed slots, so they count as applied.
            Outcome::Applied | Outcome::HolderReleased(_) | Outcome::SlotOnly(_) | Outcome::Upserted(_) => "applied",
            Outcome::Stale => "stale",
            Outcome::Duplicate => "duplicate",
            Outcome::Rejected(_) => "rejected",
        }
    }

    /// The reason sent with the outcome on the wire, if it has one.
    pub fn reason(&self) -> Option<String> {
        match self {
            Outcome::HolderReleased(rejection) => Some(format!("{rejection}; previous holder released")),
            Outcome::SlotOnly(rejection) => Some(format!("{rejection}; applied to the slot only")),
            Outcome::Rejected(rejection) => Some(rejection.to_string()),
            Outcome::Applied | Outcome::Upserted(_) | Outcome::Stale | Outcome::Duplicate => None,
        }
    }
}

/// The reason for which an event was rejected.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Rejection {
    /// The user does not exist or is deleted.
    #[error("unknown user")]
    UnknownUser,
    /// The session does not exist or is closed.
    #[error("unknown or closed session: reconnect")]
    UnknownSession,
    /// The presence definition does not exist, or means logged out, which cannot be chosen.
    #[error("unknown presence definition")]
    UnknownPresence,
    /// The definition's category differs from the presence given with it.
    #[error("presence and presence_id do not agree")]
    PresenceMismatch,
    /// The session was reopened or closed since the `desk.connected` at the given position.
    #[error("the session was reopened or closed")]
    OtherIncarnation,
    /// The conversation's history has reached its maximum length.
    #[error("the conversation is full: it keeps at most 1000 messages and 1000 other events")]
    ConversationFull,
    /// The store rejects the event's content. It is not journalled, and its id may be used again.
    #[error("the store cannot keep the event")]
    Unstorable,
    /// A quota of the tenant is used up.
    #[error("the limit {name} of {limit} is reached")]
    Limit {
        /// Name of the quota on the wire.
        name: &'static str,
        /// The quota in force.
        limit: u32,
    },
    /// No wallboard of this name was put.
    #[error("unknown wallboard")]
    UnknownBoard,
    /// The wallboard is not in the state that the change is for.
    #[error("the wallboard has another version")]
    BoardVersion,
    /// The directory document, or the wallboard, has problems; none of it is applied.
    #[error("the document is refused")]
    Document(Vec<Problem>),
}

impl Rejection {
    /// The name in metrics and logs: lower case, with underscores. No reason of admission has the same.
    pub const fn name(&self) -> &'static str {
        match self {
            Rejection::UnknownUser => "unknown_user",
            Rejection::UnknownSession => "unknown_session",
            Rejection::UnknownPresence => "unknown_presence",
            Rejection::PresenceMismatch => "presence_mismatch",
            Rejection::OtherIncarnation => "other_incarnation",
            Rejection::ConversationFull => "conversation_full",
            Rejection::Unstorable => "unstorable",
            Rejection::Limit { .. } => "limit",
            Rejection::UnknownBoard => "unknown_board",
            Rejection::BoardVersion => "board_version",
            Rejection::Document(_) => "document",
        }
    }

    /// The rejection for a used-up quota.
    pub const fn limit(quota: Quota, limit: u32) -> Self {
        Rejection::Limit { name: quota.name(), limit }
    }
}
