//! A copy-on-write list in shared chunks.

use std::ops::{Index, IndexMut};
use std::sync::Arc;

/// Elements per chunk.
const CHUNK: usize = 32;
/// Chunks per block.
const BLOCK: usize = 128;

type Chunk<T> = Arc<Vec<T>>;
type Block<T> = Arc<Vec<Chunk<T>>>;

/// A list that shares its elements with its clones. Cloning copies one pointer per 4,096 elements; a change copies at
/// most one chunk and the pointers of one block.
#[derive(Clone, Debug)]
pub struct Chunks<T> {
    blocks: Vec<Block<T>>,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Chunks { blocks: Vec::new() }
    }
}

impl<T> Chunks<T> {
    /// One past the highest index that holds an element.
    pub fn len(&self) -> usize {
        let Some(block) = self.blocks.last() else { return 0 };
        let last = block.last().map_or(0, |chunk| chunk.len());
        ((self.blocks.len() - 1) * BLOCK + block.len().saturating_sub(1)) * CHUNK + last
    }

    /// Returns true if the list holds no element.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// The element at an index; `None` past the end and in a gap.
    pub fn get(&self, ix: usize) -> Option<&T> {
        let (block, chunk, at) = place(ix);
        self.blocks.get(block)?.get(chunk)?.get(at)
    }

    /// Iterates over all elements in order, passing over gaps.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.blocks.iter().flat_map(|block| block.iter()).flat_map(|chunk| chunk.iter())
    }

    /// Bytes that the list occupies on the heap, without allocations owned by its elements.
    pub fn heap_bytes(&self) -> usize {
        let chunk = |chunk: &Chunk<T>| vec_bytes(chunk.capacity(), size_of::<T>());
        let block = |block: &Block<T>| {
            vec_bytes(block.capacity(), size_of::<Chunk<T>>()) + block.iter().map(chunk).sum::<usize>()
        };
        self.blocks.iter().map(block).sum()
    }
}

impl<T: Clone> Chunks<T> {
    /// Mutable access to the element at an index; copies its chunk if a clone shares it.
    pub fn get_mut(&mut self, ix: usize) -> Option<&mut T> {
        let (block, chunk, at) = place(ix);
        let chunks = Arc::make_mut(self.blocks.get_mut(block)?);
        Arc::make_mut(chunks.get_mut(chunk)?).get_mut(at)
    }

    /// Appends an element and returns its index. The list must have no gaps.
    pub fn push(&mut self, element: T) -> usize {
        let ix = self.len();
        self.chunk_of(ix).push(element);
        ix
    }

    fn chunk_of(&mut self, ix: usize) -> &mut Vec<T> {
        let (block, chunk, _) = place(ix);
        let chunks = Arc::make_mut(reach(&mut self.blocks, block));
        Arc::make_mut(reach(chunks, chunk))
    }

    /// Counts the elements and pointers that this list does not share with `before`, an earlier clone of it.
    pub fn copied_since(&self, before: &Self) -> usize {
        let mut copied = self.blocks.len();
        for (b, block) in self.blocks.iter().enumerate() {
            let old = before.blocks.get(b);
            if old.is_some_and(|old| Arc::ptr_eq(old, block)) {
                continue;
            }
            copied += block.len();
            for (c, chunk) in block.iter().enumerate() {
                let old = old.and_then(|old| old.get(c));
                if !old.is_some_and(|old| Arc::ptr_eq(old, chunk)) {
                    copied += chunk.len();
                }
            }
        }
        copied
    }
}

impl<T: Clone + Default> Chunks<T> {
    /// Mutable access to the element at an index, extending the list as needed. Only the element's own chunk is filled
    /// up with defaults; chunks before it keep their length, and so may leave gaps.
    pub fn reach(&mut self, ix: usize) -> &mut T {
        let (_, _, at) = place(ix);
        let elements = self.chunk_of(ix);
        if elements.len() <= at {
            elements.resize(at + 1, T::default());
        }
        &mut elements[at]
    }
}

impl<T> FromIterator<T> for Chunks<T> {
    /// Collects elements in order, without gaps and without copying any of them later.
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        let mut elements = elements.into_iter().peekable();
        let mut blocks = Vec::new();
        while elements.peek().is_some() {
            let mut block = Vec::new();
            while block.len() < BLOCK && elements.peek().is_some() {
                block.push(Arc::new(elements.by_ref().take(CHUNK).collect()));
            }
            blocks.push(Arc::new(block));
        }
        Chunks { blocks }
    }
}

impl<T> Index<usize> for Chunks<T> {
    type Output = T;

    fn index(&self, ix: usize) -> &T {
        let (block, chunk, at) = place(ix);
        &self.blocks[block][chunk][at]
    }
}

impl<T: Clone> IndexMut<usize> for Chunks<T> {
    fn index_mut(&mut self, ix: usize) -> &mut T {
        let (block, chunk, at) = place(ix);
        &mut Arc::make_mut(&mut Arc::make_mut(&mut self.blocks[block])[chunk])[at]
    }
}

/// Splits an index into the block, the chunk in the block and the position in the chunk.
const fn place(ix: usize) -> (usize, usize, usize) {
    (ix / CHUNK / BLOCK, ix / CHUNK % BLOCK, ix % CHUNK)
}

/// Mutable access to the element at `at`, extending the list with empty elements as needed.
fn reach<T>(list: &mut Vec<Arc<Vec<T>>>, at: usize) -> &mut Arc<Vec<T>> {
    if list.len() <= at {
        list.resize_with(at + 1, Arc::default);
    }
    &mut list[at]
}

/// Heap bytes of an `Arc<Vec<T>>`: its elements, the vector's header and the two reference counters.
const fn vec_bytes(capacity: usize, element: usize) -> usize {
    capacity * element + size_of::<Vec<u8>>() + 2 * size_of::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: [usize; 10] = [0, 1, 31, 32, 700, 4_095, 4_096, 4_200, 20_000, 1_000_000];

    #[test]
    fn reach_leaves_gaps_and_finds_elements_across_blocks() {
        let mut list = Chunks::default();
        for (n, ix) in PLACES.into_iter().enumerate() {
            *list.reach(ix) = ix;
            assert_eq!(list.len(), ix + 1, "after {n} elements");
        }
        *list.reach(1) = 999;
        for ix in PLACES.into_iter().filter(|ix| *ix != 1) {
            assert_eq!(list.get(ix), Some(&ix));
        }
        assert_eq!(list.get(1), Some(&999));
        assert_eq!(list.get(2), Some(&0), "its chunk was filled");
        assert_eq!(list.get(33), None, "its chunk ends before it");
        assert_eq!(list.get(3_000_000), None);
        assert_eq!(list.get_mut(5_000), None);
        *list.get_mut(700).unwrap() = 5;
        assert_eq!(list[700], 5);
    }

    #[test]
    fn push_keeps_order() {
        let mut list = Chunks::default();
        assert!(list.is_empty());
        for n in 0..10_000 {
            assert_eq!(list.push(n), n);
        }
        assert_eq!(list.len(), 10_000);
        assert!(list.iter().copied().eq(0..10_000));
    }

    #[test]
    fn a_collected_list_is_the_one_that_pushes_make() {
        for length in [0, 1, 31, 32, 33, 4_095, 4_096, 4_097, 10_000] {
            let mut list: Chunks<usize> = (0..length).collect();
            assert_eq!((list.len(), list.is_empty()), (length, length == 0));
            assert!(list.iter().copied().eq(0..length));
            assert_eq!((list.get(length / 2).copied(), list.get(length)), ((length > 0).then_some(length / 2), None));
            assert_eq!(list.push(7), length);
            assert_eq!(list.get(length), Some(&7));
        }
    }

    #[test]
    fn a_change_copies_one_chunk_and_leaves_the_clone_unchanged() {
        let mut list = Chunks::default();
        for n in 0..100_000 {
            list.push(n);
        }
        let before = list.clone();
        list[50_000] = 7;
        assert_eq!((before[50_000], list[50_000]), (50_000, 7));
        assert_eq!(list.copied_since(&before), 100_000_usize.div_ceil(CHUNK * BLOCK) + BLOCK + CHUNK);
    }
}
