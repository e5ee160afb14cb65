//! The encoding of nested fields in forms: `chat[available]=1`, which generators call `deepObject`. Without it they write
//! an object as JSON in one field. Lists need none: their default is a repeated name.

use utoipa::openapi::encoding::{Encoding, EncodingBuilder};
use utoipa::openapi::path::{Operation, ParameterStyle};
use utoipa::openapi::{Content, RefOr};

/// The content types of forms.
const FORMS: [&str; 2] = ["application/x-www-form-urlencoded", "multipart/form-data"];

/// Schemas with nested fields, and these fields.
const NESTED: [(&str, &[&str]); 3] = [
    ("OperatorFields", &["call_config"]),
    ("NewOperatorFields", &["call_config"]),
    ("OperatorSwitches", &["chat", "call", "video"]),
];

/// Describes the encoding of the nested fields in the forms of an operation.
pub fn describe_nested(operation: &mut Operation) {
    let Some(RefOr::T(body)) = &mut operation.request_body else { return };
    for (media_type, content) in &mut body.content {
        if let (true, RefOr::T(content)) = (FORMS.contains(&media_type.as_str()), content) {
            let fields = nested(content);
            content.encoding.extend(fields.iter().map(|field| ((*field).to_owned(), deep())));
        }
    }
}

fn nested(content: &Content) -> &'static [&'static str] {
    let Some(RefOr::Ref(schema)) = &content.schema else { return &[] };
    let name = schema.ref_location.rsplit('/').next().unwrap_or_default();
    NESTED.iter().find(|(known, _)| *known == name).map_or(&[], |(_, fields)| fields)
}

fn deep() -> Encoding {
    EncodingBuilder::new().style(Some(ParameterStyle::DeepObject)).explode(Some(true)).build()
}
