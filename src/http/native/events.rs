//! `POST /v1/events`: one event, an array, or one a line, in each mode of CloudEvents (docs/reference/events.md,
//! "Requests").

pub mod binary;
mod event_types;
pub mod handshake;
mod schemas;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use self::schemas::{CloudEvent, example, example_lines, examples};
use super::Authenticated;
use crate::auth::{Authorized, EventsWrite};
use crate::command::post_events::post_events as post;
use crate::domain::event::{Reason, Refusal, admit};
use crate::domain::{Event, Fault, Outcome, Time};
use crate::engine::Receipt;
use crate::http::extract::body::{Limit, is_long};
use crate::http::extract::{MediaType, media_type, read_body, reply};
use crate::http::fault::NativeFault;
use crate::http::state::AppState;
use crate::limits::TurnKey;
use crate::query;

/// The size limit of the body.
const LIMIT: Limit = Limit { bytes: 8 * 1024 * 1024, name: "8 MiB" };
/// Most events of one request.
const MAX_EVENTS: usize = 10_000;

#[derive(Serialize, ToSchema)]
#[schema(as = EventsTaken)]
pub(super) struct Answer {
    position: u64,
    applied: usize,
    results: Vec<EventResult>,
}

impl Answer {
    /// The answer to one event that was applied, as an example.
    pub(super) fn of_one(id: &str) -> Self {
        let result =
            EventResult { id: Some(id.to_owned()), outcome: "applied", reason: None, detail: None, first: None };
        Answer { position: 2, applied: 1, results: vec![result] }
    }
}

#[derive(Serialize, ToSchema)]
struct EventResult {
    id: Option<String>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The member, what was found there and what fits; for people, with some events that were not admitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// The outcome of the event when it was first received; only for a duplicate. `unknown` if it is not known any more;
    /// absent if it was `applied`.
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<First>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = FirstOutcome)]
struct First {
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Records events, and answers one outcome for each once they are durable and visible.
///
/// The body is one event or an array; with `application/x-ndjson` it is one event a line. At most 8 MiB and 10,000
/// events. One bad event does not block the others: its outcome is `rejected`, with the reason. After any other answer
/// than 200 the outcome is unknown; send the same events again, whose ids make that safe. In place of `data` an event may
/// have its JSON in Base64, as `data_base64`. With the attributes of one event in `ce-` headers, which is the binary mode
/// of CloudEvents, and a content type of JSON, the body is its data; with a content type of CloudEvents they are ignored.
/// (They are no parameters here: tools that fill in each parameter would turn every request into that mode.) Scope:
/// `events:write`.
#[utoipa::path(
    post,
    path = "/v1/events",
    request_body(content((CloudEvent = "application/cloudevents+json", example = json!(example("status.changed"))), (Vec<CloudEvent> = "application/cloudevents-batch+json", example = examples), (CloudEvent = "application/json", example = json!(example("desk.connected"))), (String = "application/x-ndjson", example = example_lines))),
    responses(
        (status = 200, description = "One outcome for each event, in the order of the request", body = Answer, example = json!(Answer::of_one("example-desk.connected"))),
        NativeFault,
    ),
)]
pub async fn post_events(
    State(app): State<AppState>,
    caller: Authenticated<EventsWrite>,
    request: Request,
) -> Result<Response<Body>, NativeFault> {
    let (parts, body) = request.into_parts();
    let mode = Mode::of(&parts.headers)?;
    let body = read_body(&parts.headers, body, LIMIT).await?;
    let (now, is_long) = (app.clock().now(), is_long(&body));
    let read = move || mode.parse(&body, now);
    let parsed = app.read(TurnKey::Tenant(caller.tenant()), is_long, read).await?;
    Ok(commit(&app, &caller, parsed).await?)
}

/// The form in which a request has its events.
enum Mode {
    /// The attributes of one event in headers, its data in the body.
    Binary(binary::Attributes),
    /// Whole events in the body.
    Structured(MediaType),
}

impl Mode {
    /// Returns the mode of a request. A content type of CloudEvents decides alone: a sender may repeat the attributes in
    /// headers, and those in the body count. [`Fault::UnsupportedMediaType`] if neither type nor headers are events.
    fn of(headers: &HeaderMap) -> Result<Self, Fault> {
        let media_type = media_type(headers);
        if matches!(media_type, MediaType::CloudEvent | MediaType::CloudEventBatch) {
            return Ok(Mode::Structured(media_type));
        }
        match (binary::attributes(headers)?, media_type) {
            (Some(attributes), MediaType::None | MediaType::Json | MediaType::OtherJson) => {
                Ok(Mode::Binary(attributes))
            }
            (Some(_), _) => Err(Fault::UnsupportedMediaType("JSON, as the data of an event in ce- headers,")),
            (None, MediaType::Json | MediaType::NdJson) => Ok(Mode::Structured(media_type)),
            (None, _) => {
                Err(Fault::UnsupportedMediaType("JSON, CloudEvents JSON or NDJSON, or an event in ce- headers,"))
            }
        }
    }

    /// Parses the events of a body; [`Fault::TooLarge`] if there are more than 10,000.
    fn parse(&self, body: &[u8], now: Time) -> Result<ParsedEvents, Fault> {
        match self {
            Mode::Binary(attributes) => Ok(ParsedEvents::new(&[&binary::event(attributes, body)?], now)),
            Mode::Structured(media_type) => {
                let raws = split(*media_type, body)?;
                if raws.len() > MAX_EVENTS {
                    return Err(Fault::TooLarge("10000 events"));
                }
                Ok(ParsedEvents::new(&raws, now))
            }
        }
    }
}

/// Commits parsed events, and answers the outcome of each.
pub(super) async fn commit(
    app: &AppState,
    caller: &Authorized<EventsWrite>,
    parsed: ParsedEvents,
) -> Result<Response<Body>, Fault> {
    let ParsedEvents { events, results, refused } = parsed;
    let tenant = caller.tenant();
    app.tenants().count_events(tenant, events.len())?;
    let settings = app.settings().of(tenant);
    let sources: Vec<Arc<str>> = events.iter().map(|event| event.id.source.clone()).collect();
    let receipt = post(&app.command(caller), &settings, events).await?;
    // Once the request is answered: a sender that has to repeat it counts once.
    let refused = refused.iter().map(|(source, reason)| (source.as_deref().unwrap_or_default(), reason.name()));
    let rejected = sources.iter().zip(&receipt.outcomes).filter_map(|(source, outcome)| match outcome {
        Outcome::Rejected(rejection) => Some((source.as_ref(), rejection.name())),
        _ => None,
    });
    app.rejections().count(tenant, refused.chain(rejected));
    let is_long = results.len() > query::INLINE_ROWS;
    // The events are durable already: rejecting the answer because of the queue's length would only make the sender
    // repeat them.
    if is_long {
        let key = TurnKey::Tenant(tenant);
        let answer = move || answer(results, &receipt);
        return app.lifecycle().continue_cpu_bound(key, answer).await;
    }
    Ok(answer(results, &receipt))
}

/// Builds the answer from the results that were known before the commit and the outcomes of the other events.
fn answer(mut results: Vec<EventResult>, receipt: &Receipt) -> Response<Body> {
    // Results without an outcome belong to the committed events, in the same order.
    let open = results.iter_mut().filter(|result| result.outcome.is_empty());
    for ((result, outcome), first) in open.zip(&receipt.outcomes).zip(&receipt.first_outcomes) {
        result.outcome = outcome.name();
        result.first = first
            .as_ref()
            .map(|first| First { outcome: first.outcome, reason: first.reason.as_deref().map(str::to_owned) });
        result.reason = outcome.reason();
    }
    let applied = results.iter().filter(|result| result.outcome == "applied").count();
    let answer = Answer { position: receipt.position, applied, results };
    reply::at_position(reply::json(200, "application/json", &answer), receipt.position)
}

/// Splits the body into events; [`Fault::Malformed`] if any part of it does not parse, and then no event is recorded.
fn split(media_type: MediaType, body: &[u8]) -> Result<Vec<&RawValue>, Fault> {
    let malformed = |error: serde_json::Error| Fault::Malformed(format!("the body is not JSON: {error}"));
    let text = std::str::from_utf8(body).map_err(|_| Fault::Malformed(String::from("the body is not UTF-8")))?;
    if media_type == MediaType::NdJson {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        // The parser counts lines within the event, which is on one.
        let malformed = |n: usize, error: serde_json::Error| {
            let (text, column) = (error.to_string(), error.column());
            let what = text.split(" at line ").next().unwrap_or_default();
            Fault::Malformed(format!("the body is not JSON: {what} at line {} column {column}", n + 1))
        };
        return lines.map(|(n, line)| serde_json::from_str(line.trim()).map_err(|error| malformed(n, error))).collect();
    }
    let is_array = text.trim_start().starts_with('[');
    if media_type == MediaType::CloudEventBatch && !is_array {
        return Err(Fault::Malformed(String::from("a batch must be a JSON array")));
    }
    if is_array && media_type != MediaType::CloudEvent {
        return serde_json::from_str(text).map_err(malformed);
    }
    if !text.trim_start().starts_with('{') {
        return Err(Fault::Malformed(String::from("the body is neither an event nor a list of events")));
    }
    Ok(vec![serde_json::from_str(text).map_err(malformed)?])
}

/// The parsed events of a request, and the results that are known without the state.
pub(super) struct ParsedEvents {
    /// The admitted events.
    events: Vec<Event>,
    /// One result for each event that was sent; the outcome is empty until the event is committed.
    results: Vec<EventResult>,
    /// The source, if one could be parsed, and the reason of each event that was not admitted.
    refused: Vec<(Option<String>, Reason)>,
}

impl ParsedEvents {
    /// Parses each event; `now` is the service's time.
    pub fn new(raws: &[&RawValue], now: Time) -> Self {
        let mut events = Vec::with_capacity(raws.len());
        let mut results = Vec::with_capacity(raws.len());
        let mut refused = Vec::new();
        for raw in raws {
            results.push(match admit(raw, now) {
                Ok(event) => {
                    let id = Some(event.id.id.to_string());
                    events.push(event);
                    EventResult { id, outcome: "", reason: None, detail: None, first: None }
                }
                Err(Refusal { id, source, reason, detail }) => {
                    refused.push((source, reason));
                    let reason = Some(reason.text().to_owned());
                    EventResult { id, outcome: "rejected", reason, detail, first: None }
                }
            });
        }
        ParsedEvents { events, results, refused }
    }
}
