//! Validation of a board by itself, before its filters are compared with the directory. The bounds belong to the apply
//! version: changing one requires a higher `APPLY_VERSION`.

use super::{
    Board, Column, Filters, HOURS, Limit, MAX_COLUMNS, MAX_FIRST, MAX_PAGES, MAX_SERIES, MAX_TILES, MAX_TITLE,
    Measured, Metric, ROTATION, Tile, TileType, WIDTHS,
};
use crate::domain::directory::Problem;
use crate::domain::filter::MAX_VALUES;
use crate::domain::text::{is_heading, is_label};

/// Collects problems of values below `base`, a JSON pointer.
struct Report<'a> {
    base: String,
    problems: &'a mut Vec<Problem>,
}

impl Report<'_> {
    fn require(&mut self, holds: bool, member: &str, detail: impl Into<String>) {
        if !holds {
            self.problems.push(Problem { pointer: format!("{}/{member}", self.base), detail: detail.into() });
        }
    }

    fn below(&mut self, member: &str) -> Report<'_> {
        Report { base: format!("{}/{member}", self.base), problems: self.problems }
    }

    fn title(&mut self, title: Option<&String>) {
        let fits = |text: &String| is_heading(text, MAX_TITLE);
        let detail = format!("must be 1 to {MAX_TITLE} characters without control characters");
        self.require(title.is_none_or(fits), "title", detail);
    }

    fn length(&mut self, length: usize, most: usize, member: &str) {
        self.require((1..=most).contains(&length), member, format!("must have 1 to {most} elements"));
    }

    fn distinct<T: PartialEq>(&mut self, values: &[T], member: &str) {
        if let Some(at) = (0..values.len()).find(|at| values[..*at].contains(&values[*at])) {
            self.require(false, &format!("{member}/{at}"), "is given twice");
        }
    }

    fn within(&mut self, number: Option<u32>, range: &std::ops::RangeInclusive<u32>, member: &str) {
        let detail = format!("must be from {} to {}", range.start(), range.end());
        self.require(number.is_none_or(|number| range.contains(&number)), member, detail);
    }

    fn measured(&mut self, measured: &Measured) {
        let Measured { metric, warn, alert, health } = measured;
        let detail = "must have either below or above";
        self.require(warn.as_ref().is_none_or(|limit| limit.limit().is_some()), "warn", detail);
        self.require(alert.as_ref().is_none_or(|limit| limit.limit().is_some()), "alert", detail);
        let both = (warn.as_ref().and_then(|limit| limit.limit()), alert.as_ref().and_then(|limit| limit.limit()));
        if let (Some(warn), Some(alert)) = both {
            let is_further = match (warn, alert) {
                (Limit::Below(warn), Limit::Below(alert)) => alert <= warn,
                (Limit::Above(warn), Limit::Above(alert)) => alert >= warn,
                _ => false,
            };
            self.require(is_further, "alert", "must be in the direction of warn, and at it or past it");
        }
        self.require(!*health || metric.has_health(), "health", "belongs to available and available_rate only");
        let has_limits = warn.is_some() || alert.is_some();
        self.require(!*health || !has_limits, "health", "takes the place of warn and alert: remove one of them");
    }

    fn filters(&mut self, filters: &Filters) {
        for list in filters.lists() {
            self.length(list.values.len(), MAX_VALUES, list.name);
            for (at, value) in list.values.iter().enumerate() {
                self.require(is_label(value.text()), &format!("{}/{at}", list.name), "must be an id, a GUID or a name");
            }
        }
        if let Some(roles) = &filters.role {
            self.length(roles.len(), MAX_VALUES, "role");
        }
    }

    fn tile(&mut self, tile: &Tile) {
        self.title(tile.title.as_ref());
        self.within(tile.width, &WIDTHS, "width");
        if let Some(filters) = &tile.filters {
            self.below("filters").filters(filters);
        }
        if let Some(channels) = &tile.channels {
            self.length(channels.len(), 4, "channels");
            self.distinct(channels, "channels");
        }
        self.members(tile);
        match tile.r#type {
            TileType::Number => {
                self.require(tile.metric.is_some(), "metric", "is needed: a tile of type number shows one");
                self.measured(&tile.measured());
            }
            TileType::Rows => {
                self.require(
                    tile.by.is_some(),
                    "by",
                    "is needed: a tile of type rows has one row for each of its values",
                );
                self.columns(tile.columns.as_deref());
            }
            TileType::People => {
                let reasons = tile.reasons.as_deref();
                reasons.into_iter().for_each(|reasons| self.length(reasons.len(), 10, "reasons"));
                self.distinct(reasons.unwrap_or_default(), "reasons");
            }
            TileType::Chart => {
                let series = tile.series.as_deref();
                series.into_iter().for_each(|series| self.length(series.len(), MAX_SERIES, "series"));
                self.distinct::<Metric>(series.unwrap_or_default(), "series");
            }
        }
        self.within(tile.first, &(1..=MAX_FIRST), "first");
        self.within(tile.hours, &HOURS, "hours");
    }

    fn columns(&mut self, columns: Option<&[Column]>) {
        let Some(columns) = columns else { return };
        self.length(columns.len(), MAX_COLUMNS, "columns");
        self.distinct(&columns.iter().map(|Column(one)| one.metric).collect::<Vec<_>>(), "columns");
        for (at, Column(measured)) in columns.iter().enumerate() {
            self.below(&format!("columns/{at}")).measured(measured);
        }
    }

    /// Reports members that belong to tiles of other kinds.
    fn members(&mut self, tile: &Tile) {
        use TileType::{Chart, Number, People, Rows};
        let members: [(&str, bool, &[TileType]); 13] = [
            ("metric", tile.metric.is_some(), &[Number]),
            ("of", tile.of.is_some(), &[Number]),
            ("warn", tile.warn.is_some(), &[Number]),
            ("alert", tile.alert.is_some(), &[Number]),
            ("health", tile.health.is_some(), &[Number]),
            ("by", tile.by.is_some(), &[Rows]),
            ("columns", tile.columns.is_some(), &[Rows]),
            ("include_empty", tile.include_empty.is_some(), &[Rows]),
            ("order", tile.order.is_some(), &[Rows]),
            ("first", tile.first.is_some(), &[Rows, People]),
            ("reasons", tile.reasons.is_some(), &[People]),
            ("series", tile.series.is_some(), &[Chart]),
            ("hours", tile.hours.is_some(), &[Chart]),
        ];
        for (name, is_given, kinds) in members {
            let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
            let detail = format!("belongs to tiles of type {} only", names.join(" and "));
            self.require(!is_given || kinds.contains(&tile.r#type), name, detail);
        }
    }
}

impl Board {
    /// Returns a problem for each invalid value in the board; empty if it is valid.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut report = Report { base: String::new(), problems: &mut problems };
        report.title(self.title.as_ref());
        report.within(self.rotation_seconds, &ROTATION, "rotation_seconds");
        report.length(self.pages.len(), MAX_PAGES, "pages");
        for (n, page) in self.pages.iter().enumerate() {
            let mut report = report.below(&format!("pages/{n}"));
            report.title(page.title.as_ref());
            report.length(page.tiles.len(), MAX_TILES, "tiles");
            for (n, tile) in page.tiles.iter().enumerate() {
                report.below(&format!("tiles/{n}")).tile(tile);
            }
        }
        problems
    }
}
