//! One operator in the vendor's form, field by field.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::profile::{CallConfig, PickUp};
use crate::domain::{Profile, Role, Roles};

/// An item of a list: its id, and the path of its details.
#[derive(Serialize, ToSchema)]
#[schema(as = Link)]
pub struct Item {
    id: i64,
    _link: String,
}

impl From<&Profile> for Item {
    fn from(profile: &Profile) -> Self {
        Item { id: profile.id, _link: link(profile) }
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
    language_list: &'a [String],
    language_admin: Option<&'a str>,
    group_id: Option<i64>,
    website_list: &'a [i64],
    skill_list: &'a [i64],
    sso_key: Option<&'a str>,
    call_config: Option<CallConfigRow<'a>>,
    _link: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CallConfig)]
struct CallConfigRow<'a> {
    #[schema(value_type = String)]
    r#type: PickUp,
    ask_phone_number_at_every_connection: bool,
    phone_number: Option<&'a str>,
}

impl<'a> From<&'a CallConfig> for CallConfigRow<'a> {
    fn from(config: &'a CallConfig) -> Self {
        CallConfigRow {
            r#type: config.pick_up,
            ask_phone_number_at_every_connection: config.ask_phone_number_at_every_connection,
            phone_number: config.phone_number.as_deref(),
        }
    }
}

impl<'a> From<&'a Profile> for Row<'a> {
    fn from(profile: &'a Profile) -> Self {
        let channels = &profile.channels;
        Row {
            id: profile.id,
            name: &profile.name,
            first_name: profile.first_name.as_deref(),
            pseudo: profile.pseudo.as_deref(),
            email: profile.email.as_deref(),
            external_id: profile.external_id.as_deref(),
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
            language_list: &profile.language_list,
            language_admin: profile.language_admin.as_deref(),
            group_id: profile.primary_group,
            website_list: &profile.projects,
            skill_list: &profile.skills,
            sso_key: profile.sso_key.as_deref(),
            call_config: profile.call_config.as_ref().map(CallConfigRow::from),
            _link: link(profile),
        }
    }
}

fn link(profile: &Profile) -> String {
    format!("/operator/{}", profile.id)
}
