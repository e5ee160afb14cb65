//! Names of parameters that nothing reads. One that looks like a filter is rejected: ignored, it would leave the whole
//! tenant, which is a plausible answer to another question. All others are ignored, as the vendors do
//! (docs/decisions/0096-no-filter-is-ignored.md).

use std::collections::{HashMap, HashSet};

use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::{Content, OpenApi, RefOr, Schema};

use crate::domain::Fault;

/// The family of names in which iAdvize's clients repeat the fields that they write or want to have.
const REPEATED: &str = "fields";
/// The family of iAdvize's filters.
const FAMILY: &str = "filter";
/// Words of parameters that do not say what is restricted.
const GENERAL: [&str; 9] = ["by", "filter", "guid", "id", "list", "name", "option", "uuid", "value"];
/// Shortest name in which a wrong letter is taken for a mistake: of two short names each may be meant.
const SHORTEST: usize = 5;

/// A parameter that iAdvize's clients add to every query.
const ADDED: &str = "platform";
/// Parameters that restrict nothing: without them an answer is another page or another form of the same.
const NO_FILTERS: [&str; 16] = [
    "after",
    "by",
    "digest",
    "extensions",
    "fields",
    "first",
    "format",
    "full",
    "include_empty",
    "limit",
    "operationName",
    "page",
    "query",
    "stale",
    "ticket",
    "variables",
];

/// The parameters in the queries of all routes, and the members of their bodies.
#[derive(Debug, Default)]
pub struct RouteParameters {
    /// Names in the query, by method and path.
    routes: HashMap<String, Vec<String>>,
    /// Names in the bodies and queries of all methods, by path.
    paths: HashMap<String, Vec<String>>,
    /// The filters of all routes, by the words that say what is restricted.
    filters: HashSet<Vec<String>>,
}

/// The names that are read in other places than the one that a name is in.
#[derive(Debug, Default)]
pub struct Elsewhere<'r> {
    /// Those of the same path: in the body, or with another method.
    names: Vec<&'r str>,
    /// The filters of all routes.
    filters: Option<&'r HashSet<Vec<String>>>,
}

/// Returns the parameters of all routes, built on first use. It is among the extensions of every request.
#[derive(Clone, Copy, Debug)]
pub struct KnownParameters(pub fn() -> &'static RouteParameters);

impl RouteParameters {
    /// Collects the parameters from the description: a route cannot have one there and be without it here.
    pub fn of(description: &OpenApi) -> Self {
        let mut all = RouteParameters::default();
        for (path, item) in &description.paths.paths {
            let operations = [
                ("GET", &item.get),
                ("PUT", &item.put),
                ("POST", &item.post),
                ("DELETE", &item.delete),
                ("PATCH", &item.patch),
            ];
            for (method, operation) in operations {
                if let Some(operation) = operation {
                    for name in in_query(operation) {
                        all = all.and(&key(method, path), &name);
                    }
                    all.paths.entry(key("", path)).or_default().extend(in_body(operation, description));
                }
            }
        }
        all
    }

    /// Adds a parameter, such as one that the description leaves out. `route` is a method and a path.
    #[must_use]
    pub fn and(mut self, route: &str, name: &str) -> Self {
        let path = route.split_once(' ').map_or(route, |(_, path)| path);
        self.routes.entry(route.to_owned()).or_default().push(name.to_owned());
        if !NO_FILTERS.contains(&name) {
            // iAdvize's clients send a list's page along with every other request of its path.
            self.paths.entry(key("", path)).or_default().push(name.to_owned());
            self.filters.insert(telling(&words(name)));
        }
        self
    }

    /// Returns the names in the query of a route; none for a route that is not described. A route below a vendor's base
    /// path has those of the route itself.
    pub fn known(&self, method: &str, path: &str) -> Vec<&str> {
        found(&self.routes, if method == "HEAD" { "GET" } else { method }, path)
    }

    /// Returns the names that are read elsewhere than in the query of a route with this path.
    pub fn elsewhere(&self, path: &str) -> Elsewhere<'_> {
        Elsewhere { names: found(&self.paths, "", path), filters: Some(&self.filters) }
    }
}

fn found<'r>(names: &'r HashMap<String, Vec<String>>, method: &str, path: &str) -> Vec<&'r str> {
    let mut starts = path.match_indices('/').map(|(at, _)| at);
    let names = starts.find_map(|at| names.get(&key(method, &path[at..])));
    names.into_iter().flatten().map(String::as_str).collect()
}

fn key(method: &str, path: &str) -> String {
    format!("{method} {}", path.trim_end_matches('/'))
}

fn in_query(operation: &Operation) -> Vec<String> {
    let all = operation.parameters.iter().flatten();
    let name = |parameter: &RefOr<Parameter>| match parameter {
        RefOr::T(parameter) if matches!(parameter.parameter_in, ParameterIn::Query) => Some(parameter.name.clone()),
        _ => None,
    };
    all.filter_map(name).collect()
}

/// Returns the members of an operation's body, in any of its encodings.
fn in_body(operation: &Operation, description: &OpenApi) -> Vec<String> {
    let Some(RefOr::T(body)) = &operation.request_body else { return Vec::new() };
    let named = |name: &str| description.components.as_ref()?.schemas.get(name.rsplit('/').next()?);
    let members = |content: &RefOr<Content>| -> Option<Vec<String>> {
        let RefOr::T(Content { schema: Some(schema), .. }) = content else { return None };
        let schema = if let RefOr::Ref(reference) = schema { named(&reference.ref_location)? } else { schema };
        let RefOr::T(Schema::Object(object)) = schema else { return None };
        Some(object.properties.keys().cloned().collect())
    };
    body.content.values().filter_map(members).flatten().collect()
}

/// Rejects the first of the names that looks like a filter, and is not one of those that are known, in any spelling of a
/// list:
///
/// * a name with brackets, other than `fields[…]`;
/// * `filter` or `filters`, alone or before a dot;
/// * a name that is nearly that of a known parameter, or has the same words: `groupIds` where `filters[group_id]` is known;
/// * a name that the path has in its body or with another method, or that is a filter of another route.
///
/// [`Fault::Invalid`] with the name as it was given, and the known one that may be meant. `elsewhere` is called only if a
/// name is not known.
pub fn reject_unknown<'n, 'r>(
    names: impl Iterator<Item = &'n str>,
    known: &[&str],
    elsewhere: impl FnOnce() -> Elsewhere<'r>,
) -> Result<(), Fault> {
    let is_known = |name: &str| {
        known.iter().any(|known| name.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('[')))
    };
    let mut unknown_names = names.filter(|name| !is_known(name)).peekable();
    if unknown_names.peek().is_none() {
        return Ok(());
    }
    let elsewhere = elsewhere();
    // Taken apart once: a query may have a thousand names.
    let forms: Vec<NameParts<'_>> = known.iter().map(|known| NameParts::of(known)).collect();
    for name in unknown_names {
        let meant = NameParts::of(name).nearest(&forms);
        let base = name.split(['[', '.']).next().unwrap_or_default();
        let is_bracketed = name.contains(['[', ']']) && base != REPEATED;
        let is_family = singular(&base.to_lowercase()) == FAMILY;
        let is_elsewhere = base != ADDED && elsewhere.names.contains(&base);
        let is_filter = || elsewhere.filters.is_some_and(|filters| filters.contains(&telling(&words(name))));
        if meant.is_some() || is_bracketed || is_family || is_elsewhere || is_filter() {
            return Err(Fault::invalid(shortened(name), unknown(meant, known)));
        }
    }
    Ok(())
}

/// Describes an unknown name as a predicate: the known one that is meant, or else all that are known.
pub fn unknown(meant: Option<&str>, known: &[&str]) -> String {
    match meant {
        Some(meant) => format!("is not known: did you mean \"{meant}\"?"),
        None if known.is_empty() => String::from("is not known: there are no parameters here"),
        None => format!("is not known: known are {}", known.join(", ")),
    }
}

/// Returns the known name that is meant by an unknown one, if one is.
pub fn similar<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let forms: Vec<NameParts<'k>> = known.iter().map(|known| NameParts::of(known)).collect();
    NameParts::of(name).nearest(&forms)
}

/// A name, taken apart for comparisons.
struct NameParts<'n> {
    name: &'n str,
    words: Vec<String>,
    telling: Vec<String>,
    letters: String,
}

impl<'n> NameParts<'n> {
    fn of(name: &'n str) -> Self {
        let words = words(name);
        NameParts { name, telling: telling(&words), words, letters: letters(name) }
    }

    /// Returns the known name that this one resembles: in all words, in those that tell, or in nearly all letters.
    fn nearest<'k>(&self, known: &[NameParts<'k>]) -> Option<&'k str> {
        if self.words.is_empty() {
            return None;
        }
        let same = known.iter().find(|known| known.words == self.words);
        let same = same.or_else(|| known.iter().find(|known| known.telling == self.telling));
        same.or_else(|| known.iter().find(|known| is_near(&self.letters, &known.letters))).map(|known| known.name)
    }
}

/// Returns whether two names differ in one letter, or in two of long ones.
fn is_near(name: &str, known: &str) -> bool {
    let most = if known.len() >= 2 * SHORTEST { 2 } else { 1 };
    known.len() >= SHORTEST && name.len().abs_diff(known.len()) <= most && strsim::osa_distance(name, known) <= most
}

/// Returns the letters of a name in lower case, without a family such as `filters[…]`.
fn letters(name: &str) -> String {
    let inner = name.split(['[', ']', '.']).find(|part| !part.is_empty() && singular(&part.to_lowercase()) != FAMILY);
    let inner = shortened(inner.unwrap_or(name));
    inner.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect()
}

/// Splits a name at brackets, punctuation and capital letters into words in lower case and in the singular. Numbers are no
/// words.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    // A name is compared with few others, and no known one is long.
    for part in shortened(name).split(|c: char| !c.is_alphabetic()) {
        let mut word = String::new();
        let mut was_lower = false;
        for c in part.chars() {
            if c.is_uppercase() && was_lower {
                words.push(std::mem::take(&mut word));
            }
            was_lower = c.is_lowercase();
            word.extend(c.to_lowercase());
        }
        words.push(word);
    }
    words.retain(|word| !word.is_empty());
    let words: Vec<String> = words.iter().map(|word| singular(word)).collect();
    // The family's name says nothing beside that of its member.
    if words.len() > 1 && words[0] == FAMILY { words[1..].to_vec() } else { words }
}

fn singular(word: &str) -> String {
    let stem = word.strip_suffix('s').filter(|stem| stem.len() > 1 && !stem.ends_with(['s', 'u']));
    stem.unwrap_or(word).to_owned()
}

/// Returns the words that say what is restricted; all of them if none does.
fn telling(words: &[String]) -> Vec<String> {
    let telling: Vec<String> = words.iter().filter(|word| !GENERAL.contains(&word.as_str())).cloned().collect();
    if telling.is_empty() { words.to_vec() } else { telling }
}

/// Returns a name as messages show it: the first 64 characters.
fn shortened(name: &str) -> String {
    name.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: [&str; 6] = ["page", "full", "connected", "filters[id]", "filters[group_id]", "filters[external_id]"];
    const CONVOSO: [&str; 4] = ["campaign_id", "queue_id", "user_id", "filter_by_skill_options"];

    fn meant(name: &str, known: &[&str]) -> Result<(), String> {
        reject_unknown([name].into_iter(), known, Elsewhere::default).map_err(|fault| fault.to_string())
    }

    #[test]
    fn names_that_look_like_filters_are_rejected() {
        for (name, known, expected) in [
            ("filter[id]", &LIST[..], "filters[id]"),
            ("Filters[id]", &LIST, "filters[id]"),
            ("filters[group]", &LIST, "filters[group_id]"),
            ("filters.group_id", &LIST, "filters[group_id]"),
            ("group_id", &LIST, "filters[group_id]"),
            ("groupIds", &LIST, "filters[group_id]"),
            ("conected", &LIST, "connected"),
            ("campain_id", &CONVOSO, "campaign_id"),
            ("campaignId[]", &CONVOSO, "campaign_id"),
            ("queues", &CONVOSO, "queue_id"),
            ("skill", &CONVOSO, "filter_by_skill_options"),
            ("skill_list[]", &CONVOSO, "filter_by_skill_options"),
            ("USER_ID", &CONVOSO, "user_id"),
        ] {
            let refused = meant(name, known).unwrap_err();
            assert!(refused.ends_with(&format!("did you mean \"{expected}\"?")), "{name}: {refused}");
        }
        for name in ["filters[colour]", "anything[x]", "filter", "filters", "x[", "a]"] {
            assert!(meant(name, &LIST).unwrap_err().contains("known are page, full"), "{name}");
            assert!(meant(name, &[]).unwrap_err().contains("there are no parameters"), "{name}");
        }
    }

    #[test]
    fn others_are_ignored() {
        for name in ["platform", "_", "t", "lang", "utm_campaign", "fields[chat][available]", "fields", "sid", "", "é"]
        {
            assert_eq!(meant(name, &LIST), Ok(()), "{name}");
            assert_eq!(meant(name, &CONVOSO), Ok(()), "{name}");
        }
        for name in ["page", "page[]", "filters[id]", "filters[id][0]", "filters[id][x]"] {
            assert_eq!(meant(name, &LIST), Ok(()), "{name}: the reader of its parameter decides");
        }
        let long = format!("filters[{}]", "x".repeat(10_000));
        assert!(meant(&long, &LIST).unwrap_err().len() < 300);
    }

    #[test]
    fn routes_are_found_below_base_paths() {
        let parameters = RouteParameters::default()
            .and(&key("GET", "/operator"), "page")
            .and(&key("GET", "/v0/{account}/agents/"), "groups");
        assert_eq!(parameters.known("GET", "/api/2/operator"), ["page"]);
        assert_eq!(parameters.known("HEAD", "/operator"), ["page"]);
        assert_eq!(parameters.known("GET", "/v0/{account}/agents"), ["groups"]);
        assert_eq!(parameters.known("POST", "/operator"), [""; 0]);
    }

    #[test]
    fn filters_of_other_methods_and_routes_are_rejected() {
        let parameters = RouteParameters::default()
            .and(&key("GET", "/counts"), "skill_names")
            .and(&key("GET", "/people"), "filters[group_id]")
            .and(&key("GET", "/people"), "page");
        let refused = |name: &str, method: &str| {
            let elsewhere = || parameters.elsewhere("/counts");
            reject_unknown([name].into_iter(), &parameters.known(method, "/counts"), elsewhere).is_err()
        };
        for name in ["skill_names", "skillNames", "group", "groupIds", "group_id"] {
            assert!(refused(name, "POST"), "{name}");
        }
        assert!(!refused("skill_names", "GET") && refused("group", "GET"));
        assert!(!refused("page", "GET"), "it restricts nothing");
    }
}
