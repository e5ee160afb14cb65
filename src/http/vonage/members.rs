//! JSON bodies of this dialect, in which every member must be known: each of them restricts what is counted or says what
//! is changed, so that a misspelt one must not be ignored.

use serde_json::{Map, Value};

use super::VonageFault;
use crate::domain::Fault;
use crate::http::extract::json;

/// Parses a body as an object with no members but those `known`. A validation error names any other.
pub fn members(body: &[u8], known: &[&str]) -> Result<Map<String, Value>, VonageFault> {
    let Value::Object(members) = json::value(body)? else {
        return Err(Fault::Malformed(String::from("the body is not an object")).into());
    };
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => {
            let message = format!("The field '{name}' is not known. Known are: {}.", known.join(", "));
            Err(VonageFault::validation(name, message))
        }
        None => Ok(members),
    }
}
