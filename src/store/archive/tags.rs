//! The index of the archive: tags, which are the values that conversations are searched by, in the order of the lists.

use std::sync::Arc;

use crate::domain::conversation::{Criteria, IdOwner};

/// The most values of one criterion that are looked up one by one. A search for any of more reads the interval.
const MAX_VALUES: usize = 64;
/// Conversations up to which those with a tag are counted, to find the rarest. Beyond it the first criterion is as good
/// as another.
pub(super) const COUNTED: i64 = 1_000;

/// Tags of which every conversation that meets some criteria has at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tags {
    /// The column `kind` of `archive_tag`.
    pub kind: &'static str,
    /// The values, each once, at least one.
    pub values: Vec<String>,
}

impl Tags {
    /// Returns the tags of each criterion that is in the index, the kinds that are usually rarest first. None of a
    /// criterion that nothing meets, or that has too many values.
    pub fn of(criteria: &Criteria) -> Vec<Self> {
        let users = criteria.users.iter().map(|users| ("user", texts(&ids(users))));
        let others = [
            ("routing_group", criteria.routing_groups.as_deref().map(texts)),
            ("reason", criteria.reasons.clone()),
            ("project", criteria.projects.as_deref().map(texts)),
            (
                "channel",
                criteria.media.as_deref().map(|media| media.iter().map(|medium| medium.name().into()).collect()),
            ),
        ];
        let all = users.chain(others.into_iter().filter_map(|(kind, values)| Some((kind, values?))));
        let tags = all.map(|(kind, mut values)| {
            values.sort_unstable();
            values.dedup();
            Tags { kind, values }
        });
        tags.filter(|tags| (1..=MAX_VALUES).contains(&tags.values.len())).collect()
    }
}

/// Returns the integer ids of users, by which the archive is searched.
pub(super) fn ids(users: &[IdOwner]) -> Vec<i64> {
    users.iter().map(|user| user.id).collect()
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(T::to_string).collect()
}

/// A search in the archive.
#[derive(Clone, Debug, Default)]
pub struct ArchiveFilter {
    /// The criteria.
    pub criteria: Arc<Criteria>,
    /// The part of the index to read. `None` reads all conversations of the interval.
    pub tags: Option<Tags>,
}

impl ArchiveFilter {
    /// Returns true if rows have to be read that are not part of the list, so that it is read in parts. With one tag and
    /// no other criterion the index has the list itself.
    pub fn is_search(&self) -> bool {
        let is_listed = self.tags.as_ref().is_some_and(|tags| tags.values.len() == 1) && self.criteria.filters() == 1;
        self.criteria.is_search() && !is_listed
    }
}

impl From<&Criteria> for ArchiveFilter {
    /// The filter that reads all conversations of the interval.
    fn from(criteria: &Criteria) -> Self {
        ArchiveFilter { criteria: Arc::new(criteria.clone()), tags: None }
    }
}
