//! Converts the fields of a write into changes of a user. Each field may have any of the forms that the vendor's
//! clients use.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use utoipa::openapi::{Deprecated, ObjectBuilder, RefOr, Schema, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use crate::auth::password::{MAX_BYTES, MIN_CHARS};
use crate::domain::Fault;
use crate::domain::directory::UserPatch;
use crate::http::describe;
use crate::http::iadvize_rest::fields::{Fields, flag, list, whole};

/// The form of a field's value.
#[derive(Clone, Copy)]
enum Form {
    /// A string that cannot be cleared.
    Text,
    /// A string; empty or `null` clears it.
    Clearable,
    /// An integer.
    Whole,
    /// A reference to another entity; empty or `null` clears it.
    Reference,
    /// 0 or 1.
    Flag,
    /// A list of references.
    References,
    /// A list of strings.
    Texts,
}

/// Fields that a new operator needs. The vendor's REST API documents none; its GraphQL API requires these.
pub const REQUIRED_FIELDS: [&str; 3] = ["name", "email", "website_list"];

/// Every field of the vendor's table except `call_config`, which is an object.
const FIELDS: [(&str, Form); 22] = [
    ("name", Form::Text),
    ("first_name", Form::Clearable),
    ("pseudo", Form::Clearable),
    ("email", Form::Text),
    ("external_id", Form::Clearable),
    ("role", Form::Text),
    ("roles", Form::Texts),
    ("chat_enabled", Form::Flag),
    ("call_enabled", Form::Flag),
    ("video_enabled", Form::Flag),
    ("chat_max_number", Form::Whole),
    ("chat_and_call", Form::Flag),
    ("chat_to_video", Form::Flag),
    ("chat_priority", Form::Whole),
    ("call_priority", Form::Whole),
    ("video_priority", Form::Whole),
    ("language_list", Form::Texts),
    ("language_admin", Form::Clearable),
    ("group_id", Form::Reference),
    ("website_list", Form::References),
    ("skill_list", Form::References),
    ("sso_key", Form::Clearable),
];

/// The fields of `call_config`.
const CALL_CONFIG: [(&str, Form); 3] =
    [("type", Form::Text), ("ask_phone_number_at_every_connection", Form::Flag), ("phone_number", Form::Clearable)];

/// The values of `call_config[type]`.
const ANSWERING: [&str; 2] = ["ANSWER_FROM_PHONE", "ANSWER_FROM_DESK"];

/// Returns the fields of a new operator, as an example.
pub fn example_fields() -> Value {
    json!({
        "name": "Nora",
        "email": "nora@contact.example",
        "website_list": [7],
        "skill_list": [1, 2],
        "roles": ["operator"],
        "chat_enabled": 1,
        "chat_max_number": 3,
    })
}

/// The fields that can be written, for the OpenAPI description.
pub struct Writable;

impl PartialSchema for Writable {
    fn schema() -> RefOr<Schema> {
        object(&[]).into()
    }
}

impl ToSchema for Writable {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("OperatorFields")
    }
}

/// The fields of a new operator, for the OpenAPI description.
pub struct New;

impl PartialSchema for New {
    fn schema() -> RefOr<Schema> {
        REQUIRED_FIELDS.into_iter().fold(object(&REQUIRED_FIELDS), ObjectBuilder::required).into()
    }
}

impl ToSchema for New {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("NewOperatorFields")
    }
}

fn object(required: &[&str]) -> ObjectBuilder {
    let fields = FIELDS.into_iter().chain([("password", Form::Text)]);
    let of = |name, form| if required.contains(&name) { given(name, form) } else { schema(name, form) };
    let object = fields.fold(ObjectBuilder::new(), |object, (name, form)| object.property(name, of(name, form)));
    let config = CALL_CONFIG.into_iter();
    let config = config.fold(ObjectBuilder::new(), |object, (name, form)| object.property(name, schema(name, form)));
    object.property("call_config", describe::or_null(config))
}

/// Returns the schema of a field. `null` clears what can be without a value.
fn schema(name: &str, form: Form) -> Schema {
    let is_cleared = matches!(form, Form::Clearable | Form::Reference | Form::References | Form::Texts);
    let schema = given(name, form);
    if is_cleared || matches!(name, "role" | "email") { describe::or_null(schema) } else { schema }
}

/// Returns the schema of a field that has a value.
fn given(name: &str, form: Form) -> Schema {
    match (name, form) {
        ("email", _) => describe::text().format(Some(SchemaFormat::Custom(String::from("email")))).into(),
        ("type", _) => describe::text().enum_values(Some(ANSWERING)).into(),
        ("language_admin", _) => describe::text().enum_values(Some(["de", "en", "es", "fr"])).into(),
        ("chat_priority" | "call_priority" | "video_priority", _) => {
            describe::whole().enum_values(Some([0, 10])).into()
        }
        ("password", _) => describe::text().min_length(Some(MIN_CHARS)).max_length(Some(MAX_BYTES)).into(),
        ("chat_max_number", _) => describe::whole().minimum(Some(0)).maximum(Some(1_000)).into(),
        ("role", _) => describe::text().deprecated(Some(Deprecated::True)).into(),
        (_, Form::Text) => describe::text().min_length(Some(1)).max_length(Some(256)).into(),
        (_, Form::Clearable) => describe::text().max_length(Some(256)).into(),
        (_, Form::Whole | Form::Reference) => describe::whole().into(),
        (_, Form::Flag) => describe::flag().into(),
        (_, Form::References) => describe::list(describe::whole()).into(),
        (_, Form::Texts) => describe::list(describe::text()).into(),
    }
}

/// Reads the fields. Unknown ones are rejected.
pub fn read(fields: &Fields) -> Result<UserPatch, Fault> {
    let known: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).chain(["call_config", "password"]).collect();
    fields.only(&known)?;
    let mut user = Map::new();
    for (name, form) in FIELDS {
        if let Some(value) = fields.get(name) {
            // As an operator without one of the three roles is received.
            if name == "role" && is_empty(value) {
                user.insert(String::from("roles"), Value::Array(Vec::new()));
                continue;
            }
            // As an operator without an address is received.
            if name == "email" && value.is_null() {
                user.insert(name.to_owned(), Value::Null);
                continue;
            }
            let value = convert(value, form).ok_or_else(|| Fault::misfit(name, fits(form), misfit(value, form)))?;
            user.insert(name.to_owned(), value);
        }
    }
    if fields.get("call_config").is_some() {
        user.insert(String::from("call_config"), call_config(fields)?);
    }
    // `roles` replaces the older `role`; a client that sends back everything it received sends both.
    if user.contains_key("roles") {
        user.remove("role");
    }
    serde_path_to_error::deserialize(Value::Object(user)).map_err(|error| {
        let path = error.path().iter().next().map(ToString::to_string);
        Fault::invalid(path.unwrap_or_default(), format!("cannot be read: {}", error.into_inner()))
    })
}

/// Reads the object that replaces the call configuration. An object without fields clears it.
fn call_config(fields: &Fields) -> Result<Value, Fault> {
    let fields = fields.inside("call_config", &CALL_CONFIG.map(|(name, _)| name))?;
    let mut config = Map::new();
    for (name, form) in CALL_CONFIG {
        if let Some(value) = fields.get(name) {
            let misfit = || Fault::misfit(format!("call_config[{name}]"), fits(form), value);
            let value = convert(value, form).ok_or_else(misfit)?;
            config.insert(name.to_owned(), value);
        }
    }
    if let Some(kind) = config.get("type")
        && !ANSWERING.map(Value::from).contains(kind)
    {
        let fits = format!("must be {}", ANSWERING.join(" or "));
        return Err(Fault::misfit("call_config[type]", &fits, kind));
    }
    Ok(if config.is_empty() { Value::Null } else { Value::Object(config) })
}

/// Converts a value to the JSON that a user's changes are read from; `None` if it does not have the form.
fn convert(value: &Value, form: Form) -> Option<Value> {
    match form {
        Form::Text => value.as_str().filter(|text| !text.is_empty()).map(Value::from),
        Form::Clearable | Form::Reference if is_empty(value) => Some(Value::Null),
        Form::Clearable => value.as_str().map(Value::from),
        Form::Whole => whole(value).map(Value::from),
        Form::Reference => reference(value),
        Form::Flag => flag(value).map(Value::from),
        Form::References => list(value)?.iter().map(reference).collect(),
        Form::Texts => {
            let texts = list(value)?;
            texts.iter().all(|text| text.as_str().is_some_and(|t| !t.is_empty())).then(|| json!(texts))
        }
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value == ""
}

/// Returns the part of a value that does not have its form: the first such element of a list, else the value itself.
fn misfit(value: &Value, form: Form) -> &Value {
    let element = |value: &Value| convert(&Value::Array(vec![value.clone()]), form).is_none();
    match (value, form) {
        (Value::Array(items), Form::References | Form::Texts) => {
            items.iter().find(|item| element(item)).unwrap_or(value)
        }
        _ => value,
    }
}

fn reference(value: &Value) -> Option<Value> {
    match value {
        // As long as a GUID; it is parsed when the changes are deserialized.
        Value::String(text) if text.len() == 36 => Some(value.clone()),
        value => whole(value).map(Value::from),
    }
}

/// Describes the values that have a form, as a predicate.
const fn fits(form: Form) -> &'static str {
    match form {
        Form::Text => "must be a text that is not empty",
        Form::Clearable => "must be a text",
        Form::Whole => "must be a whole number",
        Form::Reference => "must be an id or a GUID",
        Form::Flag => "must be 0 or 1",
        Form::References => "must be a list of ids or GUIDs",
        Form::Texts => "must be a list of texts",
    }
}
