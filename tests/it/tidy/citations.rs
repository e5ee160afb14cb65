//! Citations in code, tests, vectors and scripts: the pages, sections and promises that they name exist.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{only_known, root};

/// Folders of the texts that cite pages.
const CITING: [&str; 6] = ["src", "web", "tests", "benches", "scripts", ".ci"];

/// Folders below them that are installed or built, and are not ours to correct.
const FOREIGN: [&str; 3] = ["node_modules", "target", "__pycache__"];

const PROMISES: &str = "docs/promises.md";

/// Returns every text below the citing folders except pages, by its path in the repository. Each is one line, so that a
/// citation that was wrapped is found too.
fn texts() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut waiting: Vec<PathBuf> = CITING.iter().map(|folder| root().join(folder)).collect();
    while let Some(path) = waiting.pop() {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() && !FOREIGN.contains(&name.as_str()) {
            waiting.extend(std::fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
        } else if path.is_file()
            && !name.ends_with(".md")
            && !name.ends_with(".min.js")
            && !name.ends_with("-bundle.js")
        {
            // What is not UTF-8 is not a text.
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let file = path.strip_prefix(root()).expect("in the repository").display().to_string();
            found.insert(file, one_line(&text));
        }
    }
    found
}

/// Joins the lines of a text, without the marks of comments and without the escapes of quotation marks.
fn one_line(text: &str) -> String {
    let lines = text.lines().map(|line| line.trim_start().trim_start_matches(['/', '!', '#', '*']).trim());
    lines.collect::<Vec<_>>().join(" ").replace("\\\"", "\"")
}

/// Returns every citation of a page: its path, and the text that follows it.
fn citations(text: &str) -> Vec<(&str, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || ['_', '.', '/', '-'].contains(&c);
    let ends = text.match_indices(".md").map(|(at, ending)| at + ending.len());
    let whole = ends.filter(|end| !text[*end..].starts_with(|c: char| c.is_ascii_alphanumeric()));
    let pairs = whole.map(|end| (text[..end].rsplit(|c: char| !is_part(c)).next().unwrap_or_default(), &text[end..]));
    // An ending alone is no name, and what begins with two slashes is the address of a page elsewhere.
    pairs.filter(|(page, _)| !page.ends_with("/.md") && *page != ".md" && !page.starts_with("//")).collect()
}

/// Returns the headings of a page, or none if there is no such page.
fn headings(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(page)).unwrap_or_default();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| line.trim_start_matches('#').trim().to_owned()).collect()
}

#[test]
fn every_cited_page_exists() {
    let (mut found, mut looked) = (Vec::new(), 0);
    for (file, text) in texts() {
        for (page, _) in citations(&text) {
            looked += 1;
            if !root().join(page).is_file() {
                found.push(format!("{file} cites {page}"));
            }
        }
    }
    assert!(looked > 100, "only {looked} citations were found");
    only_known(found, &[]);
}

/// A section is cited by its title in quotation marks behind the page and a comma.
#[test]
fn every_cited_section_exists() {
    let (mut found, mut looked) = (Vec::new(), 0);
    for (file, text) in texts() {
        for (page, rest) in citations(&text) {
            let Some(title) = rest.strip_prefix(", \"").and_then(|rest| rest.split('"').next()) else { continue };
            looked += 1;
            if !headings(page).iter().any(|heading| heading == title) {
                found.push(format!("{file} cites {page}, \"{title}\""));
            }
        }
    }
    assert!(looked > 50, "only {looked} citations of sections were found");
    only_known(found, &[]);
}

/// Promises are cited by their numbers behind the page, with commas between them.
#[test]
fn every_cited_promise_exists() {
    let promises = headings(PROMISES);
    let (mut found, mut looked) = (Vec::new(), 0);
    for (file, text) in texts() {
        for (_, rest) in citations(&text).into_iter().filter(|(page, _)| *page == PROMISES) {
            for number in rest.split([' ', ',']).filter(|word| !word.is_empty()).map_while(promise) {
                looked += 1;
                if !promises.iter().any(|heading| heading.starts_with(&format!("{number}: "))) {
                    found.push(format!("{file} cites {PROMISES} {number}"));
                }
            }
        }
    }
    assert!(looked > 10, "only {looked} citations of promises were found");
    only_known(found, &[]);
}

/// Returns the number of a promise that a word begins with, such as `W1`.
fn promise(word: &str) -> Option<&str> {
    let number = word.get(..2)?;
    (number.starts_with(['W', 'R', 'S']) && number.ends_with(|c: char| c.is_ascii_digit())).then_some(number)
}
