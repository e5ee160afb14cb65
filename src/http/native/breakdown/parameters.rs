//! The parameters of `GET /v1/breakdown`.

use std::fmt::Display;

use serde_json::json;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use crate::domain::directory::Problem;
use crate::domain::filter::{Clause, Dimension, MAX_VALUES, Value};
use crate::domain::{Channel, EntityRef, Fault, Role, UserRef};
use crate::engine::Snapshot;
use crate::http::describe;
use crate::http::extract::Params;
use crate::http::extract::params::{elements, truth};
use crate::query::breakdown::{
    self, ArgumentName, Arguments, InvalidArgument, Key, MAX_ROWS, NamedClause, Question, unknown_values,
};

/// The filters by entities: name, dimension, and whether a user must have all of the values.
const FILTERS: [(&str, Dimension, bool); 7] = [
    ("group", Dimension::Group, false),
    ("skill_any", Dimension::Skill, false),
    ("skill_all", Dimension::Skill, true),
    ("queue", Dimension::Queue, false),
    ("campaign", Dimension::Campaign, false),
    ("project", Dimension::Project, false),
    ("routing_group", Dimension::RoutingGroup, false),
];

/// The form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An object with the rows in a list.
    Json,
    /// The rows alone.
    Csv,
}

/// The parameters, before the ids and names are looked up.
#[derive(Debug)]
pub struct Parameters {
    keys: Vec<Key>,
    channels: Option<Vec<Channel>>,
    clauses: Vec<NamedClause>,
    users: Vec<String>,
    include_empty: Option<bool>,
    first: Option<i64>,
    format: Format,
    problems: Vec<Problem>,
}

/// The breakdown that a request is for.
#[derive(Debug)]
pub struct Asked {
    /// The breakdown.
    pub question: Question,
    /// The values of `user`, as they were given.
    pub users: Vec<EntityRef>,
    /// The form of the answer.
    pub format: Format,
}

/// Reads the parameters. [`Fault::Invalid`] for a malformed one; unknown names are kept for [`Parameters::resolve`].
pub fn read(params: &Params<'_>) -> Result<Parameters, Fault> {
    let mut problems = Vec::new();
    let keys = names(params, "by", "key", |name| Key::ALL.into_iter().find(|key| key.name() == name), &mut problems)?;
    let channel = |name: &str| Channel::ALL.into_iter().find(|channel| channel.name() == name);
    let channels = names(params, "channel", "channel", channel, &mut problems)?;
    let role = |name: &str| Role::ALL.into_iter().find(|role| role.name() == name);
    let roles = names(params, "role", "role", role, &mut problems)?;
    let format = |name: &str| match name {
        "json" => Some(Format::Json),
        "csv" => Some(Format::Csv),
        _ => None,
    };
    let format = match params.one("format")?.filter(|name| !name.is_empty()) {
        None => Format::Json,
        Some(name) => format(name).unwrap_or_else(|| {
            problems.push(problem("/format", "format", name));
            Format::Json
        }),
    };
    let mut clauses = vec![NamedClause { argument: "role", clause: Clause::Roles(roles) }];
    for (argument, dimension, is_all) in FILTERS {
        let value = |text: &&str| text.parse().map_or_else(|_| Value::Name((*text).to_owned()), Value::Entity);
        let values = texts(params, argument)?.iter().map(value).collect();
        let clause = if is_all { Clause::All(dimension, values) } else { Clause::Any(dimension, values) };
        clauses.push(NamedClause { argument, clause });
    }
    let users = texts(params, "user")?.into_iter().map(str::to_owned).collect();
    let include_empty = params.one("include_empty")?.filter(|text| !text.is_empty());
    let include_empty = include_empty.map(|text| truth("include_empty", text)).transpose()?;
    let whole = |text: &str| text.parse().map_err(|_| Fault::misfit_text("first", "must be a whole number", text));
    let first = params.one("first")?.filter(|text| !text.is_empty()).map(whole).transpose()?;
    let channels = (!channels.is_empty()).then_some(channels);
    Ok(Parameters { keys, channels, clauses, users, include_empty, first, format, problems })
}

impl Parameters {
    /// Looks up ids and names. [`Fault::Refused`] with all that do not exist, [`Fault::Invalid`] for a limit.
    pub fn resolve(self, snapshot: &Snapshot) -> Result<Asked, Fault> {
        let view = &snapshot.view;
        let Parameters { keys, channels, mut clauses, users, include_empty, first, format, mut problems } = self;
        let mut known = Vec::new();
        for (at, text) in users.iter().enumerate() {
            let found = text.parse().ok().and_then(|user| match user {
                UserRef::Entity(reference) => Some(reference),
                UserRef::External(_) => view.directory().profile_of(&user).map(|profile| EntityRef::Id(profile.id)),
            });
            match found.filter(|reference| breakdown::is_deleted(view, *reference).is_some()) {
                Some(reference) => known.push(reference),
                None => problems.push(problem(&format!("/user/{at}"), "user", text)),
            }
        }
        clauses.push(NamedClause { argument: "user", clause: Clause::Users(known.clone()) });
        let unknown = unknown_values(view, &clauses).into_iter();
        problems.extend(
            unknown.map(|value| Problem {
                pointer: format!("/{}/{}", value.argument, value.at),
                detail: value.to_string(),
            }),
        );
        if !problems.is_empty() {
            return Err(Fault::Refused(problems));
        }
        let filter = breakdown::filter(&clauses);
        let question = Question::new(Arguments { keys, channels, filter, include_empty, first }).map_err(fault)?;
        Ok(Asked { question, users: known, format })
    }
}

/// Returns the values of a list. [`Fault::Invalid`] for an empty one among others and for more than [`MAX_VALUES`].
fn texts<'p>(params: &'p Params<'_>, name: &str) -> Result<Vec<&'p str>, Fault> {
    let texts = elements(&params.list(name)?);
    if texts.contains(&"") {
        return Err(Fault::invalid(name, "has an empty value"));
    }
    if texts.len() > MAX_VALUES {
        return Err(Fault::invalid(name, "has more than 500 values"));
    }
    Ok(texts)
}

/// Returns the values of a list of names, and adds a problem for each that `find` does not find.
fn names<T>(
    params: &Params<'_>,
    name: &str,
    kind: &str,
    find: impl Fn(&str) -> Option<T>,
    problems: &mut Vec<Problem>,
) -> Result<Vec<T>, Fault> {
    let mut found = Vec::new();
    for (at, text) in texts(params, name)?.into_iter().enumerate() {
        match find(text) {
            Some(value) => found.push(value),
            None => problems.push(problem(&format!("/{name}/{at}"), kind, text)),
        }
    }
    Ok(found)
}

fn problem(pointer: &str, kind: &str, value: impl Display) -> Problem {
    Problem { pointer: pointer.to_owned(), detail: format!("there is no {kind} {value}") }
}

fn fault(InvalidArgument { name, detail }: InvalidArgument) -> Fault {
    let name = match name {
        ArgumentName::Keys => "by",
        ArgumentName::Channels => "channel",
        ArgumentName::First => "first",
    };
    Fault::invalid(name, detail)
}

/// The parameters, for the OpenAPI description.
pub struct BreakdownParameters;

impl IntoParams for BreakdownParameters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let lists: [(&str, &str, &[&str]); 11] = [
            ("by", "Up to three keys: a row for each combination of their values", &["skill", "channel"]),
            ("group", "Members of any of these groups: ids, GUIDs or names", &["1", "South"]),
            ("skill_any", "Users with any of these skills: ids, GUIDs or names", &["english", "2"]),
            ("skill_all", "Users with all of these skills: ids, GUIDs or names", &["english"]),
            ("queue", "Users assigned to any of these queues: ids, GUIDs or names", &["222"]),
            ("campaign", "Users assigned to any of these campaigns: ids, GUIDs or names", &["111"]),
            ("project", "Users of any of these projects: ids, GUIDs or names", &["7"]),
            ("routing_group", "Members of any of these routing groups: ids, GUIDs or names", &["First line"]),
            ("role", "Users with any of these roles", &["operator"]),
            (
                "user",
                "Any of these users: ids, GUIDs, or `external:` and the external id",
                &["101", "external:ext-105"],
            ),
            ("channel", "The channels that count; all of them by default", &["chat", "call"]),
        ];
        let lists = lists.map(|(name, meaning, examples)| describe::list_parameter(name, meaning, examples));
        let formats = describe::text().enum_values(Some(["json", "csv"]));
        let rows = describe::whole().minimum(Some(1)).maximum(Some(MAX_ROWS));
        let empty = "Whether rows without users are wanted; by default for a single key";
        let others = [
            describe::query_parameter("include_empty", describe::boolean(), empty, json!(false)),
            describe::query_parameter("first", rows, "The most rows; 1,000 by default", json!(100)),
            describe::query_parameter("format", formats, "The form of the answer", json!("json")),
        ];
        lists.into_iter().chain(others).collect()
    }
}
