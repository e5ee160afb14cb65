//! Wallboards as data: pages of tiles, each with the numbers, rows or people that it shows
//! (docs/reference/native.md, "Wallboards").

mod built_in;
mod check;
mod filters;
mod measure;
mod names;

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::channel::Channel;
use super::json;
use super::status::Reason;

pub use built_in::built_in;
pub use filters::{FilterValue, Filters, Named};
pub use measure::{Column, Limit, Measured, Metric, Severity, Threshold, Unit};
pub use names::Names;

/// The name of the board that always exists: the built-in one, unless a board of that name was put.
pub const DEFAULT: &str = "default";
/// Most boards of a tenant.
pub const MAX_BOARDS: usize = 50;
/// Most pages of a board.
pub const MAX_PAGES: usize = 10;
/// Most tiles of a page.
pub const MAX_TILES: usize = 24;
/// Most characters of a title.
pub const MAX_TITLE: usize = 80;
/// Seconds after which the next page can be shown.
pub const ROTATION: RangeInclusive<u32> = 5..=3_600;
/// Quarters of a screen that a tile can have.
pub const WIDTHS: RangeInclusive<u32> = 1..=4;
/// Hours that a chart can show.
pub const HOURS: RangeInclusive<u32> = 1..=24;
/// Most rows or people that a tile shows.
pub const MAX_FIRST: u32 = 500;
/// Most columns of a tile of rows.
pub const MAX_COLUMNS: usize = 8;
/// Most series of a chart.
pub const MAX_SERIES: usize = 4;
/// Rows that a tile shows unless it has a number.
pub const USUAL_ROWS: u32 = 50;
/// People that a tile shows unless it has a number.
pub const USUAL_PEOPLE: u32 = 100;
/// Hours that a chart shows unless it has a number.
pub const USUAL_HOURS: u32 = 8;

/// A wallboard, as `PUT /v1/wallboards/{name}` takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// The heading; the board's name if absent.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub title: Option<String>,
    /// The colours.
    #[serde(default, skip_serializing_if = "Theme::is_default")]
    pub theme: Theme,
    /// Seconds until the next page is shown; `None` if pages do not change by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_seconds: Option<u32>,
    /// The pages, at least one.
    #[serde(deserialize_with = "json::list")]
    pub pages: Vec<Page>,
}

/// The colours of a board.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Theme {
    /// Those that the browser prefers.
    #[default]
    Auto,
    /// Light text on a dark ground.
    Dark,
    /// Dark text on a light ground.
    Light,
}

impl Theme {
    /// All themes, in declaration order.
    pub const ALL: [Theme; 3] = [Theme::Auto, Theme::Dark, Theme::Light];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Theme::Auto => "auto",
            Theme::Dark => "dark",
            Theme::Light => "light",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_default(&self) -> bool {
        *self == Theme::default()
    }
}

/// A page of a board.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// The heading.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub title: Option<String>,
    /// The tiles, at least one.
    #[serde(deserialize_with = "json::list")]
    pub tiles: Vec<Tile>,
}

/// The kind of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TileType {
    /// One large number.
    Number,
    /// A table with a row for each value of a key.
    Rows,
    /// People with the reason why they can or cannot take a conversation.
    People,
    /// Numbers over time.
    Chart,
}

impl TileType {
    /// All kinds, in declaration order.
    pub const ALL: [TileType; 4] = [TileType::Number, TileType::Rows, TileType::People, TileType::Chart];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            TileType::Number => "number",
            TileType::Rows => "rows",
            TileType::People => "people",
            TileType::Chart => "chart",
        }
    }
}

/// The key of a table's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the keys of the breakdown by their names")]
pub enum By {
    Channel,
    Group,
    Skill,
    Queue,
    Campaign,
    Project,
    RoutingGroup,
    Presence,
}

impl By {
    /// All keys, in declaration order.
    pub const ALL: [By; 8] =
        [By::Channel, By::Group, By::Skill, By::Queue, By::Campaign, By::Project, By::RoutingGroup, By::Presence];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            By::Channel => "channel",
            By::Group => "group",
            By::Skill => "skill",
            By::Queue => "queue",
            By::Campaign => "campaign",
            By::Project => "project",
            By::RoutingGroup => "routing_group",
            By::Presence => "presence",
        }
    }

    /// The name as titles and sentences have it.
    pub const fn label(self) -> &'static str {
        match self {
            By::RoutingGroup => "routing group",
            other => other.name(),
        }
    }
}

/// The order of a table's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// By the key, as the breakdown has them.
    Key,
    /// The worst first, and then by the key.
    Severity,
}

impl Order {
    /// The names on the wire, in declaration order.
    pub const NAMES: [&str; 2] = ["key", "severity"];
}

/// A tile of a page. All kinds share one form; [`Board::check`] finds members that belong to another kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tile {
    /// The kind.
    pub r#type: TileType,
    /// The heading; made of the other members if absent.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub title: Option<String>,
    /// The width in quarters of a wide screen.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub width: Option<u32>,
    /// Selects the users; all of them by default.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json::object")]
    pub filters: Option<Filters>,
    /// The channels that count; all of them by default.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub channels: Option<Vec<Channel>>,
    /// Number: what is shown.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub metric: Option<Metric>,
    /// Number: what is shown beside it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub of: Option<Metric>,
    /// Number: past it the tile is a warning.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json::object")]
    pub warn: Option<Threshold>,
    /// Number: past it the tile is critical.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json::object")]
    pub alert: Option<Threshold>,
    /// Number: true for the bands of [`Severity::of_health`].
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub health: Option<bool>,
    /// Rows: the key.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub by: Option<By>,
    /// Rows: the columns.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub columns: Option<Vec<Column>>,
    /// Rows: false leaves out values without users.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub include_empty: Option<bool>,
    /// Rows: the order.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub order: Option<Order>,
    /// Rows and people: the most that are shown.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub first: Option<u32>,
    /// People: those with one of these reasons.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub reasons: Option<Vec<Reason>>,
    /// Chart: what is shown.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub series: Option<Vec<Metric>>,
    /// Chart: the hours that are shown.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub hours: Option<u32>,
}

impl Tile {
    /// Creates a tile of a kind with no other member.
    pub const fn new(r#type: TileType) -> Self {
        Tile {
            r#type,
            title: None,
            width: None,
            filters: None,
            channels: None,
            metric: None,
            of: None,
            warn: None,
            alert: None,
            health: None,
            by: None,
            columns: None,
            include_empty: None,
            order: None,
            first: None,
            reasons: None,
            series: None,
            hours: None,
        }
    }

    /// The number of a tile of that kind, with its limits.
    pub fn measured(&self) -> Measured {
        let (warn, alert) = (self.warn.clone(), self.alert.clone());
        let metric = self.metric.unwrap_or(Metric::Available);
        Measured { metric, warn, alert, health: self.health.unwrap_or_default() }
    }

    /// The columns of a table.
    pub fn columns(&self) -> Vec<Measured> {
        let usual = [Metric::Available, Metric::Full, Metric::Away, Metric::Connected].map(Measured::new);
        self.columns.as_ref().map_or_else(|| usual.into(), |all| all.iter().map(|Column(one)| one.clone()).collect())
    }

    /// The metrics of a chart.
    pub fn series(&self) -> Vec<Metric> {
        self.series.clone().unwrap_or_else(|| vec![Metric::Available, Metric::Connected])
    }

    /// The reasons of the people that are shown, in the order of [`Reason::ALL`].
    pub fn reasons(&self) -> Vec<Reason> {
        let usual = |reason: Reason| !matches!(reason, Reason::Disabled | Reason::Offline);
        let is_wanted = |reason: &Reason| match &self.reasons {
            Some(reasons) => reasons.contains(reason),
            None => usual(*reason),
        };
        Reason::ALL.into_iter().filter(is_wanted).collect()
    }
}

impl Board {
    /// Returns true if a tile lists people.
    pub fn shows_people(&self) -> bool {
        self.pages.iter().flat_map(|page| &page.tiles).any(|tile| tile.r#type == TileType::People)
    }
}

/// Returns true for a name that a board can have: 1 to 64 of `a` to `z`, `0` to `9` and `-`.
pub fn is_board_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// The name of a board, in a form that can be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BoardName {
    /// The name, and zeros after it.
    bytes: [u8; BoardName::MAX],
    length: u8,
}

impl BoardName {
    const MAX: usize = 64;

    /// Returns the name, unless no board can have it.
    pub fn new(name: &str) -> Option<Self> {
        let mut bytes = [0; BoardName::MAX];
        bytes.get_mut(..name.len()).filter(|_| is_board_name(name))?.copy_from_slice(name.as_bytes());
        Some(BoardName { bytes, length: name.len() as u8 })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        // Only ASCII gets here.
        std::str::from_utf8(&self.bytes[..self.length.into()]).unwrap_or_default()
    }
}

/// The state that a board must be in for a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// A board of the name exists.
    Present,
    /// The board has this version: the position at which it was put, or 0 for the built-in one.
    Version(u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        for name in ["a", "default", "floor-2", "-", &"x".repeat(64)] {
            assert_eq!(BoardName::new(name).expect("a name").as_str(), name);
        }
        for name in ["", "A", "a b", "a_b", "a/b", "\u{e4}", &"x".repeat(65)] {
            assert_eq!(BoardName::new(name), None, "{name}");
        }
    }
}
