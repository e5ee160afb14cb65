//! Parses the body of a request. Values of variables are counted before they are built, since a value takes far more
//! memory than its text.

use std::borrow::Cow;
use std::collections::BTreeMap;

use async_graphql::{Request, Variables};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::documents::persisted::DocumentHash;
use super::validation::repeated;
use super::values;
use crate::domain::Fault;
use crate::domain::fault::found::quoted;
use crate::domain::json::Object;
use crate::http::extract::params::unknown::similar;

/// A request as it was sent.
pub struct Parameters {
    /// The document; `None` if only its hash was sent.
    pub query: Option<String>,
    /// The hash of the document, if the client uses persisted queries.
    pub hash: Option<DocumentHash>,
    operation_name: Option<String>,
    variables: Variables,
}

impl Parameters {
    /// Returns the request with its document.
    pub fn with_document(self, text: String) -> Request {
        let request = Request::new(text).variables(self.variables);
        match self.operation_name {
            Some(name) => request.operation_name(name),
            None => request,
        }
    }
}

/// The members of a body. Others are ignored, unless they have a name that is nearly right.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(default)]
    query: Option<String>,
    #[serde(default)]
    operation_name: Option<String>,
    #[serde(borrow, default)]
    variables: Option<&'a RawValue>,
    #[serde(borrow, default)]
    extensions: Option<&'a RawValue>,
}

/// Apollo's protocol of automatic persisted queries: the only member of the extensions that is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PersistedQuery {
    version: u32,
    sha256_hash: String,
}

/// Parses a body; [`Fault::Malformed`] if it is a batch, is not a GraphQL request, gives a member twice or, where
/// `are_counted`, has too many values in its variables or extensions.
///
/// An empty text or list in place of an optional member counts as none: PHP writes an empty object as a list, and older
/// tools send empty texts.
pub fn read(body: &Bytes, are_counted: bool) -> Result<Parameters, Fault> {
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(Fault::Malformed(String::from("batches are not supported: send one request at a time")));
    }
    if are_counted {
        values::check_given(body).map_err(Fault::Malformed)?;
    }
    // After the count, which bounds the names that are kept.
    repeated::check_body(body).map_err(Fault::Malformed)?;
    reject_misspelt(body)?;
    let read: Result<Object<Body<'_>>, _> = serde_json::from_slice(body);
    let Object(body) = read.map_err(|error| match unreadable::<Body<'_>>(body) {
        Some((name, error)) => malformed(format!("{name} cannot be read: {error}")),
        None => malformed(format!("the body is not a GraphQL request: {error}")),
    })?;
    let variables = object(body.variables, "variables")?.unwrap_or_default();
    let extensions: Option<Map<String, Value>> = object(body.extensions, "extensions")?;
    let persisted = extensions.and_then(|mut all| all.remove("persistedQuery")).filter(|value| !value.is_null());
    let hash = persisted.map(hash).transpose()?;
    let operation_name = body.operation_name.filter(|name| !name.is_empty());
    // An empty document is none only where its hash is there: otherwise its rejection says what is wrong.
    let query = body.query.filter(|query| hash.is_none() || !query.is_empty());
    Ok(Parameters { query, hash, operation_name, variables })
}

/// The members that are read.
pub const MEMBERS: [&str; 4] = ["query", "operationName", "variables", "extensions"];

/// Rejects a member with a name that is nearly right: without its variables a request is answered for the whole tenant.
/// A body that is no object passes, since its parser rejects it.
fn reject_misspelt(body: &[u8]) -> Result<(), Fault> {
    let Ok(names) = serde_json::from_slice::<BTreeMap<Cow<'_, str>, IgnoredAny>>(body) else { return Ok(()) };
    let mut unknown = names.keys().filter(|name| !MEMBERS.contains(&name.as_ref()));
    let found = unknown.find_map(|name| Some((name, similar(name, &MEMBERS)?)));
    match found {
        Some((name, meant)) => Err(malformed(format!("{} is not known: did you mean \"{meant}\"?", quoted(name)))),
        None => Ok(()),
    }
}

fn hash(persisted: Value) -> Result<DocumentHash, Fault> {
    let read: Result<Object<PersistedQuery>, _> = serde_json::from_value(persisted);
    let Object(persisted) = read.map_err(|error| malformed(format!("persistedQuery cannot be read: {error}")))?;
    if persisted.version != 1 {
        return Err(malformed("the version of a persisted query must be 1"));
    }
    DocumentHash::parse(&persisted.sha256_hash).ok_or_else(|| malformed("sha256Hash must have 64 hexadecimal digits"))
}

/// Parses a member that is an object, or none.
fn object<'a, T: Deserialize<'a>>(member: Option<&'a RawValue>, name: &str) -> Result<Option<T>, Fault> {
    let Some(json) = member.map(RawValue::get).filter(|json| !is_empty(json)) else { return Ok(None) };
    if !json.starts_with('{') {
        return Err(malformed(format!("{name} must be an object")));
    }
    serde_json::from_str(json).map(Some).map_err(|error| {
        let inside = unreadable::<Value>(json.as_bytes());
        let (name, error) = inside.map_or((name.to_owned(), error), |(path, error)| (format!("{name}.{path}"), error));
        malformed(format!("{name} cannot be read: {error}"))
    })
}

/// Returns the path of the member that cannot be read, and why; `None` if it is the whole that cannot.
fn unreadable<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<(String, serde_json::Error)> {
    let typed = serde_path_to_error::deserialize::<_, T>(&mut serde_json::Deserializer::from_slice(json)).err();
    let any = || serde_path_to_error::deserialize::<_, Value>(&mut serde_json::Deserializer::from_slice(json)).err();
    let errors = typed.into_iter().chain(any());
    let named = errors.map(|error| (error.path().to_string(), error.into_inner()));
    named.into_iter().find(|(path, _)| !matches!(path.as_str(), "." | "?"))
}

/// Returns true for an empty text and an empty list. Null is none already.
fn is_empty(json: &str) -> bool {
    let inside = json.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    json == "\"\"" || inside.is_some_and(|inside| inside.trim().is_empty())
}

fn malformed(message: impl Into<String>) -> Fault {
    Fault::Malformed(message.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(body: &Value) -> Result<Parameters, Fault> {
        read(&Bytes::from(body.to_string()), true)
    }

    #[test]
    fn empty_members_are_none() {
        for empty in [json!(null), json!([]), json!(""), json!({})] {
            let read = parse(&json!({ "query": "{a}", "variables": empty, "extensions": empty })).unwrap();
            assert!(read.variables.is_empty() && read.hash.is_none(), "{empty}");
        }
        let read = read(&Bytes::from_static(b"{\"query\":\"{a}\",\"variables\":[ \n ],\"operationName\":\"\"}"), true);
        assert!(read.unwrap().operation_name.is_none());
        for wrong in [json!([1]), json!("{}"), json!(1), json!(true)] {
            let refused = parse(&json!({ "query": "{a}", "variables": wrong })).err();
            assert_eq!(refused, Some(malformed("variables must be an object")), "{wrong}");
        }
    }

    #[test]
    fn members_that_are_nearly_right_are_rejected() {
        for (name, meant) in [("variable", "variables"), ("varables", "variables"), ("operation_name", "operationName")]
        {
            let refused = parse(&json!({ "query": "{a}", name: {} })).err();
            let expected = format!("\"{name}\" is not known: did you mean \"{meant}\"?");
            assert_eq!(refused, Some(malformed(expected)));
        }
        assert!(parse(&json!({ "query": "{a}", "id": "x", "documentId": "y", "locale": "fr" })).is_ok());
    }

    #[test]
    fn persisted_queries_have_a_version_and_a_hash() {
        let with =
            |persisted: Value| parse(&json!({ "query": "", "extensions": { "persistedQuery": persisted, "x": 1 } }));
        let read = with(json!({ "version": 1, "sha256Hash": "aB".repeat(32) })).unwrap();
        assert!(read.hash.is_some() && read.query.is_none());
        assert!(with(json!(null)).unwrap().hash.is_none());
        for wrong in [
            json!({ "version": 2, "sha256Hash": "ab".repeat(32) }),
            json!({ "version": 1, "sha256Hash": "ab" }),
            json!({ "version": 1, "sha256Hash": "xy".repeat(32) }),
            json!({ "version": 1 }),
            json!([1, "ab"]),
            json!("ab"),
        ] {
            assert!(with(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
