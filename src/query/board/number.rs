//! Numbers of tiles: the value of a metric, its severity, and the sentence about a breach.

use super::counts::Counts;
use super::{Cell, ChartNow, LocalBreach, NumberNow};
use crate::domain::board::{Measured, Metric, Severity, Tile, USUAL_HOURS, Unit};
use crate::domain::status::Reason;
use crate::projection::Reasons;

/// Returns the value of a metric; `None` for a percentage of nothing.
pub fn value(metric: Metric, counted: &Reasons) -> Option<f64> {
    let people = |reason| counted.people.of(reason);
    let count = match metric {
        Metric::People => counted.people.people(),
        Metric::Connected => counted.connected(),
        Metric::Available => people(Reason::Available),
        Metric::Reserved => people(Reason::Reserved),
        Metric::Full => people(Reason::Full),
        Metric::Blocked => people(Reason::Blocked),
        Metric::SwitchedOff => people(Reason::SwitchedOff),
        Metric::NotRoutable => people(Reason::NotRoutable),
        Metric::Away => people(Reason::Away),
        Metric::ExtendedAway => people(Reason::ExtendedAway),
        Metric::Disabled => people(Reason::Disabled),
        Metric::Offline => people(Reason::Offline),
        Metric::HeldSlots => counted.held,
        // Slots cannot be reserved yet.
        Metric::ReservedSlots => 0,
        Metric::MaxSlots => counted.max,
        Metric::FreeSlots => counted.free,
        Metric::OccupancyRate => return counted.occupancy_percent(),
        Metric::AvailableRate => return available_rate(counted),
    };
    Some(count as f64)
}

/// Returns the available users in percent of the connected ones; `None` if no user is connected.
fn available_rate(counted: &Reasons) -> Option<f64> {
    let connected = counted.connected();
    (connected > 0).then(|| 100.0 * (counted.people.of(Reason::Available) as f64 / connected as f64))
}

/// Returns the value of a metric with its severity and, for a breach, the sentence about it without its subject.
pub fn cell(measured: &Measured, counted: &Reasons) -> (Cell, Option<String>) {
    let value = value(measured.metric, counted);
    if measured.health {
        let (available, connected) = (counted.people.of(Reason::Available), counted.connected());
        let severity = Severity::of_health(available, connected);
        let rate = available_rate(counted).map_or_else(String::new, |rate| format!(", {}", shown(rate, Unit::Percent)));
        let text = severity.is_breach().then(|| format!("{available} of {connected} connected{rate}."));
        return (Cell { value, severity }, text);
    }
    let (severity, passed) = measured.severity(value);
    let text = value.zip(passed).map(|(value, limit)| format!("{}, {limit}.", shown(value, measured.metric.unit())));
    (Cell { value, severity }, text)
}

/// Returns a value as sentences have it: percentages with at most one decimal.
fn shown(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Percent => format!("{} %", (value * 10.0).round() / 10.0),
        Unit::People | Unit::Slots => format!("{value}"),
    }
}

/// Evaluates a tile of type number.
pub(super) fn number<'v>(
    counts: &mut Counts<'v>,
    tile: &'v Tile,
    title: &str,
    breaches: &mut Vec<LocalBreach>,
) -> Result<NumberNow, &'static str> {
    let (counted, measured) = (counts.total(tile)?, tile.measured());
    let (cell, text) = cell(&measured, &counted);
    breaches.extend(text.map(|text| LocalBreach {
        key: String::new(),
        severity: cell.severity,
        text: format!("{title}: {text}"),
    }));
    let of = tile.of.map(|metric| (metric, value(metric, &counted)));
    Ok(NumberNow { metric: measured.metric, cell, of })
}

/// Evaluates a tile of type chart.
pub(super) fn chart<'v>(counts: &mut Counts<'v>, tile: &'v Tile) -> Result<ChartNow, &'static str> {
    let counted = counts.total(tile)?;
    let series = tile.series().into_iter().map(|metric| (metric, value(metric, &counted))).collect();
    Ok(ChartNow { hours: tile.hours.unwrap_or(USUAL_HOURS), series })
}
