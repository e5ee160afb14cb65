//! A bound on what the lists of one board show together, so that every board that can be put can be answered: past
//! `MAX_ANSWER` of GraphQL's answers the whole wall would be dark.

use super::{Content, PageNow, PersonNow, RowNow};

/// Most bytes of the rows and people of a board, as GraphQL counts them. The rest of an answer, at most 240 tiles and the
/// unknown values of 64 KiB of filters, takes less than as much again.
const MAX_SHOWN: usize = 16 * 1024 * 1024;
/// Bytes of a row without its label and cells, as GraphQL counts values and their names.
const ROW_BYTES: usize = 1_100;
/// Bytes of a cell.
const CELL_BYTES: usize = 640;
/// Bytes of a person without the label.
const PERSON_BYTES: usize = 920;
/// Bytes for each of a label: itself, and up to two once it is escaped.
const LABEL_FACTOR: usize = 3;

/// Cuts the longest lists, all to the same bytes, if those of the board exceed the bound. The numbers of all rows and
/// people stay.
pub fn cut_lists(pages: &mut [PageNow]) {
    let tiles = || pages.iter().flat_map(|page| &page.tiles);
    let sizes = tiles().filter_map(|tile| tile.content.as_ref().ok()).map(|content| match content {
        Content::Rows(rows) => rows.rows.iter().map(row_bytes).sum(),
        Content::People(people) => people.people.iter().map(person_bytes).sum(),
        Content::Number(_) | Content::Chart(_) => 0,
    });
    let Some(most) = longest(sizes.collect(), MAX_SHOWN) else { return };
    for content in pages.iter_mut().flat_map(|page| &mut page.tiles).filter_map(|tile| tile.content.as_mut().ok()) {
        match content {
            Content::Rows(rows) => cut(&mut rows.rows, most, row_bytes),
            Content::People(people) => cut(&mut people.people, most, person_bytes),
            Content::Number(_) | Content::Chart(_) => {}
        }
    }
}

fn row_bytes(row: &RowNow) -> usize {
    ROW_BYTES + CELL_BYTES * row.cells.len() + LABEL_FACTOR * row.label.as_ref().map_or(0, String::len)
}

fn person_bytes(person: &PersonNow) -> usize {
    PERSON_BYTES + LABEL_FACTOR * person.label.len()
}

/// Returns the size to which the longest lists must be cut for all of them to fit; `None` if they do.
fn longest(mut sizes: Vec<usize>, whole: usize) -> Option<usize> {
    sizes.sort_unstable();
    let mut left = whole;
    for (at, size) in sizes.iter().enumerate() {
        let even = left / (sizes.len() - at);
        if *size > even {
            return Some(even);
        }
        left -= size;
    }
    None
}

fn cut<T>(list: &mut Vec<T>, most: usize, bytes: impl Fn(&T) -> usize) {
    let mut left = most;
    let fitting = list.iter().take_while(|one| {
        let rest = left.checked_sub(bytes(one));
        left = rest.unwrap_or(left);
        rest.is_some()
    });
    let fitting = fitting.count();
    list.truncate(fitting);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lists_stay_whole() {
        assert_eq!(longest(vec![10, 20, 30], 60), None);
        assert_eq!(longest(vec![], 0), None);
        assert_eq!(longest(vec![30, 10, 20], 59), Some(29));
        assert_eq!(longest(vec![5, 100, 100, 0], 60), Some(27));
        assert_eq!(longest(vec![100], 60), Some(60));
    }

    #[test]
    fn lists_are_cut_at_the_first_entry_that_does_not_fit() {
        let cut_to = |most| {
            let mut list = vec![3, 4, 5];
            cut(&mut list, most, |one| *one);
            list
        };
        assert_eq!((cut_to(12), cut_to(11), cut_to(7), cut_to(2)), (vec![3, 4, 5], vec![3, 4], vec![3, 4], vec![]));
    }
}
