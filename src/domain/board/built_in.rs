//! The board that every tenant has before it puts one of its own.

use std::sync::{Arc, LazyLock};

use super::{Board, By, Column, Measured, Metric, Page, Tile, TileType};

static BUILT_IN: LazyLock<Arc<Board>> = LazyLock::new(|| Arc::new(made()));

/// Returns the built-in board: the users who are available, by the bands of [`super::Severity::of_health`], full, away
/// and connected; the occupancy; tables by skill and group; people with their reasons; and a chart.
pub fn built_in() -> &'static Arc<Board> {
    &BUILT_IN
}

fn made() -> Board {
    let number = |metric, of| Tile { metric: Some(metric), of, ..Tile::new(TileType::Number) };
    // Half of a wide screen, which makes it the headline; what follows fits beside it and in one row below.
    let available = Tile { health: Some(true), width: Some(2), ..number(Metric::Available, Some(Metric::Connected)) };
    let quarter = |tile| Tile { width: Some(1), ..tile };
    let measured = [
        Measured { health: true, ..Measured::new(Metric::Available) },
        Measured::new(Metric::Full),
        Measured::new(Metric::Away),
        Measured::new(Metric::Connected),
    ];
    let rows =
        |by| Tile { by: Some(by), columns: Some(measured.clone().map(Column).into()), ..Tile::new(TileType::Rows) };
    let tiles = vec![
        available,
        number(Metric::Full, None),
        number(Metric::Away, None),
        number(Metric::Connected, Some(Metric::People)),
        number(Metric::OccupancyRate, None),
        quarter(rows(By::Skill)),
        quarter(rows(By::Group)),
        quarter(Tile::new(TileType::People)),
        quarter(Tile::new(TileType::Chart)),
    ];
    Board { title: Some(String::from("Wallboard")), pages: vec![Page { title: None, tiles }], ..Board::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_board_is_one_that_could_be_put() {
        let board = built_in();
        assert_eq!(board.check(), []);
        let text = serde_json::to_string(board).unwrap();
        assert_eq!(serde_json::from_str::<Board>(&text).unwrap(), **board);
    }
}
