//! Rows as CSV (RFC 4180), safe to open in a spreadsheet.

use serde_json::Value as Json;

use super::row::{FlatRow, NUMBERS, columns};
use crate::http::extract::long_answer::Steps;
use crate::query::breakdown::Key;

/// CSV that is written row by row, after a line of the columns' names.
pub struct Csv<R> {
    header: Option<Vec<&'static str>>,
    rows: R,
}

impl<R: Iterator<Item = FlatRow>> Csv<R> {
    /// The CSV of a breakdown by `keys`.
    pub fn new(keys: &[Key], rows: R) -> Self {
        let header = keys.iter().flat_map(|key| columns(*key)).chain(&NUMBERS).copied().collect();
        Csv { header: Some(header), rows }
    }
}

impl<R: Iterator<Item = FlatRow> + Send + 'static> Steps for Csv<R> {
    fn step(&mut self, out: &mut Vec<u8>) -> bool {
        if let Some(header) = self.header.take() {
            line(out, header.into_iter().map(str::to_owned));
            return true;
        }
        let Some(row) = self.rows.next() else { return false };
        line(out, row.cells().into_iter().map(|(_, value)| cell(&value)));
        true
    }
}

/// Returns the text of the description's example.
pub fn example() -> String {
    let mut text = Vec::new();
    let mut csv = Csv::new(&[Key::Channel], std::iter::once(FlatRow::example(&[Key::Channel])));
    while csv.step(&mut text) {}
    String::from_utf8_lossy(&text).into_owned()
}

fn line(out: &mut Vec<u8>, cells: impl Iterator<Item = String>) {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(cell.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// Returns the text of a cell; empty for `null`.
fn cell(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => quoted(&unformulated(text)),
        other => other.to_string(),
    }
}

/// Puts an apostrophe before a text that a spreadsheet would evaluate as a formula: names come from all who may write the
/// directory, and the reader of the file may be allowed more.
fn unformulated(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

/// Puts a text in quotes if it has a character that separates cells or lines, or a quote, which is doubled.
fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_are_no_formulas() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a, b", "\"a, b\""),
            ("the \"best\"", "\"the \"\"best\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("+49", "'+49"),
            ("-x", "'-x"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            ("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""),
            ("", ""),
        ] {
            assert_eq!(cell(&Json::from(text)), expected, "{text:?}");
        }
        assert_eq!([Json::Null, Json::from(7), Json::from(54.5)].map(|value| cell(&value)), ["", "7", "54.5"]);
    }
}
