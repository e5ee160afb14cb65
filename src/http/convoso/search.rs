//! The credential and filters of both Convoso searches, by GET or POST, in a query, a form or JSON.

use axum::extract::Request;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::ConvosoFault;
use crate::auth::{Authorized, UserActivityRead};
use crate::domain::filter::{Clause, Dimension, MAX_VALUES, Value};
use crate::domain::json::Object;
use crate::domain::{EntityRef, Fault, Filter, TenantId};
use crate::engine::Snapshot;
use crate::http::extract::body::UNAUTHENTICATED_LIMIT;
use crate::http::extract::params::csv;
use crate::http::extract::{MediaType, Params, freshness, media_type, read_body};
use crate::http::request_context::RequestContext;
use crate::http::state::AppState;
use crate::query;

/// The parameters, in the query or in the body.
#[derive(Debug, Default, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[schema(as = ConvosoSearch)]
pub struct Search {
    #[param(ignore)]
    auth_token: Option<String>,
    /// Only agents assigned to one of these campaigns: comma-separated ids.
    campaign_id: Option<String>,
    /// Only agents assigned to one of these queues: comma-separated ids.
    queue_id: Option<String>,
    /// Only these agents: comma-separated ids.
    user_id: Option<String>,
    /// Only agents with one of these skills: comma-separated names.
    filter_by_skill_options: Option<String>,
}

/// The JSON body. Clients send ids as strings and as numbers; any other value is kept as text and rejected as an id or
/// as a credential. The skills must be a string, since any text is a name.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct JsonSearch {
    auth_token: Option<serde_json::Value>,
    campaign_id: Option<serde_json::Value>,
    queue_id: Option<serde_json::Value>,
    user_id: Option<serde_json::Value>,
    filter_by_skill_options: Option<serde_json::Value>,
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
    let in_query = from_params(parts.uri.query().unwrap_or_default().as_bytes())?;
    let in_body = match media_type(&parts.headers) {
        // Without a body the content type does not matter.
        _ if body.is_empty() => Search::default(),
        MediaType::Form => from_params(&body)?,
        MediaType::Json => from_json(&body)?,
        _ => return Err(Fault::UnsupportedMediaType("a form or application/json").into()),
    };
    // The body takes precedence over the query.
    let search = Search {
        auth_token: in_body.auth_token.or(in_query.auth_token),
        campaign_id: in_body.campaign_id.or(in_query.campaign_id),
        queue_id: in_body.queue_id.or(in_query.queue_id),
        user_id: in_body.user_id.or(in_query.user_id),
        filter_by_skill_options: in_body.filter_by_skill_options.or(in_query.filter_by_skill_options),
    };
    let context = RequestContext::of(&parts.extensions);
    let caller: Authorized<UserActivityRead> = app.caller(&context, search.auth_token.as_deref())?.authorize()?;
    let filter = filter(&search)?;
    let freshness = freshness::current(&parts.headers, app)?;
    let snapshot = query::open(app.reader(), &caller, freshness).await?;
    Ok(Opened { tenant: caller.tenant(), filter, snapshot })
}

fn from_params(encoded: &[u8]) -> Result<Search, Fault> {
    let params = Params::parse(encoded)?;
    let one = |name| Ok::<_, Fault>(params.one(name)?.map(str::to_owned));
    Ok(Search {
        auth_token: one("auth_token")?,
        campaign_id: one("campaign_id")?,
        queue_id: one("queue_id")?,
        user_id: one("user_id")?,
        filter_by_skill_options: one("filter_by_skill_options")?,
    })
}

fn from_json(body: &[u8]) -> Result<Search, Fault> {
    let Object(json): Object<JsonSearch> =
        serde_json::from_slice(body).map_err(|error| Fault::Malformed(format!("the body is not JSON: {error}")))?;
    let text = |value: Option<serde_json::Value>| match value {
        None | Some(serde_json::Value::Null) => None,
        Some(serde_json::Value::String(text)) => Some(text),
        Some(other) => Some(other.to_string()),
    };
    let skills = json.filter_by_skill_options;
    if skills.as_ref().is_some_and(|skills| !skills.is_string() && !skills.is_null()) {
        return Err(Fault::invalid("filter_by_skill_options", "must be a text"));
    }
    Ok(Search {
        auth_token: text(json.auth_token),
        campaign_id: text(json.campaign_id),
        queue_id: text(json.queue_id),
        user_id: text(json.user_id),
        filter_by_skill_options: text(skills),
    })
}

/// Builds the filter. Values are checked in the vendor's order, and the first error is returned.
fn filter(search: &Search) -> Result<Filter, ConvosoFault> {
    let campaigns = ids(search.campaign_id.as_deref(), 6026, "Invalid campaign ID")?;
    let queues = ids(search.queue_id.as_deref(), 6041, "Invalid queue ID")?;
    let users = ids(search.user_id.as_deref(), 6006, "Invalid user ID")?;
    let names = csv(search.filter_by_skill_options.as_deref().unwrap_or_default());
    let skills: Vec<Value> = names.filter(|name| !name.is_empty()).map(|name| Value::Name(name.to_owned())).collect();
    within_limit(skills.len(), "filter_by_skill_options")?;
    let entities = |ids: Vec<EntityRef>| ids.into_iter().map(Value::Entity).collect();
    Ok(Filter::default()
        .and(Clause::Any(Dimension::Campaign, entities(campaigns)))
        .and(Clause::Any(Dimension::Queue, entities(queues)))
        .and(Clause::Users(users))
        .and(Clause::Any(Dimension::Skill, skills)))
}

/// Parses comma-separated ids, any of which may match. Empty text is no restriction. One id that is neither a positive
/// integer nor a GUID makes the list invalid.
fn ids(text: Option<&str>, code: u16, error: &'static str) -> Result<Vec<EntityRef>, ConvosoFault> {
    let text = text.unwrap_or_default();
    within_limit(csv(text).count(), "an id filter")?;
    csv(text)
        .map(|id| match id.parse() {
            Ok(id) if !is_zero(id, text) => Ok(id),
            _ => Err(ConvosoFault::Business(code, error)),
        })
        .collect()
}

/// Returns whether an id is written as zero, which is not positive. An integer beyond 64 bits also parses as 0, but it
/// is valid and merely unknown.
fn is_zero(id: EntityRef, text: &str) -> bool {
    id == EntityRef::Id(0) && csv(text).any(|part| part.bytes().all(|b| b == b'0'))
}

fn within_limit(count: usize, name: &str) -> Result<(), Fault> {
    if count > MAX_VALUES { Err(Fault::invalid(name, "has more than 500 values")) } else { Ok(()) }
}
