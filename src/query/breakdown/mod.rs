//! The breakdown: users by reason and their slots, in all and by up to three keys
//! (docs/reference/native.md, "Breakdown").

mod axes;
mod occurring;
mod unknown;

pub use unknown::{NamedClause, UnknownValue, deleted_users, filter, is_deleted, unknown_values};

use crate::domain::filter::Dimension;
use crate::domain::presence::DefinitionCategory;
use crate::domain::{Channel, Fault, Filter, PerChannel};
use crate::live::View;
use crate::live::directory::kind_of;
use crate::projection::Reasons;
use crate::projection::cells::{Cell, Cells};
use crate::query::reference::Reference;
use axes::{Axes, Combination};
use occurring::occurring;

/// Most keys of one breakdown.
pub const MAX_KEYS: usize = 3;
/// Most rows that are counted, and the greatest number that can be requested.
pub const MAX_ROWS: usize = 5_000;
/// Rows that are returned at most if no number is requested.
pub const DEFAULT_ROWS: usize = 1_000;

/// A property by which users are broken down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The channel, on each of which a user has a reason.
    Channel,
    /// A dimension of the directory, of which a user may have several values.
    Of(Dimension),
    /// The category of the presence that a user shows.
    Presence,
}

impl Key {
    /// All keys, in the order in which they are documented.
    pub const ALL: [Key; 8] = [
        Key::Channel,
        Key::Of(Dimension::Group),
        Key::Of(Dimension::Skill),
        Key::Of(Dimension::Queue),
        Key::Of(Dimension::Campaign),
        Key::Of(Dimension::Project),
        Key::Of(Dimension::RoutingGroup),
        Key::Presence,
    ];

    /// The key's name, in snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Key::Channel => "channel",
            Key::Of(dimension) => kind_of(dimension).name(),
            Key::Presence => "presence",
        }
    }

    /// The number of rows of this key alone in a directory, at most: one for each value, and one for users without any.
    pub fn most_rows(self, view: &View) -> usize {
        match self {
            Key::Channel | Key::Presence => 4,
            Key::Of(dimension) => view.directory().table(kind_of(dimension)).count() + 1,
        }
    }
}

/// The arguments of a breakdown, as a caller gives them.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    /// Keys, in the order of the rows' values.
    pub keys: Vec<Key>,
    /// The channels that count; all of them if `None`.
    pub channels: Option<Vec<Channel>>,
    /// Selects the users.
    pub filter: Filter,
    /// True: a row for every combination of values, also without users. `None`: for a single key.
    pub include_empty: Option<bool>,
    /// The most rows to return; [`DEFAULT_ROWS`] if `None`.
    pub first: Option<i64>,
}

/// A breakdown to compute, within the limits.
#[derive(Clone, Debug)]
pub struct Question {
    keys: Vec<Key>,
    channels: PerChannel<bool>,
    filter: Filter,
    include_empty: bool,
    first: usize,
}

/// The name of an argument that is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentName {
    /// [`Arguments::keys`].
    Keys,
    /// [`Arguments::channels`].
    Channels,
    /// [`Arguments::first`].
    First,
}

/// An argument that is not valid, with the problem as a predicate such as "has no channel".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidArgument {
    /// The argument.
    pub name: ArgumentName,
    /// The problem.
    pub detail: String,
}

impl Question {
    /// Checks the arguments against the limits.
    pub fn new(arguments: Arguments) -> Result<Self, InvalidArgument> {
        let invalid = |name, detail: String| Err(InvalidArgument { name, detail });
        let Arguments { keys, channels, filter, include_empty, first } = arguments;
        if keys.len() > MAX_KEYS {
            return invalid(ArgumentName::Keys, format!("has more than {MAX_KEYS} keys"));
        }
        if let Some((_, key)) = keys.iter().enumerate().find(|(at, key)| keys[..*at].contains(key)) {
            return invalid(ArgumentName::Keys, format!("has the key {} twice", key.name()));
        }
        let channels = channels.unwrap_or_else(|| Channel::ALL.into());
        if channels.is_empty() {
            return invalid(ArgumentName::Channels, String::from("has no channel"));
        }
        let first = first.map_or(Some(DEFAULT_ROWS), |first| usize::try_from(first).ok());
        let Some(first) = first.filter(|first| (1..=MAX_ROWS).contains(first)) else {
            return invalid(ArgumentName::First, format!("must be from 1 to {MAX_ROWS}"));
        };
        let include_empty = include_empty.unwrap_or(keys.len() == 1);
        let channels = PerChannel::from_fn(|channel| channels.contains(&channel));
        Ok(Question { keys, channels, filter, include_empty, first })
    }

    /// The keys, in the order of the rows' values.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }
}

/// One value of a key.
#[derive(Clone, Debug)]
pub enum Value {
    /// A channel.
    Channel(Channel),
    /// An entity of the directory.
    Entity(Reference),
    /// A category of presences.
    Presence(DefinitionCategory),
}

/// The users with one value of each key.
#[derive(Clone, Debug)]
pub struct Row {
    /// A value for each key, in their order; `None` for users without a value.
    pub values: Vec<Option<Value>>,
    /// Their reasons and slots, on the row's channel if the channel is a key.
    pub counted: Reasons,
}

/// Users by reason and their slots, in all and by row.
#[derive(Clone, Debug)]
pub struct Breakdown {
    /// All selected users, each counted once.
    pub total: Reasons,
    /// The first rows, in ascending order of the first key, then of the others. Channels and categories are in the order
    /// of their declaration, entities ascending by integer id, and users without a value last.
    pub rows: Vec<Row>,
    /// The number of rows, with those that are not returned.
    pub row_count: u64,
    /// The sum of the users of all rows, per channel, less all users: the number of times that users are counted again.
    pub overlap: u64,
}

impl Breakdown {
    /// Returns true if there are more rows than are returned.
    pub fn is_truncated(&self) -> bool {
        self.row_count > self.rows.len() as u64
    }
}

/// Computes a breakdown of a view.
///
/// [`Fault::Malformed`] if the selected users have more combinations of values than can be counted.
pub fn breakdown(view: &View, question: &Question) -> Result<Breakdown, Fault> {
    let axes = Axes::new(view, &question.keys, question.channels);
    let total = view.count(&question.filter, Reasons::on(question.channels));
    // With the channel as a key each user is in the rows of every channel.
    let times = axes.channels().unwrap_or(1) as u64;
    let overlap = |in_rows: u64| in_rows / times - total.people.people();
    if axes.most_rows().is_some_and(|rows| rows <= MAX_ROWS) {
        let mut rows = counted(view, question, &axes, axes.all().collect());
        rows.retain(|(combination, reasons)| {
            reasons.people.people() > 0 || question.include_empty && !axes.has_none(combination)
        });
        let in_rows = rows.iter().map(|(_, reasons)| reasons.people.people()).sum();
        let row_count = rows.len() as u64;
        rows.truncate(question.first);
        return Ok(Breakdown { total, rows: axes.rows(rows), row_count, overlap: overlap(in_rows) });
    }
    let found = occurring(view, &question.filter, &axes)?;
    let (mut combinations, row_count) = if question.include_empty {
        let without: Vec<Combination> = found.combinations.into_iter().filter(|one| axes.has_none(one)).collect();
        let row_count = axes.with_values() + without.len() as u64;
        // The first of both together are among the first of each.
        let mut first: Vec<Combination> = axes.values().take(question.first).collect();
        first.extend(without);
        (first, row_count)
    } else {
        let row_count = found.combinations.len() as u64;
        (found.combinations, row_count)
    };
    combinations.sort_unstable();
    combinations.truncate(question.first);
    let rows = axes.rows(counted(view, question, &axes, combinations));
    Ok(Breakdown { total, rows, row_count, overlap: overlap(found.members) })
}

/// Counts the users of each combination, in one pass over the selection.
fn counted(
    view: &View,
    question: &Question,
    axes: &Axes<'_>,
    combinations: Vec<Combination>,
) -> Vec<(Combination, Reasons)> {
    let cell = |combination: &Combination| {
        let channels = axes.channel_of(combination).unwrap_or(question.channels);
        Cell { conditions: axes.conditions(combination), counted: Reasons::on(channels) }
    };
    let unions = if combinations.iter().any(|one| axes.has_none(one)) { axes.unions() } else { Vec::new() };
    let cells = Cells { unions, cells: combinations.iter().map(cell).collect() };
    let counted = view.count(&question.filter, cells).cells;
    combinations.into_iter().zip(counted.into_iter().map(|cell| cell.counted)).collect()
}
