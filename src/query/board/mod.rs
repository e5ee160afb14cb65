//! Wallboards: what every tile of a board shows at one position, with its severities and breaches
//! (docs/reference/native.md, "Wallboards"). Pages draw it, and decide nothing.

mod counts;
mod fit;
pub mod links;
mod number;
mod people;
mod rows;

use crate::domain::Time;
use crate::domain::board::{Metric, Names, Severity, Theme, Tile, TileType};
use crate::domain::status::Reason;
use crate::live::View;
use counts::Counts;

/// Most breaches that are listed.
pub const MAX_BREACHES: usize = 100;

/// What a viewer may see of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The form of people's names.
    pub names: Names,
    /// False leaves tiles out that list people.
    pub people: bool,
}

/// A board at one position.
#[derive(Clone, Debug, PartialEq)]
pub struct BoardNow {
    /// The heading.
    pub title: String,
    /// The colours.
    pub theme: Theme,
    /// Seconds until the next page is shown; `None` if pages do not change by themselves.
    pub rotation_seconds: Option<u32>,
    /// The worst severity of all pages.
    pub severity: Severity,
    /// The first breaches, the worst first, then by their place.
    pub breaches: Vec<Breach>,
    /// The number of all breaches.
    pub breach_count: u64,
    /// The pages that have tiles to show.
    pub pages: Vec<PageNow>,
}

/// A page of a board.
#[derive(Clone, Debug, PartialEq)]
pub struct PageNow {
    /// The heading, if it has one.
    pub title: Option<String>,
    /// The worst severity of its tiles.
    pub severity: Severity,
    /// The tiles.
    pub tiles: Vec<TileNow>,
}

/// A tile of a page.
#[derive(Clone, Debug, PartialEq)]
pub struct TileNow {
    /// The kind.
    pub r#type: TileType,
    /// The heading.
    pub title: String,
    /// The width in quarters of a wide screen.
    pub width: u32,
    /// The worst severity in it.
    pub severity: Severity,
    /// The values of its filters that do not exist, as they were given, without users.
    pub unknown: Vec<String>,
    /// The number of users in its filters who do not exist.
    pub unknown_users: u64,
    /// What it shows, or the reason for which it shows nothing now.
    pub content: Result<Content, &'static str>,
}

/// The content of a tile, by its kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// One number.
    Number(NumberNow),
    /// A table.
    Rows(RowsNow),
    /// People.
    People(PeopleNow),
    /// Numbers for a chart.
    Chart(ChartNow),
}

/// A value with its severity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// The value; `None` for a percentage of nothing.
    pub value: Option<f64>,
    /// The severity.
    pub severity: Severity,
}

/// One number.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberNow {
    /// What is shown.
    pub metric: Metric,
    /// Its value.
    pub cell: Cell,
    /// What is shown beside it, with its value.
    pub of: Option<(Metric, Option<f64>)>,
}

/// A table with a row for each value of a key.
#[derive(Clone, Debug, PartialEq)]
pub struct RowsNow {
    /// The columns.
    pub columns: Vec<Metric>,
    /// The rows that are shown.
    pub rows: Vec<RowNow>,
    /// The number of all rows.
    pub row_count: u64,
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct RowNow {
    /// The value's id or name; empty for users without a value.
    pub key: String,
    /// The value's name; `None` for users without a value.
    pub label: Option<String>,
    /// The worst severity of its cells.
    pub severity: Severity,
    /// A cell for each column.
    pub cells: Vec<Cell>,
}

/// People of a tile.
#[derive(Clone, Debug, PartialEq)]
pub struct PeopleNow {
    /// The people that are shown: the best reason first, then those who have it longest.
    pub people: Vec<PersonNow>,
    /// The number of all people of the tile.
    pub people_count: u64,
}

/// One person of a tile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonNow {
    /// The name, in the form of the viewer's link.
    pub label: String,
    /// The best reason over the channels that count.
    pub reason: Reason,
    /// The time since which the person has it; `None` if it is not known.
    pub since: Option<Time>,
}

/// The numbers of a chart at this position.
#[derive(Clone, Debug, PartialEq)]
pub struct ChartNow {
    /// The hours that are shown.
    pub hours: u32,
    /// The metrics with their values.
    pub series: Vec<(Metric, Option<f64>)>,
}

/// A value past its limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The same as long as the breach lasts.
    pub key: String,
    /// The place of the page.
    pub page: usize,
    /// The place of the tile on the page.
    pub tile: usize,
    /// The severity.
    pub severity: Severity,
    /// A sentence about it.
    pub text: String,
}

/// A breach without its place on the board.
struct LocalBreach {
    /// What follows the place in the key.
    key: String,
    severity: Severity,
    text: String,
}

/// Evaluates the board of this name; `None` if there is none.
///
/// The work is bounded, whatever the board: a tile past the bound has no content, and its problem is there instead. So is
/// what is shown: the longest lists are cut ([`fit`]).
pub fn board(view: &View, name: &str, shown: Shown) -> Option<BoardNow> {
    let (board, _) = view.boards().get(name)?;
    let mut counts = Counts::new(view);
    let (mut pages, mut breaches) = (Vec::new(), Vec::new());
    for page in &board.pages {
        let mut tiles = Vec::new();
        for tile in page.tiles.iter().filter(|tile| shown.people || tile.r#type != TileType::People) {
            let (now, found) = evaluate(&mut counts, tile, shown.names);
            let (page, place) = (pages.len(), tiles.len());
            breaches.extend(found.into_iter().map(|LocalBreach { key, severity, text }| Breach {
                key: format!("{page}.{place}{key}"),
                page,
                tile: place,
                severity,
                text,
            }));
            tiles.push(now);
        }
        if !tiles.is_empty() {
            let severity = tiles.iter().map(|tile: &TileNow| tile.severity).max().unwrap_or_default();
            pages.push(PageNow { title: page.title.clone(), severity, tiles });
        }
    }
    fit::cut_lists(&mut pages);
    let breach_count = breaches.len() as u64;
    // Stable, so that equal severities stay in the order of their places.
    breaches.sort_by_key(|breach| std::cmp::Reverse(breach.severity));
    breaches.truncate(MAX_BREACHES);
    Some(BoardNow {
        title: board.title.clone().unwrap_or_else(|| name.to_owned()),
        theme: board.theme,
        rotation_seconds: board.rotation_seconds,
        severity: pages.iter().map(|page| page.severity).max().unwrap_or_default(),
        breaches,
        breach_count,
        pages,
    })
}

/// Evaluates one tile, and returns its breaches.
fn evaluate<'v>(counts: &mut Counts<'v>, tile: &'v Tile, names: Names) -> (TileNow, Vec<LocalBreach>) {
    let title = tile.title.clone().unwrap_or_else(|| usual_title(tile));
    let resolved = counts.resolved(tile);
    let (unknown, unknown_users) = (resolved.unknown.clone(), resolved.unknown_users);
    let mut breaches = Vec::new();
    let content = match tile.r#type {
        TileType::Number => number::number(counts, tile, &title, &mut breaches).map(Content::Number),
        TileType::Rows => rows::rows(counts, tile, &mut breaches).map(Content::Rows),
        TileType::People => people::people(counts, tile, names).map(Content::People),
        TileType::Chart => number::chart(counts, tile).map(Content::Chart),
    };
    let severity = match &content {
        Ok(Content::Number(number)) => number.cell.severity,
        // Of all rows, also those that are not shown.
        Ok(Content::Rows(rows)) => {
            let shown = rows.rows.iter().map(|row| row.severity);
            shown.chain(breaches.iter().map(|breach| breach.severity)).max().unwrap_or_default()
        }
        _ => Severity::Neutral,
    };
    let usual_width = if tile.r#type == TileType::Number { 1 } else { 2 };
    let width = tile.width.unwrap_or(usual_width);
    (TileNow { r#type: tile.r#type, title, width, severity, unknown, unknown_users, content }, breaches)
}

/// Returns the heading of a tile without one.
fn usual_title(tile: &Tile) -> String {
    match tile.r#type {
        TileType::Number => tile.measured().metric.label().to_owned(),
        TileType::Rows => tile.by.map_or_else(|| String::from("Rows"), |by| format!("By {}", by.label())),
        TileType::People => String::from("People"),
        TileType::Chart => {
            let labels = tile.series().into_iter().enumerate().map(|(at, metric)| match at {
                0 => metric.label().to_owned(),
                _ => metric.label().to_lowercase(),
            });
            labels.collect::<Vec<_>>().join(", ")
        }
    }
}
