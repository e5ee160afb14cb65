//! A request in the query string of a GET: the same members as in a body, variables and extensions as JSON.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::domain::Fault;
use crate::http::extract::Params;
use crate::http::extract::params::unknown::{Elsewhere, reject_unknown};
use crate::http::graphql::request::MEMBERS;

/// The body of a POST that asks the same.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variables: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extensions: Option<&'a RawValue>,
}

/// Returns the body of the POST that asks the same as a query string, so that both are read, and bounded, in one way.
///
/// [`Fault::Invalid`] with the parameter's name for one that is given twice or as an array, is not UTF-8, or is not JSON
/// where it has to be; and for an unknown one that is nearly right. An empty parameter is none; other unknown ones are
/// ignored.
pub fn body(query_string: &str) -> Result<Bytes, Fault> {
    let params = Params::parse(query_string.as_bytes())?;
    reject_unknown(params.names(), &MEMBERS, Elsewhere::default)?;
    let text = |name| params.one(name).map(|value| value.filter(|value| !value.is_empty()));
    let json = |name: &'static str| {
        let value = text(name)?.map(serde_json::from_str::<&RawValue>).transpose();
        value.map_err(|error| Fault::invalid(name, format!("is not JSON: {error}")))
    };
    let body = Body {
        query: text("query")?,
        operation_name: text("operationName")?,
        variables: json("variables")?,
        extensions: json("extensions")?,
    };
    // Serialising plain texts, and JSON that was parsed, cannot fail.
    serde_json::to_vec(&body).map(Bytes::from).map_err(|_| Fault::Internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(query_string: &str) -> Result<String, Fault> {
        body(query_string).map(|body| String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn parameters_become_members() {
        let all = "query=%7Ba%22%7D&operationName=b&variables=%7B%22c%22:+1%7D&extensions={}&platform=sd";
        assert_eq!(text(all).unwrap(), r#"{"query":"{a\"}","operationName":"b","variables":{"c": 1},"extensions":{}}"#);
        assert_eq!(text("query=&operationName=&variables=&extensions=").unwrap(), "{}");
        assert_eq!(text("").unwrap(), "{}");
    }

    #[test]
    fn ambiguous_parameters_are_rejected() {
        for query in [
            "query=a&query=b",
            "query[]=a",
            "query=%ff",
            "variables={",
            "variables={},\"query\":1",
            "extensions=x",
            "variable={}",
            "operation_name=b",
        ] {
            assert!(matches!(text(query), Err(Fault::Invalid { .. })), "{query}");
        }
    }
}
