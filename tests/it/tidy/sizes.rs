//! Sizes of files, functions and folders.

use std::collections::BTreeMap;

use super::{FOLDERS, files, only_known, without_tests};

/// The most lines of a file.
const FILE: usize = 500;
/// The most lines of a function.
const FUNCTION: usize = 70;
/// The most parameters of a function, including `self`.
const PARAMETERS: usize = 5;
/// The most Rust files in a folder.
const FOLDER: usize = 14;

/// The exceptions, with the reason. The lists may only become shorter.
const LARGE_FOLDERS: [(&str, &str); 1] = [("src/domain has 17 files", "the vocabulary, one term a file")];
const MANY_PARAMETERS: [(&str, &str); 9] = [
    ("src/http/graphql/query/breakdown.rs: breakdown takes 7 parameters", "one for each argument of the field"),
    (
        "src/http/graphql/query/closed_conversations.rs: closed_conversations takes 14 parameters",
        "one for each argument of the vendor's field",
    ),
    (
        "src/http/graphql/query/conversations.rs: conversations takes 11 parameters",
        "one for each argument of the field",
    ),
    (
        "src/http/graphql/query/connected_users_indicator.rs: connected_users_indicator takes 13 parameters",
        "one for each argument of the vendor's field",
    ),
    (
        "src/http/graphql/query/users.rs: users takes 13 parameters",
        "one for each filter, and four for the page, as in the vendor's lists",
    ),
    (
        "src/http/graphql/query/reference/projects.rs: projects takes 6 parameters",
        "four for the page, as in the vendor's lists, and the context",
    ),
    (
        "src/http/graphql/query/reference/routing_groups.rs: routing_groups takes 6 parameters",
        "four for the page, as in the vendor's lists, and the context",
    ),
    (
        "src/http/graphql/query/reference/routing_rules.rs: routing_rules takes 6 parameters",
        "four for the page, as in the vendor's lists, and the context",
    ),
    ("src/live/state/people.rs: change_status takes 6 parameters", "one for each member of the event"),
];

#[test]
fn files_are_short() {
    let long = files(&FOLDERS, "rs").into_iter().filter(|(_, text)| text.lines().count() > FILE);
    only_known(long.map(|(file, text)| format!("{file} has {} lines", text.lines().count())).collect(), &[]);
}

#[test]
fn folders_are_small() {
    let mut folders: BTreeMap<String, usize> = BTreeMap::new();
    for file in files(&FOLDERS, "rs").into_keys() {
        let (folder, _) = file.rsplit_once('/').expect("a folder");
        *folders.entry(folder.to_owned()).or_default() += 1;
    }
    let large = folders.into_iter().filter(|(_, files)| *files > FOLDER);
    only_known(large.map(|(folder, files)| format!("{folder} has {files} files")).collect(), &LARGE_FOLDERS);
}

#[test]
fn functions_are_short_and_take_few_parameters() {
    let (mut long, mut many, mut all) = (Vec::new(), Vec::new(), 0);
    for (file, text) in files(&["src"], "rs") {
        for function in functions(without_tests(&text)) {
            all += 1;
            if function.lines > FUNCTION {
                long.push(format!("{file}: {} has {} lines", function.name, function.lines));
            }
            if function.parameters > PARAMETERS {
                many.push(format!("{file}: {} takes {} parameters", function.name, function.parameters));
            }
        }
    }
    assert!(all > 300, "only {all} functions were found");
    only_known(long, &[]);
    only_known(many, &MANY_PARAMETERS);
}

struct Function {
    name: String,
    lines: usize,
    parameters: usize,
}

/// Returns the functions of a file. rustfmt's layout is assumed: a function ends at the first closing brace with the
/// indentation of its first line.
fn functions(text: &str) -> Vec<Function> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = &line[..line.len() - line.trim_start().len()];
        let end = format!("{indent}}}");
        let one_line = line.ends_with('}') || line.ends_with(';');
        let length = if one_line { 1 } else { lines[at..].iter().take_while(|line| **line != end).count() + 1 };
        let (_, rest) = line.split_once(&name).expect("its name");
        let signature = std::iter::once(rest).chain(lines[at + 1..].iter().copied()).collect::<Vec<_>>().join("\n");
        found.push(Function { name, lines: length, parameters: parameters(&signature) });
    }
    found
}

fn function_name(line: &str) -> Option<String> {
    let mut words = line.trim_start();
    for before in ["pub(crate) ", "pub(super) ", "pub ", "pub(in crate::live) ", "const ", "async "] {
        words = words.strip_prefix(before).unwrap_or(words);
    }
    let name = words.strip_prefix("fn ")?;
    Some(name.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default().to_owned())
}

/// Counts the parameters in the first parentheses, after the generic parameters.
fn parameters(text: &str) -> usize {
    let (mut depth, mut count, mut has_any, mut inside, mut last) = (0, 0, false, false, ' ');
    for c in text.chars() {
        match c {
            '(' if depth == 0 => (depth, inside) = (1, true),
            ')' if depth == 1 && inside => break,
            '(' | '[' | '{' | '<' => (depth, has_any) = (depth + 1, true),
            ')' | ']' | '}' => depth -= 1,
            '>' if last != '-' => depth -= 1,
            ',' if depth == 1 && inside => {
                count += usize::from(has_any);
                has_any = false;
            }
            c if !c.is_whitespace() => has_any = inside,
            _ => {}
        }
        last = c;
    }
    count + usize::from(has_any)
}

#[test]
fn functions_are_parsed() {
    let text = "pub(super) async fn a<T: Fn(u8, u8)>(\n    x: (u8, u8),\n    y: Map<u8, u8>,\n) -> u8 {\n    1\n}\n\
                fn b() {}\nfn c(&self, d: u8) {\n}\nfn e(f: impl Fn(u8, u8) -> u8, g: [u8; 2]) {\n}\n";
    let found: Vec<_> = functions(text).into_iter().map(|f| (f.name, f.lines, f.parameters)).collect();
    let expected = [("a", 6, 2), ("b", 1, 0), ("c", 2, 2), ("e", 2, 2)];
    assert_eq!(found, expected.map(|(name, lines, parameters)| (name.to_owned(), lines, parameters)));
}
