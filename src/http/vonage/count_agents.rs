//! `GET /v0/{accountKey}/agents/?availability=readyForPhoneCall`: the agents available for a call, in the vendor's
//! older form. Neither the version in `Accept` nor the account in the path is read: the key determines the tenant.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use serde::Serialize;
use serde_json::json;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};

use super::{Authenticated, JSON, VonageFault};
use crate::auth::AgentsAvailabilityRead;
use crate::domain::filter::{Clause, Dimension, MAX_VALUES, Value};
use crate::domain::{Channel, EntityRef, Filter};
use crate::http::describe;
use crate::http::extract::long_answer::{Lists, json_in_slices};
use crate::http::extract::params::elements;
use crate::http::extract::{Params, Query, freshness, reply};
use crate::http::state::AppState;
use crate::limits::TurnKey;
use crate::projection::roster::Connection;
use crate::query::{self, count_agents as question};

#[derive(Serialize, ToSchema)]
#[schema(as = ReadyAgents)]
struct Answer {
    count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    agents: Option<Vec<Agent>>,
}

impl Answer {
    fn example() -> Self {
        Answer { count: 1, agents: Some(vec![Agent { id: String::from("101"), links: [] }]) }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReadyAgent)]
struct Agent {
    id: String,
    #[schema(value_type = Vec<String>)]
    links: [&'static str; 0],
}

/// The parameters, for the OpenAPI description.
struct Parameters;

impl IntoParams for Parameters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let one_of = |name: &str, value: &str, meaning: &str| {
            describe::query_parameter(name, describe::text().enum_values(Some([value])), meaning, json!(value))
        };
        let availability = one_of("availability", "readyForPhoneCall", "The one value that there is");
        vec![
            describe::required(availability),
            describe::list_parameter("groups", "Agents in any of these groups: ids or GUIDs", &["1", "2"]),
            one_of("fields", "count", "count: return the count alone"),
        ]
    }
}

/// Counts the agents available for a call, and lists them unless `fields` is `count`.
///
/// The vendor's older form; the path is also taken without the slash at its end. `Accept` is not read. 503 if the state is
/// too old to act on. Scope: `agents-availability:read`.
#[utoipa::path(
    get,
    operation_id = "count_ready_agents",
    path = "/v0/{account}/agents/",
    params(("account" = String, Path, description = "Ignored: the key determines the tenant", example = "acme"), Parameters),
    responses(
        (status = 200, description = "The count", body = Answer, content_type = "application/json; charset=utf-8", example = json!(Answer::example())),
        VonageFault,
    ),
)]
pub async fn count_agents(
    State(app): State<AppState>,
    caller: Authenticated<AgentsAvailabilityRead>,
    params: Query<VonageFault>,
    headers: HeaderMap,
) -> Result<Response<Body>, VonageFault> {
    only(params.one("availability")?.unwrap_or_default(), "availability", "readyForPhoneCall")?;
    let filter = Filter::default().and(Clause::Any(Dimension::Group, groups(&params)?));
    let fields = params.one("fields")?;
    if let Some(fields) = fields {
        only(fields, "fields", "count")?;
    }
    let freshness = freshness::current(&headers, &app)?;
    let snapshot = query::open(app.reader(), &caller, freshness).await?;
    if fields.is_some() {
        let answer = Answer { count: question::count_agents(&snapshot.view, &filter, Channel::Call), agents: None };
        return Ok(reply::from_snapshot(reply::json(200, JSON, &answer), &snapshot));
    }
    let is_long = query::is_long_list(&snapshot.view, &filter, Connection::OnlineFor(Channel::Call));
    let view = snapshot.view.clone();
    let begin = move || {
        let ids = question::list_agents(&view, &filter, Channel::Call);
        let empty = Answer { count: ids.len() as u64, agents: Some(Vec::new()) };
        Lists::within(&empty, "agents", ids.map(|id| Agent { id: id.to_string(), links: [] }))
    };
    let answer = json_in_slices(&app, TurnKey::Tenant(caller.tenant()), is_long, JSON, begin).await?;
    Ok(reply::from_snapshot(answer, &snapshot))
}

/// Rejects any value but the one that a parameter supports.
fn only(text: &str, name: &str, value: &str) -> Result<(), VonageFault> {
    if text == value {
        Ok(())
    } else if text.is_empty() {
        Err(VonageFault::validation(name, format!("The {name} field is required.")))
    } else {
        Err(VonageFault::validation(name, format!("The value '{text}' is not valid for {name}.")))
    }
}

fn groups(params: &Params<'_>) -> Result<Vec<Value>, VonageFault> {
    let values = params.list("groups")?;
    let texts = elements(&values);
    if texts.len() > MAX_VALUES {
        return Err(VonageFault::validation("groups", "groups must not have more than 500 values."));
    }
    let read = |text: &str| {
        let group: EntityRef = text.parse().map_err(|_| {
            VonageFault::validation("groups", format!("The value '{text}' is neither an integer id nor a GUID."))
        })?;
        Ok(Value::Entity(group))
    };
    texts.into_iter().map(read).collect()
}
