//! `GET /agents-availability?skillNames=a,b`: counts the agents with all of the skills, by presence.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use serde::Serialize;
use serde_json::json;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};

use super::{Authenticated, JSON, Version1, VonageFault};
use crate::auth::AgentsAvailabilityRead;
use crate::domain::filter::{Clause, Dimension, MAX_VALUES, Value};
use crate::domain::{Fault, Filter};
use crate::http::describe;
use crate::http::extract::params::elements;
use crate::http::extract::{Params, Query, freshness, reply};
use crate::http::state::AppState;
use crate::query::{self, agents_availability};

/// The counts; this endpoint spells its keys with spaces.
#[derive(Serialize, ToSchema)]
#[schema(as = PresenceSummary)]
struct Answer {
    #[serde(rename = "Ready")]
    ready: u64,
    #[serde(rename = "Away")]
    away: u64,
    #[serde(rename = "Extended Away")]
    extended_away: u64,
    #[serde(rename = "Logged Out")]
    logged_out: u64,
}

/// The skills, for the OpenAPI description.
struct Skills;

impl IntoParams for Skills {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let meaning = "Agents with all of these skills: names. Also as skillName";
        let parameter = describe::list_parameter("skillNames", meaning, &["english"]);
        vec![describe::required(parameter)]
    }
}

/// Counts the agents with all of the skills by presence.
///
/// An unknown skill gives zeros. 503 if the state is too old to act on. `Accept` must name version 1,
/// `application/vnd.newvoicemedia.v1+json`. Scope: `agents-availability:read`.
#[utoipa::path(
    get,
    path = "/agents-availability",
    params(Skills),
    responses(
        (
            status = 200,
            description = "The counts",
            content((Answer = "application/vnd.newvoicemedia.v1+json", example = json!(Answer { ready: 3, away: 1, extended_away: 0, logged_out: 1 })), (Answer = "application/json; charset=utf-8", example = json!(Answer { ready: 3, away: 1, extended_away: 0, logged_out: 1 }))),
        ),
        VonageFault,
    ),
)]
pub async fn presence_summary(
    State(app): State<AppState>,
    caller: Authenticated<AgentsAvailabilityRead>,
    _: Version1,
    query: Query<VonageFault>,
    headers: HeaderMap,
) -> Result<Response<Body>, VonageFault> {
    let names = skill_names(&query)?;
    let filter = Filter::default().and(Clause::All(Dimension::Skill, names));
    let freshness = freshness::current(&headers, &app)?;
    let snapshot = query::open(app.reader(), &caller, freshness).await?;
    let summary = agents_availability::presence_summary(&snapshot.view, &filter);
    let answer = Answer {
        ready: summary.ready,
        away: summary.away,
        extended_away: summary.extended_away,
        logged_out: summary.logged_out,
    };
    Ok(reply::from_snapshot(reply::json(200, JSON, &answer), &snapshot))
}

/// The route, and the second name of its parameter. The description has the first only: both together are rejected.
pub const ALIAS: (&str, &str) = ("GET /agents-availability", "skillName");

/// Reads the skills from `skillNames`, as in the vendor's examples, or from `skillName`, as in its table. Both together
/// are rejected.
fn skill_names(params: &Params<'_>) -> Result<Vec<Value>, VonageFault> {
    let (mut values, singular) = (params.list("skillNames")?, params.list("skillName")?);
    if !values.is_empty() && !singular.is_empty() {
        return Err(Fault::invalid("skillNames", "is given together with skillName").into());
    }
    values.extend(singular);
    let given = elements(&values).into_iter().filter(|name| !name.is_empty());
    let names: Vec<Value> = given.map(|name| Value::Name(name.to_owned())).collect();
    if names.is_empty() {
        return Err(VonageFault::Body(json!({ "SkillNames": ["The SkillNames field is required."] })));
    }
    if names.len() > MAX_VALUES {
        return Err(Fault::invalid("skillNames", "has more than 500 values").into());
    }
    Ok(names)
}
