//! The counts of a board's tiles, within a budget. Tiles about the same users share one count.

use std::rc::Rc;

use crate::domain::board::{By, Filters, Tile};
use crate::domain::filter::Dimension;
use crate::domain::{Channel, Filter};
use crate::live::View;
use crate::live::boards::resolve;
use crate::projection::Reasons;
use crate::query::breakdown::{Arguments, Breakdown, Key, MAX_ROWS, Question, breakdown};

/// Most rows that are counted for one board.
const MAX_ROWS_OF_BOARD: usize = 20_000;
/// Most people that are gone through for one board.
const MAX_PEOPLE_OF_BOARD: usize = 1_000_000;

/// The problem of a table past the budget.
const TOO_MANY_ROWS: &str = "The board has too many rows to count.";
/// The problem of a tile of people past the budget.
const TOO_MANY_PEOPLE: &str = "The board has too many people to list.";

/// The users, channels and rows of a count.
#[derive(Clone, PartialEq)]
struct Counted<'b> {
    filters: Option<&'b Filters>,
    channels: Option<&'b Vec<Channel>>,
    by: Option<(By, bool)>,
}

/// The filters of a tile, resolved with the view's directory.
#[derive(Default)]
pub struct Resolved {
    /// Selects the users.
    pub filter: Filter,
    /// The values that do not exist, without users.
    pub unknown: Vec<String>,
    /// The number of users that do not exist. Their ids are left out: one can be an e-mail address.
    pub unknown_users: u64,
}

/// The counts made so far, and the budget that is left.
pub struct Counts<'v> {
    view: &'v View,
    /// Each of the filters so far, once.
    resolved: Vec<(&'v Filters, Rc<Resolved>)>,
    made: Vec<(Counted<'v>, Result<Rc<Breakdown>, &'static str>)>,
    rows_left: usize,
    people_left: usize,
}

impl<'v> Counts<'v> {
    /// Makes the counts of one board.
    pub fn new(view: &'v View) -> Self {
        let (resolved, made) = (Vec::new(), Vec::new());
        Counts { view, resolved, made, rows_left: MAX_ROWS_OF_BOARD, people_left: MAX_PEOPLE_OF_BOARD }
    }

    /// The view that is counted.
    pub const fn view(&self) -> &'v View {
        self.view
    }

    /// Resolves the filters of a tile.
    pub fn resolved(&mut self, tile: &'v Tile) -> Rc<Resolved> {
        let Some(filters) = &tile.filters else { return Rc::default() };
        if let Some((_, known)) = self.resolved.iter().find(|(known, _)| *known == filters) {
            return Rc::clone(known);
        }
        let (filter, unknown) = resolve(self.view.directory(), filters);
        let (users, others): (Vec<_>, Vec<_>) = unknown.into_iter().partition(|unknown| unknown.is_user());
        let unknown = others.into_iter().map(|unknown| unknown.value.to_owned()).collect();
        let resolved = Rc::new(Resolved { filter, unknown, unknown_users: users.len() as u64 });
        self.resolved.push((filters, Rc::clone(&resolved)));
        resolved
    }

    /// Counts all users of a tile, each once.
    pub fn total(&mut self, tile: &'v Tile) -> Result<Reasons, &'static str> {
        Ok(self.counted(tile, None)?.total)
    }

    /// Counts the users of a tile by the values of its key.
    pub fn rows(&mut self, tile: &'v Tile) -> Result<Rc<Breakdown>, &'static str> {
        self.counted(tile, tile.by.map(|by| (by, tile.include_empty.unwrap_or(true))))
    }

    /// Takes people that are gone through from the budget.
    pub fn take_people(&mut self, people: usize) -> Result<(), &'static str> {
        self.people_left = self.people_left.checked_sub(people).ok_or(TOO_MANY_PEOPLE)?;
        Ok(())
    }

    fn counted(&mut self, tile: &'v Tile, by: Option<(By, bool)>) -> Result<Rc<Breakdown>, &'static str> {
        let counted = Counted { filters: tile.filters.as_ref(), channels: tile.channels.as_ref(), by };
        if let Some((_, known)) = self.made.iter().find(|(known, _)| *known == counted) {
            return known.clone();
        }
        let result = self.count(tile, by);
        self.made.push((counted, result.clone()));
        result
    }

    fn count(&mut self, tile: &'v Tile, by: Option<(By, bool)>) -> Result<Rc<Breakdown>, &'static str> {
        let keys: Vec<Key> = by.iter().map(|(by, _)| key(*by)).collect();
        let rows = keys.iter().map(|key| key.most_rows(self.view)).sum::<usize>().clamp(1, MAX_ROWS);
        self.rows_left = self.rows_left.checked_sub(rows).ok_or(TOO_MANY_ROWS)?;
        let arguments = Arguments {
            keys,
            channels: tile.channels.clone(),
            filter: self.resolved(tile).filter.clone(),
            include_empty: by.map(|(_, include_empty)| include_empty),
            first: Some(MAX_ROWS as i64),
        };
        let question = Question::new(arguments).map_err(|_| TOO_MANY_ROWS)?;
        breakdown(self.view, &question).map(Rc::new).map_err(|_| TOO_MANY_ROWS)
    }
}

/// The key of the breakdown.
const fn key(by: By) -> Key {
    match by {
        By::Channel => Key::Channel,
        By::Group => Key::Of(Dimension::Group),
        By::Skill => Key::Of(Dimension::Skill),
        By::Queue => Key::Of(Dimension::Queue),
        By::Campaign => Key::Of(Dimension::Campaign),
        By::Project => Key::Of(Dimension::Project),
        By::RoutingGroup => Key::Of(Dimension::RoutingGroup),
        By::Presence => Key::Presence,
    }
}
