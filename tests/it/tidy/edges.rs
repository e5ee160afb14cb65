//! Dependencies between rooms, and on libraries.

use super::{code, files, has_word, only_known};

/// The rooms that each room may use, besides itself.
const EDGES: [(&str, &[&str]); 14] = [
    ("domain", &[]),
    ("live", &["domain"]),
    ("projection", &["domain", "live"]),
    ("journal", &["domain"]),
    ("store", &["domain", "journal", "live", "clock", "lifecycle", "limits"]),
    ("engine", &["domain", "live", "journal", "store", "clock", "lifecycle", "limits"]),
    ("registry", &["domain", "store", "clock"]),
    ("auth", &["domain", "store", "registry", "clock", "lifecycle", "limits"]),
    ("limits", &["domain", "clock"]),
    ("command", &["domain", "engine", "store", "registry", "auth", "clock", "lifecycle", "limits"]),
    ("query", &["domain", "engine", "live", "projection", "store", "auth"]),
    (
        "http",
        &[
            "auth",
            "command",
            "query",
            "domain",
            "projection",
            "engine",
            "store",
            "registry",
            "clock",
            "lifecycle",
            "limits",
        ],
    ),
    ("clock", &["domain"]),
    ("config", &["domain", "engine", "store", "limits"]),
];

/// Rooms that assemble the others or run beside them, and may use any.
const AROUND: [&str; 8] = ["app", "boot", "cli", "lib", "lifecycle", "main", "self_check", "telemetry"];

/// Uses that are limited to some names: the using room, the used room, and the names.
const NAMES: [(&str, &str, &[&str]); 9] = [
    ("http", "engine", &["Reader", "Receipt", "Submitter", "Snapshot", "Health", "PAUSE_THRESHOLD"]),
    ("http", "store", &["KeyRecord", "LinkRecord", "TenantRecord", "TenantReads"]),
    ("http", "registry", &["TenantSettings"]),
    ("command", "registry", &["TenantSettings"]),
    ("config", "engine", &["Limits"]),
    ("config", "store", &["Location"]),
    ("query", "engine", &["Reader", "Snapshot"]),
    ("query", "store", &["KeyRecord", "LinkRecord", "TenantRecord", "Store", "TenantReads", "ArchivePart", "in_time"]),
    ("store", "live", &["Checkpoint", "Listed", "Row", "RowKey"]),
];

/// The exceptions, with the reason. The list may only become shorter.
const KNOWN: [(&str, &str); 3] = [
    ("src/http/state.rs uses store::Store", "handlers for tenants and keys pass it to command and query"),
    ("src/http/state.rs uses lifecycle::Lifecycle", "passes it to drain.rs"),
    ("src/http/drain.rs uses lifecycle::Lifecycle", "reads unread bodies to their end in the background"),
];

/// Returns the room of a file of `src`.
fn room(file: &str) -> &str {
    let inside = file.strip_prefix("src/").expect("a source");
    inside.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

#[test]
fn rooms_use_only_allowed_rooms() {
    let mut found = Vec::new();
    let mut edges = 0;
    for (file, text) in files(&["src"], "rs") {
        let room = room(&file);
        if AROUND.contains(&room) {
            continue;
        }
        let (_, allowed) =
            EDGES.iter().find(|(name, _)| *name == room).unwrap_or_else(|| panic!("{room} is not in EDGES"));
        for path in paths(&code(&text)) {
            let (other, name) = path.split_once("::").unwrap_or((&path, ""));
            if other == room {
                continue;
            }
            edges += 1;
            let names = NAMES.iter().find(|(from, to, _)| (*from, *to) == (room, other));
            let is_named =
                names.is_none_or(|(_, _, names)| names.contains(&name.split("::").next().unwrap_or_default()));
            let is_listeners = (room, other) != ("http", "lifecycle") || file.starts_with("src/http/listener");
            if !allowed.contains(&other) || !is_named || !is_listeners {
                found.push(format!("{file} uses {path}"));
            }
        }
    }
    assert!(edges > 100, "only {edges} uses were found");
    found.sort();
    found.dedup();
    only_known(found, &KNOWN);
}

#[test]
fn libraries_are_used_only_where_allowed() {
    let edge = ["axum", "tower", "tower_http", "async_graphql", "async_graphql_value", "hyper", "hyper_util", "utoipa"];
    let rules: [(&[&str], &[&str]); 9] = [
        (&edge, &["src/http/"]),
        (&["sqlx"], &["src/journal/", "src/store/", "src/config/"]),
        (&["clap"], &["src/cli/", "src/config/"]),
        (&["rand"], &["src/auth/secret.rs", "src/cli/demo"]),
        (&["reqwest"], &["src/cli/"]),
        (&["argon2"], &["src/auth/password.rs"]),
        (&["governor"], &["src/limits/rate.rs", "src/limits/throttle.rs"]),
        (&["hmac"], &["src/auth/signature.rs"]),
        (&["tokio_rustls"], &["src/http/tls.rs", "src/http/listener/"]),
    ];
    let mut found = Vec::new();
    for (file, text) in files(&["src"], "rs") {
        let code = code(&text);
        for (libraries, places) in rules {
            let is_place = places.iter().any(|place| file.starts_with(place));
            for library in libraries {
                let is_used = code.contains(&format!("{library}::")) && has_word(&code, library);
                if is_used && !is_place && !is_ours(&code, library) {
                    found.push(format!("{file} uses {library}"));
                }
            }
        }
    }
    only_known(found, &[]);
}

/// `AppState::caller` also checks that the user of a token still exists, which `auth::Credentials` cannot.
#[test]
fn callers_are_authenticated_in_one_place() {
    let mut found = Vec::new();
    for (file, text) in files(&["src/http", "src/command", "src/query"], "rs") {
        let code = code(&text).replace(['\n', ' '], "");
        if ["credentials().caller(", "credentials().revalidate("].iter().any(|call| code.contains(call)) {
            found.push(format!("{file} authenticates by itself"));
        }
    }
    only_known(found, &[("src/http/state.rs authenticates by itself", "for all handlers")]);
}

/// Returns whether every occurrence is a name of this crate that only ends like the library's.
fn is_ours(code: &str, library: &str) -> bool {
    let needle = format!("{library}::");
    code.match_indices(&needle)
        .all(|(at, _)| code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
}

/// Returns every path that begins with `crate::`, expanded, without that prefix.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            expand("", &code[at + "crate::".len()..], &mut found);
        }
    }
    found
}

/// Parses one path, which may end in a group of paths; returns the number of bytes parsed.
pub(super) fn expand(prefix: &str, text: &str, found: &mut Vec<String>) -> usize {
    let length = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    let path = format!("{prefix}{}", &text[..length]);
    let is_group = text[length..].starts_with('{') && (path.is_empty() || path.ends_with("::"));
    if !is_group {
        // The text between two paths of a group is no path.
        if length > 0 {
            found.push(path);
        }
        return length;
    }
    let mut at = length + 1;
    while at < text.len() && !text[at..].starts_with('}') {
        let read = expand(&path, &text[at..], found);
        // At least one byte, to pass a comma, a space or a name's `as`.
        at += read.max(1);
    }
    at + 1
}

#[test]
fn paths_are_parsed() {
    let found =
        paths("use crate::{auth::Admin, query};\nuse crate::a::b::{self, C, d::{E, F}};\nlet x: &crate::g::H = 1;");
    let expected = ["auth::Admin", "query", "a::b::self", "a::b::C", "a::b::d::E", "a::b::d::F", "g::H"];
    assert_eq!(found, expected);
}
