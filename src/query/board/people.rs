//! Lists of people in tiles.

use std::cmp::Reverse;

use super::counts::Counts;
use super::{PeopleNow, PersonNow};
use crate::domain::board::{Names, Tile, USUAL_PEOPLE};
use crate::domain::status::Reason;
use crate::domain::{Channel, Time};
use crate::projection::roster::{Connection, roster, roster_size};

/// Evaluates a tile of type people.
pub(super) fn people(counts: &mut Counts<'_>, tile: &Tile, names: Names) -> Result<PeopleNow, &'static str> {
    let (view, filter, reasons) = (counts.view(), counts.filter(tile), tile.reasons());
    // Users who are offline are most of a large directory, and are seldom shown.
    let connection = if reasons.contains(&Reason::Offline) { Connection::Any } else { Connection::Online };
    counts.take_people(roster_size(view, &filter, connection))?;
    let channels: &[Channel] = tile.channels.as_deref().unwrap_or(&Channel::ALL);
    let mut found: Vec<(Reverse<Reason>, i64, u32)> = Vec::new();
    for ix in roster(view, &filter, connection) {
        let columns = view.columns(ix);
        let best = channels.iter().map(|channel| columns.reason(*channel)).max();
        if let Some(reason) = best.filter(|reason| reasons.contains(reason)) {
            found.push((Reverse(reason), view.directory().user_id(ix), ix));
        }
    }
    let people_count = found.len() as u64;
    // By the id and not by the name, whose order would show through labels that hide it.
    found.sort_unstable();
    found.truncate(tile.first.unwrap_or(USUAL_PEOPLE) as usize);
    let person = |(place, (Reverse(reason), _, ix)): (usize, (Reverse<Reason>, i64, u32))| {
        let profile = view.directory().profile(ix)?;
        Some(PersonNow { label: names.label(profile, place), reason, since: None::<Time> })
    };
    Ok(PeopleNow { people: found.into_iter().enumerate().filter_map(person).collect(), people_count })
}
