//! Checkpoints: after any prefix of a history the stored rows and the tail of the journal load as the state of the
//! whole journal, and every closed conversation is in the state or the archive.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;
use proptest::sample::Index;
use rollcall::domain::{Entry, Filter, Outcome};
use rollcall::live::state::{Changed, Export};
use rollcall::live::{Checkpoint, Row, RowKey, State};

use super::archive::Archive;
use super::compare::{Compared, agree_on_outcome, gone, leases, same};
use super::generate::{History, Mix, TENANT, filters, small, users_to_name};
use super::histories::listed;
use super::reference::Reference;
use super::since::times;
use super::{cases, fails};

fn apply(state: &mut State, entry: &Entry) -> Result<Outcome, TestCaseError> {
    state.apply(entry).map_err(|gap| TestCaseError::fail(gap.to_string()))
}

fn load(position: u64, rows: Vec<Row>) -> Result<State, TestCaseError> {
    State::load(TENANT, position, rows).map_err(|row| TestCaseError::fail(row.to_string()))
}

/// Returns the slices of a checkpoint, two rows each.
fn slices(mut export: Export) -> Vec<Checkpoint> {
    let mut slices = Vec::new();
    while !export.is_done() {
        let mut slice = export.slice();
        while slice.keys().count() < 2 && export.add_to(&mut slice) {}
        slices.push(slice);
    }
    slices
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    rows
}

/// The rows that a store has of one tenant.
#[derive(Clone, Debug, Default)]
struct Stored {
    /// The flaw of a broken store: deleted rows stay.
    keeps_deleted: bool,
    /// Another flaw: slices take effect before the last one is written.
    counts_early: bool,
    position: u64,
    rows: BTreeMap<RowKey, Row>,
    archive: Archive,
}

impl Stored {
    /// Writes the first `written` slices of a checkpoint, which takes effect with the last one. Archived conversations
    /// are written before that.
    fn write(&mut self, slices: &[Checkpoint], written: usize) -> Compared {
        // An INSERT cannot update a row twice, and neither can the statements of one checkpoint.
        let keys: Vec<_> = slices.iter().flat_map(Checkpoint::keys).collect();
        prop_assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len(), "a row is named twice: {:?}", keys);
        // The position only moves forward: an older or equal checkpoint is not written.
        if slices.iter().any(|slice| slice.position <= self.position) {
            return Ok(());
        }
        let is_current = written == slices.len() || self.counts_early;
        for slice in &slices[..written] {
            self.archive.write(slice)?;
            if is_current {
                self.position = slice.position;
                for key in slice.deletes.iter().filter(|_| !self.keeps_deleted) {
                    self.rows.remove(key);
                }
                self.rows.extend(slice.upserts.iter().map(|row| (row.key.clone(), row.clone())));
            }
        }
        Ok(())
    }

    /// Returns the rows as a database returns them: with parsed keys, in no particular order.
    fn read(&self) -> Vec<Row> {
        let rows = self.rows.values().rev();
        let parsed = |key: &RowKey| RowKey::parse(key.kind(), &key.key()).unwrap();
        rows.map(|row| Row { key: parsed(&row.key), body: row.body.clone() }).collect()
    }

    /// Checks that a state with its archive equals one that never archived a conversation.
    fn equals_whole(&self, served: &mut State, whole: &mut State, filters: &[Filter]) -> Compared {
        prop_assert_eq!(served.position(), whole.position());
        prop_assert_eq!(served.recorded(), whole.recorded());
        prop_assert_eq!(sorted(served.rows()), sorted(whole.rows()));
        prop_assert_eq!(served.digest(), whole.digest());
        prop_assert_eq!(leases(served), leases(whole));
        let (view, whole_view) = (served.publish(), whole.publish());
        prop_assert_eq!(self.archive.with_view(&view), listed(&whole_view));
        prop_assert_eq!(gone(&view), gone(&whole_view));
        prop_assert_eq!(times(&view), times(&whole_view));
        same(&view, &whole_view, filters)
    }
}

/// The action after an entry.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Nothing,
    /// Writes a whole checkpoint before the next entry.
    Checkpoint,
    /// Begins a checkpoint; further entries follow while it is being written.
    Begin,
    /// Writes the checkpoint that was begun.
    End,
    /// Fails to write the checkpoint that was begun, so that its rows stay due.
    Fail,
    /// Kills the server between two slices of the checkpoint that was begun, or before or after all of them, and starts
    /// it from the stored rows and the journal's tail.
    Restart {
        /// The percentage of the slices that have been written.
        written: usize,
    },
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        16 => Just(Action::Nothing),
        2 => Just(Action::Checkpoint),
        2 => Just(Action::Begin),
        2 => Just(Action::End),
        1 => Just(Action::Fail),
        2 => prop_oneof![Just(0), Just(100), 0..100_usize].prop_map(|written| Action::Restart { written })
    ]
}

fn mixed() -> impl Strategy<Value = History> {
    prop_oneof![small(Mix::EVERYTHING), small(Mix::TURNOVER), small(Mix::CONVERSATIONS)]
}

/// A server and its store, a state without checkpoints and restarts, and the reference.
struct Server {
    stored: Stored,
    served: State,
    begun: Option<(Vec<Checkpoint>, Changed)>,
    journal: Vec<Entry>,
    whole: State,
    reference: Reference,
}

impl Server {
    fn on(stored: Stored) -> Self {
        let (served, whole, reference) = (State::new(TENANT), State::new(TENANT), Reference::new(TENANT));
        Server { stored, served, begun: None, journal: Vec::new(), whole, reference }
    }

    /// Journals an entry as the engine does, and applies it.
    fn take(&mut self, entry: &Entry) -> Compared {
        let entry = self.stored.archive.mark(&self.served, entry);
        let outcome = apply(&mut self.served, &entry)?;
        prop_assert_eq!(&outcome, &apply(&mut self.whole, &entry)?, "outcome of {}", entry.seq);
        agree_on_outcome(&outcome, self.reference.record(&entry))?;
        self.journal.push(entry);
        Ok(())
    }

    fn perform(&mut self, action: Action, filters: &[Filter]) -> Compared {
        match action {
            Action::Nothing => {}
            Action::Checkpoint => {
                self.end()?;
                self.begin();
                self.end()?;
                prop_assert_eq!(self.served.entries_since_checkpoint(), 0);
                self.is_stored()?;
            }
            Action::Begin => self.begin(),
            Action::End => self.end()?,
            Action::Fail => {
                self.begin();
                if let Some((_, changed)) = self.begun.take() {
                    self.served.checkpoint_failed(changed);
                }
            }
            Action::Restart { written } => {
                if let Some((slices, _)) = self.begun.take() {
                    self.stored.write(&slices, slices.len() * written / 100)?;
                }
                self.served = load(self.stored.position, self.stored.read())?;
                for entry in &self.journal[self.stored.position as usize..] {
                    apply(&mut self.served, entry)?;
                }
                self.stored.equals_whole(&mut self.served, &mut self.whole, filters)?;
            }
        }
        Ok(())
    }

    fn begin(&mut self) {
        if self.begun.is_none() {
            let source = self.served.begin_checkpoint();
            let changed = source.changed();
            self.begun = Some((slices(source.export()), changed));
        }
    }

    fn end(&mut self) -> Compared {
        if let Some((slices, _)) = self.begun.take() {
            self.stored.write(&slices, slices.len())?;
            let archived = slices.iter().flat_map(|slice| &slice.archived);
            self.served.checkpoint_written(archived.map(|listed| &listed.conversation));
        }
        Ok(())
    }

    /// Checks that the store has the whole state and every closed conversation.
    fn is_stored(&self) -> Compared {
        prop_assert_eq!(sorted(self.stored.read()), sorted(self.whole.rows()), "the stored rows");
        self.stored.archive.agree(&self.reference)
    }

    /// Checks that readers find every conversation.
    fn readers_find_all(&mut self) -> Compared {
        let view = self.served.publish();
        prop_assert_eq!(self.stored.archive.with_view(&view), self.reference.conversations());
        Ok(())
    }
}

/// Serves a history with checkpoints and restarts, and compares it with one served without them.
fn serve(stored: Stored, history: &History, actions: &[Action], filters: &[Filter]) -> Compared {
    let mut server = Server::on(stored);
    for (n, (entry, action)) in history.entries.iter().zip(actions.iter().cycle()).enumerate() {
        server.take(entry)?;
        server.perform(*action, filters)?;
        if history.looks[n] {
            server.readers_find_all()?;
        }
    }
    server.perform(Action::Checkpoint, filters)?;
    server.readers_find_all()?;
    let mut loaded = load(server.stored.position, server.stored.read())?;
    server.stored.equals_whole(&mut loaded, &mut server.whole, filters)
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn all_rows_and_the_tail_equal_the_whole_journal(
        history in mixed(),
        cut in any::<Index>(),
        filters in filters(users_to_name(6)),
    ) {
        let (head, tail) = history.entries.split_at(cut.index(history.entries.len()));
        let mut whole = State::new(TENANT);
        let mut stored = Stored::default();
        for entry in head {
            let entry = stored.archive.mark(&whole, entry);
            apply(&mut whole, &entry)?;
        }
        stored.write(&[whole.clone().checkpoint()], 1)?;
        let mut loaded = load(whole.position(), whole.rows())?;
        stored.equals_whole(&mut loaded, &mut whole, &filters)?;
        for (n, entry) in tail.iter().enumerate() {
            let entry = stored.archive.mark(&loaded, entry);
            prop_assert_eq!(apply(&mut loaded, &entry)?, apply(&mut whole, &entry)?, "outcome of {}", entry.seq);
            if n % 8 == 0 {
                stored.equals_whole(&mut loaded, &mut whole, &filters)?;
            }
        }
        stored.equals_whole(&mut loaded, &mut whole, &filters)?;
    }
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn incremental_checkpoints_and_the_tail_equal_the_whole_journal(
        history in mixed(),
        actions in prop::collection::vec(action(), 80),
        filters in filters(users_to_name(6)),
    ) {
        serve(Stored::default(), &history, &actions, &filters)?;
    }
}

/// Returns whether the property above fails for a broken store, by a history for which it holds otherwise.
fn is_detected(broken: &Stored, mix: Mix) -> bool {
    let given = (small(mix), prop::collection::vec(action(), 80));
    fails(200, &given, |(history, actions)| {
        let differs = serve(broken.clone(), &history, &actions, &[]);
        if serve(Stored::default(), &history, &actions, &[]).is_ok() { differs } else { Ok(()) }
    })
}

#[test]
fn control_rows_that_are_not_deleted_are_detected() {
    assert!(is_detected(&Stored { keeps_deleted: true, ..Stored::default() }, Mix::EVERYTHING));
}

#[test]
fn control_checkpoints_that_take_effect_early_are_detected() {
    assert!(is_detected(&Stored { counts_early: true, ..Stored::default() }, Mix::EVERYTHING));
}

#[test]
fn control_reopened_conversations_left_in_the_archive_are_detected() {
    let archive = Archive::broken();
    assert!(is_detected(&Stored { archive, ..Stored::default() }, Mix::CONVERSATIONS));
}
