//! Parts of the OpenAPI description that the dialects share. Nothing here depends on a dialect.

use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use axum::body::Body;
use axum::response::IntoResponse;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn, ParameterStyle};
use utoipa::openapi::schema::{Array, ArrayBuilder, SchemaType};
use utoipa::openapi::{ContentBuilder, ObjectBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema, Type};

use crate::domain::{Fault, Time};

/// The time of the description's examples: 2021-03-01T09:00:00Z.
pub const EXAMPLE_TIME: Time = Time::from_micros(1_614_589_200_000_000);

/// Describes the responses with these statuses, all in the one error shape `T` of a dialect. Their examples are the answers
/// that the dialect's error `E` gives.
pub fn faults<T, E>(content_type: &str, statuses: &[u16]) -> BTreeMap<String, RefOr<Response>>
where
    T: ToSchema,
    E: From<Fault> + IntoResponse,
{
    let shape = || RefOr::<Schema>::Ref(Ref::from_schema_name(T::name()));
    let response = |status: u16| {
        let example = body_of(E::from(fault(status)).into_response());
        let content = ContentBuilder::new().schema(Some(shape())).example(example).build();
        let description = reason(status);
        ResponseBuilder::new().description(description).content(content_type, content).build()
    };
    statuses.iter().map(|status| (status.to_string(), RefOr::T(response(*status)))).collect()
}

/// Returns a fault whose answer has a status, for an example.
pub fn fault(status: u16) -> Fault {
    match status {
        400 => Fault::misfit_text("Rollcall-Min-Position", "must be one whole number", "soon"),
        401 => Fault::CredentialInvalid,
        403 => Fault::Forbidden,
        404 => Fault::NotFound("user"),
        405 => Fault::MethodNotAllowed,
        408 => Fault::TimedOut,
        409 => Fault::Conflict("a tenant with this name exists"),
        413 => Fault::TooLarge("1 MiB"),
        415 => Fault::UnsupportedMediaType("application/json"),
        422 => Fault::refused("/users/0/email", "must be an e-mail address"),
        429 => Fault::TooMany { seconds: 1 },
        503 => Fault::Unavailable("the store is unavailable"),
        _ => Fault::Internal,
    }
}

/// Returns the JSON of a response whose body is in memory; `None` for any other.
pub fn body_of(response: axum::http::Response<Body>) -> Option<Value> {
    let collecting = pin!(response.into_body().collect());
    match collecting.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(body) => serde_json::from_slice(&body.ok()?.to_bytes()).ok(),
        Poll::Pending => None,
    }
}

/// Returns the meaning of an error's status.
pub const fn reason(status: u16) -> &'static str {
    match status {
        400 => "The request is malformed, or a value is not valid",
        401 => "The credential is missing or not valid",
        403 => "The credential does not allow this",
        404 => "Not found, or it belongs to another tenant",
        405 => "The method is not supported",
        406 => "None of the accepted media types is available",
        408 => "The body took longer than 30 s, or the request longer than 90 s",
        409 => "Conflicts with existing data",
        413 => "Larger than the limit",
        415 => "The content type is not supported",
        422 => "The document is well-formed but contains invalid values",
        429 => "Too many requests: retry after the seconds in Retry-After",
        500 => "Internal error",
        _ => "Temporarily unavailable: retry after the seconds in Retry-After",
    }
}

/// Describes an optional query parameter with one value.
pub fn query_parameter(name: &str, schema: ObjectBuilder, description: &str, example: Value) -> Parameter {
    optional(name, description).schema(Some(schema)).example(Some(example)).build()
}

/// Describes an optional query parameter with a list of texts, which is sent as a repeated name: `ids=1&ids=2`.
///
/// A name with brackets, such as `filters[id]`, is described so too, rather than as a member of an object in the style
/// `deepObject`: tools differ in how they write an object, but not in how they write a name
/// (docs/decisions/0082-a-description-for-generators.md).
pub fn list_parameter(name: &str, description: &str, examples: &[&str]) -> Parameter {
    let parameter = optional(name, description).schema(Some(list(text())));
    parameter.style(Some(ParameterStyle::Form)).explode(Some(true)).example(Some(json!(examples))).build()
}

/// Makes a parameter a required one.
pub fn required(mut parameter: Parameter) -> Parameter {
    parameter.required = Required::True;
    parameter
}

fn optional(name: &str, description: &str) -> ParameterBuilder {
    let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Query);
    parameter.required(Required::False).description(Some(description))
}

/// The schema of a string.
pub fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// The schema of an integer.
pub fn whole() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer)
}

/// The schema of an integer that is 0 or 1.
pub fn flag() -> ObjectBuilder {
    whole().enum_values(Some([0, 1]))
}

/// The schema of a boolean.
pub fn boolean() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Boolean)
}

/// Adds `null` to the values of a schema.
pub fn or_null(schema: impl Into<Schema>) -> Schema {
    let with_null = |kind| match kind {
        SchemaType::Type(kind) => SchemaType::from_iter([kind, Type::Null]),
        others => others,
    };
    match schema.into() {
        Schema::Object(mut object) => {
            object.schema_type = with_null(object.schema_type);
            object.enum_values.iter_mut().for_each(|values| values.push(Value::Null));
            Schema::Object(object)
        }
        Schema::Array(mut array) => {
            array.schema_type = with_null(array.schema_type);
            Schema::Array(array)
        }
        other => other,
    }
}

/// The schema of an array.
pub fn list(of: impl Into<RefOr<Schema>>) -> ArrayBuilder {
    ArrayBuilder::from(Array::new(of.into()))
}
