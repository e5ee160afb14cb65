//! The filters of GraphQL: the arguments of its fields and the members of its inputs.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{conversation, stage};
use crate::support::Service;
use crate::support::api::Answer;

/// A filter: its name, its type, a value with the number of nodes that it leaves, and several with theirs. Values are
/// literals of GraphQL.
type Row = (&'static str, &'static str, (&'static str, u64), (&'static [&'static str], u64));

/// A field with filters.
struct Filtered {
    /// The field of `Query`, or the input with the same members.
    name: &'static str,
    /// The number of nodes without any filter.
    all: u64,
    rows: &'static [Row],
}

const USERS: &[Row] = &[
    ("ids", "[LegacyId!]", ("101", 1), (&["101", "105"], 2)),
    ("groupIds", "[LegacyId!]", ("2", 2), (&["1", "2"], 6)),
    ("projectIds", "[LegacyId!]", ("7", 4), (&["7", "8"], 7)),
    ("roles", "[UserRole!]", ("MANAGER", 1), (&["MANAGER", "EXPERT"], 2)),
    ("skillIds", "[LegacyId!]", ("2", 4), (&["1", "2"], 6)),
    ("routingGroupIds", "[UUID!]", (FIRST, 4), (&[FIRST, SECOND], 6)),
    ("isConnected", "Boolean", ("true", 6), (&[], 0)),
];
const CONNECTED: &[Row] = &[
    ("availabilityStatus", "[AvailabilityStatus!]", ("AVAILABLE", 1), (&["AVAILABLE", "TOGGLE_OFF"], 2)),
    ("chatAvailability", "[AvailabilityStatus!]", ("BUSY", 2), (&["AVAILABLE", "BUSY"], 3)),
    ("groupIds", "[LegacyId!]", ("2", 2), (&["1", "2"], 5)),
    ("projectIds", "[LegacyId!]", ("7", 3), (&["7", "8"], 6)),
    ("roles", "[UserRole!]", ("MANAGER", 1), (&["MANAGER", "EXPERT"], 2)),
    ("routingGroupIds", "[UUID!]", (FIRST, 3), (&[FIRST, SECOND], 5)),
    ("skillIds", "[LegacyId!]", ("2", 3), (&["1", "2"], 5)),
    ("queueIds", "[LegacyId!]", ("222", 3), (&["222", "333"], 4)),
    ("campaignIds", "[LegacyId!]", ("111", 3), (&["111", "444"], 4)),
    ("userIds", "[LegacyId!]", ("101", 1), (&["101", "102"], 2)),
];
const OPEN: &[Row] = &[
    ("projectIds", "[LegacyId!]", ("7", 1), (&["7", "8"], 2)),
    ("channels", "[Channel!]", ("CHAT", 1), (&["CHAT", "SMS"], 2)),
    ("groupIds", "[LegacyId!]", ("1", 1), (&["1", "2"], 2)),
    ("userIds", "[LegacyId!]", ("105", 1), (&["105", "104"], 2)),
    ("routingGroupIds", "[UUID!]", (FIRST, 1), (&[FIRST, SECOND], 2)),
];
const CLOSED: &[Row] = &[
    ("projectIds", "[LegacyId!]", ("7", 1), (&["7", "8"], 2)),
    ("channels", "[Channel!]", ("CHAT", 1), (&["CHAT", "CALL"], 2)),
    ("groupIds", "[LegacyId!]", ("1", 1), (&["1", "2"], 2)),
    ("userIds", "[LegacyId!]", ("105", 1), (&["105", "104"], 2)),
    ("routingGroupIds", "[UUID!]", (FIRST, 1), (&[FIRST, SECOND], 2)),
    ("closeReason", "[CloseReason!]", ("BOT_TRANSFER_FAILED", 1), (&["BOT_TRANSFER_FAILED", "END_OF_BOT_SCENARIO"], 2)),
    ("conversationId", "UUID", ("\"c0000000-0000-4000-8000-000000000000\"", 1), (&[], 0)),
];
const FIRST: &str = "\"10000001-0000-4000-9000-000000000001\"";
const SECOND: &str = "\"10000002-0000-4000-9000-000000000002\"";

const BREAKDOWN: &[Row] = &[
    ("availabilityStatus", "[AvailabilityStatus!]", ("AVAILABLE", 1), (&["AVAILABLE", "TOGGLE_OFF"], 2)),
    ("chatAvailability", "[AvailabilityStatus!]", ("BUSY", 2), (&["AVAILABLE", "BUSY"], 3)),
    ("groupIds", "[LegacyId!]", ("2", 2), (&["1", "2"], 6)),
    ("projectIds", "[LegacyId!]", ("7", 4), (&["7", "8"], 7)),
    ("roles", "[UserRole!]", ("MANAGER", 1), (&["MANAGER", "EXPERT"], 2)),
    ("routingGroupIds", "[UUID!]", (FIRST, 4), (&[FIRST, SECOND], 6)),
    ("queueIds", "[LegacyId!]", ("222", 4), (&["222", "333"], 5)),
    ("campaignIds", "[LegacyId!]", ("111", 4), (&["111", "444"], 5)),
    ("userIds", "[LegacyId!]", ("101", 1), (&["101", "105"], 2)),
];
const SKILLS: &[Row] =
    &[("any", "[LegacyId!]", ("2", 4), (&["1", "2"], 6)), ("all", "[LegacyId!]", ("2", 4), (&["1", "2"], 3))];

/// Every field and input with filters.
const FIELDS: [Filtered; 7] = [
    Filtered { name: "users", all: 7, rows: USERS },
    Filtered { name: "connectedUsersIndicator", all: 6, rows: CONNECTED },
    Filtered { name: "ConnectedUsersFilters", all: 6, rows: CONNECTED },
    Filtered { name: "UserFilter", all: 7, rows: BREAKDOWN },
    Filtered { name: "SkillFilter", all: 7, rows: SKILLS },
    Filtered { name: "conversations", all: 2, rows: OPEN },
    Filtered { name: "closedConversations", all: 2, rows: CLOSED },
];

/// Arguments and members that are no filters, by their names, with the reason.
const OTHERS: [(&str, &str); 19] = [
    ("skills", "has rows of its own"),
    ("first", "the part of a list"),
    ("last", "the part of a list"),
    ("after", "the part of a list"),
    ("before", "the part of a list"),
    ("id", "the one object that is looked up; required"),
    ("projectId", "the one project that is looked up, by the vendor's name of the argument"),
    ("lang", "the language of an availability, which is no list"),
    ("filters", "the filters in one object, which has rows of its own"),
    ("interval", "required"),
    ("from", "required"),
    ("to", "required"),
    ("input", "what a mutation changes; required"),
    ("userId", "what a mutation changes; required"),
    ("channel", "what a mutation changes; required"),
    ("status", "what a mutation changes; required"),
    ("unit", "the unit of a number"),
    ("minIntervalMs", "the pace of a subscription; tests/it/live has its range"),
    ("minPosition", "the least position of a subscription's first answer"),
];

/// Returns every argument and member of an input in the schema, with the field or input that it belongs to.
async fn described(service: &Service, key: &str) -> BTreeSet<(String, String)> {
    let query = "{__schema{types{name fields{name args{name}} inputFields{name}}}}";
    let answer = service.api.graphql(key, query).await.expect("an answer").ok().json();
    let mut found = BTreeSet::new();
    let names = |list: &Value| -> Vec<String> {
        let list = list.as_array().into_iter().flatten();
        list.map(|one| one["name"].as_str().expect("a name").to_owned()).collect()
    };
    for of in answer["data"]["__schema"]["types"].as_array().expect("types") {
        let name = of["name"].as_str().expect("a name");
        if name.starts_with("__") {
            continue;
        }
        found.extend(names(&of["inputFields"]).into_iter().map(|member| (name.to_owned(), member)));
        for field in of["fields"].as_array().into_iter().flatten() {
            let called = field["name"].as_str().expect("a name");
            found.extend(names(&field["args"]).into_iter().map(|argument| (called.to_owned(), argument)));
        }
    }
    found
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Nodes(u64),
    Refused,
}

/// Returns the spellings of one row: a literal for the document, or the value of a variable of the row's type.
fn cases(all: u64, (name, of, one, several): &Row) -> Vec<(String, Option<Value>, Expected)> {
    let rest = Expected::Nodes(all);
    let literal = |name: &str, text: &str, expected| (format!("{name}:{text}"), None, expected);
    let variable = |value: Value, expected| (format!("{name}:$v"), Some(value), expected);
    // A variable has an enum's value as a string.
    let as_json = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    let mut cases = vec![
        (String::new(), None, rest),
        literal(name, "null", rest),
        variable(Value::Null, rest),
        literal(name, one.0, Expected::Nodes(one.1)),
        variable(as_json(one.0), Expected::Nodes(one.1)),
        literal(&format!("{name}s"), one.0, Expected::Refused),
        literal(&name.to_uppercase(), one.0, Expected::Refused),
        literal(name, &format!("[[{}]]", one.0), Expected::Refused),
        literal(name, &format!("{{x:{}}}", one.0), Expected::Refused),
        literal(name, "1.5", Expected::Refused),
        variable(json!({ "0": as_json(one.0) }), Expected::Refused),
        variable(json!([[as_json(one.0)]]), Expected::Refused),
        variable(json!("nonsense"), Expected::Refused),
        variable(json!(1.5), Expected::Refused),
        (format!("{name}:{0} {name}:{0}", one.0), None, Expected::Refused),
    ];
    if of.starts_with('[') {
        let values: Vec<Value> = several.0.iter().map(|text| as_json(text)).collect();
        cases.extend([
            literal(name, "[]", rest),
            variable(json!([]), rest),
            literal(name, &format!("[{}]", several.0.join(",")), Expected::Nodes(several.1)),
            variable(Value::from(values), Expected::Nodes(several.1)),
            literal(name, &format!("[{},null]", one.0), Expected::Refused),
            variable(json!([as_json(one.0), null]), Expected::Refused),
        ]);
    }
    cases
}

async fn ask(service: &Service, key: &str, field: &Filtered, given: &str, variable: Option<(&str, Value)>) -> Answer {
    let (name, given) = match field.name {
        "UserFilter" => ("breakdown", format!("filters:{{{given}}}")),
        "SkillFilter" => ("breakdown", format!("filters:{{skills:{{{given}}}}}")),
        "ConnectedUsersFilters" => ("connectedUsersIndicator", format!("filters:{{{given}}}")),
        "closedConversations" => {
            let interval = "interval:{from:\"2021-03-01T00:00:00Z\",to:\"2021-03-04T00:00:00Z\"}";
            (field.name, format!("{interval} {given}"))
        }
        name => (name, given.to_owned()),
    };
    let arguments = if given.is_empty() { String::new() } else { format!("({given})") };
    let selection = match name {
        "connectedUsersIndicator" => "connectedUsersCount",
        "breakdown" => "total{people}",
        _ => "edges{cursor}",
    };
    let document = format!("{{{name}{arguments}{{{selection}}}}}");
    let body = match variable {
        Some((of, value)) => json!({ "query": format!("query($v:{of}){document}"), "variables": { "v": value } }),
        None => json!({ "query": document }),
    };
    service.api.post(key, "/graphql", &body).await.expect("an answer")
}

fn outcome(field: &Filtered, answer: &Answer) -> Expected {
    let body = answer.json();
    if body.get("errors").is_some() {
        return Expected::Refused;
    }
    assert_eq!(answer.status, 200, "{}", answer.text);
    let name = match field.name {
        "ConnectedUsersFilters" => "connectedUsersIndicator",
        "UserFilter" | "SkillFilter" => "breakdown",
        name => name,
    };
    let of = &body["data"][name];
    let count = of["connectedUsersCount"].as_u64().or_else(|| of["total"]["people"].as_u64());
    let count = count.or_else(|| Some(of["edges"].as_array()?.len() as u64));
    Expected::Nodes(count.unwrap_or_else(|| panic!("no count: {}", answer.text)))
}

#[tokio::test]
async fn filters_are_taken_or_refused_in_every_spelling() {
    let (service, persona) = stage().await;
    assert!(CLOSED.iter().any(|row| row.2.0.contains(&conversation(0))), "the id of a closed conversation");
    let rows: BTreeSet<(String, String)> = FIELDS
        .iter()
        .flat_map(|field| field.rows.iter().map(|(name, ..)| (field.name.to_owned(), (*name).to_owned())))
        .collect();
    let is_other = |name: &str| OTHERS.iter().any(|(other, _)| *other == name);
    let found = described(&service, &persona.key).await;
    // The filters of a breakdown are in one object. Its channels, and those of the best reason, are those of the reasons,
    // and select no users.
    let is_filter = |(of, name): &(String, String)| !["breakdown", "best"].contains(&of.as_str()) && !is_other(name);
    let filters: BTreeSet<_> = found.into_iter().filter(is_filter).collect();
    assert_eq!(rows, filters, "add rows to FIELDS, or a reason to OTHERS");
    let mut failures = Vec::new();
    for field in &FIELDS {
        for row in field.rows {
            for (given, variable, expected) in cases(field.all, row) {
                let shown = format!("{} {given} {variable:?}", field.name);
                let variable = variable.map(|value| (row.1, value));
                let answer = ask(&service, &persona.key, field, &given, variable).await;
                if outcome(field, &answer) != expected {
                    failures.push(format!("{shown}: expected {expected:?}, got {} {}", answer.status, answer.text));
                }
            }
        }
    }
    service.stop().await;
    assert!(failures.is_empty(), "{}:\n{}", failures.len(), failures.join("\n"));
}
