//! Which events come too late for their conversation.
//!
//! A closed conversation leaves the state after its tombstone's time; from then on the archive's row is final. The state
//! cannot tell such a conversation from a new one by an event that is newer than its floor, so the event carries a mark.
//! It is a hint, which apply uses only where the state does not know the conversation: every closed one can be marked,
//! whether it is forgotten meanwhile or not. The mark is made before the append, from a view and the archive: no append waits
//! for a look-up.

use std::collections::HashSet;

use uuid::Uuid;

use crate::domain::{Event, Fault, TenantId};
use crate::live::View;
use crate::store::{Store, in_time};

/// What a view knows of a conversation.
enum Known {
    /// It is not closed, and in the archive only if it was opened again.
    Stays,
    /// It is closed: by the time at which an event is applied it may be final.
    Leaves,
    /// It is new, or only the archive has it.
    Unknown,
}

fn known(view: &View, id: Uuid) -> Known {
    match view.conversations().get(id) {
        None => Known::Unknown,
        Some(conversation) if conversation.closing().is_some() => Known::Leaves,
        Some(_) => Known::Stays,
    }
}

/// Marks the events of closed conversations. Asks the archive once, and only where the view does not know a conversation.
pub(super) async fn mark(tenant: TenantId, events: &mut [Event], view: &View, store: &Store) -> Result<(), Fault> {
    let mut leaving = HashSet::new();
    let mut unknown = HashSet::new();
    for id in events.iter().filter_map(|event| event.fact.body.conversation()) {
        match known(view, id) {
            Known::Stays => {}
            Known::Leaves => drop(leaving.insert(id)),
            Known::Unknown => drop(unknown.insert(id)),
        }
    }
    if !unknown.is_empty() {
        let unknown: Vec<Uuid> = unknown.into_iter().collect();
        leaving.extend(in_time(store.are_archived(tenant, &unknown)).await?);
    }
    for event in events {
        if event.fact.body.conversation().is_some_and(|id| leaving.contains(&id)) {
            event.fact.is_final = true;
        }
    }
    Ok(())
}
