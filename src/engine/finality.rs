//! Which events come too late for their conversation.
//!
//! A closed conversation leaves the state after its tombstone's time; from then on the archive's row is final. The state
//! cannot tell such a conversation from a new one, so an event about it carries a mark, which apply uses only where the
//! state does not know the conversation. The mark is made before the append, from a view and the archive: no append waits
//! for a look-up.

use std::collections::HashSet;

use uuid::Uuid;

use crate::domain::{Event, Fault, TenantId, Time};
use crate::live::View;
use crate::live::state::TOMBSTONE_SECONDS;
use crate::store::{Store, in_time};

/// A conversation whose tombstone ends within this time counts as gone already: by when the event is applied it may be.
const MARGIN_SECONDS: i64 = 60 * 60;

/// What a view knows of a conversation.
enum Known {
    /// It stays for longer than an append takes.
    Stays,
    /// It is final, or will be before long.
    Leaves,
    /// It is new, or only the archive has it.
    Unknown,
}

fn known(view: &View, id: Uuid, now: Time) -> Known {
    let Some(known) = view.conversations().known(id) else {
        return if view.conversations().leaving(id).is_some() { Known::Leaves } else { Known::Unknown };
    };
    let is_over = |ended: Time| ended.plus_seconds(TOMBSTONE_SECONDS - MARGIN_SECONDS) <= now;
    if known.ended.is_some_and(is_over) { Known::Leaves } else { Known::Stays }
}

/// Marks the events of final conversations. Asks the archive once, and only where the view does not know a conversation.
pub(super) async fn mark(
    tenant: TenantId,
    events: &mut [Event],
    view: &View,
    store: &Store,
    now: Time,
) -> Result<(), Fault> {
    let mut leaving = HashSet::new();
    let mut unknown = HashSet::new();
    for id in events.iter().filter_map(|event| event.fact.body.conversation()) {
        match known(view, id, now) {
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
