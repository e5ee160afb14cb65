//! The counting index: a column of bits per user, in blocks that are copied on write.
//!
//! Every column is derived from the state by [`columns`]. Nothing here is incremented or decremented, so that the index
//! cannot drift from the state.

use std::sync::Arc;

use crate::domain::status::{Facts, Liveness, Reason};
use crate::domain::{Category, Channel, PerChannel, Status};

/// Words of 64 users in a full block. A tenant's last block has only as many as its users need, rounded to a power of
/// two.
pub const BLOCK_WORDS: usize = 128;
/// Users in a full block.
pub const BLOCK_USERS: u32 = (BLOCK_WORDS * 64) as u32;
/// Words in a full segment, the unit in which a block knows what changed: one cache line of each plane.
pub const SEGMENT_WORDS: usize = 8;
/// Segments in a full block.
pub const BLOCK_SEGMENTS: usize = BLOCK_WORDS / SEGMENT_WORDS;

/// One bit of every user, named by the property it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plane {
    /// The user exists and is not deleted.
    Exists,
    /// At least one channel is enabled.
    Agent,
    /// The user has a queue or a campaign.
    Assigned,
    /// The user was logged in at least once.
    EverLoggedIn,
    /// At least one desk session is open.
    Connected,
    /// The chosen presence is away.
    Away,
    /// The chosen presence is extended away.
    ExtendedAway,
    /// The chosen presence lets work be given to the user; see [`Facts::accepts_work`].
    AcceptsWork,
    /// The directory enables the channel.
    Enabled(Channel),
    /// The status on the channel is available.
    Available(Channel),
    /// The status on the channel is busy.
    Busy(Channel),
    /// The user is at work on the channel; see [`Facts::in_production`].
    InProduction(Channel),
    /// The user is available on a channel of the liveness, and one more interaction fits the budget.
    Room(Liveness),
    /// The reason on the channel is full; of busy users the others are blocked.
    Full(Channel),
}

impl Plane {
    // At most 32, the bits of `Columns::planes`.
    const COUNT: usize = 8 + 5 * Channel::ALL.len() + Liveness::ALL.len();

    /// The position of the plane's bit in [`Columns`] and of its words in a [`Block`].
    const fn row(self) -> usize {
        match self {
            Plane::Exists => 0,
            Plane::Agent => 1,
            Plane::Assigned => 2,
            Plane::EverLoggedIn => 3,
            Plane::Connected => 4,
            Plane::Away => 5,
            Plane::ExtendedAway => 6,
            Plane::AcceptsWork => 7,
            // Four rows each, one for each channel.
            Plane::Enabled(channel) => 8 + channel as usize,
            Plane::Available(channel) => 12 + channel as usize,
            Plane::Busy(channel) => 16 + channel as usize,
            Plane::InProduction(channel) => 20 + channel as usize,
            Plane::Room(liveness) => 24 + liveness as usize,
            Plane::Full(channel) => 27 + channel as usize,
        }
    }
}

/// The index's data about one user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    planes: u32,
    /// Number of conversations held, per channel.
    pub current: PerChannel<u32>,
    /// Maximum number of conversations, per channel.
    pub max: PerChannel<u32>,
}

impl Columns {
    /// Returns true if the user's bit in `plane` is set.
    pub const fn has(&self, plane: Plane) -> bool {
        self.planes & (1 << plane.row()) != 0
    }

    /// Reads back the reason that [`Facts::reason`] decided, from the columns that were set by it.
    pub const fn reason(&self, channel: Channel) -> Reason {
        if !self.has(Plane::Connected) {
            Reason::Offline
        } else if !self.has(Plane::Enabled(channel)) {
            Reason::Disabled
        } else if self.has(Plane::ExtendedAway) {
            Reason::ExtendedAway
        } else if self.has(Plane::Away) {
            Reason::Away
        } else if !self.has(Plane::AcceptsWork) {
            Reason::NotRoutable
        } else if self.has(Plane::Available(channel)) {
            Reason::Available
        } else if self.has(Plane::Full(channel)) {
            Reason::Full
        } else if self.has(Plane::Busy(channel)) {
            Reason::Blocked
        } else {
            Reason::SwitchedOff
        }
    }

    fn set(&mut self, plane: Plane, on: bool) {
        self.planes |= u32::from(on) << plane.row();
    }
}

/// Derives a user's columns from the facts about the user.
pub fn columns(facts: &Facts, assigned: bool, ever_logged_in: bool) -> Columns {
    let mut columns = Columns::default();
    columns.set(Plane::Exists, true);
    columns.set(Plane::Agent, facts.is_agent());
    columns.set(Plane::Assigned, assigned);
    columns.set(Plane::EverLoggedIn, ever_logged_in);
    columns.set(Plane::Connected, facts.connected);
    columns.set(Plane::Away, facts.presence == Category::Away);
    columns.set(Plane::ExtendedAway, facts.presence == Category::ExtendedAway);
    columns.set(Plane::AcceptsWork, facts.accepts_work());
    for channel in Channel::ALL {
        let lane = &facts.lanes[channel];
        let (reason, status) = (facts.reason(channel), facts.status(channel));
        columns.set(Plane::Enabled(channel), lane.enabled);
        columns.set(Plane::Available(channel), status == Status::Available);
        columns.set(Plane::Busy(channel), status == Status::Busy);
        columns.set(Plane::Full(channel), reason == Reason::Full);
        columns.set(Plane::InProduction(channel), facts.in_production(channel));
        columns.current[channel] = lane.current;
        columns.max[channel] = lane.max;
    }
    for liveness in Liveness::ALL {
        let open = liveness.channels().iter().any(|channel| facts.status(*channel) == Status::Available);
        columns.set(Plane::Room(liveness), open && facts.fits(liveness));
    }
    columns
}

/// One number per user, bit-sliced: one plane per binary digit, as many planes as the largest number has needed so far.
#[derive(Clone, Debug, Default)]
struct Sliced(Vec<u64>);

impl Sliced {
    fn set(&mut self, words: usize, ix: usize, value: u32) {
        let (word, bit) = (ix / 64, 1 << (ix % 64));
        let needed = (u32::BITS - value.leading_zeros()) as usize;
        // Planes are never removed, even when the largest number becomes smaller.
        if self.0.len() < needed * words {
            self.0.resize(needed * words, 0);
        }
        for (digit, plane) in self.0.chunks_exact_mut(words).enumerate() {
            plane[word] = if value >> digit & 1 == 1 { plane[word] | bit } else { plane[word] & !bit };
        }
    }

    fn get(&self, words: usize, ix: usize) -> u32 {
        let (word, bit) = (ix / 64, ix % 64);
        let digits = self.0.chunks_exact(words).enumerate();
        digits.map(|(digit, plane)| ((plane[word] >> bit & 1) as u32) << digit).sum()
    }

    fn widen(&self, from: usize, to: usize) -> Self {
        Sliced(widen(&self.0, from, to))
    }
}

/// The columns of up to [`BLOCK_USERS`] users, stored plane by plane.
#[derive(Clone, Debug)]
pub struct Block {
    words: usize,
    planes: Vec<u64>,
    current: [Sliced; 4],
    max: [Sliced; 4],
    /// The generation in which each segment last changed.
    changed: [u64; BLOCK_SEGMENTS],
    /// The newest of these.
    newest: u64,
}

impl Block {
    fn new(words: usize) -> Self {
        let (current, max) = Default::default();
        Block { words, planes: vec![0; Plane::COUNT * words], current, max, changed: [0; BLOCK_SEGMENTS], newest: 0 }
    }

    /// Number of words in each plane.
    #[inline(always)]
    pub fn words(&self) -> usize {
        self.words
    }

    /// Iterates over the segments that changed after `generation`; over all with `None`.
    #[inline(always)]
    pub fn changed_after(&self, generation: Option<u64>) -> impl Iterator<Item = usize> {
        let segments = match generation {
            Some(generation) if self.newest <= generation => 0,
            _ => self.words.div_ceil(SEGMENT_WORDS),
        };
        let is_meant = move |segment: &usize| generation.is_none_or(|generation| self.changed[*segment] > generation);
        (0..segments).filter(is_meant)
    }

    fn set(&mut self, ix: usize, columns: &Columns, generation: u64) {
        let (word, bit) = (ix / 64, 1 << (ix % 64));
        self.changed[word / SEGMENT_WORDS] = generation;
        self.newest = generation;
        for (row, plane) in self.planes.chunks_exact_mut(self.words).enumerate() {
            let on = columns.planes >> row & 1 == 1;
            plane[word] = if on { plane[word] | bit } else { plane[word] & !bit };
        }
        for channel in Channel::ALL {
            self.current[channel as usize].set(self.words, ix, columns.current[channel]);
            self.max[channel as usize].set(self.words, ix, columns.max[channel]);
        }
    }

    fn get(&self, ix: usize) -> Columns {
        let (word, bit) = (ix / 64, ix % 64);
        let rows = self.planes.chunks_exact(self.words).enumerate();
        Columns {
            planes: rows.map(|(row, plane)| ((plane[word] >> bit & 1) as u32) << row).sum(),
            current: PerChannel::from_fn(|channel| self.current[channel as usize].get(self.words, ix)),
            max: PerChannel::from_fn(|channel| self.max[channel as usize].get(self.words, ix)),
        }
    }

    fn widened(&self, to: usize) -> Self {
        Block {
            words: to,
            planes: widen(&self.planes, self.words, to),
            current: self.current.each_ref().map(|s| s.widen(self.words, to)),
            max: self.max.each_ref().map(|s| s.widen(self.words, to)),
            changed: self.changed,
            newest: self.newest,
        }
    }

    fn heap_bytes(&self) -> usize {
        let sliced = self.current.iter().chain(&self.max).map(|s| s.0.capacity());
        (self.planes.capacity() + sliced.sum::<usize>()) * 8 + size_of::<Self>()
    }
}

/// Users of one block whose words are side by side: all of the block, or one segment.
#[derive(Clone, Copy, Debug)]
pub struct Span<'b> {
    block: &'b Block,
    place: Place,
    words: usize,
}

/// The place of a span among the users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of its block.
    pub block: usize,
    /// Its first word within the block.
    pub word: usize,
}

impl Place {
    /// The dense index of the first user.
    #[inline(always)]
    pub const fn first_user(self) -> u32 {
        self.block as u32 * BLOCK_USERS + self.word as u32 * 64
    }
}

impl<'b> Span<'b> {
    /// All users of block number `n`.
    #[inline(always)]
    pub fn of(n: usize, block: &'b Block) -> Self {
        Span { block, place: Place { block: n, word: 0 }, words: block.words }
    }

    /// The users of one segment of block number `n`.
    #[inline(always)]
    pub fn segment(n: usize, block: &'b Block, segment: usize) -> Self {
        let word = segment * SEGMENT_WORDS;
        Span { block, place: Place { block: n, word }, words: SEGMENT_WORDS.min(block.words - word) }
    }

    /// Number of words in each plane.
    #[inline(always)]
    pub fn words(&self) -> usize {
        self.words
    }

    /// The place of the span.
    #[inline(always)]
    pub fn place(&self) -> Place {
        self.place
    }

    /// The words of one plane.
    #[inline(always)]
    pub fn plane(&self, plane: Plane) -> &'b [u64] {
        let from = plane.row() * self.block.words + self.place.word;
        &self.block.planes[from..from + self.words]
    }

    /// Numbers of conversations held on the channel.
    #[inline(always)]
    pub fn current(&self, channel: Channel) -> Digits<'b> {
        self.digits(&self.block.current[channel as usize])
    }

    /// Maximum numbers of conversations on the channel.
    #[inline(always)]
    pub fn max(&self, channel: Channel) -> Digits<'b> {
        self.digits(&self.block.max[channel as usize])
    }

    #[inline(always)]
    fn digits(&self, numbers: &'b Sliced) -> Digits<'b> {
        Digits { planes: numbers.0.chunks_exact(self.block.words), from: self.place.word, words: self.words }
    }
}

/// A number of every user of a span: the words of one binary digit after the other, the lowest first.
#[derive(Clone, Debug)]
pub struct Digits<'b> {
    planes: std::slice::ChunksExact<'b, u64>,
    from: usize,
    words: usize,
}

impl<'b> Iterator for Digits<'b> {
    type Item = &'b [u64];

    #[inline(always)]
    fn next(&mut self) -> Option<&'b [u64]> {
        self.planes.next().map(|plane| &plane[self.from..self.from + self.words])
    }
}

/// Copies planes of `from` words each into planes of `to` words each.
fn widen(planes: &[u64], from: usize, to: usize) -> Vec<u64> {
    let mut wide = vec![0; planes.len() / from * to];
    for (old, new) in planes.chunks_exact(from).zip(wide.chunks_exact_mut(to)) {
        new[..from].copy_from_slice(old);
    }
    wide
}

/// The columns of all users. A clone shares every block until one side changes it.
#[derive(Clone, Debug, Default)]
pub struct Index {
    blocks: Vec<Arc<Block>>,
    generation: u64,
}

impl Index {
    /// The blocks, in the order of the users' dense indexes.
    #[inline(always)]
    pub fn blocks(&self) -> &[Arc<Block>] {
        &self.blocks
    }

    /// Number of segments in all blocks.
    pub fn segments(&self) -> usize {
        let last = self.blocks.last().map_or(0, |block| block.words.div_ceil(SEGMENT_WORDS));
        self.blocks.len().saturating_sub(1) * BLOCK_SEGMENTS + last
    }

    /// The number of times that [`Index::begin`] was called. What changed between two clones of an index is what has a
    /// generation after that of the older.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Begins a generation, to which the changes that follow belong. Called before the first change after a clone.
    pub fn begin(&mut self) {
        self.generation += 1;
    }

    /// Stores a user's columns. Copies the block if a view shares it.
    pub fn set(&mut self, ix: u32, columns: &Columns) {
        let (block, local) = ((ix / BLOCK_USERS) as usize, (ix % BLOCK_USERS) as usize);
        // Blocks before the last always have their full size, so that a user's position follows from the index alone.
        while self.blocks.len() <= block {
            self.widen_last(BLOCK_WORDS);
            self.blocks.push(Arc::new(Block::new(1)));
        }
        if block + 1 == self.blocks.len() {
            // Doubling keeps the number of reallocations logarithmic while a small tenant grows.
            let needed = (local / 64 + 1).next_power_of_two();
            if needed > self.blocks[block].words {
                self.widen_last(needed);
            }
        }
        let shared = &mut self.blocks[block];
        // Compared with what is there before a shared block is copied: many entries change only what is not counted.
        if let Some(own) = Arc::get_mut(shared) {
            own.set(local, columns, self.generation);
        } else if shared.get(local) != *columns {
            Arc::make_mut(shared).set(local, columns, self.generation);
        }
    }

    /// A user's columns; all clear for a user that was never stored.
    pub fn get(&self, ix: u32) -> Columns {
        let (block, local) = ((ix / BLOCK_USERS) as usize, (ix % BLOCK_USERS) as usize);
        match self.blocks.get(block) {
            Some(block) if local < block.words * 64 => block.get(local),
            _ => Columns::default(),
        }
    }

    /// Bytes that the blocks occupy on the heap.
    pub fn heap_bytes(&self) -> usize {
        // 16 bytes are the two reference counters of each `Arc`.
        self.blocks.iter().map(|block| block.heap_bytes() + 16).sum()
    }

    /// Counts the blocks and pointers that this index does not share with `before`, an earlier clone of it.
    pub fn copied_since(&self, before: &Self) -> usize {
        let shared = self.blocks.iter().zip(&before.blocks).filter(|(block, old)| Arc::ptr_eq(block, old)).count();
        2 * self.blocks.len() - shared
    }

    fn widen_last(&mut self, words: usize) {
        if let Some(last) = self.blocks.last_mut()
            && last.words < words
        {
            *last = Arc::new(last.widened(words));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns_of(n: u32) -> Columns {
        let mut columns = Columns { planes: n & 0x7fff_ffff, ..Columns::default() };
        for channel in Channel::ALL {
            columns.current[channel] = n % (3 + channel as u32);
            columns.max[channel] = n % 1001;
        }
        columns
    }

    #[test]
    fn columns_are_stored_across_blocks() {
        let mut index = Index::default();
        let users = [0, 1, 63, 64, 700, 8_191, 8_192, 8_200, 20_000];
        for ix in users {
            index.set(ix, &columns_of(ix));
        }
        index.set(1, &columns_of(999));
        for ix in users.into_iter().filter(|ix| *ix != 1) {
            assert_eq!(index.get(ix), columns_of(ix), "user {ix}");
        }
        assert_eq!(index.get(1), columns_of(999));
        assert_eq!(index.get(2), Columns::default());
        assert_eq!(index.get(1_000_000), Columns::default());
    }

    #[test]
    fn a_clone_is_not_affected_by_later_changes() {
        let mut index = Index::default();
        index.set(5, &columns_of(7));
        let before = index.clone();
        index.set(5, &columns_of(8));
        index.set(9_000, &columns_of(9));
        assert_eq!(before.get(5), columns_of(7));
        assert_eq!(index.get(5), columns_of(8));
    }

    #[test]
    fn ten_users_take_less_than_1500_bytes() {
        let mut index = Index::default();
        for ix in 0..10 {
            index.set(ix, &columns_of(ix));
        }
        assert!(index.heap_bytes() < 1_500, "{} bytes", index.heap_bytes());
    }
}
