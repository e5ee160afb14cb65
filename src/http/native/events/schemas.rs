//! The OpenAPI schemas of events: one for each type that the parser knows, in a union with the discriminator `type`.

use std::borrow::Cow;

use serde_json::{Value, json};
use utoipa::openapi::schema::SchemaFormat;
use utoipa::openapi::{Discriminator, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::event_types::{Described, Subject, describe_type, member_meaning};
use crate::domain::event::members::{Kind, Member, members, types};
use crate::domain::settings::desk::LEASE_SECONDS;
use crate::domain::settings::limits::SYNC_CONVERSATIONS;
use crate::http::describe;

/// The time of the examples: long past, so that none of them is ahead of any clock.
const TIME: &str = "2021-03-01T09:00:00Z";

/// Any event: the union of the types.
pub struct CloudEvent;

impl PartialSchema for CloudEvent {
    fn schema() -> RefOr<Schema> {
        let mapping = types().map(|kind| (kind, reference(&event_name(kind)).ref_location));
        let union = types().fold(OneOfBuilder::new(), |union, kind| union.item(reference(&event_name(kind))));
        let union = union.discriminator(Some(Discriminator::with_mapping("type", mapping)));
        union.description(Some("An event in JSON, as CloudEvents 1.0 defines it, of one of these types.")).into()
    }
}

impl ToSchema for CloudEvent {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("CloudEvent")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        for (kind, described) in types().filter_map(|kind| Some((kind, describe_type(kind)?))) {
            schemas.push((event_name(kind), event(kind, &described).into()));
            schemas.push((data_name(kind), data(kind, &described).into()));
        }
    }
}

/// Returns the name of a type's schema, such as `DeskConnectedEvent`.
fn event_name(kind: &str) -> String {
    format!("{}Event", pascal_case(kind))
}

/// Returns the name of the schema of a type's data, such as `DeskConnectedData`.
fn data_name(kind: &str) -> String {
    format!("{}Data", pascal_case(kind))
}

fn pascal_case(kind: &str) -> String {
    let words = kind.split(['.', '_']);
    words.map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect()
}

fn reference(name: &str) -> Ref {
    Ref::from_schema_name(name)
}

/// Returns the schema of an event of one type.
fn event(kind: &str, described: &Described) -> ObjectBuilder {
    let attribute = |most: usize, meaning: &str| {
        describe::text().min_length(Some(1)).max_length(Some(most)).description(Some(meaning))
    };
    let subject = "The user: an integer id, a GUID, or `external:` and the customer's own id";
    let time = describe::text().format(Some(SchemaFormat::Custom(String::from("date-time"))));
    let object = ObjectBuilder::new()
        .description(Some(described.meaning))
        .property("specversion", describe::text().enum_values(Some(["1.0"])))
        .property("id", attribute(128, "Identifies the event, together with `source`: sent again it is a duplicate"))
        .property("source", attribute(256, "The system that reports the event; must not begin with `rollcall:`"))
        .property("type", describe::text().enum_values(Some([kind])))
        .property("time", time.description(Some("When it happened, in RFC 3339; at most 5 minutes ahead")));
    let object = match described.subject {
        Subject::None => object,
        Subject::User | Subject::UserOrNone => object.property("subject", describe::text().description(Some(subject))),
    };
    let object = object.property("data", reference(&data_name(kind)));
    let required = ["id", "source", "type", "time", "data"].into_iter();
    let required = required.chain((described.subject == Subject::User).then_some("subject"));
    required.fold(object, ObjectBuilder::required).examples([example_of(kind, described)])
}

/// Returns the schema of the data of one type.
fn data(kind: &str, described: &Described) -> ObjectBuilder {
    let add = |object: ObjectBuilder, member: &Member| {
        let object = object.property(member.name, value(kind, member));
        if member.is_required { object.required(member.name) } else { object }
    };
    let object = members(kind).iter().fold(ObjectBuilder::new(), add);
    // A type without required members needs one of the others.
    let needs_any = !members(kind).iter().any(|member| member.is_required);
    let object = object.min_properties(needs_any.then_some(1));
    object.examples([described.data.clone()])
}

/// Returns the schema of one member. One that may be absent may be null, which is no value.
fn value(kind: &str, member: &Member) -> Schema {
    let schema = given(kind, member);
    if member.is_required { schema } else { describe::or_null(schema) }
}

/// Returns the schema of a member that has a value.
fn given(kind: &str, member: &Member) -> Schema {
    let meaning = member_meaning(kind, member.name);
    let text = || describe::text().description(Some(meaning));
    let formatted = |format: &str| text().format(Some(SchemaFormat::Custom(format.to_owned()))).into();
    match member.kind {
        // A conversation with a history has a GUID; of one that only takes a slot any text is the id.
        Kind::Text if member.name == "conversation" && kind.starts_with("conversation.") => formatted("uuid"),
        Kind::Text | Kind::Entity => text().into(),
        Kind::Texts => {
            describe::list(describe::text()).description(Some(meaning)).max_items(Some(SYNC_CONVERSATIONS)).into()
        }
        Kind::Seconds => {
            let range = describe::whole().minimum(Some(*LEASE_SECONDS.start())).maximum(Some(*LEASE_SECONDS.end()));
            range.description(Some(meaning)).into()
        }
        Kind::Guid => formatted("uuid"),
        Kind::Time => formatted("date-time"),
        Kind::Presence | Kind::Channel | Kind::Medium | Kind::Surface => {
            text().enum_values(Some(member.kind.names())).into()
        }
        Kind::Switches => {
            let switches = member.kind.names().into_iter();
            let object = switches.fold(ObjectBuilder::new(), |object, name| object.property(name, describe::boolean()));
            object.description(Some(meaning)).into()
        }
    }
}

/// Returns an example of a type; null for an unknown one.
pub fn example(kind: &str) -> Value {
    describe_type(kind).map(|described| example_of(kind, &described)).unwrap_or_default()
}

/// Returns an example of each type, in an order in which all of them are applied.
pub fn examples() -> Vec<Value> {
    types().map(example).collect()
}

fn example_of(kind: &str, described: &Described) -> Value {
    let mut event = json!({
        "specversion": "1.0",
        "id": format!("example-{kind}"),
        "source": "/examples/desk",
        "type": kind,
        "time": TIME,
        "data": described.data,
    });
    if described.subject == Subject::User {
        event["subject"] = Value::from("101");
    }
    event
}

/// Returns the examples of events as lines of JSON.
pub fn example_lines() -> String {
    [example("slot.taken"), example("slot.released")].map(|event| format!("{event}\n")).concat()
}
