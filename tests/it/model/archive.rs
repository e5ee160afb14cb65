//! An archive of a test: what checkpoints put there, and the events that come too late because of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use rollcall::domain::{Conversation, Entry};
use rollcall::live::{Checkpoint, State, View};
use uuid::Uuid;

use super::compare::Compared;
use super::histories::{listed, told};
use super::reference::{Reference, Told};

/// What the archive of one tenant has.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    /// A broken archive: what was opened again stays.
    keeps_reopened: bool,
    rows: BTreeMap<Uuid, Arc<Conversation>>,
}

impl Archive {
    /// One that lets go of nothing.
    pub fn broken() -> Self {
        Archive { keeps_reopened: true, ..Archive::default() }
    }

    /// Puts what a checkpoint says into it and takes out what it says.
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

    /// The entry as the engine journals it: an event that comes too late for its conversation says so.
    pub fn mark(&self, state: &State, entry: &Entry) -> Entry {
        let mut entry = entry.clone();
        if let Some(id) = entry.event.fact.body.conversation() {
            let is_archived = state.must_ask_archive(id) && self.rows.contains_key(&id);
            entry.event.fact.is_final = is_archived || state.is_closed(id);
        }
        entry
    }

    /// Every conversation that readers find, here or in the view; where it is in both the view knows better.
    pub fn and(&self, view: &View) -> BTreeMap<Uuid, Told> {
        let known = view.conversations();
        let here = self.rows.iter().filter(|(id, _)| known.get(**id).is_none());
        let mut all: BTreeMap<_, _> = here.filter_map(|(id, archived)| Some((*id, told(archived)?))).collect();
        all.extend(listed(view));
        all
    }

    /// It has exactly what is closed: nothing is missing, nothing that is open again was left.
    pub fn agree(&self, reference: &Reference) -> Compared {
        let here: BTreeMap<_, _> = self.rows.iter().filter_map(|(id, row)| Some((*id, told(row)?))).collect();
        let mut closed = reference.conversations();
        closed.retain(|_, told| told.closed.is_some());
        prop_assert_eq!(here, closed);
        Ok(())
    }
}
