//! The OpenAPI schemas of the directory's document (docs/reference/native.md, "Directory"), and an example.

use std::borrow::Cow;

use serde_json::{Value, json};
use utoipa::openapi::schema::{SchemaFormat, SchemaType};
use utoipa::openapi::{ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::Channel;
use crate::domain::channel::ReferenceChannel;
use crate::domain::directory::{Kind, MAX_SLOTS};
use crate::domain::ids::MAX_ID;
use crate::domain::settings::capacity::SIZES;
use crate::http::describe;

/// The document: settings, a list of entities of each kind, and the users.
pub struct DirectoryForm;

impl PartialSchema for DirectoryForm {
    fn schema() -> RefOr<Schema> {
        let kinds = Kind::ALL.into_iter().map(|kind| (kind.member(), entity_name(kind)));
        let members = kinds.chain([("users", "DirectoryUser")]);
        let list = |name| describe::list(Ref::from_schema_name(name));
        let settings = ObjectBuilder::new().property("settings", Ref::from_schema_name("DirectorySettings"));
        members.fold(settings, |object, (name, entity)| object.property(name, list(entity))).into()
    }
}

impl ToSchema for DirectoryForm {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Directory")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        let mut add = |name: &str, schema: Schema| schemas.push((name.to_owned(), schema.into()));
        // Kinds with the same members share a schema.
        for kind in [Kind::Project, Kind::Group, Kind::Skill, Kind::RoutingRule, Kind::PresenceDefinition] {
            add(entity_name(kind), entity(kind).into());
        }
        add("DirectorySettings", settings().into());
        add("DirectoryUser", user().into());
        add("DirectoryChannel", channel().into());
        add("Reference", reference());
    }
}

/// Returns an example of a document that creates a group and puts a user into it.
pub fn example() -> Value {
    json!({
        "groups": [{ "id": 11, "guid": "c0000011-0000-4000-8000-000000000011", "name": "North-East", "parent": 1 }],
        "users": [{ "id": 101, "guid": "a0000101-0000-4000-8000-000000000101", "name": "Alba", "primary_group": 11,
            "channels": { "chat": { "enabled": true, "max_slots": 4 } } }],
    })
}

/// Returns the name of the schema of a kind's entities.
const fn entity_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Project | Kind::Queue | Kind::Campaign | Kind::RoutingGroup => "DirectoryEntity",
        Kind::Group => "DirectoryGroup",
        Kind::Skill => "DirectorySkill",
        Kind::RoutingRule => "DirectoryRoutingRule",
        Kind::PresenceDefinition => "DirectoryPresenceDefinition",
    }
}

/// Returns the schema of a kind's entities.
fn entity(kind: Kind) -> ObjectBuilder {
    let object = identified();
    let name = text("Name; needed for a new entity");
    let parent = || one_of_null("The one directly above it", Ref::from_schema_name("Reference"));
    match kind {
        Kind::Project | Kind::Queue | Kind::Campaign | Kind::RoutingGroup => object.property("name", name),
        Kind::Group => object.property("name", name).property("parent", parent()),
        Kind::Skill => {
            let order = nullable(Type::Integer, "Position among skills").minimum(Some(0));
            object.property("name", name).property("parent", parent()).property("order", order)
        }
        Kind::RoutingRule => object.property("name", name).property("routing_groups", references()),
        Kind::PresenceDefinition => {
            let categories = ["Ready", "Away", "ExtendedAway", "LoggedOut"];
            let category = text("Needed for a new definition").enum_values(Some(categories));
            let selectable = describe::boolean().description(Some("Whether users may choose it; true if absent"));
            let routable =
                "Whether users who chose it can be given work; true if absent. Of effect in the category Ready";
            let object = object.property("category", category).property("selectable", selectable);
            let object = object.property("routable", describe::boolean().description(Some(routable)));
            object.property("description", text("Shown in place of a name"))
        }
    }
}

/// Returns an object with the identities of an entity.
fn identified() -> ObjectBuilder {
    let id = describe::whole().minimum(Some(1)).maximum(Some(MAX_ID));
    let object =
        ObjectBuilder::new().property("id", id.description(Some("Finds the entity, or is given to a new one")));
    let guid = text("Finds the entity, or is given to a new one");
    object.property("guid", guid.format(Some(SchemaFormat::Custom(String::from("uuid")))))
}

/// Returns the schema of the settings.
fn settings() -> ObjectBuilder {
    let channels = ReferenceChannel::ALL.map(ReferenceChannel::name);
    let channel = nullable(Type::String, "The channel on which Convoso counts available agents; call unless it is set");
    let channel = channel.enum_values(Some(channels.map(Some).into_iter().chain([None])));
    ObjectBuilder::new().property("reference_channel", channel).property("capacity", sizes("users without their own"))
}

/// Returns the schema of sizes of interactions.
fn sizes(users: &str) -> ObjectBuilder {
    let size = |of: &str| {
        let size = nullable(Type::Integer, &format!("The size of {of}, in percent"));
        size.minimum(Some(*SIZES.start())).maximum(Some(*SIZES.end()))
    };
    nullable(Type::Object, &format!("Sizes of interactions in Vonage's capacity, of {users}"))
        .property("live", size("a call or video call"))
        .property("semi_live", size("a chat"))
        .property("non_live", size("a conversation on a third-party channel"))
}

/// Returns the schema of a user.
fn user() -> ObjectBuilder {
    let object = identified()
        .property("external_id", clearable("The customer's own id; unique among users"))
        .property("name", text("Last or full name; needed for a new user"))
        .property("first_name", clearable("First name, if it is kept apart from `name`"))
        .property("pseudo", clearable("Name that visitors see"))
        .property("email", clearable("Unique among users, without regard to case"))
        .property(
            "roles",
            describe::list(describe::text()).description(Some("operator, manager, admin, expert or bot")),
        )
        .property("primary_group", one_of_null("The primary group", Ref::from_schema_name("Reference")));
    let lists = ["groups", "skills", "projects", "queues", "campaigns", "routing_groups"];
    let object = lists.into_iter().fold(object, |object, name| object.property(name, references()));
    let channel = || Ref::from_schema_name("DirectoryChannel");
    let channels = Channel::ALL.into_iter().map(Channel::name);
    let channels = channels.fold(ObjectBuilder::new(), |object, name| object.property(name, channel()));
    let flag = |meaning: &str| describe::boolean().description(Some(meaning.to_owned()));
    object
        .property("channels", channels)
        .property("chat_and_call", flag("May chat and call at the same time; false for a new user"))
        .property("capacity", sizes("this user; those that are not set are the tenant's"))
        .property("chat_to_video", flag("May turn a chat into a video call"))
        .property("language_list", describe::list(describe::text()).description(Some("ISO 639-1 codes")))
        .property("language_admin", clearable("Language of the administration: de, en, es or fr"))
        .property("sso_key", clearable("Key for single sign-on"))
        .property("call_config", call_config())
        .property("experience", nullable(Type::Integer, "Experience points"))
        .property("satisfaction", nullable(Type::Number, "Average satisfaction, from 0 to 1"))
        .property("profile", profile())
}

fn channel() -> ObjectBuilder {
    let slots = describe::whole().minimum(Some(0)).maximum(Some(MAX_SLOTS));
    ObjectBuilder::new()
        .property("enabled", describe::boolean().description(Some("May work on the channel")))
        .property("max_slots", slots.description(Some("Most conversations at the same time")))
        .property("priority", describe::whole().enum_values(Some([0, 10])))
}

/// The schema of a reference to another entity.
fn reference() -> Schema {
    let either = OneOfBuilder::new().item(describe::whole()).item(describe::text());
    either.description(Some("An integer id, or a GUID")).into()
}

fn references() -> Schema {
    describe::list(Ref::from_schema_name("Reference")).into()
}

fn text(meaning: &str) -> ObjectBuilder {
    describe::text().description(Some(meaning.to_owned()))
}

fn clearable(meaning: &str) -> ObjectBuilder {
    nullable(Type::String, meaning)
}

/// The schema of the settings of calls.
fn call_config() -> ObjectBuilder {
    let object = nullable(Type::Object, "Call settings; replaced as a whole");
    object
        .property("type", describe::text().enum_values(Some(["ANSWER_FROM_PHONE", "ANSWER_FROM_DESK"])))
        .property("ask_phone_number_at_every_connection", describe::boolean())
        .property("phone_number", clearable("In international form, such as +33123456789"))
}

/// The schema of a public profile.
fn profile() -> ObjectBuilder {
    let texts = ["status", "description", "facebook", "city", "country"];
    let object = nullable(Type::Object, "Public profile; replaced as a whole");
    texts.into_iter().fold(object, |object, name| object.property(name, nullable(Type::String, "Shown as given")))
}

fn nullable(kind: Type, meaning: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([kind, Type::Null])).description(Some(meaning.to_owned()))
}

fn one_of_null(meaning: &str, schema: Ref) -> Schema {
    let null = ObjectBuilder::new().schema_type(Type::Null);
    OneOfBuilder::new().item(schema).item(null).description(Some(meaning.to_owned())).into()
}
