//! The binary mode of CloudEvents (HTTP protocol binding, section 3.1): the attributes of one event are headers that
//! begin with `ce-`, and its data is the body.

use axum::http::{HeaderMap, HeaderValue};
use percent_encoding::percent_decode;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::domain::Fault;

/// Prefix of the headers that carry attributes.
pub const PREFIX: &str = "ce-";

/// The headers of required attributes. One of them is enough to choose the mode, so that an event without the others is
/// rejected as one instead of being read as a body in another mode.
const REQUIRED: [&str; 4] = ["ce-id", "ce-source", "ce-type", "ce-specversion"];

/// Names that are no attributes of an event in this mode: the body is its data, and the content type names the type.
const NEVER: [&str; 3] = ["data", "data_base64", "datacontenttype"];

/// The attributes of an event, by name and in the order of their headers.
pub struct Attributes(Vec<(String, String)>);

/// Returns the attributes in the headers; `None` if the request is not in binary mode.
///
/// [`Fault::Invalid`] for a value that is not UTF-8 or has an open quotation mark, for a header that is given twice, and
/// for one that must be absent.
pub fn attributes(headers: &HeaderMap) -> Result<Option<Attributes>, Fault> {
    if !REQUIRED.iter().any(|name| headers.contains_key(*name)) {
        return Ok(None);
    }
    let mut found = Vec::new();
    for header in headers.keys() {
        let Some(name) = header.as_str().strip_prefix(PREFIX).filter(|name| !name.is_empty()) else { continue };
        if NEVER.contains(&name) {
            return Err(Fault::invalid(
                header.as_str(),
                "must be absent: the body is the data, and has a content type",
            ));
        }
        let mut values = headers.get_all(header).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => {
                let value = decode(value).map_err(|detail| Fault::invalid(header.as_str(), detail))?;
                found.push((name.to_owned(), value));
            }
            _ => return Err(Fault::invalid(header.as_str(), "is given twice")),
        }
    }
    Ok(Some(Attributes(found)))
}

/// Builds the JSON form of an event from its attributes and the body; [`Fault::Malformed`] if the body is not JSON. An
/// empty body is an event without data.
pub fn event(attributes: &Attributes, body: &[u8]) -> Result<Box<RawValue>, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| Fault::Malformed(String::from("the body is not UTF-8")))?;
    let malformed = |error: serde_json::Error| Fault::Malformed(format!("the body is not JSON: {error}"));
    let data = Some(text).filter(|text| !text.trim().is_empty()).map(serde_json::from_str::<&RawValue>);
    let data = data.transpose().map_err(malformed)?;
    to_raw_value(&Event { attributes, data }).map_err(|_| Fault::Internal)
}

/// An event as the structured mode has it.
struct Event<'a> {
    attributes: &'a Attributes,
    data: Option<&'a RawValue>,
}

impl Serialize for Event<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut event = serializer.serialize_map(None)?;
        for (name, value) in &self.attributes.0 {
            event.serialize_entry(name, value)?;
        }
        if let Some(data) = self.data {
            event.serialize_entry("data", data)?;
        }
        event.end()
    }
}

/// Decodes the value of a header: first quotation marks, which older senders use for spaces, then one round of percent
/// decoding. A `%` without two hexadecimal digits stands for itself.
fn decode(value: &HeaderValue) -> Result<String, &'static str> {
    let unquoted = unquote(value.as_bytes()).ok_or("has a quotation mark that is not closed")?;
    String::from_utf8(percent_decode(&unquoted).collect()).map_err(|_| "is not UTF-8")
}

/// Removes the quotation marks of quoted parts, and the backslashes of pairs within them (RFC 7230, section 3.2.6).
fn unquote(value: &[u8]) -> Option<Vec<u8>> {
    let mut unquoted = Vec::with_capacity(value.len());
    let mut bytes = value.iter();
    let mut is_quoted = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\\' if is_quoted => unquoted.push(*bytes.next()?),
            byte => unquoted.push(*byte),
        }
    }
    (!is_quoted).then_some(unquoted)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn json(pairs: &[(&'static str, &str)], body: &str) -> Result<String, Fault> {
        let attributes = attributes(&headers(pairs))?.expect("the binary mode");
        event(&attributes, body.as_bytes()).map(|event| event.get().to_owned())
    }

    #[test]
    fn values_are_unquoted_and_decoded_once() {
        for (value, decoded) in [
            ("plain", "plain"),
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
            ("%e2%82%ac", "€"),
            ("%41%2541", "A%41"),
            ("100%", "100%"),
            (r#""a \"b\" c""#, r#"a "b" c"#),
            (r#"a" b "c"#, "a b c"),
            ("€", "€"),
        ] {
            assert_eq!(decode(&HeaderValue::from_bytes(value.as_bytes()).unwrap()).as_deref(), Ok(decoded), "{value}");
        }
        for value in ["%C0%A0", "%ff", "\"open", "\"a\\"] {
            assert!(decode(&HeaderValue::from_static(value)).is_err(), "{value}");
        }
        assert!(decode(&HeaderValue::from_bytes(b"Ren\xe9").unwrap()).is_err());
    }

    #[test]
    fn headers_and_body_make_one_event() {
        let pairs = [("ce-id", "1"), ("ce-type", "a%22b"), ("content-type", "text/json"), ("ce-extra", "x")];
        assert_eq!(json(&pairs, " {\"a\":1} ").unwrap(), r#"{"id":"1","type":"a\"b","extra":"x","data":{"a":1}}"#);
        assert_eq!(json(&[("ce-id", "1")], " ").unwrap(), r#"{"id":"1"}"#);
        assert!(json(&[("ce-id", "1")], "{").is_err());
    }

    #[test]
    fn ambiguous_headers_are_rejected() {
        for pairs in [
            [("ce-id", "1"), ("ce-id", "2")],
            [("ce-id", "1"), ("ce-data", "{}")],
            [("ce-id", "1"), ("ce-datacontenttype", "application/json")],
        ] {
            assert!(attributes(&headers(&pairs)).is_err(), "{pairs:?}");
        }
        assert!(attributes(&headers(&[("ce-traceparent", "x")])).unwrap().is_none(), "no event without an attribute");
    }
}
