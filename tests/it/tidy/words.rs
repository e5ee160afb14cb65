//! Headers and names of files, and code that no file may contain.

use super::{FOLDERS, code, files, has_word, only_known, without_tests};

/// Names that do not describe the content of a file.
const BANNED: [&str; 6] = ["utils", "helpers", "common", "types", "models", "services"];

#[test]
fn every_file_begins_with_a_description() {
    let silent = files(&FOLDERS, "rs").into_iter().filter(|(_, text)| !text.starts_with("//! "));
    only_known(silent.map(|(file, _)| format!("{file} does not begin with //!")).collect(), &[]);
}

#[test]
fn no_file_has_a_generic_name() {
    let mut found = Vec::new();
    for (file, text) in files(&FOLDERS, "rs") {
        for name in BANNED {
            let is_part = file.split('/').any(|part| part.trim_end_matches(".rs") == name);
            if is_part {
                found.push(format!("{file} is called {name}"));
            }
            if code(&text).contains(&format!("mod {name} {{")) {
                found.push(format!("{file} has a module called {name}"));
            }
        }
    }
    only_known(found, &[]);
}

#[test]
fn no_code_is_left_unfinished() {
    let mut found = Vec::new();
    for (file, text) in files(&FOLDERS, "rs") {
        // The words are split, so that this file is not a violation itself.
        for (word, rest) in [("TO", "DO"), ("FIX", "ME"), ("X", "XX"), ("HA", "CK")] {
            if has_word(&text, &format!("{word}{rest}")) {
                found.push(format!("{file} has {word}{rest}"));
            }
        }
        for (word, rest) in
            [("unimplemented", "!("), ("todo", "!("), ("#[al", "low("), ("#![al", "low("), ("dbg", "!(")]
        {
            if code(&text).contains(&format!("{word}{rest}")) {
                found.push(format!("{file} has {word}{rest}"));
            }
        }
    }
    only_known(found, &[]);
}

#[test]
fn the_service_has_no_deliberate_panics() {
    let mut found = Vec::new();
    for (file, text) in files(&["src"], "rs") {
        let code = code(without_tests(&text));
        for word in [".unwrap()", ".expect(", "panic!(", "unreachable!("] {
            if code.contains(word) {
                found.push(format!("{file} has {word}"));
            }
        }
    }
    only_known(found, &[]);
}

/// The other rules assume that the unit tests are at the end of a file.
#[test]
fn unit_tests_come_last() {
    let mut found = Vec::new();
    for (file, text) in files(&["src"], "rs") {
        let Some((_, tests)) = text.split_once("#[cfg(test)]") else { continue };
        // One module: its closing brace is the only further line without indentation.
        let is_module = tests.starts_with("\nmod tests {\n");
        let ends = tests.lines().skip(2).filter(|line| !line.is_empty() && !line.starts_with(' ')).collect::<Vec<_>>();
        if !is_module || ends != ["}"] {
            found.push(format!("{file} has code after its tests"));
        }
    }
    only_known(found, &[]);
}

#[test]
fn unsafe_is_forbidden() {
    let library = std::fs::read_to_string(super::root().join("src/lib.rs")).expect("the library");
    assert!(library.contains("#![forbid(unsafe_code)]"));
    assert!(library.contains("#![warn(missing_docs)]"));
    let main = std::fs::read_to_string(super::root().join("src/main.rs")).expect("the program");
    assert!(main.lines().count() <= 40, "main only starts");
}

/// Words that hide the subject of a sentence or personify code. Split, so that this file does not use them itself.
const VAGUE: [(&str, &str); 9] = [
    ("some", "body"),
    ("some", "one"),
    ("no", "body"),
    ("who", "ever"),
    ("any", "body"),
    ("to", "ld"),
    ("like", "wise"),
    ("the same", " of"),
    ("for want", " of"),
];

/// Returns the vague words of a text in lower case.
fn vague(text: &str) -> Vec<String> {
    VAGUE.iter().map(|(word, rest)| format!("{word}{rest}")).filter(|word| has_word(text, word)).collect()
}

#[test]
fn comments_and_pages_use_no_vague_words() {
    let mut found = Vec::new();
    for (file, text) in files(&FOLDERS, "rs") {
        let comments = text.lines().filter_map(|line| line.trim_start().strip_prefix("//")).collect::<Vec<_>>();
        found.extend(vague(&comments.join(" ").to_lowercase()).iter().map(|word| format!("{file} says {word}")));
    }
    for (file, text) in files(&["docs"], "md") {
        // Decisions are records of their time.
        if !file.starts_with("docs/decisions/") {
            found.extend(vague(&text.to_lowercase()).iter().map(|word| format!("{file} says {word}")));
        }
    }
    only_known(found, &[]);
}

#[test]
fn vague_words_are_found() {
    let text = format!("it is {}{} to some{}", "to", "ld", "body");
    assert_eq!(vague(&text).len(), 2);
    assert!(vague("a sometime bodyguard").is_empty());
}
