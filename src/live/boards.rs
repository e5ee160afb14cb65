//! The wallboards of one tenant, and the rules by which one is put or deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Directory;
use super::directory::kind_of;
use crate::domain::board::{self, Board, DEFAULT, Expected, Filters, MAX_BOARDS};
use crate::domain::directory::Problem;
use crate::domain::event::Rejection;
use crate::domain::filter::Clause;
use crate::domain::{EntityRef, Filter, Time, UserRef};

/// The kind of users among the values of filters.
const USER: &str = "user";

/// A board as it was put.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredBoard {
    /// The position of the entry that put it.
    pub version: u64,
    /// The recorded time of that entry.
    pub put: Time,
    /// The board.
    pub board: Arc<Board>,
}

/// The boards of a tenant, by name. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Boards(Arc<BTreeMap<Box<str>, StoredBoard>>);

/// A value of a tile's filters that selects no user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownValue<'f> {
    /// The member that has it, and its place there, such as `group/0`.
    pub place: String,
    /// The kind of what does not exist, such as `routing group`.
    pub kind: String,
    /// The value as it was given.
    pub value: &'f str,
}

impl UnknownValue<'_> {
    /// Returns true if the value named a user.
    pub fn is_user(&self) -> bool {
        self.kind == USER
    }
}

impl Boards {
    /// Returns the board with this name and its version. There is always one of the name `default`: the built-in one has
    /// the version 0.
    pub fn get(&self, name: &str) -> Option<(&Arc<Board>, u64)> {
        let put = self.0.get(name).map(|known| (&known.board, known.version));
        put.or_else(|| (name == DEFAULT).then(|| (board::built_in(), 0)))
    }

    /// The board of this name, if one was put.
    pub fn stored(&self, name: &str) -> Option<&StoredBoard> {
        self.0.get(name)
    }

    /// Iterates over the boards that were put, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &StoredBoard)> {
        self.0.iter().map(|(name, board)| (&**name, board))
    }

    /// The number of boards that were put.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if no board was put.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds or replaces a board without checks.
    pub(in crate::live) fn insert(&mut self, name: &str, board: StoredBoard) {
        Arc::make_mut(&mut self.0).insert(name.into(), board);
    }

    /// Removes a board.
    pub(in crate::live) fn remove(&mut self, name: &str) {
        Arc::make_mut(&mut self.0).remove(name);
    }

    /// Rejects a change of a board that is not as expected.
    fn check_version(&self, name: &str, expected: Option<Expected>) -> Result<(), Rejection> {
        let found = self.get(name).map(|(_, version)| version);
        let is_expected = match expected {
            None => true,
            Some(Expected::Present) => found.is_some(),
            Some(Expected::Version(version)) => found == Some(version),
        };
        if is_expected { Ok(()) } else { Err(Rejection::BoardVersion) }
    }

    /// Checks whether a board can be put: [`Rejection::BoardVersion`] if the one in place is not as expected,
    /// [`Rejection::Document`] with the board's problems, [`Rejection::Limit`] if there are too many others.
    pub fn check_put(
        &self,
        directory: &Directory,
        name: &str,
        board: &Board,
        expected: Option<Expected>,
    ) -> Result<(), Rejection> {
        self.check_version(name, expected)?;
        let mut problems = board.check();
        if problems.is_empty() {
            problems = unknown_problems(directory, board);
        }
        if !problems.is_empty() {
            return Err(Rejection::Document(problems));
        }
        let is_new = !self.0.contains_key(name);
        let is_full = is_new && self.0.len() >= MAX_BOARDS;
        if is_full { Err(Rejection::Limit { name: "wallboards", limit: MAX_BOARDS as u32 }) } else { Ok(()) }
    }

    /// Checks whether a board can be deleted: [`Rejection::UnknownBoard`] if none of the name was put,
    /// [`Rejection::BoardVersion`] if it is not as expected.
    pub fn check_deletion(&self, name: &str, expected: Option<Expected>) -> Result<(), Rejection> {
        if !self.0.contains_key(name) {
            return Err(Rejection::UnknownBoard);
        }
        self.check_version(name, expected)
    }
}

/// Returns a problem for each value of a filter that does not exist.
fn unknown_problems(directory: &Directory, board: &Board) -> Vec<Problem> {
    let tiles = board.pages.iter().enumerate().flat_map(|(page, of)| {
        of.tiles.iter().enumerate().filter_map(move |(tile, of)| Some((page, tile, of.filters.as_ref()?)))
    });
    let problems = tiles.flat_map(|(page, tile, filters)| {
        let (_, unknown) = resolve(directory, filters);
        unknown.into_iter().map(move |unknown| Problem {
            pointer: format!("/pages/{page}/tiles/{tile}/filters/{}", unknown.place),
            detail: format!("there is no {} {}", unknown.kind, unknown.value),
        })
    });
    problems.collect()
}

/// Returns the filter of a tile, and the values that do not exist, or no longer, in `directory`. They match no user.
pub fn resolve<'f>(directory: &Directory, filters: &'f Filters) -> (Filter, Vec<UnknownValue<'f>>) {
    let (mut filter, mut unknown) = (Filter::default(), Vec::new());
    for list in filters.lists() {
        let mut note = |at: usize, kind: &str| {
            let (place, kind) = (format!("{}/{at}", list.name), kind.replace('_', " "));
            unknown.push(UnknownValue { place, kind, value: list.values[at].text() });
        };
        let Some((dimension, is_all)) = list.dimension else {
            let user = |(at, user): (usize, Option<UserRef>)| {
                let id = user.and_then(|user| directory.profile_of(&user)).map(|profile| profile.id);
                id.unwrap_or_else(|| {
                    note(at, USER);
                    // The id of nothing: a clause without values would select all users.
                    0
                })
            };
            let users = list.values.iter().map(|value| value.user()).enumerate().map(user);
            filter = filter.and(Clause::Users(users.map(EntityRef::Id).collect()));
            continue;
        };
        let values: Vec<_> = list.values.iter().map(|value| value.value()).collect();
        for (at, value) in values.iter().enumerate() {
            if directory.resolve(dimension, value).next().is_none() {
                note(at, kind_of(dimension).name());
            }
        }
        let clause = if is_all { Clause::All(dimension, values) } else { Clause::Any(dimension, values) };
        filter = filter.and(clause);
    }
    let roles = filters.role.clone().unwrap_or_default();
    (filter.and(Clause::Roles(roles)), unknown)
}
