//! Notes when the values that users show changed: at the recorded time of the entry that changed them.

use super::State;
use crate::domain::Time;
use crate::live::directory::Directory;
use crate::live::since::{Since, Values};

impl State {
    /// Notes which values the newest entry changed, of the users from `first` on in the list of touched ones. Called
    /// after each entry, not only before a view: a value that changes and changes back between two views has changed.
    pub(super) fn note_changes(&mut self, first: usize) {
        for at in first..self.touched.len() {
            let ix = self.touched[at];
            // An entry touches a user several times in a row.
            if at == first || self.touched[at - 1] != ix {
                let values = self.values_of(&self.directory, ix);
                self.note_values(ix, values, self.recorded);
            }
        }
    }

    /// Derives the tracked values of a user. `None` for a deleted user.
    pub(super) fn values_of(&self, directory: &Directory, ix: u32) -> Option<Values> {
        Some(Values::of(self.people.get(ix as usize)?, directory.profile(ix)?))
    }

    /// Stores a user's values as of an entry, and its recorded time as that of each value that differs from before.
    pub(super) fn note_values(&mut self, ix: u32, values: Option<Values>, recorded: Time) {
        let before = self.values.get(ix as usize).copied().flatten();
        if before == values {
            return;
        }
        *self.values.reach(ix as usize) = values;
        let since = self.since.reach(ix as usize);
        match (before, values) {
            (Some(before), Some(after)) => since.change(&before, &after, recorded),
            // A new user has every value since the entry that created it.
            (None, Some(_)) => *since = Since::Same(recorded),
            (_, None) => *since = Since::UNKNOWN,
        }
    }

    /// Derives the values of all users after a load. When they last changed was loaded, or is not known.
    pub(super) fn derive_values(&mut self) {
        let users = 0..self.people.len() as u32;
        self.values = users.map(|ix| self.values_of(&self.directory, ix)).collect();
    }
}
