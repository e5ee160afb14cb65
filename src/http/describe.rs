//! Parts of the API's description that the dialects put theirs together from. None of it knows a dialect.

use std::collections::BTreeMap;

use utoipa::ToSchema;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{
    Array, ContentBuilder, ObjectBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema, Type,
};

/// What each of these statuses comes with: one shape for all of a dialect's faults.
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
        400 => "The request cannot be read, or a value cannot be used",
        401 => "No valid credential",
        403 => "The credential does not allow this",
        404 => "There is no such thing, or it is another tenant's",
        409 => "It collides with something that exists",
        413 => "Larger than the limit",
        415 => "Not a content type that is taken here",
        422 => "The document can be read but is refused",
        429 => "Too often: wait as long as Retry-After says",
        500 => "Our mistake",
        _ => "Not now: try again as Retry-After says",
    }
}

/// An optional parameter of the query, a text as all of them are.
pub fn query_parameter(name: &str, description: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(text()))
        .build()
}

/// A text.
pub fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// A whole number.
pub fn whole() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer)
}

/// 0 or 1.
pub fn flag() -> ObjectBuilder {
    whole().enum_values(Some([0, 1]))
}

/// A list.
pub fn list(of: ObjectBuilder) -> Array {
    Array::new(of)
}
