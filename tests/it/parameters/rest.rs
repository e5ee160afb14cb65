//! The filters of the REST dialects.

use std::collections::BTreeSet;

use form_urlencoded::Serializer;
use reqwest::Method;
use rollcall::http::openapi;
use serde_json::{Value, json};

use super::stage;
use crate::support::Service;
use crate::support::api::{Answer, send};

/// The kind of a filter's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A list, in which commas separate values.
    List,
    /// A list, in which a comma is a part of its value.
    Texts,
    /// One value of a few.
    Choice,
    /// A list in a JSON body.
    JsonList,
    /// One value of a few in a JSON body.
    JsonChoice,
}

/// A filter of a route: its name, a value with the number of rows that it leaves, and several with theirs.
type Row = (&'static str, Kind, (&'static str, u64), (&'static [&'static str], u64));

/// A route with filters.
struct Filtered {
    /// Method and path.
    route: &'static str,
    /// Parameters that the route needs, as a query.
    needed: &'static str,
    /// The number of rows without any filter; `None` if the filter is required.
    all: Option<u64>,
    rows: &'static [Row],
}

const ADA: &str = "a0000101-0000-4000-8000-000000000101";
const BEN: &str = "a0000102-0000-4000-8000-000000000102";
const ENGLISH: &str = "b0000001-0000-4000-8000-000000000001";
const SALES: &str = "b0000002-0000-4000-8000-000000000002";
const NORTH: &str = "c0000001-0000-4000-8000-000000000001";
const SOUTH: &str = "c0000002-0000-4000-8000-000000000002";
const INBOUND: &str = "d0000222-0000-4000-8000-000000000222";
const OVERFLOW: &str = "d0000333-0000-4000-8000-000000000333";

const OPERATORS: &[Row] = &[
    ("filters[id]", Kind::List, ("101", 1), (&["101", "105"], 2)),
    ("filters[group_id]", Kind::List, ("2", 2), (&["1", "2"], 6)),
    ("filters[website_id]", Kind::List, ("7", 4), (&["7", "8"], 7)),
    ("filters[website_list]", Kind::List, ("7", 4), (&["7", "8"], 7)),
    ("filters[skill_id]", Kind::List, ("2", 4), (&["1", "2"], 6)),
    ("filters[name]", Kind::Texts, ("Alba", 1), (&["Al*", "elin"], 2)),
    ("filters[external_id]", Kind::Texts, ("ext-101", 1), (&["ext-101", "ext-105"], 2)),
    (
        "filters[email]",
        Kind::Texts,
        ("alba@contact.example", 1),
        (&["alba@contact.example", "elin@contact.example"], 2),
    ),
    ("filters[connected]", Kind::Choice, ("0", 1), (&[], 0)),
    ("connected", Kind::Choice, ("1", 6), (&[], 0)),
];
const LIVE: &[Row] = &[
    ("filters[id]", Kind::List, ("101", 1), (&["101", "102"], 2)),
    ("filters[group_id]", Kind::List, ("2", 2), (&["1", "2"], 5)),
    ("filters[website_id]", Kind::List, ("7", 3), (&["7", "8"], 6)),
    ("filters[website_list]", Kind::List, ("7", 3), (&["7", "8"], 6)),
    ("filters[skill_id]", Kind::List, ("2", 3), (&["1", "2"], 5)),
    ("filters[name]", Kind::Texts, ("Alba", 1), (&["Al*", "gwen"], 2)),
    ("filters[external_id]", Kind::Texts, ("ext-101", 1), (&["ext-101", "ext-102"], 2)),
    (
        "filters[email]",
        Kind::Texts,
        ("alba@contact.example", 1),
        (&["alba@contact.example", "gwen@contact.example"], 2),
    ),
    ("filters[connected]", Kind::Choice, ("0", 1), (&[], 0)),
    ("connected", Kind::Choice, ("0", 1), (&[], 0)),
];
const PARENT: Row = ("filters[parent_id]", Kind::List, ("1", 1), (&["1", "2"], 2));
const SKILLS: &[Row] = &[PARENT, ("filters[operator_id]", Kind::List, ("102", 1), (&["102", "103"], 2))];
const CONVOSO: &[Row] = &[
    ("campaign_id", Kind::List, ("111", 3), (&["111", "444"], 4)),
    ("queue_id", Kind::List, ("222", 3), (&["222", "333"], 4)),
    ("user_id", Kind::List, ("101", 1), (&["101", "103"], 2)),
    ("filter_by_skill_options", Kind::List, ("sales", 3), (&["sales", "english"], 5)),
];
const CRITERIA: &[Row] = &[
    ("skillGuids", Kind::JsonList, (ENGLISH, 5), (&[ENGLISH, SALES], 3)),
    ("groupGuids", Kind::JsonList, (SOUTH, 2), (&[NORTH, SOUTH], 6)),
    ("queueGuids", Kind::JsonList, (INBOUND, 4), (&[INBOUND, OVERFLOW], 5)),
    ("liveness", Kind::JsonChoice, ("semilive", 6), (&[], 0)),
];
const BREAKDOWN: &[Row] = &[
    ("group", Kind::List, ("2", 2), (&["1", "South"], 6)),
    ("skill_any", Kind::List, ("2", 4), (&["english", "2"], 6)),
    ("skill_all", Kind::List, ("2", 4), (&["english", "2"], 3)),
    ("queue", Kind::List, ("222", 4), (&["222", "overflow"], 5)),
    ("campaign", Kind::List, ("111", 4), (&["111", "Renewals"], 5)),
    ("project", Kind::List, ("7", 4), (&["7", "travel"], 7)),
    ("routing_group", Kind::List, ("1", 4), (&["First line", "2"], 6)),
    ("role", Kind::List, ("manager", 1), (&["manager", "expert"], 2)),
    ("user", Kind::List, ("101", 1), (&["101", "external:ext-105"], 2)),
];
const GROUPS: Row = ("groups", Kind::List, ("2", 0), (&["2", "1"], 1));

/// Every route with filters.
const ROUTES: [Filtered; 13] = [
    Filtered { route: "GET /v1/breakdown", needed: "by=channel&", all: Some(7), rows: BREAKDOWN },
    Filtered { route: "GET /operator", needed: "", all: Some(7), rows: OPERATORS },
    Filtered { route: "GET /operator/live", needed: "", all: Some(6), rows: LIVE },
    Filtered { route: "GET /group", needed: "", all: Some(4), rows: &[PARENT] },
    Filtered { route: "GET /skill", needed: "", all: Some(4), rows: SKILLS },
    Filtered { route: "GET /user-activity/search", needed: "", all: Some(5), rows: CONVOSO },
    Filtered { route: "POST /user-activity/search", needed: "", all: Some(5), rows: CONVOSO },
    Filtered { route: "GET /agent-monitor/search", needed: "", all: Some(5), rows: CONVOSO },
    Filtered { route: "POST /agent-monitor/search", needed: "", all: Some(5), rows: CONVOSO },
    Filtered {
        route: "GET /agents-availability",
        needed: "",
        all: None,
        rows: &[("skillNames", Kind::List, ("english", 5), (&["english", "sales"], 3))],
    },
    Filtered { route: "POST /agents-availability", needed: "", all: Some(6), rows: CRITERIA },
    Filtered {
        route: "GET /agents/presences/users",
        needed: "",
        all: None,
        rows: &[("userId", Kind::List, (ADA, 1), (&[ADA, BEN], 2))],
    },
    Filtered {
        route: "GET /v0/{account}/agents/",
        needed: "availability=readyForPhoneCall&",
        all: Some(1),
        rows: &[GROUPS],
    },
];

/// Parameters and members that are no filters, with the reason.
const OTHERS: [(&str, &str); 13] = [
    ("by", "the keys of the rows"),
    ("channel", "the channels of the reasons; selects no users"),
    ("include_empty", "the part of a list"),
    ("first", "the part of a list"),
    ("format", "the form of the answer"),
    ("page", "the part of a list"),
    ("limit", "the part of a list"),
    ("full", "the form of the rows"),
    ("fields", "the form of the answer"),
    ("availability", "has one value, which is required"),
    ("auth_token", "the credential"),
    ("presenceId", "the value that is set; required"),
    ("stale", "which readiness is asked for"),
];

/// Returns whether an operation has no filters of its own: our API besides the breakdown, whose documents and events are
/// checked member by member, and whose live events have the breakdown's filters by the same reader; tokens; GraphQL, whose
/// filters are in its schema; and the fields of an operator that is written.
fn is_apart(method: &str, path: &str, tag: &str) -> bool {
    let is_write = path.starts_with("/operator") && method != "GET";
    matches!(tag, "Tokens" | "GraphQL") || path.starts_with("/v1/") && path != "/v1/breakdown" || is_write
}

/// Returns the parameters in queries and the members of bodies, as `METHOD path` and name.
fn described() -> BTreeSet<(String, String)> {
    let description: Value = serde_json::from_str(openapi::json()).expect("JSON");
    let mut found = BTreeSet::new();
    for (path, item) in description["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let (method, tag) = (method.to_uppercase(), operation["tags"][0].as_str().expect("a tag"));
            if is_apart(&method, path, tag) {
                continue;
            }
            let queries = operation["parameters"].as_array().into_iter().flatten().filter(|p| p["in"] == "query");
            let mut names: Vec<String> = queries.map(|p| p["name"].as_str().expect("a name").to_owned()).collect();
            for media in
                operation["requestBody"]["content"].as_object().into_iter().flat_map(|content| content.values())
            {
                let reference = media["schema"]["$ref"].as_str().expect("a reference");
                let schema = description.pointer(&reference[1..]).expect("a schema");
                names.extend(schema["properties"].as_object().expect("members").keys().cloned());
            }
            found.extend(names.into_iter().map(|name| (format!("{method} {path}"), name)));
        }
    }
    found
}

#[test]
fn every_filter_of_the_description_has_a_row() {
    let rows: BTreeSet<(String, String)> = ROUTES
        .iter()
        .flat_map(|route| route.rows.iter().map(|(name, ..)| (route.route.to_owned(), (*name).to_owned())))
        .collect();
    let is_other = |name: &str| OTHERS.iter().any(|(other, _)| *other == name);
    let filters: BTreeSet<_> = described().into_iter().filter(|(_, name)| !is_other(name)).collect();
    assert_eq!(rows, filters, "add rows to ROUTES, or a reason to OTHERS");
}

/// What a client sends besides the credential.
#[derive(Clone, Debug)]
enum Sent {
    /// Names and values in the query or, for a POST, in a form.
    Pairs(Vec<(String, String)>),
    /// A query or a form that is already encoded.
    Encoded(String),
    Json(Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Rows(u64),
    Refused,
}

fn pair(name: impl Into<String>, value: &str) -> (String, String) {
    (name.into(), value.to_owned())
}

/// Returns the spellings of one row in a query or a form.
fn pairs(all: Option<u64>, (name, kind, one, several): &Row) -> Vec<(Sent, Expected)> {
    let rest = all.map_or(Expected::Refused, Expected::Rows);
    let single = |name: String, value: &str| Sent::Pairs(vec![pair(name, value)]);
    let mut cases = vec![
        (Sent::Pairs(vec![]), rest),
        (single((*name).to_owned(), ""), rest),
        (single((*name).to_owned(), one.0), Expected::Rows(one.1)),
        (single(format!("{name}[x]"), one.0), Expected::Refused),
        (single(format!("{name}[0][y]"), one.0), Expected::Refused),
        (single(format!("{name}[]["), one.0), Expected::Refused),
        (single(format!("{name}[0"), one.0), Expected::Refused),
        (Sent::Encoded(format!("{name}=%FF")), Expected::Refused),
        // A known value does not hide another one that is not understood.
        (Sent::Pairs(vec![pair(*name, one.0), pair(format!("{name}[x]"), one.0)]), Expected::Refused),
    ];
    let misspelt = if name.contains('[') { name.replacen(']', "s]", 1) } else { format!("{name}s") };
    cases.push((single(misspelt, one.0), Expected::Refused));
    // What has nothing in common with a filter is unknown, and ignored as by the vendors.
    cases.push((single(String::from("platform"), one.0), rest));
    if *kind == Kind::Choice {
        cases.extend(["2", "yes", "0,1"].map(|value| (single((*name).to_owned(), value), Expected::Refused)));
        cases.push((single(format!("{name}[]"), one.0), Expected::Refused));
        cases.push((Sent::Pairs(vec![pair(*name, one.0), pair(*name, one.0)]), Expected::Refused));
        return cases;
    }
    let rows = Expected::Rows(several.1);
    let spelled = |spell: &dyn Fn(usize) -> String| {
        Sent::Pairs(several.0.iter().enumerate().map(|(n, value)| pair(spell(n), value)).collect())
    };
    cases.extend([
        (single(format!("{name}[]"), ""), rest),
        (single(format!("{name}[0]"), one.0), Expected::Rows(one.1)),
        (spelled(&|_| (*name).to_owned()), rows),
        (spelled(&|_| format!("{name}[]")), rows),
        (spelled(&|n| format!("{name}[{n}]")), rows),
        (spelled(&|n| format!("{name}[{}]", 7 * n + 3)), rows),
        (spelled(&|n| if n == 0 { (*name).to_owned() } else { format!("{name}[]") }), rows),
    ]);
    match kind {
        Kind::Texts => cases.push((Sent::Pairs(vec![pair(*name, one.0), pair(*name, "")]), Expected::Refused)),
        _ => cases.push((single((*name).to_owned(), &several.0.join(",")), rows)),
    }
    // Names can be any text; an id cannot.
    let are_ids = one.0.bytes().all(|b| b.is_ascii_digit()) || one.0.len() == 36;
    if are_ids {
        let wrong =
            ["x", "1.5", "-1", "true", "[1]", "{}"].map(|value| (single((*name).to_owned(), value), Expected::Refused));
        cases.extend(wrong);
        cases.push((Sent::Pairs(vec![pair(*name, one.0), pair(*name, "")]), Expected::Refused));
    }
    cases
}

/// Returns the spellings of one row in a JSON body, which every dialect reads more strictly than a form.
fn json_cases(is_strict: bool, all: u64, (name, kind, one, several): &Row) -> Vec<(Sent, Expected)> {
    let body = |name: &str, value: Value| Sent::Json(json!({ name: value }));
    let mut cases = vec![
        (Sent::Json(json!({})), Expected::Rows(all)),
        (body(name, Value::Null), Expected::Rows(all)),
        (body(&format!("{name}[]"), json!([one.0])), Expected::Refused),
        (body(name, json!({ "0": one.0 })), Expected::Refused),
        (body(name, json!([[one.0]])), Expected::Refused),
        (body(name, json!(true)), Expected::Refused),
        (body(name, json!(1.5)), Expected::Refused),
    ];
    if is_strict {
        cases.push((body(&format!("{name}s"), json!([one.0])), Expected::Refused));
        cases.push((body(&name[..name.len() - 1], json!([one.0])), Expected::Refused));
    }
    if *kind == Kind::JsonChoice {
        cases.push((body(name, json!(one.0)), Expected::Rows(one.1)));
        cases.extend(["x", ""].map(|value| (body(name, json!(value)), Expected::Refused)));
        cases.push((body(name, json!([one.0])), Expected::Refused));
        return cases;
    }
    cases.extend([
        (body(name, json!([])), Expected::Rows(all)),
        (body(name, json!([one.0])), Expected::Rows(one.1)),
        (body(name, json!(several.0)), Expected::Rows(several.1)),
        (body(name, json!([one.0, null])), Expected::Refused),
        (body(name, json!([one.0, {}])), Expected::Refused),
    ]);
    if is_strict {
        cases.push((body(name, json!(one.0)), Expected::Refused));
        cases.push((body(name, json!([1])), Expected::Refused));
    } else {
        cases.push((body(name, json!(one.0)), Expected::Rows(one.1)));
        cases.push((body(name, json!(several.0.join(","))), Expected::Rows(several.1)));
        if let Ok(number) = one.0.parse::<u64>() {
            cases.push((body(name, json!(number)), Expected::Rows(one.1)));
            cases.push((body(name, json!([number])), Expected::Rows(one.1)));
        }
    }
    cases
}

fn cases(route: &Filtered, row: &Row) -> Vec<(Sent, Expected)> {
    let is_json = matches!(row.1, Kind::JsonList | Kind::JsonChoice);
    let mut cases = if is_json { Vec::new() } else { pairs(route.all, row) };
    if let (true, Some(all)) = (route.route.starts_with("POST"), route.all) {
        cases.extend(json_cases(is_json, all, row));
    }
    cases
}

async fn ask(service: &Service, key: &str, route: &Filtered, sent: &Sent) -> Answer {
    let (method, path) = route.route.split_once(' ').expect("a method");
    let method: Method = method.parse().expect("a method");
    let encoded = match sent {
        Sent::Pairs(pairs) => Serializer::new(String::new()).extend_pairs(pairs).finish(),
        Sent::Encoded(text) => text.clone(),
        Sent::Json(_) => String::new(),
    };
    let path = path.replace("{account}", "acme");
    let is_form = method == Method::POST && !matches!(sent, Sent::Json(_));
    let token = if path.ends_with("/search") { format!("auth_token={key}&") } else { String::new() };
    let query = if is_form { token } else { format!("{token}{}{encoded}", route.needed) };
    let request = service.api.request(method, &format!("{path}?{query}"));
    let request = match sent {
        Sent::Json(body) => request.json(body),
        _ if is_form => request.header("Content-Type", "application/x-www-form-urlencoded").body(encoded),
        _ => request,
    };
    let request = if path.ends_with("/search") { request } else { request.bearer_auth(key) };
    send(request.header("Accept", "application/vnd.newvoicemedia.v1+json")).await.expect("an answer")
}

/// Returns the number of rows that an answer counts or lists, or `Refused` for an error in the dialect's shape.
fn outcome(route: &Filtered, answer: &Answer) -> Expected {
    let body = answer.json();
    let number = |pointer: &str| body.pointer(pointer).and_then(Value::as_u64);
    let sum = |object: &Value| object.as_object().map(|counts| counts.values().filter_map(Value::as_u64).sum());
    let length = |list: &Value| list.as_array().map(|list| list.len() as u64);
    let is_refused = match route.route.split_once(' ').expect("a path").1 {
        path if path.ends_with("/search") => body["success"] == false && body["error"].is_string(),
        "/v1/breakdown" => matches!(answer.status, 400 | 422) && body["type"].is_string(),
        path if path.contains("agents") => answer.status == 400 && body.is_object(),
        _ => answer.status == 400 && body["meta"]["status"] == "fail",
    };
    if is_refused {
        return Expected::Refused;
    }
    assert_eq!(answer.status, 200, "{}", answer.text);
    let rows = match route.route {
        "GET /v1/breakdown" => number("/total/people"),
        "GET /operator/live" => length(&body["data"]),
        "GET /operator" | "GET /group" | "GET /skill" => number("/pagination/count"),
        "GET /agents-availability" => sum(&body),
        "POST /agents-availability" => sum(&body["presenceSummary"]),
        "GET /agents/presences/users" => length(&body),
        "GET /v0/{account}/agents/" => number("/count"),
        route if route.ends_with("/user-activity/search") => number("/data/logged_in_agents"),
        _ => number("/data/entries/agent_total"),
    };
    Expected::Rows(rows.unwrap_or_else(|| panic!("no count: {}", answer.text)))
}

#[tokio::test]
async fn filters_are_taken_or_refused_in_every_spelling() {
    let (service, persona) = stage().await;
    let (mut failures, mut asked) = (Vec::new(), 0);
    for route in &ROUTES {
        for row in route.rows {
            for (sent, expected) in cases(route, row) {
                asked += 1;
                let answer = ask(&service, &persona.key, route, &sent).await;
                if outcome(route, &answer) != expected {
                    let (status, text) = (answer.status, &answer.text[..answer.text.len().min(200)]);
                    failures.push(format!("{} {sent:?}: expected {expected:?}, got {status} {text}", route.route));
                }
            }
        }
    }
    service.stop().await;
    assert!(asked > 500, "only {asked} requests");
    assert!(failures.is_empty(), "{} of {asked}:\n{}", failures.len(), failures.join("\n"));
}
