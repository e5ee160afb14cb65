//! What readers may ask of one user and nobody counts, kept in chunks that are copied when they change.
//!
//! Chunks are small and lie in blocks, so that a change copies one chunk and a block's pointers, and a new view no more
//! than a pointer for each block.

use std::sync::Arc;

use crate::domain::Time;

/// Users in a chunk.
const CHUNK_USERS: usize = 64;
/// Chunks in a block.
const BLOCK_CHUNKS: usize = 64;

/// What is kept of one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detail {
    /// The presence definition chosen, by integer id, where one was.
    pub definition: Option<i64>,
    /// When the presence last changed, by choice or by a desk; [`Time::NEVER`] if it never did.
    pub updated: Time,
    /// How many conversations they ever took, each counted once.
    pub handled: u64,
}

impl Default for Detail {
    fn default() -> Self {
        Detail { definition: None, updated: Time::NEVER, handled: 0 }
    }
}

/// Up to [`CHUNK_USERS`] users; as short as those who have something to tell allow.
type Chunk = Arc<Vec<Detail>>;

/// The details of all users. A clone shares every block until one side changes it.
#[derive(Clone, Debug, Default)]
pub struct Details {
    blocks: Vec<Arc<Vec<Chunk>>>,
}

impl Details {
    /// Puts a user's details in place; copies the chunk if a view holds it.
    pub fn set(&mut self, ix: u32, detail: Detail) {
        // Most users are put in again because something else of theirs changed.
        if self.get(ix) == detail {
            return;
        }
        let (block, chunk, at) = place(ix);
        let chunks = Arc::make_mut(reach(&mut self.blocks, block));
        let details = Arc::make_mut(reach(chunks, chunk));
        if details.len() <= at {
            details.resize(at + 1, Detail::default());
        }
        details[at] = detail;
    }

    /// A user's details; those of somebody to whom nothing happened for one who was never put in.
    pub fn get(&self, ix: u32) -> Detail {
        let (block, chunk, at) = place(ix);
        let details = self.blocks.get(block).and_then(|chunks| chunks.get(chunk)?.get(at));
        details.copied().unwrap_or_default()
    }

    /// Bytes that the chunks occupy.
    pub fn heap_bytes(&self) -> usize {
        let chunk = |chunk: &Chunk| chunk.capacity() * size_of::<Detail>() + size_of::<Vec<Detail>>() + 16;
        let block = |block: &Arc<Vec<Chunk>>| {
            let slots = block.capacity() * size_of::<Chunk>() + size_of::<Vec<Chunk>>() + 16;
            slots + block.iter().map(chunk).sum::<usize>()
        };
        self.blocks.iter().map(block).sum()
    }
}

/// The block, the chunk in it and the place in that.
const fn place(ix: u32) -> (usize, usize, usize) {
    let chunk = ix as usize / CHUNK_USERS;
    (chunk / BLOCK_CHUNKS, chunk % BLOCK_CHUNKS, ix as usize % CHUNK_USERS)
}

/// The element at `at`, with empty ones before it where there were none.
fn reach<T>(list: &mut Vec<Arc<Vec<T>>>, at: usize) -> &mut Arc<Vec<T>> {
    if list.len() <= at {
        list.resize_with(at + 1, Arc::default);
    }
    &mut list[at]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail_of(n: u32) -> Detail {
        Detail {
            definition: (!n.is_multiple_of(3)).then_some(i64::from(n)),
            updated: Time::from_micros(i64::from(n)),
            handled: u64::from(n),
        }
    }

    #[test]
    fn what_is_put_in_comes_out_across_blocks() {
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
    fn a_view_keeps_what_it_saw() {
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
    fn a_change_leaves_the_rest_shared() {
        let mut details = Details::default();
        for ix in 0..10_000 {
            details.set(ix, detail_of(ix));
        }
        let before = details.clone();
        details.set(4_100, detail_of(1));
        details.set(200, detail_of(200));
        let shared = |block: usize| Arc::ptr_eq(&before.blocks[block], &details.blocks[block]);
        assert_eq!([shared(0), shared(1), shared(2)], [true, false, true], "what is as before is not copied");
        let chunks = before.blocks[1].iter().zip(details.blocks[1].iter());
        assert_eq!(chunks.filter(|(one, other)| !Arc::ptr_eq(one, other)).count(), 1);
    }

    #[test]
    fn ten_users_cost_little() {
        let mut details = Details::default();
        for ix in 0..10 {
            details.set(ix, detail_of(ix));
        }
        assert!(details.heap_bytes() < 700, "{} bytes", details.heap_bytes());
    }
}
