//! Marks events of conversations that may be final, before they are appended.
//!
//! A closed conversation leaves the state after its tombstone's time; from then on the archive's row is final. The
//! state cannot distinguish such a conversation from a new one by an event that is newer than its floor, so the event
//! carries a mark. The mark is a hint that apply uses only where the state does not have the conversation, so events of
//! any closed conversation may carry it. It is set before the append, from a view and the archive, so that no append
//! waits for a look-up.

use std::collections::HashSet;

use uuid::Uuid;

use crate::domain::{Event, Fault, TenantId};
use crate::live::View;
use crate::store::TenantReads;

/// The state of a conversation in a view.
enum ConversationState {
    /// Not closed. It is in the archive only if it was opened again.
    Open,
    /// Closed: it may be final by the time an event is applied.
    Closed,
    /// Not in the view: it is new, or only in the archive.
    Unknown,
}

fn state_in(view: &View, id: Uuid) -> ConversationState {
    match view.conversations().get(id) {
        None => ConversationState::Unknown,
        Some(conversation) if conversation.closing().is_some() => ConversationState::Closed,
        Some(_) => ConversationState::Open,
    }
}

/// Marks the events of closed conversations. Reads the archive only if the view lacks a conversation.
pub(super) async fn mark(
    tenant: TenantId,
    events: &mut [Event],
    view: &View,
    reads: &TenantReads,
) -> Result<(), Fault> {
    let mut closed = HashSet::new();
    let mut unknown = HashSet::new();
    for id in events.iter().filter_map(|event| event.fact.body.conversation()) {
        match state_in(view, id) {
            ConversationState::Open => {}
            ConversationState::Closed => drop(closed.insert(id)),
            ConversationState::Unknown => drop(unknown.insert(id)),
        }
    }
    if !unknown.is_empty() {
        let unknown: Vec<Uuid> = unknown.into_iter().collect();
        closed.extend(reads.are_archived(tenant, &unknown).await?);
    }
    for event in events {
        if event.fact.body.conversation().is_some_and(|id| closed.contains(&id)) {
            event.fact.is_final = true;
        }
    }
    Ok(())
}
