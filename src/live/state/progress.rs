//! Applies entries: at once, or in slices if they are directory documents.
//!
//! A document is applied to clones, which share everything unchanged with the originals, and replace them at the end.
//! Until then readers see the state before the entry.

use std::sync::Arc;

use super::State;
use crate::domain::directory::Document;
use crate::domain::event::Rejection;
use crate::domain::{Entry, EventBody, Outcome, Time};
use crate::live::count::index::Index;
use crate::live::details::Details;
use crate::live::directory::{Directory, Upsert, Upserted};
use crate::live::stored::RowKey;

use super::Gap;

/// The result of one slice of work on an entry.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// The entry is applied.
    Done(Outcome),
    /// The entry needs more slices.
    More,
}

/// A directory document that is being applied in slices.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    seq: u64,
    recorded: Time,
    work: Work,
}

/// The phases of applying a document.
#[derive(Clone, Debug)]
enum Work {
    /// The document is being applied to a clone of the directory.
    Directory(Arc<Document>, Box<Upsert>),
    /// The document was accepted; columns and details of its users are being derived.
    Rows(Box<Rows>),
}

#[derive(Clone, Debug)]
struct Rows {
    directory: Directory,
    done: Upserted,
    /// Number of changed entities and users processed so far, the entities first; then all users, if the document
    /// concerns everyone.
    next: usize,
    index: Index,
    details: Details,
}

impl State {
    /// Applies the next entry at once. Deterministic: the same entries in the same order give the same state and
    /// outcomes.
    pub fn apply(&mut self, entry: &Entry) -> Result<Outcome, Gap> {
        let mut step = self.begin(entry, usize::MAX)?;
        loop {
            match step {
                Step::Done(outcome) => return Ok(outcome),
                Step::More => step = self.resume(usize::MAX),
            }
        }
    }

    /// Begins to apply the next entry, with about `steps` units of work at most. Each pass over an entity or user of a
    /// document is one unit, or more if it has many references. Any other entry is applied at once.
    ///
    /// After [`Step::More`] the position, the recorded time and everything that readers see are still those before the
    /// entry. No view, checkpoint or digest may be made until [`State::resume`] returns [`Step::Done`].
    pub fn begin(&mut self, entry: &Entry, steps: usize) -> Result<Step, Gap> {
        debug_assert!(!self.is_applying(), "the previous entry is still being applied");
        if entry.seq != self.position + 1 {
            return Err(Gap { at: self.position, next: entry.seq });
        }
        // Before the entry is applied, so that a replay from any checkpoint drops the same things at the same entry.
        self.prune(entry);
        if let EventBody::DirectoryUpserted { document, roles } = &entry.event.fact.body {
            let upsert = Box::new(Upsert::new(&self.directory, entry.recorded, *roles));
            let work = Work::Directory(document.clone(), upsert);
            self.pending = Some(Pending { seq: entry.seq, recorded: entry.recorded, work });
            return Ok(self.resume(steps));
        }
        self.position = entry.seq;
        self.recorded = entry.recorded;
        let touched = self.touched.len();
        let outcome = self.dispatch(entry).unwrap_or_else(Outcome::Rejected);
        self.note_changes(touched);
        Ok(Step::Done(outcome))
    }

    /// Continues with the entry that [`State::begin`] left unfinished, with about `steps` units of work at most, and at
    /// least one. Must not be called without such an entry.
    pub fn resume(&mut self, steps: usize) -> Step {
        debug_assert!(self.is_applying(), "no entry is being applied");
        let mut steps = steps.max(1);
        while let Some(Pending { seq, recorded, work }) = self.pending.take() {
            let outcome = match work {
                Work::Directory(document, mut upsert) => {
                    if upsert.advance(&document, &mut steps) {
                        match upsert.finish() {
                            Ok((directory, done)) => {
                                // Only the finished document shows how many users and entities are new.
                                if let Err(full) = self.check_directory(&directory) {
                                    self.position = seq;
                                    self.recorded = recorded;
                                    return Step::Done(Outcome::Rejected(full));
                                }
                                let work = Work::Rows(Box::new(self.rows_for(directory, done)));
                                self.pending = Some(Pending { seq, recorded, work });
                                continue;
                            }
                            Err(problems) => Some(Outcome::Rejected(Rejection::Document(problems))),
                        }
                    } else {
                        self.pending = Some(Pending { seq, recorded, work: Work::Directory(document, upsert) });
                        None
                    }
                }
                Work::Rows(mut rows) => {
                    if self.refresh(&mut rows, recorded, &mut steps) {
                        Some(self.finish_upsert(*rows))
                    } else {
                        self.pending = Some(Pending { seq, recorded, work: Work::Rows(rows) });
                        None
                    }
                }
            };
            let Some(outcome) = outcome else { return Step::More };
            self.position = seq;
            self.recorded = recorded;
            return Step::Done(outcome);
        }
        // Reached only if a caller violates the contract; nothing was applied.
        Step::Done(Outcome::Stale)
    }

    /// Returns true while an entry is being applied in slices.
    pub fn is_applying(&self) -> bool {
        self.pending.is_some()
    }

    fn rows_for(&self, directory: Directory, done: Upserted) -> Rows {
        Rows { directory, done, next: 0, index: self.index.clone(), details: self.details.clone() }
    }

    /// Derives columns, details and dirty keys of the changed entities and users. Returns true when all are done.
    fn refresh(&mut self, rows: &mut Rows, recorded: Time, steps: &mut usize) -> bool {
        while *steps > 0 {
            let n = rows.next;
            let (entities, users) = (rows.done.entities.len(), rows.done.users.len());
            if let Some((kind, id)) = rows.done.entities.get(n) {
                // Marked before the document is done, which is safe: until then no checkpoint may begin.
                self.dirty.insert(RowKey::Entity(*kind, *id));
            } else if let Some(ix) = rows.done.users.get(n - entities).copied() {
                // Creates the `Person` of a new user now; nothing reads it before the directory contains the user.
                self.people.reach(ix as usize).created.get_or_insert(self.position + 1);
                rows.index.set(ix, &self.columns_of(&rows.directory, ix));
                rows.details.set(ix, self.detail_of(&rows.directory, ix));
                let values = self.values_of(&rows.directory, ix);
                self.note_values(ix, values, recorded);
                self.dirty.insert(RowKey::User(rows.directory.user_id(ix)));
            } else if rows.done.everyone && n - entities - users < rows.directory.users().len() {
                // Their rows do not change, only what is derived from them, and no value whose changes are noted.
                let ix = (n - entities - users) as u32;
                rows.index.set(ix, &self.columns_of(&rows.directory, ix));
            } else {
                return true;
            }
            rows.next += 1;
            *steps -= 1;
        }
        false
    }

    fn finish_upsert(&mut self, rows: Rows) -> Outcome {
        self.directory = Arc::new(rows.directory);
        self.index = rows.index;
        self.details = rows.details;
        Outcome::Upserted(rows.done.changes)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::directory::{DirectorySettingsPatch, EntityPatch, UserPatch};
    use crate::domain::json::Field;
    use crate::domain::{EntityRef, Event, RoleGrant, TenantId};

    const GROUPS: i64 = 20;

    fn user(id: i64) -> UserPatch {
        UserPatch {
            id: Some(id),
            external_id: Field::Set(format!("agent-{id}")),
            email: Field::Set(format!("agent-{id}@example.com")),
            name: Some(format!("Agent {id}")),
            groups: Some(vec![EntityRef::Id(id % GROUPS + 1)]),
            ..UserPatch::default()
        }
    }

    fn entry(state: &State, document: Document) -> Entry {
        let (seq, now) = (state.position() + 1, Time::from_micros(1));
        let body = EventBody::DirectoryUpserted { document: Arc::new(document), roles: RoleGrant::default() };
        Entry { seq, recorded: now, event: Event::internal("rollcall:test", Uuid::from_u128(seq.into()), now, body) }
    }

    fn tenant(users: i64) -> State {
        let mut state = State::new(TenantId(Uuid::nil()));
        let group = |id| EntityPatch { id: Some(id), name: Some(format!("Group {id}")), ..EntityPatch::default() };
        let groups = (1..=GROUPS).map(group).collect();
        let users = (1..=users).map(user).collect();
        let entry = entry(&state, Document { groups, users, ..Document::default() });
        assert!(matches!(state.apply(&entry), Ok(Outcome::Upserted(_))));
        state
    }

    /// Returns the units of work and the number of copied elements for a document with this patch of one user.
    fn cost(state: &mut State, patch: UserPatch) -> (usize, usize) {
        let before = state.publish();
        let entry = entry(state, Document { users: vec![patch], ..Document::default() });
        let mut step = state.begin(&entry, 1).unwrap();
        let mut units = 1;
        while step == Step::More {
            step = state.resume(1);
            units += 1;
        }
        assert!(matches!(step, Step::Done(Outcome::Upserted(_))), "{step:?}");
        let after = state.publish();
        (units, after.copied_since(&before))
    }

    /// Returns the number of slices of 100 units for a document with these settings.
    fn slices(state: &mut State, settings: &str) -> usize {
        let settings: DirectorySettingsPatch = serde_json::from_str(settings).unwrap();
        let entry = entry(state, Document { settings: Some(settings), ..Document::default() });
        let (mut step, mut slices) = (state.begin(&entry, 100).unwrap(), 1);
        while step == Step::More {
            step = state.resume(100);
            slices += 1;
        }
        assert!(matches!(step, Step::Done(Outcome::Upserted(_))), "{step:?}");
        slices
    }

    #[test]
    fn sizes_of_a_tenant_concern_all_users_in_slices() {
        let mut state = tenant(1_000);
        state.publish();
        state.checkpoint();
        assert_eq!(slices(&mut state, r#"{"reference_channel":"chat"}"#), 1);
        assert_eq!(slices(&mut state, r#"{"capacity":{"live":60}}"#), 11, "a unit for each user, and the end");
        assert_eq!(slices(&mut state, r#"{"capacity":{"live":60}}"#), 1, "no change");
        assert_eq!(state.rows_since_checkpoint(), 0, "no user's row changes");
    }

    #[test]
    fn the_cost_of_one_user_does_not_depend_on_the_number_of_users() {
        let patches = [
            ("a name", UserPatch { id: Some(500), name: Some(String::from("Other")), ..UserPatch::default() }),
            ("a group", UserPatch { id: Some(500), groups: Some(vec![EntityRef::Id(7)]), ..UserPatch::default() }),
            (
                "everything",
                UserPatch { groups: Some(vec![EntityRef::Id(9)]), name: Some(String::from("x")), ..user(500) },
            ),
            ("a new user", user(1_000_000)),
        ];
        let mut tenants = [1_000, 10_000, 100_000].map(tenant);
        for (change, patch) in patches {
            let costs = tenants.each_mut().map(|state| cost(state, patch.clone()));
            let [(units, few), (more_units, more), (most_units, most)] = costs;
            assert_eq!([units, units], [more_units, most_units], "units of work for {change}");
            // A thousand users do not fill the blocks and the words of a set, ten thousand do. Beyond that only the
            // number of pointers to blocks grows, by one per 4,096 users; leaves of maps have a random length of at
            // most 64.
            assert!(most <= few + 700, "{few} copied among 1,000 users and {most} among 100,000 for {change}");
            assert!(most <= more + 300, "{more} copied among 10,000 users and {most} among 100,000 for {change}");
        }
    }
}
