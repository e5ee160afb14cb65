//! Wallboards: putting and deleting them.

use std::sync::Arc;

use super::State;
use crate::domain::Entry;
use crate::domain::Outcome;
use crate::domain::board::{Board, Expected};
use crate::domain::event::Rejection;
use crate::live::boards::{Boards, StoredBoard};
use crate::live::stored::RowKey;

impl State {
    /// Adds or replaces a board, by the rules of [`Boards::check_put`].
    pub(super) fn put_board(
        &mut self,
        entry: &Entry,
        name: &str,
        board: &Arc<Board>,
        expected: Option<Expected>,
    ) -> Result<Outcome, Rejection> {
        self.boards.check_put(&self.directory, name, board, expected)?;
        self.boards.insert(name, StoredBoard { version: entry.seq, put: entry.recorded, board: board.clone() });
        self.dirty.insert(RowKey::Board(name.into()));
        Ok(Outcome::Applied)
    }

    /// Deletes a board, by the rules of [`Boards::check_deletion`].
    pub(super) fn delete_board(&mut self, name: &str, expected: Option<Expected>) -> Result<Outcome, Rejection> {
        self.boards.check_deletion(name, expected)?;
        self.boards.remove(name);
        self.dirty.insert(RowKey::Board(name.into()));
        Ok(Outcome::Applied)
    }

    /// The boards that were put.
    pub fn boards(&self) -> &Boards {
        &self.boards
    }

    /// Restores a board from a checkpoint.
    pub(super) fn restore_board(&mut self, name: &str, board: StoredBoard) {
        self.boards.insert(name, board);
    }
}
