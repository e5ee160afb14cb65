//! The result of `board` (docs/reference/iadvize-graphql.md, "board").

use async_graphql::{Enum, SimpleObject};

use super::availability::UnavailabilityReason;
use crate::domain::board::{Metric, Severity, Theme, TileType, Unit};
use crate::http::graphql::scalar::{DateTime, Position};
use crate::http::live::Instant;
use crate::query::board::{
    BoardNow, Breach, Cell, ChartNow, Content, NumberNow, PageNow, PeopleNow, PersonNow, RowNow, RowsNow, TileNow,
};

/// The colours of a wallboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Theme")]
pub enum BoardTheme {
    /// Those that the browser prefers.
    Auto,
    /// Light text on a dark ground.
    Dark,
    /// Dark text on a light ground.
    Light,
}

/// From nothing to say to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Severity")]
pub enum BoardSeverity {
    /// Without a limit, or without a value.
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

/// The kind of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "TileType")]
pub enum BoardTileType {
    /// One large number.
    Number,
    /// A table with a row for each value of a key.
    Rows,
    /// People with the reason why they can or cannot take a conversation.
    People,
    /// Numbers over time.
    Chart,
}

/// The unit of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Unit")]
pub enum BoardUnit {
    /// Users.
    People,
    /// Slots.
    Slots,
    /// Percent.
    Percent,
}

/// A number about users: those of a breakdown by their names, and the available users in percent of the connected ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Metric")]
pub enum BoardMetric {
    /// All users of the selection, connected or not.
    People,
    /// Users with at least one connected desk.
    Connected,
    /// Users who can take one more conversation now.
    Available,
    /// Users who are full or blocked only because slots are reserved.
    Reserved,
    /// Users who hold as many conversations as they may.
    Full,
    /// Users whom a conversation keeps from taking another one.
    Blocked,
    /// Users who switched the channel off.
    SwitchedOff,
    /// Users whose presence is ready, but gets no conversations.
    NotRoutable,
    /// Users whose presence is away.
    Away,
    /// Users whose presence is extended away.
    ExtendedAway,
    /// Users for whom the channel is not enabled.
    Disabled,
    /// Users without a connected desk.
    Offline,
    /// Conversations that users in production hold.
    HeldSlots,
    /// Slots that are reserved.
    ReservedSlots,
    /// Conversations that users in production may hold.
    MaxSlots,
    /// Slots of available users that are free.
    FreeSlots,
    /// Held slots in percent of all.
    OccupancyRate,
    /// Available users in percent of the connected ones.
    AvailableRate,
}

/// A wallboard as a link shows it: all of it from one instant.
#[derive(SimpleObject)]
pub struct Board {
    /// The name of the wallboard.
    name: String,
    /// The heading.
    title: String,
    /// The colours.
    theme: BoardTheme,
    /// Seconds until the next page is shown; null if pages do not change by themselves.
    rotation_seconds: Option<u32>,
    /// Position of the newest event that the board includes; 0 before the first.
    position: Position,
    /// The service's time, and never earlier than the time at which the newest event was recorded.
    time: DateTime,
    /// Milliseconds since the store last confirmed that nothing newer was recorded elsewhere.
    staleness_ms: u64,
    /// The version of the service.
    server_version: &'static str,
    /// The worst severity of all pages.
    severity: BoardSeverity,
    /// The first 100 breaches, the worst first, then by their place.
    breaches: Vec<BoardBreach>,
    /// The number of all breaches.
    breach_count: u64,
    /// The pages that have tiles to show.
    pages: Vec<BoardPage>,
}

/// A value past its limit.
#[derive(SimpleObject)]
pub struct BoardBreach {
    /// The same as long as the breach lasts.
    key: String,
    /// The place of the page, from 0.
    page: usize,
    /// The place of the tile on the page, from 0.
    tile: usize,
    /// WARNING, CRITICAL or UNAVAILABLE.
    severity: BoardSeverity,
    /// A sentence about it.
    text: String,
}

/// A page of a wallboard.
#[derive(SimpleObject)]
pub struct BoardPage {
    /// The heading, if it has one.
    title: Option<String>,
    /// The worst severity of its tiles.
    severity: BoardSeverity,
    /// The tiles.
    tiles: Vec<BoardTile>,
}

/// A tile of a page. Exactly one of `number`, `rows`, `people` and `chart` is not null, the one of its type; none is if
/// there is a problem.
#[derive(SimpleObject)]
pub struct BoardTile {
    /// The kind.
    r#type: BoardTileType,
    /// The heading.
    title: String,
    /// The width in quarters of a wide screen: 1 to 4.
    width: u32,
    /// The worst severity in it.
    severity: BoardSeverity,
    /// The reason for which it shows nothing now, as a sentence.
    problem: Option<&'static str>,
    /// The values of its filters that do not exist, as they were given, but for those of users. They match no user.
    unknown_ids: Vec<String>,
    /// The number of users in its filters who do not exist. A wall shows no id of a user.
    unknown_users: u64,
    /// The content of a tile of type NUMBER.
    number: Option<BoardNumber>,
    /// The content of a tile of type ROWS.
    rows: Option<BoardRows>,
    /// The content of a tile of type PEOPLE.
    people: Option<BoardPeople>,
    /// The content of a tile of type CHART.
    chart: Option<BoardChart>,
}

/// What a number is about.
#[derive(SimpleObject)]
pub struct BoardColumn {
    /// The number.
    metric: BoardMetric,
    /// Its name for people.
    label: &'static str,
    /// Its unit.
    unit: BoardUnit,
}

/// A value with its severity.
#[derive(SimpleObject)]
pub struct BoardCell {
    /// The value; null for a percentage of nothing.
    value: Option<f64>,
    /// The severity.
    severity: BoardSeverity,
}

/// A value without a severity.
#[derive(SimpleObject)]
pub struct BoardSeries {
    /// What it is about.
    column: BoardColumn,
    /// The value; null for a percentage of nothing.
    value: Option<f64>,
}

/// One large number.
#[derive(SimpleObject)]
pub struct BoardNumber {
    /// What it is about.
    column: BoardColumn,
    /// The number.
    cell: BoardCell,
    /// A number to be shown beside it.
    of: Option<BoardSeries>,
}

/// A table with a row for each value of a key.
#[derive(SimpleObject)]
pub struct BoardRows {
    /// The columns.
    columns: Vec<BoardColumn>,
    /// The rows that are shown: at most as many as the tile has, and fewer where the board would be too large to send.
    rows: Vec<BoardRow>,
    /// The number of all rows.
    row_count: u64,
}

/// A row of a table.
#[derive(SimpleObject)]
pub struct BoardRow {
    /// The value's id or name, by which a row is recognised; empty for users without a value.
    key: String,
    /// The value's name; null for users without a value.
    label: Option<String>,
    /// The worst severity of its cells.
    severity: BoardSeverity,
    /// A cell for each column.
    cells: Vec<BoardCell>,
}

/// The people of a tile: the best reason first, then those who have it longest.
#[derive(SimpleObject)]
pub struct BoardPeople {
    /// The people that are shown: at most as many as the tile has, and fewer where the board would be too large to send.
    people: Vec<BoardPerson>,
    /// The number of all people of the tile.
    people_count: u64,
}

/// One person of a tile.
#[derive(SimpleObject)]
pub struct BoardPerson {
    /// The name, in the form of the link.
    label: String,
    /// The reason why the person can or cannot take a conversation.
    reason: UnavailabilityReason,
    /// The time since which the person has it; null if it is not known.
    since: Option<DateTime>,
}

/// The numbers of a chart at this instant: the page keeps those before.
#[derive(SimpleObject)]
pub struct BoardChart {
    /// The hours that are shown.
    hours: u32,
    /// The numbers.
    series: Vec<BoardSeries>,
}

impl Board {
    /// Converts an evaluated board of this name.
    pub fn new(name: &str, now: BoardNow, instant: Instant) -> Self {
        let Instant { position, time, staleness_ms } = instant;
        let BoardNow { title, theme, rotation_seconds, severity, breaches, breach_count, pages } = now;
        Board {
            name: name.to_owned(),
            title,
            theme: theme.into(),
            rotation_seconds,
            position: Position(position),
            time: DateTime(time),
            staleness_ms,
            server_version: env!("CARGO_PKG_VERSION"),
            severity: severity.into(),
            breaches: breaches.into_iter().map(BoardBreach::from).collect(),
            breach_count,
            pages: pages.into_iter().map(BoardPage::from).collect(),
        }
    }
}

impl From<Breach> for BoardBreach {
    fn from(Breach { key, page, tile, severity, text }: Breach) -> Self {
        BoardBreach { key, page, tile, severity: severity.into(), text }
    }
}

impl From<PageNow> for BoardPage {
    fn from(PageNow { title, severity, tiles }: PageNow) -> Self {
        BoardPage { title, severity: severity.into(), tiles: tiles.into_iter().map(BoardTile::from).collect() }
    }
}

impl From<TileNow> for BoardTile {
    fn from(tile: TileNow) -> Self {
        let TileNow { r#type, title, width, severity, unknown, unknown_users, content } = tile;
        let (r#type, severity) = (r#type.into(), severity.into());
        let empty = BoardTile {
            r#type,
            title,
            width,
            severity,
            problem: None,
            unknown_ids: unknown,
            unknown_users,
            number: None,
            rows: None,
            people: None,
            chart: None,
        };
        match content {
            Ok(Content::Number(number)) => BoardTile { number: Some(number.into()), ..empty },
            Ok(Content::Rows(rows)) => BoardTile { rows: Some(rows.into()), ..empty },
            Ok(Content::People(people)) => BoardTile { people: Some(people.into()), ..empty },
            Ok(Content::Chart(chart)) => BoardTile { chart: Some(chart.into()), ..empty },
            Err(problem) => BoardTile { problem: Some(problem), ..empty },
        }
    }
}

impl From<Metric> for BoardColumn {
    fn from(metric: Metric) -> Self {
        BoardColumn { metric: metric.into(), label: metric.label(), unit: metric.unit().into() }
    }
}

impl From<Cell> for BoardCell {
    fn from(Cell { value, severity }: Cell) -> Self {
        BoardCell { value, severity: severity.into() }
    }
}

impl From<(Metric, Option<f64>)> for BoardSeries {
    fn from((metric, value): (Metric, Option<f64>)) -> Self {
        BoardSeries { column: metric.into(), value }
    }
}

impl From<NumberNow> for BoardNumber {
    fn from(NumberNow { metric, cell, of }: NumberNow) -> Self {
        BoardNumber { column: metric.into(), cell: cell.into(), of: of.map(BoardSeries::from) }
    }
}

impl From<RowsNow> for BoardRows {
    fn from(RowsNow { columns, rows, row_count }: RowsNow) -> Self {
        let row = |RowNow { key, label, severity, cells }: RowNow| {
            let cells = cells.into_iter().map(BoardCell::from).collect();
            BoardRow { key, label, severity: severity.into(), cells }
        };
        let columns = columns.into_iter().map(BoardColumn::from).collect();
        BoardRows { columns, rows: rows.into_iter().map(row).collect(), row_count }
    }
}

impl From<PeopleNow> for BoardPeople {
    fn from(PeopleNow { people, people_count }: PeopleNow) -> Self {
        let person = |PersonNow { label, reason, since }: PersonNow| BoardPerson {
            label,
            reason: reason.into(),
            since: since.map(DateTime),
        };
        BoardPeople { people: people.into_iter().map(person).collect(), people_count }
    }
}

impl From<ChartNow> for BoardChart {
    fn from(ChartNow { hours, series }: ChartNow) -> Self {
        BoardChart { hours, series: series.into_iter().map(BoardSeries::from).collect() }
    }
}
