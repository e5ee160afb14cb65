//! GraphQL requests generated from the schema: for every argument of every field, valid and invalid values, as literals
//! and as variables.

use std::collections::BTreeMap;

use async_graphql::Value as Literal;
use rollcall::http::graphql::schema;
use serde_json::{Value, json};

/// One request.
#[derive(Clone, Debug)]
pub struct Case {
    pub text: String,
    pub variables: Value,
}

/// A field with arguments: its name in the schema, the text of a document before and after its arguments, and its
/// required arguments.
type Place = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

const PROJECTS: &str = "{edges{cursor node{id}}}";
const CONVERSATIONS: &str = "{edges{cursor node{id}}pageInfo{hasNextPage}}";
const PLACES: [Place; 22] = [
    ("Query.breakdown", "{breakdown", "{rowCount total{people}}}", &[]),
    ("Query.connectedUsersIndicator", "{connectedUsersIndicator", "{connectedUsersCount}}", &[]),
    ("Query.users", "{users", "{edges{node{id}}}}", &[]),
    ("Query.user", "{user", "{id}}", &[("id", "101")]),
    ("Query.conversation", "{conversation", "{id}}", &[("id", "\"a0000101-0000-4000-8000-000000000101\"")]),
    ("Query.conversations", "{conversations", CONVERSATIONS, &[]),
    (
        "Query.closedConversations",
        "{closedConversations",
        CONVERSATIONS,
        &[("interval", "{from:\"2024-01-01T00:00:00Z\",to:\"2024-02-01T00:00:00Z\"}")],
    ),
    ("Query.routingRule", "{routingRule", "{id}}", &[("id", "\"a0000101-0000-4000-8000-000000000101\"")]),
    ("Query.projects", "{projects", PROJECTS, &[]),
    ("Query.project", "{project", "{id}}", &[]),
    ("Query.routingGroups", "{routingGroups", PROJECTS, &[]),
    ("Query.routingGroup", "{routingGroup", "{userCount}}", &[("id", "\"a0000101-0000-4000-8000-000000000101\"")]),
    ("Query.routingRules", "{routingRules", PROJECTS, &[]),
    ("RoutingGroup.users", "{routingGroups(first:2){edges{node{users", PROJECTS, &[]),
    ("RoutingRule.routingGroups", "{routingRules(first:2){edges{node{routingGroups", PROJECTS, &[]),
    ("RoutingRule.availability", "{routingRules(first:2){edges{node{availability", "{chat{isAvailable}}", &[]),
    ("Conversation.messages", "{conversations(first:2){edges{node{messages", PROJECTS, &[]),
    (
        "UsersInProductionOccupancy.occupancyRate",
        "{connectedUsersIndicator{usersInProductionChatOccupancy{occupancyRate",
        "}}}",
        &[],
    ),
    ("User.projects", "{users{edges{node{projects", PROJECTS, &[]),
    ("UserAvailability.best", "{users{edges{node{availability{best", "{reason}}}}}}", &[]),
    ("Expert.projects", "{users{edges{node{... on Expert{projects", PROJECTS, &[]),
    (
        "Mutation.userAvailabilityStatusUpdate",
        "mutation{userAvailabilityStatusUpdate",
        "{user{id}userErrors{field message}}}",
        &[("input", "{userId:101,channel:CHAT,status:AVAILABLE}")],
    ),
];

/// Fields that repeat a tested one on another type, and a subscription, which tests/it/live has.
const SAME: [&str; 8] = [
    "Bot.projects",
    "Developer.projects",
    "Professional.projects",
    "Moment.breakdown",
    "Moment.connectedUsersIndicator",
    "Moment.routingRule",
    "Moment.users",
    "Subscription.live",
];

/// The schema's types by name, from introspection.
pub struct Types(BTreeMap<String, Value>);

impl Types {
    pub async fn read() -> Self {
        let of = "kind name ofType{kind name ofType{kind name ofType{kind name}}}";
        let query = format!(
            "{{__schema{{types{{kind name enumValues(includeDeprecated:true){{name}} inputFields{{name defaultValue \
             type{{{of}}}}} fields(includeDeprecated:true){{name args{{name defaultValue type{{{of}}}}}}}}}}}}}"
        );
        let answer = schema().finish().execute(query).await.data.into_json().expect("an answer");
        let types = answer["__schema"]["types"].as_array().expect("types").clone();
        Types(types.into_iter().map(|of| (of["name"].as_str().expect("a name").to_owned(), of)).collect())
    }

    /// Returns the arguments of every field that has some, by `Type.field`.
    fn fields(&self) -> BTreeMap<String, Vec<Value>> {
        let mut found = BTreeMap::new();
        for (name, of) in self.0.iter().filter(|(name, _)| !name.starts_with("__")) {
            for field in of["fields"].as_array().into_iter().flatten() {
                let arguments = field["args"].as_array().expect("arguments").clone();
                if !arguments.is_empty() {
                    found.insert(format!("{name}.{}", field["name"].as_str().expect("a name")), arguments);
                }
            }
        }
        found
    }

    /// Returns a valid value of a type.
    fn valid(&self, of: &Value) -> Value {
        match of["kind"].as_str().expect("a kind") {
            "NON_NULL" => self.valid(&of["ofType"]),
            "LIST" => json!([self.valid(&of["ofType"])]),
            "ENUM" => json!({ "enum": self.0[name(of)]["enumValues"][0]["name"] }),
            "INPUT_OBJECT" => {
                let members = self.members(of).into_iter();
                let needed = members.filter(|(_, of)| of["kind"] == "NON_NULL" || name(of) == "AvailabilityStatus");
                Value::Object(needed.map(|(name, of)| (name, self.valid(&of))).collect())
            }
            _ => match name(of) {
                "LegacyId" => json!(101),
                "Int" => json!(2),
                "UUID" => json!("a0000101-0000-4000-8000-000000000101"),
                "DateTime" => json!("2024-01-15T00:00:00Z"),
                "Boolean" => json!(true),
                _ => json!("x"),
            },
        }
    }

    fn members(&self, of: &Value) -> Vec<(String, Value)> {
        let members = self.0[name(of)]["inputFields"].as_array().expect("members");
        members.iter().map(|of| (of["name"].as_str().expect("a name").to_owned(), of["type"].clone())).collect()
    }

    /// Returns values for an argument of a type: valid ones, and invalid ones that are similar.
    fn values(&self, of: &Value) -> Vec<Value> {
        let valid = self.valid(of);
        let mut values = vec![valid.clone(), Value::Null, json!([valid]), json!([valid, null]), json!([])];
        let scalars = [json!(true), json!(1.5), json!(-1), json!("words"), json!("101"), json!({}), json!({ "a": 1 })];
        values.extend(scalars);
        let mut inner = of;
        while !inner["ofType"].is_null() {
            inner = &inner["ofType"];
        }
        let one = self.valid(inner);
        values.extend([one.clone(), json!([one, one]), json!([one, "words"]), json!([[one]]), json!([one, null])]);
        match inner["kind"].as_str() {
            Some("ENUM") => {
                let known = one["enum"].as_str().expect("a value").to_owned();
                let lower = known.to_lowercase();
                let other = known.replace('A', "a");
                values.extend([json!(known), json!({ "enum": lower }), json!({ "enum": other }), json!(other)]);
                values.extend([json!([{ "enum": lower }]), json!([{ "enum": "NOTHING" }]), json!(["NOTHING"])]);
            }
            Some("INPUT_OBJECT") => {
                for (member, of) in self.members(inner) {
                    let with = |changed: Value| {
                        let mut whole = one.clone();
                        whole[&member] = changed;
                        whole
                    };
                    values.extend(self.values(&of).into_iter().map(with));
                    let mut without = one.clone();
                    without.as_object_mut().expect("an object").remove(&member);
                    let mut misspelt = without.clone();
                    misspelt[format!("{member}s")] = self.valid(&of);
                    let mut upper = without.clone();
                    upper[member.to_uppercase()] = self.valid(&of);
                    values.extend([without, misspelt, upper]);
                }
            }
            _ => {}
        }
        values.sort_by_key(Value::to_string);
        values.dedup();
        values
    }
}

fn name(of: &Value) -> &str {
    of["name"].as_str().unwrap_or_default()
}

/// Writes a type in the syntax of a document.
fn written(of: &Value) -> String {
    match of["kind"].as_str() {
        Some("NON_NULL") => format!("{}!", written(&of["ofType"])),
        Some("LIST") => format!("[{}]", written(&of["ofType"])),
        _ => name(of).to_owned(),
    }
}

/// Writes a value as a literal of a document.
fn literal(value: &Value) -> String {
    match value {
        Value::Array(all) => format!("[{}]", all.iter().map(literal).collect::<Vec<_>>().join(",")),
        Value::Object(all) => match all.get("enum") {
            Some(Value::String(name)) => name.clone(),
            _ => {
                let members = all.iter().map(|(name, value)| format!("{name}:{}", literal(value)));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }
        },
        other => Literal::from_json(other.clone()).expect("a literal").to_string(),
    }
}

/// Converts a value to that of a variable, in which an enum's name is a string.
fn variable(value: &Value) -> Value {
    match value {
        Value::Array(all) => all.iter().map(variable).collect(),
        Value::Object(all) => match all.get("enum") {
            Some(name) => name.clone(),
            None => Value::Object(all.iter().map(|(name, value)| (name.clone(), variable(value))).collect()),
        },
        other => other.clone(),
    }
}

/// Returns every request, grouped by text.
pub fn cases(types: &Types) -> Vec<Vec<Case>> {
    let mut fields = types.fields();
    let mut groups = Vec::new();
    for place in PLACES {
        let arguments = fields.remove(place.0).unwrap_or_else(|| panic!("{} is not in the schema", place.0));
        for argument in arguments {
            let (name, of) = (argument["name"].as_str().expect("a name"), &argument["type"]);
            let values = types.values(of);
            for value in &values {
                let text = document(&place, "", &format!("{name}:{}", literal(value)), name);
                groups.push(vec![Case { text, variables: json!({}) }]);
            }
            groups.extend(with_variables(&place, (name, of), &values));
        }
    }
    groups.extend(rules());
    let left: Vec<_> = fields.keys().filter(|name| !SAME.contains(&name.as_str())).collect();
    assert!(left.is_empty(), "fields with arguments that are missing in PLACES: {left:?}");
    groups
}

/// Returns requests that give one argument by a variable, which is declared with the argument's type and with others,
/// with and without a default, and used as the argument and inside a list.
fn with_variables(place: &Place, (name, of): (&str, &Value), values: &[Value]) -> Vec<Vec<Case>> {
    let declared = written(of);
    let nullable = declared.trim_end_matches('!').to_owned();
    let used = |head: &str, value: &str| document(place, head, &format!("{name}:{value}"), name);
    let default = literal(&values[values.len() - 1]);
    let mut texts = vec![
        used(&format!("(${V}:{declared})"), "$v"),
        used(&format!("(${V}:{nullable})"), "$v"),
        used(&format!("(${V}:{nullable}={default})"), "$v"),
    ];
    let element = nullable.trim_start_matches('[').trim_end_matches(['!', ']']).to_owned();
    if element != nullable {
        texts.push(used(&format!("(${V}:{element})"), "[$v]"));
        texts.push(used(&format!("(${V}:{element}!)"), "[$v,$v]"));
    }
    // These are invalid for any value.
    let wrong = [
        used(&format!("(${V}:String)"), "$v"),
        used(&format!("(${V}:Nothing)"), "$v"),
        used("", "$v"),
        document(place, &format!("(${V}:{nullable})"), "", ""),
    ];
    let requests = |(text, values): (String, &[Value])| {
        let mut all: Vec<Value> = values.iter().map(|value| json!({ V: variable(value) })).collect();
        all.extend([json!({}), json!({ "other": 1 }), json!({ V: variable(&values[0]), "other": [1] })]);
        all.into_iter().map(|variables| Case { text: text.clone(), variables }).collect()
    };
    let texts = texts.into_iter().map(|text| (text, values));
    texts.chain(wrong.into_iter().map(|text| (text, &values[..2]))).map(requests).collect()
}

/// Returns requests that depend on rules beyond the types of values: conditions, defaults, and fields of one name.
fn rules() -> Vec<Vec<Case>> {
    let count = "connectedUsersIndicator{connectedUsersCount}";
    let unit = "connectedUsersIndicator{usersInProductionChatOccupancy{occupancyRate(unit:$v)}}";
    let mut groups = Vec::new();
    for declared in ["Boolean!", "Boolean", "Boolean=true", "Boolean!=true", "Boolean!=false", "Boolean=null"] {
        groups.push(format!("query($v:{declared}){{connectedUsersIndicator{{connectedUsersCount @skip(if:$v)}}}}"));
        groups.push(format!("query($v:{declared}){{...@include(if:$v){{{count}}}}}"));
    }
    for declared in ["RateUnit", "RateUnit!", "RateUnit=RATIO", "RateUnit!=RATIO", "RateUnit=null"] {
        groups.push(format!("query($v:{declared}){{{unit}}}"));
    }
    let user = "user(id:1){id}";
    for (declared, text) in [
        ("Boolean=true", format!("{{{user} ...@skip(if:$v){{user(id:2){{id}}}}}}")),
        ("Boolean=true", format!("{{{user} ...@skip(if:$v){{user(id:1){{lastName}}}}}}")),
        ("Boolean=true", format!("{{{user} ...F @skip(if:$v)}} fragment F on Query{{user:{count}}}")),
        ("Boolean=true", "{user(id:1){...on Bot{email @skip(if:$v)}}}".to_owned()),
        ("LegacyId!", "{user(id:$v){id} ...{user(id:1){id}}}".to_owned()),
    ] {
        groups.push(format!("query($v:{declared}){text}"));
    }
    let variables = [json!({}), json!({ V: true }), json!({ V: false }), json!({ V: null }), json!({ V: "RATIO" })];
    let case = |text: &str, given: &Value| Case { text: text.to_owned(), variables: given.clone() };
    groups.into_iter().map(|text| variables.iter().map(|given| case(&text, given)).collect()).collect()
}

/// Returns for each argument with a default a request whose variable is not given, and one without the argument.
pub fn defaults(types: &Types) -> Vec<[Case; 2]> {
    let mut pairs = Vec::new();
    for (field, arguments) in types.fields().into_iter().filter(|(field, _)| !SAME.contains(&field.as_str())) {
        for argument in arguments.iter().filter(|argument| !argument["defaultValue"].is_null()) {
            let place = PLACES.iter().find(|place| place.0 == field).expect("a place");
            let (name, declared) = (argument["name"].as_str().expect("a name"), written(&argument["type"]));
            let head = format!("(${V}:{})", declared.trim_end_matches('!'));
            let case = |text| Case { text, variables: json!({}) };
            let with = document(place, &head, &format!("{name}:${V}"), name);
            pairs.push([case(with), case(document(place, "", "", ""))]);
        }
    }
    pairs
}

const V: &str = "v";

/// Returns a document that selects a field with one argument and its required arguments.
fn document((_, before, behind, needed): &Place, head: &str, argument: &str, name: &str) -> String {
    let needed = needed.iter().filter(|(needed, _)| *needed != name).map(|(name, value)| format!("{name}:{value}"));
    let arguments: Vec<String> = needed.chain((!argument.is_empty()).then(|| argument.to_owned())).collect();
    let arguments = if arguments.is_empty() { String::new() } else { format!("({})", arguments.join(" ")) };
    let (kind, body) = before.split_once('{').expect("an operation");
    let kind = if kind.is_empty() { "query" } else { kind };
    let text = format!("{kind}{head}{{{body}{arguments}{behind}");
    let open = text.matches('{').count() - text.matches('}').count();
    format!("{text}{}", "}".repeat(open))
}
