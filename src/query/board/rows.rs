//! Tables of tiles: a row for each value of a key.

use std::cmp::Reverse;

use super::counts::Counts;
use super::number::cell;
use super::{LocalBreach, RowNow, RowsNow};
use crate::domain::board::{By, Measured, Order, Severity, Tile, USUAL_ROWS};
use crate::query::breakdown::{Row, Value};

/// Evaluates a tile of type rows. Breaches are of all rows, also those that are not shown.
pub(super) fn rows<'v>(
    counts: &mut Counts<'v>,
    tile: &'v Tile,
    breaches: &mut Vec<LocalBreach>,
) -> Result<RowsNow, &'static str> {
    let found = counts.rows(tile)?;
    let columns = tile.columns();
    let by = tile.by.unwrap_or(By::Skill);
    let mut rows: Vec<RowNow> = found.rows.iter().map(|found| row(by, &columns, found, breaches)).collect();
    if tile.order == Some(Order::Severity) {
        // Stable, so that equal severities stay in the order of the key.
        rows.sort_by_key(|row| Reverse(row.severity));
    }
    rows.truncate(tile.first.unwrap_or(USUAL_ROWS) as usize);
    let columns = columns.iter().map(|measured| measured.metric).collect();
    Ok(RowsNow { columns, rows, row_count: found.row_count })
}

/// Evaluates one row, and adds its breaches.
fn row(by: By, columns: &[Measured], found: &Row, breaches: &mut Vec<LocalBreach>) -> RowNow {
    let value = found.values.first().and_then(Option::as_ref);
    let (key, label) = value.map_or_else(|| (String::new(), None), named);
    let mut cells = Vec::with_capacity(columns.len());
    for measured in columns {
        let (cell, text) = cell(measured, &found.counted);
        breaches.extend(text.map(|text| {
            let subject = match &label {
                Some(label) => format!("{} {label}", capitalized(by.label())),
                None => format!("Without {}", by.label()),
            };
            let metric = measured.metric;
            LocalBreach {
                key: format!("/{key}/{}", metric.name()),
                severity: cell.severity,
                text: format!("{subject}, {}: {text}", metric.label().to_lowercase()),
            }
        }));
        cells.push(cell);
    }
    let severity = cells.iter().map(|cell| cell.severity).max().unwrap_or(Severity::Neutral);
    RowNow { key, label, severity, cells }
}

/// Returns a value's key and its name for people.
fn named(value: &Value) -> (String, Option<String>) {
    let from_name = |name: &str| (name.to_owned(), capitalized(&name.replace('_', " ")));
    let (key, label) = match value {
        Value::Entity(entity) => (entity.id().to_string(), entity.name().to_owned()),
        Value::Channel(channel) => from_name(channel.name()),
        Value::Presence(category) => from_name(category.name()),
    };
    (key, Some(label))
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Channel;
    use crate::domain::presence::DefinitionCategory;

    #[test]
    fn channels_and_presences_have_labels() {
        let values = Channel::ALL.map(Value::Channel).into_iter();
        let values = values.chain(DefinitionCategory::ALL.map(Value::Presence));
        let found: Vec<(String, Option<String>)> = values.map(|value| named(&value)).collect();
        let expected = [
            ("chat", "Chat"),
            ("call", "Call"),
            ("video", "Video"),
            ("third_party", "Third party"),
            ("ready", "Ready"),
            ("away", "Away"),
            ("extended_away", "Extended away"),
            ("logged_out", "Logged out"),
        ];
        assert_eq!(found, expected.map(|(key, label)| (key.to_owned(), Some(label.to_owned()))));
    }
}
