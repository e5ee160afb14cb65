//! References of the Markdown pages: paths and links, and what the page for operators must name.

use std::collections::BTreeSet;
use std::path::Path;

use super::{files, only_known, root, without_tests};

/// The endings of paths that pages refer to.
const ENDINGS: [&str; 11] = [".rs", ".md", ".sql", ".toml", ".json", ".yml", ".yaml", ".sh", ".py", ".lua", ".lock"];

/// Returns every page of the repository.
fn pages() -> Vec<(String, String)> {
    let mut pages: Vec<_> = files(&["docs", "migrations", "benches", "tests", "scripts"], "md").into_iter().collect();
    for entry in std::fs::read_dir(root()).expect("the repository") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            pages.push((name, std::fs::read_to_string(path).expect("a text")));
        }
    }
    assert!(pages.iter().any(|(name, _)| name == "README.md"), "README.md is among the pages");
    pages
}

#[test]
fn every_path_in_backticks_exists() {
    let (mut found, mut looked) = (Vec::new(), 0);
    for (page, text) in pages() {
        for quoted in quoted(&text) {
            for word in quoted.split_whitespace().filter(|word| is_path(word)) {
                looked += 1;
                let word = word.trim_end_matches(['/', ',', ':']).trim_start_matches("./");
                let beside = Path::new(&page).parent().unwrap_or(Path::new("")).join(word);
                if !root().join(word).exists() && !root().join(beside).exists() {
                    found.push(format!("{page} refers to {word}"));
                }
            }
        }
    }
    assert!(looked > 30, "only {looked} paths were found");
    only_known(found, &[]);
}

#[test]
fn every_link_resolves() {
    let mut found = Vec::new();
    for (page, text) in pages() {
        let folder = Path::new(&page).parent().unwrap_or(Path::new("")).to_owned();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split([')', '#', ' ']).next().unwrap_or_default();
            let is_local = !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:");
            if is_local && !root().join(&folder).join(target).exists() {
                found.push(format!("{page} links to {target}"));
            }
        }
    }
    only_known(found, &[]);
}

#[test]
fn operations_page_names_every_metric_and_warning() {
    let page = std::fs::read_to_string(root().join("docs/operations.md")).expect("the page");
    let named: BTreeSet<&str> = quoted(&page).into_iter().collect();
    let (mut metrics, mut found) = (BTreeSet::new(), Vec::new());
    for (file, text) in files(&["src"], "rs") {
        let code = without_tests(&text);
        let literals = code.split("\"rollcall_").skip(1).filter_map(|rest| rest.split('"').next());
        metrics.extend(literals.map(|rest| format!("rollcall_{rest}")));
        for call in code.split("tracing::").filter(|call| call.starts_with("warn!(") || call.starts_with("error!(")) {
            // The message is the first text of the call; the fields before it have none.
            let message = call.split('"').nth(1).unwrap_or_default();
            if !named.contains(message) {
                found.push(format!("{file} logs {message:?}, which docs/operations.md does not explain"));
            }
        }
    }
    assert!(metrics.len() > 10, "only {} metrics were found", metrics.len());
    let shown: BTreeSet<String> =
        named.iter().filter(|name| name.starts_with("rollcall_")).map(|name| (*name).to_owned()).collect();
    assert_eq!(shown, metrics, "the metrics of docs/operations.md, and those of the code");
    let telemetry = std::fs::read_to_string(root().join("src/telemetry.rs")).expect("the file");
    for metric in &metrics {
        let described = telemetry.match_indices("describe_").map(|(at, _)| &telemetry[at..]);
        if !described.filter_map(|call| call.split('"').nth(1)).any(|name| name == metric) {
            found.push(format!("src/telemetry.rs does not describe {metric}"));
        }
    }
    only_known(found, &[]);
}

/// Returns the texts between backticks, within a line and outside of code blocks.
fn quoted(text: &str) -> Vec<&str> {
    let mut in_block = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            found.extend(line.split('`').skip(1).step_by(2));
        }
    }
    found
}

/// Returns whether a word looks like a path in this repository: it begins with a folder of it, or ends like a file.
fn is_path(word: &str) -> bool {
    let first = word.trim_start_matches("./").split('/').next().unwrap_or_default();
    let is_plain = !word.contains(['{', '}', '<', '>', '*', '…', '(', '=', '$', '"', '[', '?']) && !word.contains("::");
    let begins = word.contains('/') && !first.is_empty() && first != "target" && root().join(first).is_dir();
    let ends = ENDINGS.iter().any(|ending| word.ends_with(ending) && word.len() > ending.len());
    is_plain && !word.starts_with('/') && !word.starts_with("../") && !word.contains("://") && (begins || ends)
}
