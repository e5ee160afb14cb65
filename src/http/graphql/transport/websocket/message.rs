//! The messages of graphql-transport-ws, as its specification has them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::domain::json::Object;
use crate::http::live::Instant;

/// Longest id of an operation, in bytes. Every answer repeats it.
const ID_MAX: usize = 128;

/// A message of a client.
#[derive(Debug)]
pub enum Message<'a> {
    /// Shows the credential; sent once, first.
    Init(Option<&'a RawValue>),
    /// Is answered with a pong that has the same payload.
    Ping(Option<&'a RawValue>),
    /// Answers a ping.
    Pong,
    /// Starts an operation.
    Subscribe {
        /// The operation's id, given by the client.
        id: Cow<'a, str>,
        /// The request, as in the body of a POST.
        payload: &'a RawValue,
    },
    /// Ends an operation.
    Complete {
        /// The operation's id.
        id: Cow<'a, str>,
    },
}

#[derive(Deserialize)]
struct RawMessage<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
}

/// The members of a request that have a type in the protocol.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestShape<'a> {
    #[serde(borrow, default)]
    query: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    #[expect(dead_code, reason = "only its type is of interest")]
    operation_name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    variables: Option<&'a RawValue>,
    #[serde(borrow, default)]
    extensions: Option<&'a RawValue>,
}

impl<'a> Message<'a> {
    /// Parses a message, or returns the reason why it is malformed.
    pub fn read(text: &'a str) -> Result<Self, &'static str> {
        let raw: Result<Object<RawMessage<'a>>, _> = serde_json::from_str(text);
        let Object(RawMessage { kind, id, payload }) =
            raw.map_err(|_| "not a JSON object with a type, or a member has the wrong type")?;
        let payload = payload.filter(|payload| payload.get() != "null");
        let id = id.filter(|id| (1..=ID_MAX).contains(&id.len())).ok_or("id must be a text of 1 to 128 bytes");
        let is_object = payload.is_none_or(|payload| payload.get().starts_with('{'));
        match kind.as_ref() {
            "connection_init" | "ping" | "pong" if !is_object => Err("payload must be an object"),
            "connection_init" => Ok(Message::Init(payload)),
            "ping" => Ok(Message::Ping(payload)),
            "pong" => Ok(Message::Pong),
            "subscribe" => {
                let (id, payload) = (id?, payload.ok_or("payload is missing")?);
                check_request(payload)?;
                Ok(Message::Subscribe { id, payload })
            }
            "complete" => Ok(Message::Complete { id: id? }),
            _ => Err("type must be connection_init, ping, pong, subscribe or complete"),
        }
    }
}

/// Checks the types of a request's members. Without a query it is a request only if its extensions may name a persisted
/// one.
fn check_request(payload: &RawValue) -> Result<(), &'static str> {
    let shape: Result<Object<RequestShape<'_>>, _> = serde_json::from_str(payload.get());
    let wrong = "payload must have a query, and no member with the wrong type";
    let Object(RequestShape { query, variables, extensions, .. }) = shape.map_err(|_| wrong)?;
    if query.is_none() && extensions.is_none() {
        return Err(wrong);
    }
    let is_object = |member: Option<&RawValue>| member.is_none_or(|member| member.get().starts_with('{'));
    if is_object(variables) && is_object(extensions) { Ok(()) } else { Err("variables and extensions must be objects") }
}

/// A credential in the payload of `connection_init`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// A key or token, as in the header `Authorization`.
    Authorization(String),
    /// A ticket for one socket.
    Ticket(String),
    /// The token of a link to a wallboard.
    Link(String),
}

/// Returns the credential of a payload; names may have any case, and be within `headers`. An error for a value that is no
/// text, and for several values.
pub fn credential(payload: &RawValue) -> Result<Option<Given>, &'static str> {
    let unreadable = "payload cannot be read";
    let Value::Object(members) = serde_json::from_str(payload.get()).map_err(|_| unreadable)? else {
        return Err(unreadable);
    };
    let headers = members.iter().find(|(name, _)| name.eq_ignore_ascii_case("headers"));
    let headers = headers.and_then(|(_, value)| value.as_object());
    let mut found: Option<Given> = None;
    for (name, value) in members.iter().chain(headers.into_iter().flatten()) {
        let kind = match name.to_ascii_lowercase().as_str() {
            "authorization" => Given::Authorization,
            "ticket" => Given::Ticket,
            "link" => Given::Link,
            _ => continue,
        };
        let given = match value {
            Value::Null => continue,
            Value::String(text) => kind(text.clone()),
            _ => return Err("a credential must be a text"),
        };
        // The same one in both places is one.
        if found.replace(given.clone()).is_some_and(|other| other != given) {
            return Err("two credentials");
        }
    }
    Ok(found)
}

/// A message of the service that carries no answer.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Reply<'a> {
    /// Accepts a credential.
    ConnectionAck,
    /// Shows that nothing differs.
    Ping {
        /// The newest instant.
        payload: Instant,
    },
    /// Answers a ping.
    Pong {
        /// What the ping had.
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<&'a RawValue>,
    },
    /// Ends an operation.
    Complete {
        /// The operation's id.
        id: &'a str,
    },
}

/// Returns a message with an answer, or with errors, which are in JSON already.
pub fn carrying(kind: &str, id: &str, payload: &[u8]) -> String {
    // Serialising a text cannot fail, and JSON is UTF-8.
    let (id, payload) = (serde_json::to_string(id).unwrap_or_default(), String::from_utf8_lossy(payload));
    format!("{{\"id\":{id},\"type\":\"{kind}\",\"payload\":{payload}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_or_malformed() {
        for text in [
            r#"{"type":"connection_init"}"#,
            r#"{"type":"connection_init","payload":null,"more":[1]}"#,
            r#"{"type":"ping","payload":{"a":1}}"#,
            r#"{"type":"pong"}"#,
            r#"{"type":"complete","id":"1"}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":{"b":1},"operationName":null}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":"","variables":null,"extensions":{}}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"extensions":{"persistedQuery":{"version":1}}}}"#,
        ] {
            assert!(Message::read(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "[]",
            "{}",
            r#"{"type":7}"#,
            r#"{"type":"next","id":"1"}"#,
            r#"{"type":"connection_init","payload":[]}"#,
            r#"{"type":"connection_init","payload":"text"}"#,
            r#"{"type":"ping","payload":1}"#,
            r#"{"type":"complete"}"#,
            r#"{"type":"complete","id":1}"#,
            r#"{"type":"complete","id":""}"#,
            r#"{"type":"subscribe","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"subscribe","id":"1","payload":[]}"#,
            r#"{"type":"subscribe","id":"1","payload":{}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":null,"extensions":null}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":1}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":"","variables":[]}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":"","operationName":{}}}"#,
        ] {
            assert!(Message::read(text).is_err(), "{text}");
        }
        let long = format!(r#"{{"type":"complete","id":"{}"}}"#, "x".repeat(ID_MAX + 1));
        assert!(Message::read(&long).is_err());
    }

    #[test]
    fn credentials_are_found_in_any_spelling() {
        let of = |payload: &str| credential(&RawValue::from_string(payload.to_owned()).unwrap());
        let key = Ok(Some(Given::Authorization(String::from("Bearer a"))));
        for payload in [
            r#"{"authorization":"Bearer a"}"#,
            r#"{"Authorization":"Bearer a","other":1}"#,
            r#"{"headers":{"AUTHORIZATION":"Bearer a"}}"#,
            r#"{"authorization":"Bearer a","Headers":{"authorization":"Bearer a"}}"#,
        ] {
            assert_eq!(of(payload), key, "{payload}");
        }
        let link = Ok(Some(Given::Link(String::from("wl_a"))));
        assert_eq!((of(r#"{"link":"wl_a"}"#), of(r#"{"headers":{"Link":"wl_a"}}"#)), (link.clone(), link));
        assert_eq!(of(r#"{"TICKET":"lt_a"}"#), Ok(Some(Given::Ticket(String::from("lt_a")))));
        for payload in ["{}", r#"{"authorization":null}"#, r#"{"headers":7}"#, r#"{"key":"a"}"#] {
            assert_eq!(of(payload), Ok(None), "{payload}");
        }
        for payload in [
            r#"{"authorization":7}"#,
            r#"{"link":7}"#,
            r#"{"authorization":"Bearer a","link":"wl_a"}"#,
            r#"{"authorization":"Bearer a","headers":{"ticket":"lt_a"}}"#,
            r#"{"ticket":"wl_a","link":"wl_a"}"#,
            r#"{"ticket":7}"#,
            r#"{"authorization":"a","Authorization":"b"}"#,
            r#"{"authorization":"a","headers":{"authorization":"b"}}"#,
        ] {
            assert!(of(payload).is_err(), "{payload}");
        }
    }

    #[test]
    fn answers_are_put_into_messages() {
        assert_eq!(carrying("next", "a\"b", br#"{"data":1}"#), r#"{"id":"a\"b","type":"next","payload":{"data":1}}"#);
        assert_eq!(serde_json::to_string(&Reply::ConnectionAck).unwrap(), r#"{"type":"connection_ack"}"#);
        assert_eq!(serde_json::to_string(&Reply::Pong { payload: None }).unwrap(), r#"{"type":"pong"}"#);
    }
}
