//! The OpenAPI description of the requests and answers that carry GraphQL.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{ContentBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Schema, Type};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

use super::answer_type::AnswerType;
use crate::http::describe;
use crate::http::graphql::fault::RequestError;

/// The statuses of requests that fail as a whole.
const FAULTS: [u16; 11] = [400, 401, 403, 404, 405, 406, 408, 413, 415, 429, 503];

/// The body of a request.
pub struct Form;

impl PartialSchema for Form {
    fn schema() -> RefOr<Schema> {
        let object_or_null = |meaning: &str| {
            let either = SchemaType::from_iter([Type::Object, Type::Null]);
            ObjectBuilder::new().schema_type(either).description(Some(meaning.to_owned()))
        };
        let text_or_null = |meaning: &str| {
            let either = SchemaType::from_iter([Type::String, Type::Null]);
            ObjectBuilder::new().schema_type(either).description(Some(meaning.to_owned()))
        };
        ObjectBuilder::new()
            .property("query", text_or_null("The document; only a persisted one may lack it"))
            .property("operationName", text_or_null("The operation to execute, if the document has several"))
            .property("variables", object_or_null("The values of the operation's variables"))
            .property("extensions", object_or_null("`persistedQuery` with the hash of a document"))
            .into()
    }
}

impl ToSchema for Form {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("GraphqlRequest")
    }
}

/// The body of an answer.
pub struct GraphqlAnswer;

impl PartialSchema for GraphqlAnswer {
    fn schema() -> RefOr<Schema> {
        let data = SchemaType::from_iter([Type::Object, Type::Null]);
        let data = ObjectBuilder::new().schema_type(data).description(Some("The fields that were selected"));
        let extensions = ObjectBuilder::new()
            .property("name", describe::text().description(Some("The kind of the error, such as PERMISSION_DENIED")))
            .property("retryPolicy", describe::text().description(Some("Whether repeating the request may help")));
        let error = ObjectBuilder::new()
            .property("message", describe::text())
            .required("message")
            .property("path", describe::list(ObjectBuilder::new().schema_type(SchemaType::AnyValue)))
            .property("locations", describe::list(ObjectBuilder::new()))
            .property("extensions", extensions);
        let errors = describe::list(error).description(Some("What failed; absent if nothing did"));
        ObjectBuilder::new().property("data", data).property("errors", errors).into()
    }
}

impl ToSchema for GraphqlAnswer {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("GraphqlAnswer")
    }
}

/// Every answer, in both media types.
pub struct Answered;

/// Returns the answer to a request that fails as a whole with a status, as an example.
fn failure(status: u16, kind: AnswerType) -> Option<Value> {
    let error = match status {
        404 => RequestError::PersistedQueryNotFound,
        405 => RequestError::MutationByGet,
        406 => RequestError::NotAcceptable,
        other => RequestError::Fault(describe::fault(other)),
    };
    describe::body_of(error.answer(kind))
}

impl IntoResponses for Answered {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let example = json!({ "data": { "connectedUsersIndicator": { "connectedUsersCount": 6 } } });
        let answer = |status: u16| {
            let shape = || Ref::from_schema_name(GraphqlAnswer::name());
            let content = |kind: AnswerType| {
                let example = if status == 200 { Some(example.clone()) } else { failure(status, kind) };
                ContentBuilder::new().schema(Some(shape())).example(example).build()
            };
            let meaning =
                if status == 200 { "Data, errors of single fields, or both" } else { describe::reason(status) };
            let response = ResponseBuilder::new().description(meaning);
            let response = response.content(AnswerType::Json.essence(), content(AnswerType::Json));
            (
                status.to_string(),
                RefOr::T(
                    response
                        .content(AnswerType::GraphqlResponse.essence(), content(AnswerType::GraphqlResponse))
                        .build(),
                ),
            )
        };
        std::iter::once(200).chain(FAULTS).map(answer).collect()
    }
}
