//! `PUT /operator/{id}/live`: switch an operator's channels, or send the operator offline. All of it or nothing.

use axum::body::Body;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::Response;
use serde::Deserialize;
use serde_json::Value;

use super::{RestFault, caller, message};
use crate::command::change_availability::{Change, change_availability};
use crate::domain::object::{self, Object};
use crate::domain::{Channel, EntityRef, Fault, Scope};
use crate::http::extract::body::DIALECT;
use crate::http::extract::{MediaType, Params, media_type, read_body, reply};
use crate::http::services::Services;

/// The channels that can be switched, in the order of the sentences that say so.
const CHANNELS: [Channel; 3] = [Channel::Chat, Channel::Call, Channel::Video];

/// Changes one operator's availability.
pub async fn set_live(
    State(services): State<Services>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response<Body>, RestFault> {
    let (parts, body) = request.into_parts();
    // The vendor's client repeats its fields in the query; only the key is looked for there.
    let query = query.unwrap_or_default();
    let query = Params::parse(query.as_bytes())?;
    let caller = caller(&services, &parts.headers, &query)?;
    caller.require(Scope::OperatorsWrite)?;
    let body = read_body(&parts.headers, body, DIALECT).await?;
    let change = match media_type(&parts.headers) {
        _ if body.is_empty() => Change::default(),
        MediaType::Form => from_form(&Params::parse(&body)?)?,
        MediaType::Json => from_json(&body)?,
        _ => return Err(Fault::UnsupportedMediaType("a form or application/json").into()),
    };
    if change == Change::default() {
        return Err(RestFault::Missing("chat[available]"));
    }
    let operator: EntityRef = id.parse().map_err(|_| RestFault::UnknownOperator(id.clone()))?;
    let said = sentences(&change);
    let done =
        change_availability(&caller, services.submitter(), services.reader(), services.clock(), (operator, change))
            .await;
    let position = done.map_err(|fault| match fault {
        Fault::NotFound(_) => RestFault::UnknownOperator(id),
        other => RestFault::Fault(other),
    })?;
    Ok(reply::at_position(message(200, "success", &said), position))
}

fn from_form(form: &Params<'_>) -> Result<Change, Fault> {
    let mut change = Change::default();
    for channel in CHANNELS {
        let name = format!("{}[available]", channel.name());
        match form.one(&name)? {
            None => {}
            Some("1") => change.channels.push((channel, true)),
            Some("0") => change.channels.push((channel, false)),
            Some(_) => return Err(Fault::invalid(name, "must be 0 or 1")),
        }
    }
    change.offline = match form.one("connected")? {
        None => false,
        Some("0") => true,
        Some(_) => return Err(Fault::invalid("connected", "must be 0")),
    };
    Ok(change)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct JsonChannel {
    available: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct JsonChange {
    #[serde(deserialize_with = "object::option")]
    chat: Option<JsonChannel>,
    #[serde(deserialize_with = "object::option")]
    call: Option<JsonChannel>,
    #[serde(deserialize_with = "object::option")]
    video: Option<JsonChannel>,
    connected: Value,
}

fn from_json(body: &[u8]) -> Result<Change, Fault> {
    let Object(json): Object<JsonChange> =
        serde_json::from_slice(body).map_err(|error| Fault::Malformed(format!("the body cannot be read: {error}")))?;
    let mut change = Change::default();
    for (channel, given) in CHANNELS.into_iter().zip([json.chat, json.call, json.video]) {
        let given = given.map_or(Value::Null, |channel| channel.available);
        let on = flag(&given, &format!("{}[available]", channel.name()))?;
        change.channels.extend(on.map(|on| (channel, on)));
    }
    change.offline = match flag(&json.connected, "connected")? {
        None => false,
        Some(false) => true,
        Some(true) => return Err(Fault::invalid("connected", "must be 0")),
    };
    Ok(change)
}

/// 0 and 1, as numbers, as texts, or as the JSON words for them.
fn flag(value: &Value, name: &str) -> Result<Option<bool>, Fault> {
    match value {
        Value::Null => Ok(None),
        Value::Bool(on) => Ok(Some(*on)),
        Value::Number(number) if number.as_u64() == Some(1) => Ok(Some(true)),
        Value::Number(number) if number.as_u64() == Some(0) => Ok(Some(false)),
        Value::String(text) if text == "1" => Ok(Some(true)),
        Value::String(text) if text == "0" => Ok(Some(false)),
        _ => Err(Fault::invalid(name, "must be 0 or 1")),
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
