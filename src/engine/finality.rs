//! Which events come too late for their conversation.
//!
//! A closed conversation is forgotten by the state after its tombstone's time; from then on the archive's row is final.
//! The state could not tell such a conversation from a new one, so an event about it says so itself, before it is
//! journalled: then applying it again, on any replica, comes to the same.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::submit::{Submission, json};
use crate::domain::{TenantId, Time};
use crate::journal::{Journal, JournalError};
use crate::live::State;

/// Marks the events of final conversations, for an append that is recorded at `recorded`. One question to the archive
/// for the whole batch, and none where every conversation is remembered.
pub(super) async fn mark(
    states: &HashMap<TenantId, State>,
    journal: &mut Journal,
    batch: &mut [Submission],
    recorded: Time,
) -> Result<(), JournalError> {
    let mut unknown: HashSet<(TenantId, Uuid)> = HashSet::new();
    for submission in batch.iter() {
        let state = states.get(&submission.tenant);
        let named = submission.drafts.iter().filter_map(|draft| draft.event.fact.body.conversation());
        let asked = named.filter(|id| state.is_none_or(|state| state.must_ask_archive(*id, recorded)));
        unknown.extend(asked.map(|id| (submission.tenant, id)));
    }
    let unknown: Vec<_> = unknown.into_iter().collect();
    let archived = if unknown.is_empty() { HashSet::new() } else { journal.archived(&unknown).await? };
    for submission in batch.iter_mut() {
        let tenant = submission.tenant;
        let state = states.get(&tenant);
        for draft in &mut submission.drafts {
            let Some(id) = draft.event.fact.body.conversation() else { continue };
            let is_leaving = state.is_some_and(|state| state.is_leaving(id, recorded));
            if (is_leaving || archived.contains(&(tenant, id))) && !draft.event.fact.is_final {
                draft.event.fact.is_final = true;
                draft.json = json(&draft.event);
            }
        }
    }
    Ok(())
}
