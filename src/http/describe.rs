//! Parts of the OpenAPI description that the dialects share. Nothing here depends on a dialect.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn, ParameterStyle};
use utoipa::openapi::schema::{Array, ArrayBuilder};
use utoipa::openapi::{ContentBuilder, ObjectBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema, Type};

use crate::domain::Time;

/// The time of the description's examples: 2021-03-01T09:00:00Z.
pub const EXAMPLE_TIME: Time = Time::from_micros(1_614_589_200_000_000);

/// Describes the responses with these statuses, all in the one error shape `T` of a dialect.
pub fn faults<T: ToSchema>(content_type: &str, statuses: &[u16]) -> BTreeMap<String, RefOr<Response>> {
    let shape = || RefOr::<Schema>::Ref(Ref::from_schema_name(T::name()));
    let response = |status: u16| {
        let content = ContentBuilder::new().schema(Some(shape())).build();
        let description = reason(status);
        ResponseBuilder::new().description(description).content(content_type, content).build()
    };
    statuses.iter().map(|status| (status.to_string(), RefOr::T(response(*status)))).collect()
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

/// The schema of an array.
pub fn list(of: impl Into<RefOr<Schema>>) -> ArrayBuilder {
    ArrayBuilder::from(Array::new(of.into()))
}
