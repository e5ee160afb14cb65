//! The media type of an answer, from the `Accept` header (docs/decisions/0076-graphql-over-http.md).

use axum::http::HeaderMap;

use crate::http::extract::accept::MediaRanges;
use crate::http::live::events::EVENT_STREAM;

/// A media type of answers. They differ in the status and in the members of an answer to a request that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerType {
    /// `application/json`, with the statuses that the vendor documents.
    Json,
    /// `application/graphql-response+json`, with the statuses of GraphQL over HTTP.
    GraphqlResponse,
}

/// The answers that a request accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The preferred type of an answer in one piece; `None` if none is accepted.
    pub one_piece: Option<AnswerType>,
    /// True if `text/event-stream` is accepted by name.
    pub events: bool,
}

impl Accepted {
    /// Reads `Accept`.
    pub fn of(headers: &HeaderMap) -> Self {
        let ranges = MediaRanges::of(headers);
        let is_events = |essence: &str| (essence == EVENT_STREAM).then_some(Breadth::Exact);
        let events = ranges.quality(is_events).is_some_and(|quality| quality > 0);
        Accepted { one_piece: AnswerType::negotiate(&ranges), events }
    }

    /// The type of an error that ends the request. A reader of events gets the statuses of the protocol, and not those of
    /// the vendor, whose 200 would say that events follow.
    pub fn of_errors(self) -> AnswerType {
        self.one_piece.unwrap_or(if self.events { AnswerType::GraphqlResponse } else { AnswerType::Json })
    }
}

impl AnswerType {
    /// The media type without parameters.
    pub const fn essence(self) -> &'static str {
        match self {
            AnswerType::Json => "application/json",
            AnswerType::GraphqlResponse => "application/graphql-response+json",
        }
    }

    /// The value of `Content-Type`.
    pub const fn name(self) -> &'static str {
        match self {
            AnswerType::Json => "application/json",
            AnswerType::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        }
    }

    /// Returns the type that a request prefers; `None` if it accepts neither.
    ///
    /// `application/graphql-response+json` only where it is named: a wildcard stands for JSON, which every client of the
    /// vendor reads. Types such as `application/vnd.iadvize.…-preview+json`, by which the vendor's clients select fields
    /// that are not final, stand for JSON too. Without a header, or with one that cannot be read, JSON.
    fn negotiate(ranges: &MediaRanges) -> Option<Self> {
        if ranges.is_empty() {
            return Some(AnswerType::Json);
        }
        let (json, response) = (ranges.quality(Breadth::of_json), ranges.quality(Breadth::of_response));
        match response {
            Some(response) if response > 0 && response >= json.unwrap_or(0) => Some(AnswerType::GraphqlResponse),
            _ => json.filter(|json| *json > 0).map(|_| AnswerType::Json),
        }
    }
}

/// The kinds of ranges that match a type, the most specific last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Breadth {
    Any,
    Application,
    Exact,
}

impl Breadth {
    /// Returns the breadth of a range that matches JSON.
    fn of_json(essence: &str) -> Option<Self> {
        match essence {
            "*/*" => Some(Breadth::Any),
            "application/*" => Some(Breadth::Application),
            "application/json" => Some(Breadth::Exact),
            other if Self::of_response(other).is_some() => None,
            other => (other.starts_with("application/") && other.ends_with("+json")).then_some(Breadth::Exact),
        }
    }

    fn of_response(essence: &str) -> Option<Self> {
        (essence == "application/graphql-response+json").then_some(Breadth::Exact)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use axum::http::header::ACCEPT;

    use super::*;

    #[test]
    fn the_preferred_type_is_chosen() {
        let (json, response) = (Some(AnswerType::Json), Some(AnswerType::GraphqlResponse));
        for (accept, expected) in [
            ("application/json", json),
            ("*/*", json),
            ("application/*", json),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", json),
            ("application/vnd.iadvize.automation-preview+json", json),
            ("application/json, multipart/mixed", json),
            ("application/graphql-response+json", response),
            ("Application/GraphQL-Response+JSON; charset=utf-8", response),
            ("application/graphql-response+json,application/json;q=0.9", response),
            ("application/graphql-response+json, application/graphql+json, application/json", response),
            ("application/json, application/graphql-response+json", response),
            ("application/json, application/graphql-response+json;q=0.9", json),
            ("application/graphql-response+json;q=0, application/json;q=0.1", json),
            ("application/graphql-response+json;q=0, */*", json),
            ("application/graphql-response+json;q=0.5, */*;q=0.1", response),
            ("*/*, application/json;q=0, application/graphql-response+json;q=0.1", response),
            ("application/json;q=0", None),
            ("*/*;q=0", None),
            ("text/html", None),
            ("text/event-stream", None),
            ("application/xml, image/*;q=0.5", None),
            ("", json),
            ("nonsense", json),
            ("application/json;q=2", json),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(Accepted::of(&headers).one_piece, expected, "{accept}");
        }
        assert_eq!(Accepted::of(&HeaderMap::new()).one_piece, json);
    }
}
