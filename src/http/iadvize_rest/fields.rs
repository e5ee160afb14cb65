//! The fields of a write, from a form with brackets or from JSON. A list may also be comma-separated text.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use serde_json::{Map, Value};

use super::RestFault;
use super::brackets::tree;
use crate::domain::Fault;
use crate::http::extract::body::DIALECT_LIMIT;
use crate::http::extract::params::csv;
use crate::http::extract::params::unknown::{similar, unknown};
use crate::http::extract::{MediaType, form, json, media_type, read_body};

/// Fields of an answer that no write changes.
const READ_ONLY: [&str; 2] = ["id", "_link"];

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

    /// Rejects every field that is not among those `known`: ignored, it would leave undone a part of what the client
    /// wanted. `id` and `_link` of an object that is sent back as it was received are ignored.
    ///
    /// [`Fault::Invalid`] with the field's name, and the known one that may be meant.
    pub fn only(&self, known: &[&str]) -> Result<(), Fault> {
        let is_known = |name: &str| known.contains(&name) || READ_ONLY.contains(&name);
        match self.0.keys().find(|name| !is_known(name)) {
            Some(name) => Err(Fault::invalid(name, unknown(similar(name, known), known))),
            None => Ok(()),
        }
    }

    /// Returns the fields inside another one. An absent or `null` field has none.
    ///
    /// [`Fault::Invalid`] if it is no object, and for a field in it that is not among those `known`.
    pub fn inside(&self, name: &str, known: &[&str]) -> Result<Fields, Fault> {
        let fields = match self.0.get(name) {
            None | Some(Value::Null) => return Ok(Fields::default()),
            Some(Value::Object(fields)) => fields,
            Some(other) => return Err(Fault::misfit(name, "must have fields of its own", other)),
        };
        match fields.keys().find(|inner| !known.contains(&inner.as_str())) {
            Some(inner) => Err(Fault::invalid(format!("{name}[{inner}]"), unknown(similar(inner, known), known))),
            None => Ok(Fields(fields.clone())),
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

/// Reads 0 or 1, given as a number or a string, or as `false` or `true`, which clients also send as texts.
pub fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(on) => Some(*on),
        Value::Number(number) if number.as_u64() == Some(1) => Some(true),
        Value::Number(number) if number.as_u64() == Some(0) => Some(false),
        Value::String(text) => flag_text(text),
        _ => None,
    }
}

/// Reads 0 or 1, or `false` or `true` in any case: Python writes `True`.
pub fn flag_text(text: &str) -> Option<bool> {
    match text {
        "1" => Some(true),
        "0" => Some(false),
        text if text.eq_ignore_ascii_case("true") => Some(true),
        text if text.eq_ignore_ascii_case("false") => Some(false),
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

/// Reads a list, given as an array or as comma-separated text. Empty text and `null` have no elements, nor has an array of
/// empty texts, by which forms write an empty list.
pub fn list(value: &Value) -> Option<Vec<Value>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::Array(values) if values.iter().all(|value| value == "") => Some(Vec::new()),
        Value::Array(values) => Some(values.clone()),
        Value::String(text) => Some(csv(text).into_iter().map(Value::from).collect()),
        _ => None,
    }
}
