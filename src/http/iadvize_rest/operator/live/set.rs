//! `PUT /operator/{id}/live`: switches an operator's channels, or sends the operator offline. A request takes effect as
//! a whole or not at all.

use std::borrow::Cow;

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use serde_json::Value;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::auth::OperatorsWrite;
use crate::command::change_availability::{Change, ChangeError, change_availability};
use crate::domain::{Channel, EntityRef, Fault};
use crate::http::describe;
use crate::http::extract::{PathId, reply};
use crate::http::iadvize_rest::fields::{Fields, flag};
use crate::http::iadvize_rest::{Authenticated, RestFault, StatusOnly, example_message, message};
use crate::http::state::AppState;

/// The channels that can be switched, in the order of the sentences in the response.
const CHANNELS: [Channel; 3] = [Channel::Chat, Channel::Call, Channel::Video];

/// Switches one operator's channels, or sends the operator offline.
///
/// At least one field is needed; all of them take effect, or none. Unknown fields are refused. A form has `chat[available]=1`. `connected` can only be
/// 0, which closes every session. Scope: `operators:write`.
#[utoipa::path(
    put,
    path = "/operator/{id}/live",
    params(("id" = String, Path, description = "Integer id or GUID", example = "101")),
    request_body(content((Switches = "application/json", example = json!({ "chat": { "available": 1 }, "call": { "available": 0 } })), (Switches = "application/x-www-form-urlencoded", example = json!({ "chat": { "available": 1 }, "call": { "available": 0 } })), (Switches = "multipart/form-data", example = json!({ "chat": { "available": 1 }, "call": { "available": 0 } })))),
    responses((status = 200, description = "One sentence for each change", body = StatusOnly, example = json!(example_message("Operator is now available for chat channel. Operator is now unavailable for call channel."))), RestFault),
)]
pub async fn set_live(
    State(app): State<AppState>,
    caller: Authenticated<OperatorsWrite>,
    PathId(id): PathId,
    fields: Fields,
) -> Result<Response<Body>, RestFault> {
    let change = read(&fields)?;
    if change == Change::default() {
        // The first of the fields stands for all of them.
        return Err(RestFault::Missing("chat[available]"));
    }
    let operator: EntityRef = id.parse().map_err(|_| RestFault::unknown("operator", &id))?;
    let text = sentences(&change);
    let done = change_availability(app.command(&caller), operator, change).await;
    let position = done.map_err(|why| match why {
        ChangeError::NotEnabled(channel) => {
            Fault::invalid(format!("{}[available]", channel.name()), "is the switch of a channel that is not enabled")
                .into()
        }
        ChangeError::Fault(Fault::NotFound(_)) => RestFault::unknown("operator", &id),
        ChangeError::Fault(other) => RestFault::Fault(other),
    })?;
    Ok(reply::at_position(message(200, "success", &text), position))
}

/// The fields, for the OpenAPI description.
struct Switches;

impl PartialSchema for Switches {
    fn schema() -> RefOr<Schema> {
        let switch = || ObjectBuilder::new().property("available", describe::flag());
        let object = CHANNELS.iter().fold(ObjectBuilder::new(), |o, channel| o.property(channel.name(), switch()));
        // An operator is sent offline, but comes online by a session only.
        object.property("connected", describe::whole().enum_values(Some([0]))).into()
    }
}

impl ToSchema for Switches {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("OperatorSwitches")
    }
}

fn read(fields: &Fields) -> Result<Change, Fault> {
    let mut change = Change::default();
    fields.only(&[CHANNELS[0].name(), CHANNELS[1].name(), CHANNELS[2].name(), "connected"])?;
    for channel in CHANNELS {
        let name = channel.name();
        if fields.get(name).is_some_and(Value::is_null) {
            return Err(Fault::misfit(name, "must have fields of its own", &Value::Null));
        }
        if let Some(on) = switch(&fields.inside(name, &["available"])?, "available", &format!("{name}[available]"))? {
            change.channels.push((channel, on));
        }
    }
    change.offline = match switch(fields, "connected", "connected")? {
        None => false,
        Some(false) => true,
        Some(true) => return Err(Fault::misfit("connected", "must be 0", &Value::from(1))),
    };
    Ok(change)
}

fn switch(fields: &Fields, field: &str, name: &str) -> Result<Option<bool>, Fault> {
    match fields.get(field) {
        None => Ok(None),
        Some(value) => flag(value).map(Some).ok_or_else(|| Fault::misfit(name, "must be 0 or 1", value)),
    }
}

fn sentences(change: &Change) -> String {
    let switched = change.channels.iter().map(|(channel, on)| {
        let word = if *on { "available" } else { "unavailable" };
        format!("Operator is now {word} for {} channel.", channel.name())
    });
    let offline = change.offline.then(|| String::from("Operator is now offline."));
    switched.chain(offline).collect::<Vec<_>>().join(" ")
}
