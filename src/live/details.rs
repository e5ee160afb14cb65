//! Details of single users that responses show and aggregates do not need.

use super::persistent::Chunks;
use crate::domain::Time;

/// The details of one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detail {
    /// The presence definition chosen, by integer id; `None` if a category or nothing was chosen.
    pub definition: Option<i64>,
    /// Time of the newest change of presence, by choice or by a desk session; [`Time::NEVER`] if there was none.
    pub updated: Time,
    /// Number of conversations ever taken, each counted once.
    pub handled: u64,
    /// Journal position of the entry that created the user, also of a deleted one; 0 if unknown. Entries before it that
    /// name the user's integer id mean an earlier owner of the id.
    pub created: u64,
    /// Time of the newest connection of any surface; [`Time::NEVER`] if there was none.
    pub logged_in: Time,
}

impl Default for Detail {
    fn default() -> Self {
        Detail { definition: None, updated: Time::NEVER, handled: 0, created: 0, logged_in: Time::NEVER }
    }
}

/// The details of all users. A clone shares every chunk until one side changes it.
#[derive(Clone, Debug, Default)]
pub struct Details(Chunks<Detail>);

impl Details {
    /// Stores a user's details. Copies the chunk if a view shares it.
    pub fn set(&mut self, ix: u32, detail: Detail) {
        // Most calls come from changes to other data of the user; writing equal details would copy a shared chunk.
        if self.get(ix) != detail {
            *self.0.reach(ix as usize) = detail;
        }
    }

    /// A user's details; the default for a user that was never stored.
    pub fn get(&self, ix: u32) -> Detail {
        self.0.get(ix as usize).copied().unwrap_or_default()
    }

    /// Counts the elements and pointers that these details do not share with `before`, an earlier clone of them.
    pub fn copied_since(&self, before: &Self) -> usize {
        self.0.copied_since(&before.0)
    }

    /// Bytes that the chunks occupy on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail_of(n: u32) -> Detail {
        Detail {
            definition: (!n.is_multiple_of(3)).then_some(i64::from(n)),
            updated: Time::from_micros(i64::from(n)),
            handled: u64::from(n),
            created: u64::from(n) + 1,
            logged_in: Time::from_micros(i64::from(n) + 2),
        }
    }

    #[test]
    fn details_are_stored_across_chunks() {
        let mut details = Details::default();
        let users = [0, 1, 63, 64, 700, 4_095, 4_096, 4_200, 20_000];
        for ix in users {
            details.set(ix, detail_of(ix));
        }
        details.set(1, detail_of(999));
        for ix in users.into_iter().filter(|ix| *ix != 1) {
            assert_eq!(details.get(ix), detail_of(ix), "user {ix}");
        }
        assert_eq!(details.get(1), detail_of(999));
        for ix in [2, 62, 4_097, 19_999, 1_000_000] {
            assert_eq!(details.get(ix), Detail::default(), "user {ix}");
        }
    }

    #[test]
    fn a_clone_is_not_affected_by_later_changes() {
        let mut details = Details::default();
        details.set(5, detail_of(7));
        let before = details.clone();
        details.set(5, detail_of(8));
        details.set(6, detail_of(1));
        details.set(9_000, detail_of(9));
        assert_eq!(before.get(5), detail_of(7));
        assert_eq!([before.get(6), before.get(9_000)], [Detail::default(); 2]);
        assert_eq!(details.get(5), detail_of(8));
    }

    #[test]
    fn equal_details_copy_nothing() {
        let mut details = Details::default();
        for ix in 0..10_000 {
            details.set(ix, detail_of(ix));
        }
        let before = details.clone();
        details.set(200, detail_of(200));
        details.set(9_999_999, Detail::default());
        // Without a change no chunk is copied; the pointers to the blocks always are.
        assert_eq!(details.copied_since(&before), 3);
        details.set(4_100, detail_of(1));
        assert!(details.copied_since(&before) < 200);
    }

    #[test]
    fn ten_users_take_less_than_900_bytes() {
        let mut details = Details::default();
        for ix in 0..10 {
            details.set(ix, detail_of(ix));
        }
        assert!(details.heap_bytes() < 900, "{} bytes", details.heap_bytes());
    }
}
