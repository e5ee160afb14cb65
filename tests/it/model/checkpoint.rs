//! After any prefix, what a checkpoint stored and the tail of the journal give the same state as the whole journal; and
//! every closed conversation is remembered or in the archive.

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
use super::{cases, fails};

fn apply(state: &mut State, entry: &Entry) -> Result<Outcome, TestCaseError> {
    state.apply(entry).map_err(|gap| TestCaseError::fail(gap.to_string()))
}

fn load(position: u64, rows: Vec<Row>) -> Result<State, TestCaseError> {
    State::load(TENANT, position, rows).map_err(|row| TestCaseError::fail(row.to_string()))
}

/// The rows of a checkpoint, two by two.
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

/// What a store holds of one tenant.
#[derive(Clone, Debug, Default)]
struct Stored {
    /// A broken store: rows that should go stay.
    keeps_deleted: bool,
    /// Another: slices count before the last one is in.
    counts_early: bool,
    position: u64,
    rows: BTreeMap<RowKey, Row>,
    archive: Archive,
}

impl Stored {
    /// Writes the first `written` slices of a checkpoint, which counts once the last one is in. Archived conversations
    /// are in their place before that.
    fn write(&mut self, slices: &[Checkpoint], written: usize) -> Compared {
        // One statement cannot write a row twice, and neither can two of one checkpoint.
        let keys: Vec<_> = slices.iter().flat_map(Checkpoint::keys).collect();
        prop_assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len(), "a row is named twice: {:?}", keys);
        // The position only moves forward: what is there already is not written again.
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

    /// The rows, as they come back from a database: by kind and key, in no particular order.
    fn read(&self) -> Vec<Row> {
        let rows = self.rows.values().rev();
        let parsed = |key: &RowKey| RowKey::parse(key.kind(), &key.key()).unwrap();
        rows.map(|row| Row { key: parsed(&row.key), body: row.body.clone() }).collect()
    }

    /// The state is in no way different from one that never forgot what went to the archive.
    fn no_different(&self, served: &mut State, whole: &mut State, filters: &[Filter]) -> Compared {
        prop_assert_eq!(served.position(), whole.position());
        prop_assert_eq!(served.recorded(), whole.recorded());
        prop_assert_eq!(sorted(served.rows()), sorted(whole.rows()));
        prop_assert_eq!(served.digest(), whole.digest());
        prop_assert_eq!(leases(served), leases(whole));
        let (view, whole_view) = (served.publish(), whole.publish());
        prop_assert_eq!(self.archive.and(&view), listed(&whole_view));
        prop_assert_eq!(gone(&view), gone(&whole_view));
        same(&view, &whole_view, filters)
    }
}

/// What comes after an entry.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    /// Nothing.
    GoOn,
    /// A checkpoint that is written before the next entry.
    Checkpoint,
    /// A checkpoint begins, and entries come while it is being written.
    Begin,
    /// The one that began is written.
    End,
    /// The store is away: the one that began is not written, and what it would have written stays due.
    Fail,
    /// The server is killed between two slices of the checkpoint that began, or before or after all of them, and starts
    /// again from what is stored and the journal's tail.
    Restart {
        /// How many of the slices are in the store, as a part of 100.
        written: usize,
    },
}

fn then() -> impl Strategy<Value = Then> {
    prop_oneof![
        16 => Just(Then::GoOn),
        2 => Just(Then::Checkpoint),
        2 => Just(Then::Begin),
        2 => Just(Then::End),
        1 => Just(Then::Fail),
        2 => prop_oneof![Just(0), Just(100), 0..100_usize].prop_map(|written| Then::Restart { written })
    ]
}

fn mixed() -> impl Strategy<Value = History> {
    prop_oneof![small(Mix::EVERYTHING), small(Mix::TURNOVER), small(Mix::TALK)]
}

/// A server and its store, beside a state that goes through without either, and the reference.
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

    /// Journals an entry, as the engine does, and applies it.
    fn take(&mut self, entry: &Entry) -> Compared {
        let entry = self.stored.archive.mark(&self.served, entry);
        let outcome = apply(&mut self.served, &entry)?;
        prop_assert_eq!(&outcome, &apply(&mut self.whole, &entry)?, "outcome of {}", entry.seq);
        agree_on_outcome(&outcome, self.reference.record(&entry))?;
        self.journal.push(entry);
        Ok(())
    }

    fn go_on(&mut self, then: Then, filters: &[Filter]) -> Compared {
        match then {
            Then::GoOn => {}
            Then::Checkpoint => {
                self.end()?;
                self.begin();
                self.end()?;
                prop_assert_eq!(self.served.entries_since_checkpoint(), 0);
                self.is_stored()?;
            }
            Then::Begin => self.begin(),
            Then::End => self.end()?,
            Then::Fail => {
                self.begin();
                if let Some((_, changed)) = self.begun.take() {
                    self.served.checkpoint_failed(changed);
                }
            }
            Then::Restart { written } => {
                if let Some((slices, _)) = self.begun.take() {
                    self.stored.write(&slices, slices.len() * written / 100)?;
                }
                self.served = load(self.stored.position, self.stored.read())?;
                for entry in &self.journal[self.stored.position as usize..] {
                    apply(&mut self.served, entry)?;
                }
                self.stored.no_different(&mut self.served, &mut self.whole, filters)?;
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

    /// What is stored is the whole state, and every closed conversation.
    fn is_stored(&self) -> Compared {
        prop_assert_eq!(sorted(self.stored.read()), sorted(self.whole.rows()), "what is stored");
        self.stored.archive.agree(&self.reference)
    }

    /// Readers find every conversation.
    fn tells_all(&mut self) -> Compared {
        let view = self.served.publish();
        prop_assert_eq!(self.stored.archive.and(&view), self.reference.conversations());
        Ok(())
    }
}

/// Serves a history with checkpoints and restarts, beside one that goes through without.
fn serve(stored: Stored, history: &History, thens: &[Then], filters: &[Filter]) -> Compared {
    let mut server = Server::on(stored);
    for (n, (entry, then)) in history.entries.iter().zip(thens.iter().cycle()).enumerate() {
        server.take(entry)?;
        server.go_on(*then, filters)?;
        if history.looks[n] {
            server.tells_all()?;
        }
    }
    server.go_on(Then::Checkpoint, filters)?;
    server.tells_all()?;
    let mut loaded = load(server.stored.position, server.stored.read())?;
    server.stored.no_different(&mut loaded, &mut server.whole, filters)
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
        stored.no_different(&mut loaded, &mut whole, &filters)?;
        for (n, entry) in tail.iter().enumerate() {
            let entry = stored.archive.mark(&loaded, entry);
            prop_assert_eq!(apply(&mut loaded, &entry)?, apply(&mut whole, &entry)?, "outcome of {}", entry.seq);
            if n % 8 == 0 {
                stored.no_different(&mut loaded, &mut whole, &filters)?;
            }
        }
        stored.no_different(&mut loaded, &mut whole, &filters)?;
    }
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn incremental_checkpoints_and_the_tail_equal_the_whole_journal(
        history in mixed(),
        thens in prop::collection::vec(then(), 80),
        filters in filters(users_to_name(6)),
    ) {
        serve(Stored::default(), &history, &thens, &filters)?;
    }
}

/// The property above sees a difference where there is one.
fn is_noticed(broken: &Stored, mix: Mix) -> bool {
    let given = (small(mix), prop::collection::vec(then(), 80));
    fails(200, &given, |(history, thens)| {
        let differs = serve(broken.clone(), &history, &thens, &[]);
        if serve(Stored::default(), &history, &thens, &[]).is_ok() { differs } else { Ok(()) }
    })
}

#[test]
fn control_rows_that_are_not_deleted_are_detected() {
    assert!(is_noticed(&Stored { keeps_deleted: true, ..Stored::default() }, Mix::EVERYTHING));
}

#[test]
fn control_checkpoints_that_take_effect_early_are_detected() {
    assert!(is_noticed(&Stored { counts_early: true, ..Stored::default() }, Mix::EVERYTHING));
}

#[test]
fn control_reopened_conversations_left_in_the_archive_are_detected() {
    let archive = Archive::broken();
    assert!(is_noticed(&Stored { archive, ..Stored::default() }, Mix::TALK));
}
