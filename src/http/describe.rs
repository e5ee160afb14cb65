//! Parts of the OpenAPI description that the dialects share. Nothing here depends on a dialect.

use std::collections::BTreeMap;

use utoipa::ToSchema;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{
    Array, ContentBuilder, ObjectBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema, Type,
};

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

const fn reason(status: u16) -> &'static str {
    match status {
        400 => "The request is malformed, or a value is not valid",
        401 => "The credential is missing or not valid",
        403 => "The credential does not allow this",
        404 => "Not found, or it belongs to another tenant",
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

/// Describes an optional query parameter, of type string.
pub fn query_parameter(name: &str, description: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(text()))
        .build()
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

/// The schema of an array.
pub fn list(of: ObjectBuilder) -> Array {
    Array::new(of)
}
