//! After any prefix, what a checkpoint stored and the tail of the journal give the same state as the whole journal.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;
use proptest::sample::Index;
use rollcall::domain::{Entry, Filter, Outcome};
use rollcall::live::{Checkpoint, Row, RowKey, State};

use super::compare::{Compared, gone, leases, same};
use super::generate::{History, Mix, TENANT, filters, small, users_to_name};
use super::{cases, fails};

fn apply(state: &mut State, entry: &Entry) -> Result<Outcome, TestCaseError> {
    state.apply(entry).map_err(|gap| TestCaseError::fail(gap.to_string()))
}

fn load(position: u64, rows: Vec<Row>) -> Result<State, TestCaseError> {
    State::load(TENANT, position, rows).map_err(|row| TestCaseError::fail(row.to_string()))
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    rows
}

/// What a store holds of one tenant.
#[derive(Default)]
struct Stored {
    /// A broken store: rows that should go stay.
    keeps_deleted: bool,
    position: u64,
    rows: BTreeMap<RowKey, Row>,
}

impl Stored {
    fn write(&mut self, checkpoint: Checkpoint) -> Compared {
        // One statement cannot write a row twice.
        let keys: Vec<_> = checkpoint.keys().collect();
        prop_assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len(), "a row is named twice: {:?}", keys);
        self.position = checkpoint.position;
        for key in checkpoint.deletes.iter().filter(|_| !self.keeps_deleted) {
            self.rows.remove(key);
        }
        self.rows.extend(checkpoint.upserts.into_iter().map(|row| (row.key.clone(), row)));
        Ok(())
    }

    /// The rows, as they come back from a database: by kind and key, in no particular order.
    fn read(&self) -> Vec<Row> {
        let rows = self.rows.values().rev();
        let parsed = |key: &RowKey| RowKey::parse(key.kind(), &key.key()).unwrap();
        rows.map(|row| Row { key: parsed(&row.key), body: row.body.clone() }).collect()
    }
}

/// The one that was loaded is in no way different from the one that was not.
fn no_different(loaded: &mut State, whole: &mut State, filters: &[Filter]) -> Compared {
    prop_assert_eq!(loaded.position(), whole.position());
    prop_assert_eq!(loaded.recorded(), whole.recorded());
    prop_assert_eq!(sorted(loaded.rows()), sorted(whole.rows()));
    prop_assert_eq!(loaded.digest(), whole.digest());
    prop_assert_eq!(leases(loaded), leases(whole));
    let (loaded, whole) = (loaded.publish(), whole.publish());
    prop_assert_eq!(gone(&loaded), gone(&whole));
    same(&loaded, &whole, filters)
}

/// What becomes of the checkpoint that an entry may be followed by.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    /// No checkpoint.
    GoOn,
    /// It is written.
    Checkpoint,
    /// The store is away: it is not written, and what it would have written stays due.
    Fail,
    /// It is written, and the server starts again from it, or from an older one and the journal's tail.
    Restart,
}

fn then() -> impl Strategy<Value = Then> {
    prop_oneof![
        16 => Just(Then::GoOn),
        3 => Just(Then::Checkpoint),
        1 => Just(Then::Fail),
        2 => Just(Then::Restart)
    ]
}

fn mixed() -> impl Strategy<Value = History> {
    prop_oneof![small(Mix::EVERYTHING), small(Mix::TURNOVER)]
}

/// Serves a history with checkpoints and restarts, beside one that goes through without.
fn serve(mut stored: Stored, history: &History, thens: &[Then], filters: &[Filter]) -> Compared {
    let mut whole = State::new(TENANT);
    let mut served = State::new(TENANT);
    for (entry, then) in history.entries.iter().zip(thens.iter().cycle()) {
        prop_assert_eq!(apply(&mut served, entry)?, apply(&mut whole, entry)?, "outcome of {}", entry.seq);
        match then {
            Then::GoOn => continue,
            Then::Checkpoint => {
                stored.write(served.checkpoint())?;
                prop_assert_eq!(served.grown(), 0);
                prop_assert_eq!(sorted(stored.read()), sorted(whole.rows()), "what is stored at {}", entry.seq);
            }
            Then::Fail => {
                let checkpoint = served.checkpoint();
                served.spoil(&checkpoint);
            }
            Then::Restart => {
                served = load(stored.position, stored.read())?;
                for entry in &history.entries[stored.position as usize..entry.seq as usize] {
                    apply(&mut served, entry)?;
                }
                no_different(&mut served, &mut whole, filters)?;
            }
        }
    }
    stored.write(served.checkpoint())?;
    prop_assert_eq!(sorted(stored.read()), sorted(whole.rows()));
    let mut loaded = load(stored.position, stored.read())?;
    no_different(&mut loaded, &mut whole, filters)
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn all_rows_and_the_tail_are_the_whole(
        history in mixed(),
        cut in any::<Index>(),
        filters in filters(users_to_name(6)),
    ) {
        let (head, tail) = history.entries.split_at(cut.index(history.entries.len()));
        let mut whole = State::new(TENANT);
        for entry in head {
            apply(&mut whole, entry)?;
        }
        let mut loaded = load(whole.position(), whole.rows())?;
        no_different(&mut loaded, &mut whole, &filters)?;
        for (n, entry) in tail.iter().enumerate() {
            prop_assert_eq!(apply(&mut loaded, entry)?, apply(&mut whole, entry)?, "outcome of {}", entry.seq);
            if n % 8 == 0 {
                no_different(&mut loaded, &mut whole, &filters)?;
            }
        }
        no_different(&mut loaded, &mut whole, &filters)?;
    }

    #[test]
    fn checkpoints_over_time_and_the_tail_are_the_whole(
        history in mixed(),
        thens in prop::collection::vec(then(), 80),
        filters in filters(users_to_name(6)),
    ) {
        serve(Stored::default(), &history, &thens, &filters)?;
    }
}

/// The property above sees a difference where there is one.
#[test]
fn a_store_that_keeps_what_is_deleted_is_noticed() {
    let given = (small(Mix::EVERYTHING), prop::collection::vec(then(), 80));
    assert!(fails(200, &given, |(history, thens)| {
        let broken = serve(Stored { keeps_deleted: true, ..Stored::default() }, &history, &thens, &[]);
        if serve(Stored::default(), &history, &thens, &[]).is_ok() { broken } else { Ok(()) }
    }));
}
