//! The fields of a write, from a form with brackets or from JSON. A list may also be comma-separated text.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use serde_json::{Map, Value};

use super::RestFault;
use crate::domain::Fault;
use crate::http::extract::body::DIALECT_LIMIT;
use crate::http::extract::brackets::tree;
use crate::http::extract::params::csv;
use crate::http::extract::{MediaType, form, json, media_type, read_body};

/// The fields as JSON. Those of a form are strings.
#[derive(Debug, Default)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// Reads the body, which must be a form or a JSON object. An empty body has no fields.
    async fn read(headers: &HeaderMap, body: Body) -> Result<Self, Fault> {
        let body = read_body(headers, body, DIALECT_LIMIT).await?;
        if body.is_empty() {
            return Ok(Fields::default());
        }
        if let Some(params) = form(headers, &body).await? {
            return Ok(Fields(tree(&params)?));
        }
        if media_type(headers) != MediaType::Json {
            return Err(Fault::UnsupportedMediaType("a form or application/json"));
        }
        match json::value(&body)? {
            Value::Object(fields) => Ok(Fields(fields)),
            _ => Err(Fault::Malformed(String::from("the body is not an object"))),
        }
    }

    /// Returns a field as it was given.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Returns the fields inside another one. An absent or `null` field has none.
    ///
    /// [`Fault::Invalid`] if it has fields but none of those that are `known`: to ignore them all would take the request
    /// for one that gives none, which clears or keeps what the client wanted to change.
    pub fn inside(&self, name: &str, known: &[&str]) -> Result<Fields, Fault> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(Fields::default()),
            Some(Value::Object(fields)) if fields.is_empty() || known.iter().any(|name| fields.contains_key(*name)) => {
                Ok(Fields(fields.clone()))
            }
            Some(Value::Object(_)) => Err(Fault::invalid(name, "has no known field")),
            Some(_) => Err(Fault::invalid(name, "must have fields of its own")),
        }
    }
}

/// The vendor's client repeats the fields of a write in the query; there they are ignored.
impl<S: Sync> FromRequest<S> for Fields {
    type Rejection = RestFault;

    async fn from_request(request: Request, _: &S) -> Result<Self, RestFault> {
        let (parts, body) = request.into_parts();
        Ok(Fields::read(&parts.headers, body).await?)
    }
}

/// Reads 0 or 1, given as a number or a string, or as `false` or `true`.
pub fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(on) => Some(*on),
        Value::Number(number) if number.as_u64() == Some(1) => Some(true),
        Value::Number(number) if number.as_u64() == Some(0) => Some(false),
        Value::String(text) if text == "1" => Some(true),
        Value::String(text) if text == "0" => Some(false),
        _ => None,
    }
}

/// Reads an integer, given as a number or as a string of digits.
pub fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

/// Reads a list, given as an array or as comma-separated text. Empty text and `null` have no elements.
pub fn list(value: &Value) -> Option<Vec<Value>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::Array(values) => Some(values.clone()),
        Value::String(text) => Some(csv(text).into_iter().map(Value::from).collect()),
        _ => None,
    }
}
