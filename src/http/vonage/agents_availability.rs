//! `POST /agents-availability`: counts agents by presence, and by capacity for one more interaction of a liveness.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use utoipa::ToSchema;

use super::members::members;
use super::{Authenticated, JSON, Version1, VonageFault};
use crate::auth::AgentsAvailabilityRead;
use crate::domain::filter::{Clause, Dimension, MAX_VALUES, Value};
use crate::domain::ids::parse_guid;
use crate::domain::status::Liveness;
use crate::domain::{EntityRef, Fault, Filter};
use crate::http::extract::body::DIALECT_LIMIT;
use crate::http::extract::{MediaType, freshness, media_type, read_body, reply};
use crate::http::state::AppState;
use crate::query::{self, agents_availability as question};

/// The filters, all of which must hold. One that is absent, null or empty restricts nothing.
#[derive(Deserialize, ToSchema)]
#[schema(as = AvailabilityCriteria)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape is of interest: the members are read one by one")]
struct Criteria {
    /// Only agents with all of these skills: GUIDs, at most 500.
    skill_guids: Option<Vec<String>>,
    /// Only agents in any of these groups: GUIDs, at most 500. Not together with queueGuids.
    group_guids: Option<Vec<String>>,
    /// Only agents assigned to any of these queues: GUIDs, at most 500. Not together with groupGuids.
    queue_guids: Option<Vec<String>>,
    /// The kind of interactions whose capacity is counted: live, semilive or nonlive, in any case; live if absent.
    liveness: Option<String>,
}

/// The members of [`Criteria`].
const MEMBERS: [&str; 4] = ["skillGuids", "groupGuids", "queueGuids", "liveness"];

#[derive(Serialize, ToSchema)]
#[schema(as = AgentsAvailability)]
#[serde(rename_all = "camelCase")]
struct Answer {
    presence_summary: Presences,
    availability_summary: Availability,
}

impl Answer {
    const EXAMPLE: Answer = Answer {
        presence_summary: Presences { ready: 4, away: 1, extended_away: 0, logged_out: 1 },
        availability_summary: Availability { available: 1, incompatible_presence: 2, insufficient_capacity: 3 },
    };
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct Presences {
    ready: u64,
    away: u64,
    extended_away: u64,
    logged_out: u64,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Availability {
    available: u64,
    incompatible_presence: u64,
    insufficient_capacity: u64,
}

/// Counts agents by presence and by capacity for one more interaction.
///
/// All members that are given hold together; `{}` is the whole tenant. An unknown member is refused. 503 if the state is
/// too old to act on. `Accept` must name version 1, `application/vnd.newvoicemedia.v1+json`. Scope:
/// `agents-availability:read`.
#[utoipa::path(
    post,
    path = "/agents-availability",
    request_body(content = Criteria, example = json!({ "skillGuids": ["b0000001-0000-4000-8000-000000000001"], "groupGuids": ["c0000001-0000-4000-8000-000000000001"], "liveness": "live" })),
    responses(
        (
            status = 200,
            description = "The counts",
            content((Answer = "application/vnd.newvoicemedia.v1+json", example = json!(Answer::EXAMPLE)), (Answer = "application/json; charset=utf-8", example = json!(Answer::EXAMPLE))),
        ),
        VonageFault,
    ),
)]
pub async fn agents_availability(
    State(app): State<AppState>,
    caller: Authenticated<AgentsAvailabilityRead>,
    _: Version1,
    request: Request,
) -> Result<Response<Body>, VonageFault> {
    let (parts, body) = request.into_parts();
    if media_type(&parts.headers) != MediaType::Json {
        return Err(Fault::UnsupportedMediaType("application/json").into());
    }
    let body = read_body(&parts.headers, body, DIALECT_LIMIT).await?;
    let (filter, liveness) = read(&members(&body, &MEMBERS)?)?;
    let freshness = freshness::current(&parts.headers, &app)?;
    let snapshot = query::open(app.reader(), &caller, freshness).await?;
    let (presences, capacity) = question::agents_availability(&snapshot.view, &filter, liveness);
    let answer = Answer {
        presence_summary: Presences {
            ready: presences.ready,
            away: presences.away,
            extended_away: presences.extended_away,
            logged_out: presences.logged_out,
        },
        availability_summary: Availability {
            available: capacity.available,
            incompatible_presence: capacity.incompatible_presence,
            insufficient_capacity: capacity.insufficient_capacity,
        },
    };
    Ok(reply::from_snapshot(reply::json(200, JSON, &answer), &snapshot))
}

/// Builds the filter: all of the skills, and any of the groups or queues, which exclude each other
/// (docs/reference/vonage.md, "POST /agents-availability").
fn read(criteria: &Map<String, Json>) -> Result<(Filter, Liveness), VonageFault> {
    let skills = guids(criteria, "skillGuids")?;
    let groups = guids(criteria, "groupGuids")?;
    let queues = guids(criteria, "queueGuids")?;
    if !groups.is_empty() && !queues.is_empty() {
        let message = "groupGuids and queueGuids cannot be used together.";
        return Err(VonageFault::validation("groupGuids", message));
    }
    let filter = Filter::default()
        .and(Clause::All(Dimension::Skill, skills))
        .and(Clause::Any(Dimension::Group, groups))
        .and(Clause::Any(Dimension::Queue, queues));
    Ok((filter, liveness(criteria.get("liveness"))?))
}

fn liveness(given: Option<&Json>) -> Result<Liveness, VonageFault> {
    let text = match given {
        None | Some(Json::Null) => return Ok(Liveness::Live),
        Some(value) => shown(value),
    };
    match text.to_ascii_lowercase().as_str() {
        "live" => Ok(Liveness::Live),
        "semilive" => Ok(Liveness::Semilive),
        "nonlive" => Ok(Liveness::Nonlive),
        _ => Err(VonageFault::validation("liveness", format!("The value '{text}' is not valid for liveness."))),
    }
}

/// Reads a list of GUIDs. An absent member and `null` have none.
fn guids(criteria: &Map<String, Json>, name: &str) -> Result<Vec<Value>, VonageFault> {
    let elements = match criteria.get(name) {
        None | Some(Json::Null) => return Ok(Vec::new()),
        Some(Json::Array(elements)) => elements,
        Some(_) => return Err(VonageFault::validation(name, format!("{name} must be a list of GUIDs."))),
    };
    if elements.len() > MAX_VALUES {
        return Err(VonageFault::validation(name, format!("{name} must not have more than 500 values.")));
    }
    let read = |(n, element): (usize, &Json)| {
        let guid = element.as_str().and_then(parse_guid).ok_or_else(|| {
            let message = format!("The value '{}' is not a valid GUID.", shown(element));
            VonageFault::validation(format!("{name}[{n}]"), message)
        })?;
        Ok(Value::Entity(EntityRef::Guid(guid)))
    };
    elements.iter().enumerate().map(read).collect()
}

/// Returns a value as an error message shows it: a string without its quotes, anything else as JSON.
fn shown(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
