//! Lists of people in tiles.

use std::cmp::Reverse;

use super::counts::Counts;
use super::{PeopleNow, PersonNow};
use crate::domain::board::{Names, Tile, USUAL_PEOPLE};
use crate::domain::status::Reason;
use crate::domain::{Channel, Time};
use crate::live::{Tracked, View};
use crate::projection::roster::{Connection, roster, roster_size};

/// The time of those of whom it is not known, who come last.
const UNKNOWN: Time = Time::from_micros(i64::MAX);

/// A person of a tile.
struct Found {
    /// The best reason first, then the earliest, then by id.
    place: (Reverse<Reason>, Time, i64),
    since: Option<Time>,
    ix: u32,
}

/// Returns the earliest time since which a user has the present reason on some channels; `None` if it is not known of one.
fn earliest<'c>(view: &View, ix: u32, channels: impl Iterator<Item = &'c Channel>) -> Option<Time> {
    channels.map(|channel| view.since(ix, Tracked::Reason(*channel))).min().flatten()
}

/// Evaluates a tile of type people.
pub(super) fn people<'v>(counts: &mut Counts<'v>, tile: &'v Tile, names: Names) -> Result<PeopleNow, &'static str> {
    let (view, resolved, reasons) = (counts.view(), counts.resolved(tile), tile.reasons());
    // Users who are offline are most of a large directory, and are seldom shown.
    let connection = if reasons.contains(&Reason::Offline) { Connection::Any } else { Connection::Online };
    counts.take_people(roster_size(view, &resolved.filter, connection))?;
    let channels: &[Channel] = tile.channels.as_deref().unwrap_or(&Channel::ALL);
    let mut found: Vec<Found> = Vec::new();
    for ix in roster(view, &resolved.filter, connection) {
        let columns = view.columns(ix);
        let best = channels.iter().map(|channel| columns.reason(*channel)).max();
        if let Some(reason) = best.filter(|reason| reasons.contains(reason)) {
            let with_it = channels.iter().filter(|channel| columns.reason(**channel) == reason);
            let since = earliest(view, ix, with_it);
            let place = (Reverse(reason), since.unwrap_or(UNKNOWN), view.directory().user_id(ix));
            found.push(Found { place, since, ix });
        }
    }
    let people_count = found.len() as u64;
    // By the id and not by the name, whose order would show through labels that hide it.
    found.sort_unstable_by_key(|one| one.place);
    found.truncate(tile.first.unwrap_or(USUAL_PEOPLE) as usize);
    let person = |(place, one): (usize, Found)| {
        let (profile, (Reverse(reason), ..)) = (view.directory().profile(one.ix)?, one.place);
        Some(PersonNow { label: names.label(profile.first_name(), profile.name(), place), reason, since: one.since })
    };
    Ok(PeopleNow { people: found.into_iter().enumerate().filter_map(person).collect(), people_count })
}
