//! What a tile counts, and the limits past which a count is a warning or critical.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Number;

use crate::domain::json;

/// A number about users. Percentages have no value where they would divide by zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the numbers of the breakdown by their names")]
pub enum Metric {
    People,
    Connected,
    Available,
    Reserved,
    Full,
    Blocked,
    SwitchedOff,
    NotRoutable,
    Away,
    ExtendedAway,
    Disabled,
    Offline,
    HeldSlots,
    ReservedSlots,
    MaxSlots,
    FreeSlots,
    OccupancyRate,
    /// The available users in percent of the connected ones.
    AvailableRate,
}

/// The unit of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "what is counted")]
pub enum Unit {
    People,
    Slots,
    Percent,
}

impl Metric {
    /// All metrics, in declaration order.
    pub const ALL: [Metric; 18] = [
        Metric::People,
        Metric::Connected,
        Metric::Available,
        Metric::Reserved,
        Metric::Full,
        Metric::Blocked,
        Metric::SwitchedOff,
        Metric::NotRoutable,
        Metric::Away,
        Metric::ExtendedAway,
        Metric::Disabled,
        Metric::Offline,
        Metric::HeldSlots,
        Metric::ReservedSlots,
        Metric::MaxSlots,
        Metric::FreeSlots,
        Metric::OccupancyRate,
        Metric::AvailableRate,
    ];

    const fn texts(self) -> (&'static str, &'static str) {
        match self {
            Metric::People => ("people", "People"),
            Metric::Connected => ("connected", "Connected"),
            Metric::Available => ("available", "Available"),
            Metric::Reserved => ("reserved", "Reserved"),
            Metric::Full => ("full", "Full"),
            Metric::Blocked => ("blocked", "Blocked"),
            Metric::SwitchedOff => ("switched_off", "Switched off"),
            Metric::NotRoutable => ("not_routable", "Not routable"),
            Metric::Away => ("away", "Away"),
            Metric::ExtendedAway => ("extended_away", "Extended away"),
            Metric::Disabled => ("disabled", "Disabled"),
            Metric::Offline => ("offline", "Offline"),
            Metric::HeldSlots => ("held_slots", "Held slots"),
            Metric::ReservedSlots => ("reserved_slots", "Reserved slots"),
            Metric::MaxSlots => ("max_slots", "Slots"),
            Metric::FreeSlots => ("free_slots", "Free slots"),
            Metric::OccupancyRate => ("occupancy_rate", "Occupancy"),
            Metric::AvailableRate => ("available_rate", "Available of connected"),
        }
    }

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        self.texts().0
    }

    /// The name for people.
    pub const fn label(self) -> &'static str {
        self.texts().1
    }

    /// The unit.
    pub const fn unit(self) -> Unit {
        match self {
            Metric::HeldSlots | Metric::ReservedSlots | Metric::MaxSlots | Metric::FreeSlots => Unit::Slots,
            Metric::OccupancyRate | Metric::AvailableRate => Unit::Percent,
            _ => Unit::People,
        }
    }

    /// Returns true if the bands of [`Severity::of_health`] are about this metric.
    pub const fn has_health(self) -> bool {
        matches!(self, Metric::Available | Metric::AvailableRate)
    }
}

/// A limit in one direction: exactly one member is set in a board that [`super::Board::check`] accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// Passed by smaller values.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub below: Option<Number>,
    /// Passed by greater values.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub above: Option<Number>,
}

/// The meaning of a [`Threshold`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// Passed by smaller values.
    Below(f64),
    /// Passed by greater values.
    Above(f64),
}

impl Threshold {
    /// The limit; `None` if not exactly one direction is set.
    pub fn limit(&self) -> Option<Limit> {
        match (&self.below, &self.above) {
            (Some(limit), None) => limit.as_f64().map(Limit::Below),
            (None, Some(limit)) => limit.as_f64().map(Limit::Above),
            _ => None,
        }
    }

    fn is_passed(&self, value: f64) -> bool {
        match self.limit() {
            Some(Limit::Below(limit)) => value < limit,
            Some(Limit::Above(limit)) => value > limit,
            None => false,
        }
    }
}

impl fmt::Display for Threshold {
    /// Writes the limit as sentences have it, such as "below 5".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.below, &self.above) {
            (Some(limit), _) => write!(f, "below {limit}"),
            (None, Some(limit)) => write!(f, "above {limit}"),
            (None, None) => Ok(()),
        }
    }
}

/// A metric with its limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The metric.
    pub metric: Metric,
    /// Past it the value is a warning.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json::object")]
    pub warn: Option<Threshold>,
    /// Past it the value is critical.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json::object")]
    pub alert: Option<Threshold>,
    /// True for the bands of [`Severity::of_health`] in place of limits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub health: bool,
}

/// From nothing to say to the worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Without a limit, or without a value.
    #[default]
    Neutral,
    /// Within its limits.
    Healthy,
    /// Within its limits, and near them.
    Monitor,
    /// Past the limit of warnings.
    Warning,
    /// Past the limit of alerts.
    Critical,
    /// None of the connected users is available.
    Unavailable,
}

impl Severity {
    /// All severities, in ascending order.
    pub const ALL: [Severity; 6] = [
        Severity::Neutral,
        Severity::Healthy,
        Severity::Monitor,
        Severity::Warning,
        Severity::Critical,
        Severity::Unavailable,
    ];

    /// Returns true if it is one that a breach has.
    pub fn is_breach(self) -> bool {
        self >= Severity::Warning
    }

    /// The severity of so many available users of so many connected ones, by the bands that Convoso recommends for its
    /// counts: up to 5 % critical, below 10 % a warning, up to 20 % to be monitored.
    pub const fn of_health(available: u64, connected: u64) -> Self {
        // In integers: 5 of 100 is 5 %, whatever 5.0 / 100.0 is.
        match (available as u128 * 100, connected as u128) {
            (_, 0) => Severity::Neutral,
            (0, _) => Severity::Unavailable,
            (share, all) if share <= 5 * all => Severity::Critical,
            (share, all) if share < 10 * all => Severity::Warning,
            (share, all) if share <= 20 * all => Severity::Monitor,
            _ => Severity::Healthy,
        }
    }
}

impl Measured {
    /// A metric without limits.
    pub const fn new(metric: Metric) -> Self {
        Measured { metric, warn: None, alert: None, health: false }
    }

    /// Returns the severity of a value by the limits, which do not include the bands of health, with the limit that it
    /// passes.
    pub fn severity(&self, value: Option<f64>) -> (Severity, Option<&Threshold>) {
        let Some(value) = value.filter(|_| self.warn.is_some() || self.alert.is_some()) else {
            return (Severity::Neutral, None);
        };
        let passed = |limit: &Option<Threshold>| limit.as_ref().is_some_and(|limit| limit.is_passed(value));
        if passed(&self.alert) {
            (Severity::Critical, self.alert.as_ref())
        } else if passed(&self.warn) {
            (Severity::Warning, self.warn.as_ref())
        } else {
            (Severity::Healthy, None)
        }
    }
}

/// A column of a table. Without limits its JSON is the metric's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column(pub Measured);

impl Serialize for Column {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Column(measured) = self;
        if *measured == Measured::new(measured.metric) {
            return measured.metric.serialize(serializer);
        }
        measured.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Column {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Column;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a metric, or an object with a metric")
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<Column, E> {
                Metric::deserialize(name.into_deserializer()).map(|metric| Column(Measured::new(metric)))
            }
            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Column, A::Error> {
                Measured::deserialize(MapAccessDeserializer::new(members)).map(Column)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_have_the_names_of_their_json() {
        for metric in Metric::ALL {
            assert_eq!(serde_json::to_value(metric).unwrap(), metric.name());
        }
    }

    #[test]
    fn health_has_the_bands_of_convoso() {
        for (available, connected, severity) in [
            (0, 0, Severity::Neutral),
            (0, 1, Severity::Unavailable),
            (1, 100, Severity::Critical),
            (5, 100, Severity::Critical),
            (6, 100, Severity::Warning),
            (99, 1_000, Severity::Warning),
            (10, 100, Severity::Monitor),
            (20, 100, Severity::Monitor),
            (201, 1_000, Severity::Healthy),
            (40, 40, Severity::Healthy),
        ] {
            assert_eq!(Severity::of_health(available, connected), severity, "{available} of {connected}");
        }
    }

    #[test]
    fn limits_are_passed_strictly_and_alerts_come_first() {
        let measured = |json: &str| serde_json::from_str::<Measured>(json).unwrap();
        let below = measured(r#"{"metric":"available","warn":{"below":10},"alert":{"below":5}}"#);
        let above = measured(r#"{"metric":"full","warn":{"above":1.5}}"#);
        for (measured, value, severity) in [
            (&below, Some(10.0), Severity::Healthy),
            (&below, Some(9.0), Severity::Warning),
            (&below, Some(5.0), Severity::Warning),
            (&below, Some(4.0), Severity::Critical),
            (&below, None, Severity::Neutral),
            (&above, Some(1.5), Severity::Healthy),
            (&above, Some(2.0), Severity::Warning),
            (&Measured::new(Metric::Full), Some(2.0), Severity::Neutral),
        ] {
            assert_eq!(measured.severity(value).0, severity, "{measured:?} {value:?}");
        }
    }

    #[test]
    fn columns_are_written_as_they_are_read() {
        for text in [r#""full""#, r#"{"metric":"full","warn":{"above":3}}"#, r#"{"metric":"available","health":true}"#]
        {
            let column: Column = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&column).unwrap(), text);
        }
        for text in ["1", "null", r#""fuller""#, r#"{"metric":"full","limit":3}"#, "[]"] {
            assert!(serde_json::from_str::<Column>(text).is_err(), "{text}");
        }
    }
}
