//! Breakdowns, by a walk over all users and all of their combinations of values
//! (docs/reference/native.md, "Breakdown").

use std::collections::BTreeMap;

use rollcall::domain::{Category, Channel, Filter};
use rollcall::live::directory::kind_of;
use rollcall::query::breakdown::Key;

use super::answers::Counted;
use super::{Individual, Reference};

/// A value of a key: `None` for users without one. Sorted as rows are, with these last.
type Place = (bool, i64);

/// A breakdown as the reference counts it.
#[derive(Clone, Debug, PartialEq)]
pub struct Broken {
    pub total: Counted,
    /// The values of each row: the number of a channel or a category, or the id of an entity.
    pub rows: Vec<(Vec<Option<i64>>, Counted)>,
    pub row_count: u64,
    pub overlap: u64,
}

/// What is asked, without the checks of its arguments.
#[derive(Clone, Debug)]
pub struct Broke<'a> {
    pub keys: &'a [Key],
    pub channels: &'a [Channel],
    pub filter: &'a Filter,
    pub include_empty: bool,
    pub first: usize,
}

impl Reference {
    /// Returns a breakdown of the users that a filter selects.
    pub fn breakdown(&self, everyone: &[Individual<'_>], asked: &Broke<'_>) -> Broken {
        let is_meant = |one: &&Individual<'_>| asked.filter.clauses().iter().all(|clause| self.is_meant(one, clause));
        let mut total = Counted::default();
        let mut rows: BTreeMap<Vec<Place>, Counted> = BTreeMap::new();
        if asked.include_empty {
            let all = product(&asked.keys.iter().map(|key| self.values(*key, asked)).collect::<Vec<_>>());
            rows.extend(all.into_iter().map(|row| (row, Counted::default())));
        }
        for one in everyone.iter().filter(is_meant) {
            total.add(one, asked.channels);
            let theirs: Vec<Vec<Place>> = asked.keys.iter().map(|key| self.theirs(*key, one, asked)).collect();
            for row in product(&theirs) {
                let channel = asked.keys.iter().zip(&row).find(|(key, _)| **key == Key::Channel);
                let channel = channel.map(|(_, place)| [Channel::ALL[place.1 as usize]]);
                let channels = channel.as_ref().map_or(asked.channels, |one| one.as_slice());
                rows.entry(row).or_default().add(one, channels);
            }
        }
        let people = |counted: &Counted| counted.reasons.iter().sum::<u64>();
        let times = if asked.keys.contains(&Key::Channel) { asked.channels.len() as u64 } else { 1 };
        let (row_count, in_rows) = (rows.len() as u64, rows.values().map(people).sum::<u64>());
        let shown = |(is_none, value): Place| (!is_none).then_some(value);
        let rows = rows.into_iter().take(asked.first);
        let rows = rows.map(|(row, counted)| (row.into_iter().map(shown).collect(), counted)).collect();
        Broken { total, rows, row_count, overlap: in_rows / times - people(&total) }
    }

    /// Returns all values of a key.
    fn values(&self, key: Key, asked: &Broke<'_>) -> Vec<Place> {
        let values: Vec<i64> = match key {
            Key::Channel => asked.channels.iter().map(|channel| *channel as i64).collect(),
            Key::Presence => (0..4).collect(),
            Key::Of(dimension) => self.directory.entities(kind_of(dimension)).iter().map(|entity| entity.id).collect(),
        };
        values.into_iter().map(|value| (false, value)).collect()
    }

    /// Returns the values of a key that a user has.
    fn theirs(&self, key: Key, one: &Individual<'_>, asked: &Broke<'_>) -> Vec<Place> {
        let Key::Of(dimension) = key else {
            let category = match one.presence {
                _ if !one.connected => 3,
                Category::Ready => 0,
                Category::Away => 1,
                Category::ExtendedAway => 2,
            };
            return if key == Key::Presence { vec![(false, category)] } else { self.values(key, asked) };
        };
        let kind = kind_of(dimension);
        let is_primary = |id: i64| kind.name() == "group" && one.account.primary_group == Some(id);
        let all = self.values(key, asked).into_iter();
        let theirs: Vec<Place> =
            all.filter(|(_, id)| one.account.belongs[&kind].contains(id) || is_primary(*id)).collect();
        if theirs.is_empty() { vec![(true, 0)] } else { theirs }
    }
}

/// Returns every combination of one element of each list.
fn product(lists: &[Vec<Place>]) -> Vec<Vec<Place>> {
    lists.iter().fold(vec![Vec::new()], |rows, list| {
        let with = |row: &Vec<Place>| list.iter().map(|place| [row.as_slice(), &[*place]].concat()).collect::<Vec<_>>();
        rows.iter().flat_map(with).collect()
    })
}
