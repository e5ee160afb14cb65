//! A naive archive: the conversations of checkpoints, and the marking of events that are too late for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use rollcall::domain::{Conversation, Entry};
use rollcall::live::{Checkpoint, State, View};
use uuid::Uuid;

use super::compare::Compared;
use super::histories::{listed, summary};
use super::reference::{Reference, Summary};

/// The archive of one tenant.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    /// The flaw of a broken archive: reopened conversations stay in it.
    keeps_reopened: bool,
    rows: BTreeMap<Uuid, Arc<Conversation>>,
}

impl Archive {
    /// Returns an archive that keeps reopened conversations.
    pub fn broken() -> Self {
        Archive { keeps_reopened: true, ..Archive::default() }
    }

    /// Applies a checkpoint: adds its archived conversations and removes its reopened ones.
    pub fn write(&mut self, checkpoint: &Checkpoint) -> Compared {
        for listed in &checkpoint.archived {
            let id = listed.conversation.id();
            prop_assert!(listed.conversation.closing().is_some(), "{} is not closed", id);
            prop_assert!(!checkpoint.reopened.contains(&id), "{} is archived and reopened", id);
            self.rows.insert(id, listed.conversation.clone());
        }
        for id in checkpoint.reopened.iter().filter(|_| !self.keeps_reopened) {
            self.rows.remove(id);
        }
        Ok(())
    }

    /// Returns the entry as the engine journals it: an event that is too late for its conversation is marked final.
    pub fn mark(&self, state: &State, entry: &Entry) -> Entry {
        let mut entry = entry.clone();
        if let Some(id) = entry.event.fact.body.conversation() {
            let is_archived = state.must_read_archive(id) && self.rows.contains_key(&id);
            entry.event.fact.is_final = is_archived || state.is_closed(id);
        }
        entry
    }

    /// Returns every conversation that readers find, in the archive or the view; the view's version is newer.
    pub fn with_view(&self, view: &View) -> BTreeMap<Uuid, Summary> {
        let known = view.conversations();
        let here = self.rows.iter().filter(|(id, _)| known.get(**id).is_none());
        let mut all: BTreeMap<_, _> = here.filter_map(|(id, archived)| Some((*id, summary(archived)?))).collect();
        all.extend(listed(view));
        all
    }

    /// Checks that the archive contains exactly the reference's closed conversations.
    pub fn agree(&self, reference: &Reference) -> Compared {
        let here: BTreeMap<_, _> = self.rows.iter().filter_map(|(id, row)| Some((*id, summary(row)?))).collect();
        let mut closed = reference.conversations();
        closed.retain(|_, summary| summary.closed.is_some());
        prop_assert_eq!(here, closed);
        Ok(())
    }
}
