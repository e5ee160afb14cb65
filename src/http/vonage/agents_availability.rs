//! `POST /agents-availability`: counts agents by presence, and by capacity for one more interaction of a liveness.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Authenticated, JSON, Version1, VonageFault};
use crate::auth::AgentsAvailabilityRead;
use crate::domain::filter::{Clause, Dimension, MAX_VALUES, Value};
use crate::domain::ids::parse_guid;
use crate::domain::json::Object;
use crate::domain::status::Liveness;
use crate::domain::{EntityRef, Fault, Filter};
use crate::http::extract::body::DIALECT_LIMIT;
use crate::http::extract::{MediaType, freshness, media_type, read_body, reply};
use crate::http::state::AppState;
use crate::query::{self, agents_availability as question};

/// The filters, all of which must hold. One that is absent, null or empty restricts nothing.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = AvailabilityCriteria)]
#[serde(default, rename_all = "camelCase")]
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

#[derive(Serialize, ToSchema)]
#[schema(as = AgentsAvailability)]
#[serde(rename_all = "camelCase")]
struct Answer {
    presence_summary: Presences,
    availability_summary: Availability,
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
#[utoipa::path(
    post,
    path = "/agents-availability",
    params(("Accept" = String, Header, description = "API version: application/vnd.newvoicemedia.v1+json")),
    request_body(content = Criteria),
    responses(
        (status = 200, description = "The counts", body = Answer, content_type = "application/json; charset=utf-8"),
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
    let Object(criteria): Object<Criteria> =
        serde_json::from_slice(&body).map_err(|error| Fault::Malformed(error.to_string()))?;
    let (filter, liveness) = read(&criteria)?;
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
fn read(criteria: &Criteria) -> Result<(Filter, Liveness), VonageFault> {
    let skills = guids(criteria.skill_guids.as_deref(), "skillGuids")?;
    let groups = guids(criteria.group_guids.as_deref(), "groupGuids")?;
    let queues = guids(criteria.queue_guids.as_deref(), "queueGuids")?;
    if !groups.is_empty() && !queues.is_empty() {
        let message = "groupGuids and queueGuids cannot be used together.";
        return Err(VonageFault::validation("groupGuids", message));
    }
    let liveness = match criteria.liveness.as_deref() {
        None => Liveness::Live,
        Some(text) => match text.to_ascii_lowercase().as_str() {
            "live" => Liveness::Live,
            "semilive" => Liveness::Semilive,
            "nonlive" => Liveness::Nonlive,
            _ => {
                let message = format!("The value '{text}' is not valid for liveness.");
                return Err(VonageFault::validation("liveness", message));
            }
        },
    };
    let filter = Filter::default()
        .and(Clause::All(Dimension::Skill, skills))
        .and(Clause::Any(Dimension::Group, groups))
        .and(Clause::Any(Dimension::Queue, queues));
    Ok((filter, liveness))
}

fn guids(texts: Option<&[String]>, name: &str) -> Result<Vec<Value>, VonageFault> {
    let texts = texts.unwrap_or_default();
    if texts.len() > MAX_VALUES {
        return Err(VonageFault::validation(name, format!("{name} must not have more than 500 values.")));
    }
    let read = |(n, text): (usize, &String)| {
        let guid = parse_guid(text).ok_or_else(|| {
            VonageFault::validation(format!("{name}[{n}]"), format!("The value '{text}' is not a valid GUID."))
        })?;
        Ok(Value::Entity(EntityRef::Guid(guid)))
    };
    texts.iter().enumerate().map(read).collect()
}
