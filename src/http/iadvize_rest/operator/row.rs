//! One operator in the vendor's form, field by field.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::profile::{CallConfig, PickUp};
use crate::domain::settings::base_path::BasePath;
use crate::domain::{PackedProfile, Role, Roles};
use crate::http::iadvize_rest::listed::{self, Schemas};

/// An item of a list: its id, and the path of its details.
#[derive(Serialize, ToSchema)]
#[schema(as = Link)]
pub struct Item {
    id: i64,
    _link: String,
}

impl Item {
    /// The item for an operator, with a link below the base path.
    pub fn new(profile: &PackedProfile, base: &BasePath) -> Self {
        Item { id: profile.id, _link: link(profile.id, base) }
    }

    /// An item, as an example.
    pub fn example() -> Self {
        Item { id: 101, _link: link(101, &BasePath::default()) }
    }
}

/// An operator with every field.
#[derive(Serialize, ToSchema)]
#[schema(as = Operator)]
pub struct Row<'a> {
    id: i64,
    name: &'a str,
    first_name: Option<&'a str>,
    pseudo: Option<&'a str>,
    email: Option<&'a str>,
    external_id: Option<&'a str>,
    /// The highest of the roles admin, manager and operator; deprecated by the vendor for `roles`.
    #[schema(value_type = Option<String>, deprecated)]
    role: Option<Role>,
    #[schema(value_type = Vec<String>)]
    roles: Roles,
    chat_enabled: bool,
    call_enabled: bool,
    video_enabled: bool,
    chat_max_number: u32,
    chat_and_call: bool,
    chat_to_video: bool,
    chat_priority: u8,
    call_priority: u8,
    video_priority: u8,
    language_list: Vec<String>,
    language_admin: Option<&'a str>,
    group_id: Option<i64>,
    website_list: Vec<i64>,
    skill_list: Vec<i64>,
    sso_key: Option<&'a str>,
    call_config: Option<CallConfigRow>,
    _link: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CallConfig)]
struct CallConfigRow {
    #[schema(value_type = String)]
    r#type: PickUp,
    ask_phone_number_at_every_connection: bool,
    phone_number: Option<String>,
}

impl From<CallConfig> for CallConfigRow {
    fn from(config: CallConfig) -> Self {
        CallConfigRow {
            r#type: config.pick_up,
            ask_phone_number_at_every_connection: config.ask_phone_number_at_every_connection,
            phone_number: config.phone_number,
        }
    }
}

/// A page of operators, for the OpenAPI description.
pub struct Page;

impl PartialSchema for Page {
    fn schema() -> RefOr<Schema> {
        listed::page::<Row<'_>, Item>()
    }
}

impl ToSchema for Page {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("OperatorPage")
    }

    fn schemas(schemas: &mut Schemas) {
        listed::add_parts::<Row<'_>, Item>(schemas);
    }
}

impl Row<'static> {
    /// An operator, as an example.
    pub fn example() -> Self {
        Row {
            id: 101,
            name: "Alba",
            first_name: None,
            pseudo: Some("Al"),
            email: Some("alba@contact.example"),
            external_id: Some("ext-101"),
            role: Some(Role::Operator),
            roles: Roles::from_iter([Role::Operator]),
            chat_enabled: true,
            call_enabled: true,
            video_enabled: false,
            chat_max_number: 4,
            chat_and_call: true,
            chat_to_video: false,
            chat_priority: 0,
            call_priority: 0,
            video_priority: 0,
            language_list: Vec::new(),
            language_admin: None,
            group_id: Some(1),
            website_list: vec![7],
            skill_list: vec![1, 2],
            sso_key: None,
            call_config: Some(CallConfigRow {
                r#type: PickUp::AnswerFromDesk,
                ask_phone_number_at_every_connection: false,
                phone_number: None,
            }),
            _link: link(101, &BasePath::default()),
        }
    }
}

impl<'a> Row<'a> {
    /// The row for an operator, with a link below the base path.
    pub fn new(profile: &'a PackedProfile, base: &BasePath) -> Self {
        let channels = profile.channels();
        Row {
            id: profile.id,
            name: profile.name(),
            first_name: profile.first_name(),
            pseudo: profile.pseudo(),
            email: profile.email(),
            external_id: profile.external_id(),
            role: profile.roles.highest(),
            roles: profile.roles,
            chat_enabled: channels.chat.enabled,
            call_enabled: channels.call.enabled,
            video_enabled: channels.video.enabled,
            chat_max_number: channels.chat.max_slots,
            chat_and_call: profile.chat_and_call,
            chat_to_video: profile.chat_to_video,
            chat_priority: channels.chat.priority,
            call_priority: channels.call.priority,
            video_priority: channels.video.priority,
            language_list: profile.language_list(),
            language_admin: profile.language_admin(),
            group_id: profile.primary_group(),
            website_list: profile.projects().collect(),
            skill_list: profile.skills().collect(),
            sso_key: profile.sso_key(),
            call_config: profile.call_config().map(CallConfigRow::from),
            _link: link(profile.id, base),
        }
    }
}

fn link(id: i64, base: &BasePath) -> String {
    format!("{base}/operator/{id}")
}
