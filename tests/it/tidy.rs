//! How the house is kept (docs/ARCHITECTURE.md): who may know whom, how long things are, and what is not written at all.

mod citations;
mod edges;
mod examples;
mod pages;
mod sizes;
mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Folders of Rust.
const FOLDERS: [&str; 3] = ["src", "tests", "benches"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below the folders with this extension, by its path in the repository.
fn files(folders: &[&str], extension: &str) -> BTreeMap<String, String> {
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

/// Without comments: what is said in them binds nobody.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Without the tests at its end.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or_default()
}

/// Whether a word stands in a text by itself.
fn has_word(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| !text[..at].ends_with(part) && !text[at + word.len()..].starts_with(part))
}

/// Fails unless what was found is exactly what is known of: nothing new, and nothing that is mended already.
fn only_known(found: Vec<String>, known: &[(&str, &str)]) {
    let new: Vec<_> = found.iter().filter(|it| !known.iter().any(|(known, _)| known == it)).collect();
    let mended: Vec<_> = known.iter().filter(|(known, _)| !found.iter().any(|it| it == known)).collect();
    assert!(new.is_empty(), "{} against the rules:\n{}", new.len(), list(&new));
    assert!(mended.is_empty(), "mended, so take it off the list: {mended:?}");
}

fn list(items: &[&String]) -> String {
    items.iter().map(|item| format!("  {item}\n")).collect()
}
