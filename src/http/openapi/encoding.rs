//! The encoding of fields in forms: `chat[available]=1` for a nested field, which OpenAPI calls `deepObject`, and
//! a repeated name for a list. Without it tools write an object as JSON in one field.

use utoipa::openapi::encoding::{Encoding, EncodingBuilder};
use utoipa::openapi::path::ParameterStyle;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{Content, OpenApi as Document, RefOr, Schema, Type};

/// The content types of forms.
const FORMS: [&str; 2] = ["application/x-www-form-urlencoded", "multipart/form-data"];

/// Describes the encoding of the nested fields and of the lists in the forms of all operations.
pub fn describe_forms(document: &mut Document) {
    // The schemas are read while the operations are changed.
    let components = document.components.clone().unwrap_or_default();
    for operation in document.paths.paths.values_mut().flat_map(super::operations) {
        let Some(RefOr::T(body)) = &mut operation.request_body else { continue };
        for (media_type, content) in &mut body.content {
            if let (true, RefOr::T(content)) = (FORMS.contains(&media_type.as_str()), content) {
                let encoded = encoded(content, |name| components.schemas.get(name));
                content.encoding.extend(encoded);
            }
        }
    }
}

/// Returns the encoded fields of a form by name.
fn encoded<'s>(content: &Content, find: impl Fn(&str) -> Option<&'s RefOr<Schema>>) -> Vec<(String, Encoding)> {
    let Some(RefOr::Ref(schema)) = &content.schema else { return Vec::new() };
    let name = schema.ref_location.rsplit('/').next().unwrap_or_default();
    let Some(RefOr::T(Schema::Object(form))) = find(name) else { return Vec::new() };
    let encode = |(name, field): (&String, &RefOr<Schema>)| Some((name.clone(), encoding(field)?));
    form.properties.iter().filter_map(encode).collect()
}

/// Returns whether values of a type are objects, or null.
fn is_object(kind: &SchemaType) -> bool {
    match kind {
        SchemaType::Type(kind) => *kind == Type::Object,
        SchemaType::Array(kinds) => kinds.contains(&Type::Object),
        SchemaType::AnyValue => false,
    }
}

/// Returns the encoding of a field; `None` for a plain value.
fn encoding(field: &RefOr<Schema>) -> Option<Encoding> {
    let style = match field {
        RefOr::T(Schema::Array(_)) => ParameterStyle::Form,
        RefOr::T(Schema::Object(field)) if is_object(&field.schema_type) => ParameterStyle::DeepObject,
        _ => return None,
    };
    Some(EncodingBuilder::new().style(Some(style)).explode(Some(true)).build())
}
