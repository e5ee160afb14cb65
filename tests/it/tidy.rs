//! The rules of the source (docs/ARCHITECTURE.md): dependencies between rooms, sizes, names and pages. A room is a
//! top-level module of the crate.

mod citations;
mod cycles;
mod edges;
mod examples;
mod pages;
mod pins;
mod sizes;
mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The folders with Rust sources.
const FOLDERS: [&str; 3] = ["src", "tests", "benches"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns every file below the folders with this extension, by its path in the repository.
pub fn files(folders: &[&str], extension: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|found| found == extension) {
            let name = path.strip_prefix(root()).expect("in the repository").display().to_string();
            found.insert(name, std::fs::read_to_string(&path).expect("a text"));
        }
    }
    assert!(!found.is_empty(), "no {extension} in {folders:?}");
    found
}

/// Returns a source text without comments.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Returns a source text without the unit tests at its end.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or_default()
}

/// Returns whether a text contains a word that is not part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| !text[..at].ends_with(part) && !text[at + word.len()..].starts_with(part))
}

/// Fails unless the violations found are exactly the known exceptions: no new one, and none that is fixed already.
fn only_known(found: Vec<String>, known: &[(&str, &str)]) {
    let new: Vec<_> = found.iter().filter(|it| !known.iter().any(|(known, _)| known == it)).collect();
    let fixed: Vec<_> = known.iter().filter(|(known, _)| !found.iter().any(|it| it == known)).collect();
    assert!(new.is_empty(), "{} violations:\n{}", new.len(), list(&new));
    assert!(fixed.is_empty(), "exceptions that are fixed, to be removed from the list: {fixed:?}");
}

fn list(items: &[&String]) -> String {
    items.iter().map(|item| format!("  {item}\n")).collect()
}
