//! The values of each key of a breakdown, in order, and the combinations of one of each.

use std::sync::Arc;

use super::{Key, Row, Value};
use crate::domain::filter::Dimension;
use crate::domain::presence::DefinitionCategory;
use crate::domain::{Channel, EntityRef, PackedProfile, PerChannel};
use crate::live::View;
use crate::live::count::bits::Bits;
use crate::live::count::index::{Columns, Plane};
use crate::live::directory::kind_of;
use crate::projection::Reasons;
use crate::projection::cells::Condition;
use crate::query::reference::reference;

/// For each key the place of a value on its axis; the place after the last is that of users without a value. Places
/// beyond the keys are 0. Sorted as the rows are.
pub type Combination = [u32; super::MAX_KEYS];

/// The values of one key.
enum Axis {
    /// The channels that count.
    Channels(Vec<Channel>),
    /// The entities of a dimension, ascending by integer id.
    Entities(Entities),
    /// The four categories.
    Presences,
}

struct Entities {
    dimension: Dimension,
    /// Row in the dimension's table, by place.
    rows: Vec<u32>,
    /// Place, by row in the table.
    places: Vec<u32>,
}

/// The axes of all keys, in their order.
pub struct Axes<'v> {
    view: &'v View,
    axes: Vec<Axis>,
}

impl Entities {
    fn new(view: &View, dimension: Dimension) -> Self {
        let table = view.directory().table(kind_of(dimension));
        let mut ids: Vec<(i64, u32)> = table.rows().iter().map(|entity| entity.id).zip(0..).collect();
        ids.sort_unstable();
        let rows: Vec<u32> = ids.into_iter().map(|(_, row)| row).collect();
        let mut places = vec![0; rows.len()];
        rows.iter().zip(0..).for_each(|(row, place)| places[*row as usize] = place);
        Entities { dimension, rows, places }
    }
}

impl Axis {
    /// The number of values.
    fn len(&self) -> usize {
        match self {
            Axis::Channels(channels) => channels.len(),
            Axis::Entities(entities) => entities.rows.len(),
            Axis::Presences => DefinitionCategory::ALL.len(),
        }
    }

    /// Returns true if users can lack a value.
    fn can_lack(&self) -> bool {
        matches!(self, Axis::Entities(_))
    }

    /// The number of places.
    fn places(&self) -> usize {
        self.len() + usize::from(self.can_lack())
    }
}

impl<'v> Axes<'v> {
    /// The axes of some keys in a view.
    pub fn new(view: &'v View, keys: &[Key], channels: PerChannel<bool>) -> Self {
        let axis = |key: &Key| match key {
            Key::Channel => Axis::Channels(Channel::ALL.into_iter().filter(|channel| channels[*channel]).collect()),
            Key::Of(dimension) => Axis::Entities(Entities::new(view, *dimension)),
            Key::Presence => Axis::Presences,
        };
        Axes { view, axes: keys.iter().map(axis).collect() }
    }

    /// The number of channels, if the channel is a key.
    pub fn channels(&self) -> Option<usize> {
        self.axes.iter().find(|axis| matches!(axis, Axis::Channels(_))).map(Axis::len)
    }

    /// The number of all combinations; `None` if it is beyond any bound.
    pub fn most_rows(&self) -> Option<usize> {
        self.axes.iter().try_fold(1_usize, |rows, axis| rows.checked_mul(axis.places()))
    }

    /// The number of combinations in which every key has a value.
    pub fn with_values(&self) -> u64 {
        self.axes.iter().fold(1, |rows, axis| rows.saturating_mul(axis.len() as u64))
    }

    /// Iterates over all combinations, in order.
    pub fn all(&self) -> impl Iterator<Item = Combination> + use<> {
        ascending(self.axes.iter().map(Axis::places).collect())
    }

    /// Iterates over the combinations in which every key has a value, in order.
    pub fn values(&self) -> impl Iterator<Item = Combination> + use<> {
        ascending(self.axes.iter().map(Axis::len).collect())
    }

    /// Returns true if users with this combination lack a value.
    pub fn has_none(&self, combination: &Combination) -> bool {
        self.axes.iter().zip(combination).any(|(axis, place)| *place as usize == axis.len())
    }

    /// Returns the channel of a combination, if the channel is a key.
    pub fn channel_of(&self, combination: &Combination) -> Option<PerChannel<bool>> {
        let mut axes = self.axes.iter().zip(combination);
        axes.find_map(|(axis, place)| match axis {
            Axis::Channels(channels) => {
                let channel = channels[*place as usize];
                Some(PerChannel::from_fn(|other| other == channel))
            }
            Axis::Entities(_) | Axis::Presences => None,
        })
    }

    /// Returns the conditions on the users with a combination. Those without a value refer to [`Axes::unions`].
    pub fn conditions(&self, combination: &Combination) -> Vec<Condition<'v>> {
        let members = self.view.directory().members();
        let axes = self.axes.iter().zip(combination).enumerate();
        axes.filter_map(|(at, (axis, place))| match axis {
            // Each user has a reason on every channel.
            Axis::Channels(_) => None,
            Axis::Entities(entities) => Some(match entities.rows.get(*place as usize) {
                Some(row) => Condition::In(members.of(entities.dimension, *row).map(Arc::as_ref)),
                None => Condition::InNoneOf(at),
            }),
            Axis::Presences => Some(Condition::Shows(DefinitionCategory::ALL[*place as usize])),
        })
        .collect()
    }

    /// Returns all sets of members of each key, by the key's number.
    pub fn unions(&self) -> Vec<Vec<&'v Bits>> {
        let members = self.view.directory().members();
        let sets = |axis: &Axis| match axis {
            Axis::Entities(entities) => {
                entities.rows.iter().filter_map(|row| members.of(entities.dimension, *row).map(Arc::as_ref)).collect()
            }
            Axis::Channels(_) | Axis::Presences => Vec::new(),
        };
        self.axes.iter().map(sets).collect()
    }

    /// Returns, for each key, the places of the values that a user has.
    pub fn places_of(&self, ix: u32, profile: &PackedProfile) -> Vec<Vec<u32>> {
        let places = |axis: &Axis| match axis {
            Axis::Channels(channels) => (0..channels.len() as u32).collect(),
            Axis::Entities(entities) => {
                let rows = self.view.directory().rows_in(profile, entities.dimension);
                let places: Vec<u32> = rows.into_iter().map(|row| entities.places[row as usize]).collect();
                if places.is_empty() { vec![entities.rows.len() as u32] } else { places }
            }
            Axis::Presences => vec![shown(&self.view.columns(ix)) as u32],
        };
        self.axes.iter().map(places).collect()
    }

    /// Returns rows with the values of their combinations.
    pub fn rows(&self, counted: Vec<(Combination, Reasons)>) -> Vec<Row> {
        let value = |(axis, place): (&Axis, &u32)| match axis {
            Axis::Channels(channels) => Some(Value::Channel(channels[*place as usize])),
            Axis::Entities(entities) => {
                let row = entities.rows.get(*place as usize)?;
                let kind = kind_of(entities.dimension);
                let entity = self.view.directory().table(kind).row(*row)?;
                reference(self.view, kind, EntityRef::Id(entity.id)).map(Value::Entity)
            }
            Axis::Presences => Some(Value::Presence(DefinitionCategory::ALL[*place as usize])),
        };
        let row = |(combination, counted): (Combination, Reasons)| {
            let values = self.axes.iter().zip(&combination).map(value).collect();
            Row { values, counted }
        };
        counted.into_iter().map(row).collect()
    }
}

/// Returns the category of the presence that a user shows.
const fn shown(columns: &Columns) -> DefinitionCategory {
    if !columns.has(Plane::Connected) {
        DefinitionCategory::LoggedOut
    } else if columns.has(Plane::Away) {
        DefinitionCategory::Away
    } else if columns.has(Plane::ExtendedAway) {
        DefinitionCategory::ExtendedAway
    } else {
        DefinitionCategory::Ready
    }
}

/// Iterates over the combinations of a place below each of `lengths`, in ascending order; none if a length is 0.
fn ascending(lengths: Vec<usize>) -> impl Iterator<Item = Combination> {
    let first = (!lengths.contains(&0)).then_some(Combination::default());
    std::iter::successors(first, move |last| {
        let mut next = *last;
        // Counts like an odometer, the last place fastest.
        for (place, length) in next.iter_mut().zip(&lengths).rev() {
            *place += 1;
            if (*place as usize) < *length {
                return Some(next);
            }
            *place = 0;
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combinations_ascend() {
        let all = |lengths: &[usize]| ascending(lengths.to_vec()).collect::<Vec<_>>();
        assert_eq!(all(&[]), [[0, 0, 0]]);
        assert_eq!(all(&[2]), [[0, 0, 0], [1, 0, 0]]);
        assert_eq!(all(&[2, 2]), [[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]]);
        assert_eq!(all(&[3, 0]), Vec::<Combination>::new());
        let three = all(&[3, 4, 5]);
        assert!(three.len() == 60 && three.is_sorted());
    }
}
