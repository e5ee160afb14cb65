//! The credential and filters of both Convoso searches, by GET or POST, in a query, a form or JSON.

use axum::extract::Request;
use axum::http::request::Parts;
use serde_json::{Value as Json, json};
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};

use super::ConvosoFault;
use crate::auth::{Authorized, UserActivityRead};
use crate::domain::filter::{Clause, Dimension, MAX_VALUES, Value};
use crate::domain::{EntityRef, Fault, Filter, TenantId};
use crate::engine::Snapshot;
use crate::http::describe;
use crate::http::extract::body::UNAUTHENTICATED_LIMIT;
use crate::http::extract::params::elements;
use crate::http::extract::params::unknown::reject_unknown;
use crate::http::extract::query::elsewhere;
use crate::http::extract::{MediaType, Params, form, freshness, json, media_type, read_body};
use crate::http::request_context::RequestContext;
use crate::http::state::AppState;
use crate::query;

/// The parameters in the query, for the OpenAPI description.
pub struct Search;

impl IntoParams for Search {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameters: [(&str, &str, &[&str]); 4] = [
            (CAMPAIGN, "Agents assigned to any of these campaigns: ids or GUIDs", &["111", "444"]),
            (QUEUE, "Agents assigned to any of these queues: ids or GUIDs", &["222"]),
            (USER, "Any of these agents: ids or GUIDs", &["101", "107"]),
            (SKILL, "Agents with any of these skills: names", &["english"]),
        ];
        parameters.map(|(name, meaning, examples)| describe::list_parameter(name, meaning, examples)).into()
    }
}

/// The parameters in the body.
#[derive(ToSchema)]
#[schema(as = ConvosoSearch)]
#[expect(dead_code, reason = "only its shape is of interest: the parameters are read one by one")]
pub struct SearchBody {
    /// The key or token, unless it is in the query.
    auth_token: Option<String>,
    /// Agents assigned to any of these campaigns: ids or GUIDs.
    campaign_id: Option<Vec<String>>,
    /// Agents assigned to any of these queues: ids or GUIDs.
    queue_id: Option<Vec<String>>,
    /// Any of these agents: ids or GUIDs.
    user_id: Option<Vec<String>>,
    /// Agents with any of these skills: names.
    filter_by_skill_options: Option<Vec<String>>,
}

/// Returns an example of the parameters in the body.
pub fn example() -> Json {
    json!({ CAMPAIGN: ["111", "444"], SKILL: ["english"] })
}

/// The names of the filters: those by ids in the vendor's order of checks, then that by names.
const CAMPAIGN: &str = "campaign_id";
const QUEUE: &str = "queue_id";
const USER: &str = "user_id";
const SKILL: &str = "filter_by_skill_options";

/// The parameters in one place of the request: the query or the body.
#[derive(Debug, Default)]
struct Given {
    auth_token: Option<String>,
    campaigns: Vec<String>,
    queues: Vec<String>,
    users: Vec<String>,
    skills: Vec<String>,
}

/// An authorised search: its filter, and the snapshot that the response is made from.
pub struct Opened {
    /// The caller's tenant.
    pub tenant: TenantId,
    /// The agents that are searched for.
    pub filter: Filter,
    /// The state that the whole response comes from.
    pub snapshot: Snapshot,
}

/// Authenticates the request, reads its filter, and takes the snapshot that the response is made from.
pub async fn open(app: &AppState, request: Request) -> Result<Opened, ConvosoFault> {
    let (parts, body) = request.into_parts();
    let body = read_body(&parts.headers, body, UNAUTHENTICATED_LIMIT).await?;
    let in_query = from_params(&Params::parse(parts.uri.query().unwrap_or_default().as_bytes())?, &parts)?;
    let in_body = match form(&parts.headers, &body).await {
        // Without a body the content type does not matter.
        _ if body.is_empty() => Given::default(),
        Ok(Some(params)) => from_params(&params, &parts)?,
        Ok(None) if media_type(&parts.headers) == MediaType::Json => from_json(&body, &parts)?,
        Ok(None) => return Err(Fault::UnsupportedMediaType("a form or application/json").into()),
        Err(fault) => return Err(fault.into()),
    };
    // The body takes precedence over the query, parameter by parameter. A blank one is absent.
    let first = |body: Vec<String>, query: Vec<String>| if body.is_empty() { query } else { body };
    let given = Given {
        auth_token: in_body.auth_token.filter(|token| !token.is_empty()).or(in_query.auth_token),
        campaigns: first(in_body.campaigns, in_query.campaigns),
        queues: first(in_body.queues, in_query.queues),
        users: first(in_body.users, in_query.users),
        skills: first(in_body.skills, in_query.skills),
    };
    let context = RequestContext::of(&parts.extensions);
    let caller: Authorized<UserActivityRead> = app.caller(&context, given.auth_token.as_deref()).await?.authorize()?;
    let filter = filter(given)?;
    let freshness = freshness::current(&parts.headers, app)?;
    let snapshot = query::open(app.reader(), &caller, freshness).await?;
    Ok(Opened { tenant: caller.tenant(), filter, snapshot })
}

/// The parameters in the query and in the body.
const PARAMETERS: [&str; 5] = [CAMPAIGN, QUEUE, USER, SKILL, "auth_token"];

fn from_params(params: &Params<'_>, parts: &Parts) -> Result<Given, Fault> {
    reject_unknown(params.names(), &PARAMETERS, || elsewhere(parts))?;
    let list = |name| Ok::<_, Fault>(split(&params.list(name)?));
    Ok(Given {
        auth_token: params.one("auth_token")?.map(str::to_owned),
        campaigns: list(CAMPAIGN)?,
        queues: list(QUEUE)?,
        users: list(USER)?,
        skills: list(SKILL)?,
    })
}

/// Reads a JSON object. A filter is one value or an array: texts, which may have commas, and for ids also numbers. Any
/// other value is kept as its JSON, which is no id and no credential.
fn from_json(body: &[u8], parts: &Parts) -> Result<Given, Fault> {
    let Json::Object(members) = json::value(body)? else {
        return Err(Fault::Malformed(String::from("the body is not an object")));
    };
    // Brackets are the spelling of forms: here such a name is an unknown member.
    if let Some(name) = members.keys().find(|name| name.contains('[')) {
        return Err(Fault::invalid(name, "is not known: in JSON a list is an array"));
    }
    reject_unknown(members.keys().map(String::as_str), &PARAMETERS, || elsewhere(parts))?;
    let given = |name: &str| values(members.get(name));
    if !given(SKILL).iter().all(Json::is_string) {
        return Err(Fault::invalid(SKILL, "must be a text or a list of texts"));
    }
    let list = |name: &str| {
        let texts: Vec<String> = given(name).iter().map(text).collect();
        split(&texts.iter().map(String::as_str).collect::<Vec<_>>())
    };
    Ok(Given {
        auth_token: members.get("auth_token").filter(|token| !token.is_null()).map(text),
        campaigns: list(CAMPAIGN),
        queues: list(QUEUE),
        users: list(USER),
        skills: list(SKILL),
    })
}

/// Returns the values of a member: the elements of an array, any other value itself; none if it is absent or `null`.
fn values(member: Option<&Json>) -> Vec<Json> {
    match member {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::Array(values)) => values.clone(),
        Some(value) => vec![value.clone()],
    }
}

/// Returns a string as it is, and any other value as JSON.
fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns the elements of comma-separated values, which end with the request.
fn split(values: &[&str]) -> Vec<String> {
    elements(values).into_iter().map(str::to_owned).collect()
}

/// The vendor's codes and texts for a list with an invalid id.
const INVALID_CAMPAIGN: (u16, &str) = (6026, "Invalid campaign ID");
const INVALID_QUEUE: (u16, &str) = (6041, "Invalid queue ID");
const INVALID_USER: (u16, &str) = (6006, "Invalid user ID");

/// Builds the filter. Values are checked in the vendor's order, and the first error is returned.
fn filter(given: Given) -> Result<Filter, ConvosoFault> {
    let campaigns = ids(&given.campaigns, CAMPAIGN, INVALID_CAMPAIGN)?;
    let queues = ids(&given.queues, QUEUE, INVALID_QUEUE)?;
    let users = ids(&given.users, USER, INVALID_USER)?;
    let skills: Vec<Value> = given.skills.into_iter().filter(|name| !name.is_empty()).map(Value::Name).collect();
    within_limit(skills.len(), SKILL)?;
    let entities = |ids: Vec<EntityRef>| ids.into_iter().map(Value::Entity).collect();
    Ok(Filter::default()
        .and(Clause::Any(Dimension::Campaign, entities(campaigns)))
        .and(Clause::Any(Dimension::Queue, entities(queues)))
        .and(Clause::Users(users))
        .and(Clause::Any(Dimension::Skill, skills)))
}

/// Parses ids, any of which may match. One that is neither a positive integer nor a GUID makes the list invalid.
fn ids(texts: &[String], name: &str, error: (u16, &'static str)) -> Result<Vec<EntityRef>, ConvosoFault> {
    within_limit(texts.len(), name)?;
    let (code, error) = error;
    // Zero is not positive. An integer beyond 64 bits also parses as 0, but it is valid and merely unknown.
    let is_zero = |text: &str| text.bytes().all(|byte| byte == b'0');
    let parse = |text: &String| text.parse().ok().filter(|_| !is_zero(text)).ok_or(ConvosoFault::Business(code, error));
    texts.iter().map(parse).collect()
}

fn within_limit(count: usize, name: &str) -> Result<(), Fault> {
    if count > MAX_VALUES { Err(Fault::invalid(name, "has more than 500 values")) } else { Ok(()) }
}
