//! Counts that are kept between views: a question that is asked again costs what changed since.
//!
//! A count is the sum of the counts of segments, of 512 users each, and the index notes when each segment changed. What
//! changed is counted anew from the index, and the sums are added up anew: nothing is counted up or down, so that a kept
//! count cannot drift from the state. The filter is resolved once, since the memberships are those of one directory.

use std::any::TypeId;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};

use super::Selection;
use crate::domain::Filter;
use crate::live::Directory;
use crate::live::count::bits::Bits;
use crate::live::count::fold::{Sums, fold, fold_changed, total};
use crate::live::count::index::Index;

/// Most bytes that the kept counts of a tenant take, for each of its users, and at least.
const BYTES_PER_USER: usize = 128;
const LEAST_BYTES: usize = 1_048_576;
/// Bytes of a kept count beside its segments: the filter, the references to sets, and the entry itself. An estimate.
const ENTRY_BYTES: usize = 1_024;
/// Fewest segments of which too many can have changed: of a few, all are counted in no time.
const MANY_SEGMENTS: usize = 64;
/// Number of counts that the cache is laid out for. It grows beyond.
const ESTIMATED_COUNTS: usize = 256;

/// The counts of one tenant that were asked with one directory. They are made by the readers that ask, and shared by its views.
#[derive(Debug)]
pub struct KeptCounts {
    directory: Arc<Directory>,
    /// Made by the first question, since most tenants are too small to have any.
    counts: OnceLock<Cache<Question, Arc<KeptCount>, Bytes>>,
}

/// What was asked: the type of the aggregate, its parameter, and the filter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Question {
    aggregate: (TypeId, u8),
    filter: Filter,
}

/// A [`Question`] that borrows its filter.
struct Asked<'f> {
    aggregate: (TypeId, u8),
    filter: &'f Filter,
}

impl Hash for Asked<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // As the derived one of `Question`.
        self.aggregate.hash(state);
        self.filter.hash(state);
    }
}

impl Equivalent<Question> for Asked<'_> {
    fn equivalent(&self, question: &Question) -> bool {
        self.aggregate == question.aggregate && *self.filter == question.filter
    }
}

/// One count.
#[derive(Debug)]
struct KeptCount {
    selection: Selection<Arc<Bits>>,
    bytes: u64,
    newest: Mutex<Newest>,
    recount: Recount,
}

/// Returns the sums of an aggregate over all users of an index that a selection has.
type Counting = dyn Fn(&Index, &Selection<Arc<Bits>>) -> Vec<u64> + Send + Sync;

/// Counts anew what a kept count is about.
struct Recount(Box<Counting>);

impl Recount {
    fn of<A: Sums>(zero: A) -> Self {
        Recount(Box::new(move |index, selection| counted(index, selection, zero.clone()).into_sums()))
    }
}

impl fmt::Debug for Recount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recount")
    }
}

/// A kept count beside one of all users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recounted {
    /// Number of clauses of the filter.
    pub clauses: usize,
    /// The sums that are kept.
    pub kept: Vec<u64>,
    /// The sums as a count of all users gives them.
    pub counted: Vec<u64>,
}

/// The newest result of a count.
#[derive(Debug)]
struct Newest {
    /// The generation of the index that was counted.
    generation: u64,
    sums: Vec<u64>,
    /// The sums of the segments, as [`fold_changed`] writes them. Empty until the count is asked in a second generation:
    /// most questions of some callers are asked once. Empty as well after a generation in which most segments changed.
    parts: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Bytes;

impl Weighter<Question, Arc<KeptCount>> for Bytes {
    fn weight(&self, _: &Question, count: &Arc<KeptCount>) -> u64 {
        count.bytes
    }
}

impl KeptCounts {
    /// Creates the counts of a directory, without any.
    pub fn new(directory: Arc<Directory>) -> Self {
        KeptCounts { directory, counts: OnceLock::new() }
    }

    /// Returns true if they are of this directory. It is held here, so that no other can take its place in memory, and
    /// none is changed in place.
    pub fn is_of(&self, directory: &Arc<Directory>) -> bool {
        Arc::ptr_eq(&self.directory, directory)
    }

    /// Counts the users of an index of this directory that the filter selects. `zero` is the aggregate before any user.
    pub fn count<A: Sums>(&self, index: &Index, filter: &Filter, zero: A) -> A {
        let aggregate = (TypeId::of::<A>(), zero.parameter());
        let counts = self.counts.get_or_init(|| {
            let most = BYTES_PER_USER * 64 * index.blocks().iter().map(|block| block.words()).sum::<usize>();
            Cache::with_weighter(ESTIMATED_COUNTS, most.max(LEAST_BYTES) as u64, Bytes)
        });
        if let Some(count) = counts.get(&Asked { aggregate, filter }) {
            return count.at(index, zero);
        }
        let selection = Selection::shared(&self.directory, filter);
        let (counted, generation) = (counted(index, &selection, zero.clone()), index.generation());
        let (sums, recount) = (counted.clone().into_sums(), Recount::of(zero));
        let bytes = (ENTRY_BYTES + sums.len() * index.segments() * size_of::<u32>()) as u64;
        let newest = Mutex::new(Newest { generation, sums, parts: Vec::new() });
        let question = Question { aggregate, filter: filter.clone() };
        counts.insert(question, Arc::new(KeptCount { selection, bytes, newest, recount }));
        counted
    }

    /// Counts all users of an index of this directory again, for each count whose newest result is of this index. A reader
    /// that comes while a result is copied does its own counting.
    pub fn recounts<'k>(&'k self, index: &'k Index) -> impl Iterator<Item = Recounted> + 'k {
        let counts = self.counts.get().into_iter().flat_map(Cache::iter);
        counts.filter_map(move |(question, count)| {
            let newest = count.newest.lock();
            let kept = (newest.generation == index.generation()).then(|| newest.sums.clone())?;
            drop(newest);
            // Resolved anew, since the one that is kept is a part of what is compared.
            let selection = Selection::shared(&self.directory, &question.filter);
            let counted = (count.recount.0)(index, &selection);
            Some(Recounted { clauses: question.filter.clauses().len(), kept, counted })
        })
    }
}

impl KeptCount {
    /// Returns the count of an index.
    fn at<A: Sums>(&self, index: &Index, zero: A) -> A {
        // Readers never wait: one that comes while another counts does its own counting, as does one with an older view.
        let Some(mut newest) = self.newest.try_lock().filter(|newest| newest.generation <= index.generation()) else {
            return counted(index, &self.selection, zero);
        };
        if newest.generation < index.generation() {
            newest.advance(index, &self.selection, &zero);
        }
        let (mut count, mut sums) = (zero, newest.sums.iter());
        count.sums(|sum| *sum = sums.next().copied().unwrap_or_default());
        count
    }
}

impl Newest {
    /// Brings the result to an index: counts what changed, or all users if that is most of them, or if a segment has a sum
    /// that cannot be kept.
    fn advance<A: Sums>(&mut self, index: &Index, selection: &Selection<Arc<Bits>>, zero: &A) {
        let (segments, length) = (index.segments(), index.segments() * self.sums.len());
        let changed =
            index.blocks().iter().map(|block| block.changed_after(Some(self.generation)).count()).sum::<usize>();
        let are_few = segments < MANY_SEGMENTS || changed <= segments / 4;
        let known = (self.parts.len() == length).then_some(self.generation);
        if are_few && known.is_none() {
            self.parts = vec![0; length];
        }
        self.generation = index.generation();
        if are_few && fold_changed(index, known, selection, zero, &mut self.parts) {
            self.sums = total(zero, segments, &self.parts).into_sums();
        } else {
            self.parts = Vec::new();
            self.sums = counted(index, selection, zero.clone()).into_sums();
        }
    }
}

fn counted<A: Sums>(index: &Index, selection: &Selection<Arc<Bits>>, mut zero: A) -> A {
    fold(index, selection, &mut zero);
    zero
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::domain::filter::Clause;
    use crate::domain::settings::capacity::Sizes;
    use crate::domain::status::{Facts, Lane};
    use crate::domain::{Category, Channel, PerChannel, Status, TenantId};
    use crate::live::count::fold::Aggregate;
    use crate::live::count::index::{BLOCK_USERS, Plane, Span, columns};
    use crate::live::count::words::{count, count_both, sum};

    /// Counts the connected users.
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Connected(u64);

    impl Aggregate for Connected {
        fn add(&mut self, span: &Span<'_>, mask: &[u64]) {
            self.0 += count_both(mask, span.plane(Plane::Connected));
        }
    }

    impl Sums for Connected {
        fn sums(&mut self, mut each: impl FnMut(&mut u64)) {
            each(&mut self.0);
        }
    }

    /// Counts the selected users, and sums their slots on a channel.
    #[derive(Clone, Debug, PartialEq)]
    struct Slots(Channel, [u64; 3]);

    impl Aggregate for Slots {
        fn add(&mut self, span: &Span<'_>, mask: &[u64]) {
            let Slots(channel, [users, current, max]) = self;
            *users += count(mask);
            *current += sum(mask, span.current(*channel));
            *max += sum(mask, span.max(*channel));
        }
    }

    impl Sums for Slots {
        fn parameter(&self) -> u8 {
            self.0 as u8
        }

        fn sums(&mut self, each: impl FnMut(&mut u64)) {
            self.1.iter_mut().for_each(each);
        }
    }

    impl KeptCounts {
        /// Changes a sum of each kept count.
        pub(crate) fn damage(&self) {
            for (_, count) in self.counts.get().into_iter().flat_map(Cache::iter) {
                count.newest.lock().sums[0] += 1;
            }
        }
    }

    fn kept() -> KeptCounts {
        KeptCounts::new(Arc::new(Directory::new(TenantId(Uuid::nil()))))
    }

    /// The facts about a user whose channels are all alike.
    fn facts(connected: bool, lane: Lane) -> Facts {
        let (presence, sizes) = (Category::Ready, Sizes::default());
        Facts { connected, presence, routable: true, chat_and_call: true, sizes, lanes: PerChannel::from_fn(|_| lane) }
    }

    /// Stores a user whose columns follow from a number.
    fn set(index: &mut Index, ix: u32, n: u32) {
        let lane = Lane { enabled: true, toggle: !n.is_multiple_of(3), current: n % 4, max: 1 + n % 5 };
        index.set(ix, &columns(&facts(!n.is_multiple_of(2), lane), !n.is_multiple_of(7), true));
    }

    /// Asks three questions, and compares each answer with a count of all users.
    fn agrees(kept: &KeptCounts, index: &Index, filter: &Filter) -> bool {
        fn is_equal<A: Sums + PartialEq>(kept: &KeptCounts, index: &Index, filter: &Filter, zero: A) -> bool {
            kept.count(index, filter, zero.clone()) == counted(index, &Selection::shared(&kept.directory, filter), zero)
        }
        is_equal(kept, index, filter, (Connected::default(), Slots(Channel::Chat, [0; 3])))
            && is_equal(kept, index, filter, Slots(Channel::Chat, [0; 3]))
            && is_equal(kept, index, filter, Slots(Channel::Call, [0; 3]))
    }

    fn some_index(users: u32) -> Index {
        let mut index = Index::default();
        (0..users).for_each(|ix| set(&mut index, ix, ix));
        index
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_kept_count_equals_one_of_all_users(
            users in 1..3 * BLOCK_USERS,
            rounds in proptest::collection::vec(proptest::collection::vec((any::<u32>(), any::<u32>()), 0..20), 1..8),
            older in any::<bool>(),
        ) {
            let (kept, mut index) = (kept(), some_index(users));
            let filters =
                [Filter::default(), Filter::default().and(Clause::Chat(vec![Status::Available])), Filter::default()
                    .and(Clause::Chat(vec![Status::Busy, Status::Available]))];
            for changes in rounds {
                let before = index.clone();
                index.begin();
                for (ix, n) in changes {
                    set(&mut index, ix % users, n);
                }
                for filter in &filters {
                    prop_assert!(agrees(&kept, &index, filter));
                    prop_assert!(!older || agrees(&kept, &before, filter), "an older view");
                }
            }
        }
    }

    #[test]
    fn the_newest_results_are_counted_again() {
        let (kept, mut index, all) = (kept(), some_index(100), Filter::default());
        let is_equal =
            |index: &Index| kept.recounts(index).map(|count| count.kept == count.counted).collect::<Vec<_>>();
        assert_eq!(is_equal(&index), [true; 0], "nothing was asked");
        assert!(agrees(&kept, &index, &all));
        assert_eq!(is_equal(&index), [true; 3]);
        let before = index.clone();
        index.begin();
        set(&mut index, 2, 1);
        assert_eq!(is_equal(&index), [true; 0], "results of an older index");
        assert!(agrees(&kept, &index, &all));
        assert_eq!((is_equal(&index), is_equal(&before)), (vec![true; 3], vec![]));
        kept.damage();
        assert_eq!(is_equal(&index), [false; 3]);
    }

    #[test]
    fn a_change_outside_a_generation_is_missed() {
        let (kept, mut index, all) = (kept(), some_index(100), Filter::default());
        assert!(agrees(&kept, &index, &all));
        // The control of the test above: `publish` begins a generation before its first change.
        set(&mut index, 2, 1);
        assert!(!agrees(&kept, &index, &all));
        index.begin();
        set(&mut index, 4, 1);
        assert!(agrees(&kept, &index, &all), "the segment is counted as a whole");
    }

    #[test]
    fn a_count_is_right_whether_few_or_many_segments_changed() {
        let (kept, users, all) = (kept(), 5 * BLOCK_USERS, Filter::default());
        let mut index = some_index(users);
        assert!(index.segments() >= MANY_SEGMENTS);
        // One user of every so many: of all segments, of one in ten, and again.
        for step in [512, 5_120, 5_120, 512, 40_000, 40_000, 512, 512, 5_120] {
            index.begin();
            (0..users).step_by(step).for_each(|ix| set(&mut index, ix, ix + step as u32));
            assert!(agrees(&kept, &index, &all), "a change of one user in {step}");
        }
    }

    #[test]
    fn one_user_with_a_large_number_is_counted() {
        let (kept, mut index, all) = (kept(), some_index(3), Filter::default());
        for n in 0..3 {
            index.begin();
            let lane = Lane { enabled: true, toggle: true, current: u32::MAX, max: u32::MAX - n };
            (0..3).for_each(|ix| index.set(ix, &columns(&facts(true, lane), true, true)));
            assert!(agrees(&kept, &index, &all), "sums beyond 32 bits");
        }
    }
}
