//! One user of the document. Members may be given by the native names or by those of the vendor's REST API.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::channel::Channel;
use crate::domain::ids::EntityRef;
use crate::domain::json::{self, Field};
use crate::domain::profile::{CallConfig, PublicProfile};
use crate::domain::role::{Role, Roles};
use crate::domain::settings::capacity::SizesPatch;

/// Changes to a user's settings for one channel. An absent member leaves the setting as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelPatch {
    /// True if the user may work on the channel.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub enabled: Option<bool>,
    /// Maximum number of simultaneous conversations, 0 to 1000.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub max_slots: Option<u32>,
    /// Routing priority: 0 or 10.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub priority: Option<u8>,
}

/// Changes to a user's settings by channel. An absent channel stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelsPatch {
    /// Changes for chat.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::object")]
    pub chat: Option<ChannelPatch>,
    /// Changes for calls.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::object")]
    pub call: Option<ChannelPatch>,
    /// Changes for video calls.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::object")]
    pub video: Option<ChannelPatch>,
    /// Changes for third-party channels.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::object")]
    pub third_party: Option<ChannelPatch>,
}

impl ChannelsPatch {
    /// The changes to one channel, if it is given.
    pub const fn of(&self, channel: Channel) -> Option<&ChannelPatch> {
        match channel {
            Channel::Chat => self.chat.as_ref(),
            Channel::Call => self.call.as_ref(),
            Channel::Video => self.video.as_ref(),
            Channel::ThirdParty => self.third_party.as_ref(),
        }
    }
}

/// One user to create or change. An absent member leaves the value as it is; an empty list removes all its elements.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UserPatch {
    /// Integer id. The user is found by it, or created with it.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub id: Option<i64>,
    /// GUID. The user is found by it, or created with it.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub guid: Option<Uuid>,
    /// The customer's own id; unique among users that are not deleted.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub external_id: Field<String>,
    /// Last name or full name; required for a new user.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub name: Option<String>,
    /// First name, if kept apart from `name`.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub first_name: Field<String>,
    /// Name that visitors see.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub pseudo: Field<String>,
    /// E-mail address; unique among users that are not deleted.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub email: Field<String>,
    /// All roles of the user.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub roles: Option<Vec<Role>>,
    /// The vendor's single role: equivalent to `roles` with one element.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub role: Option<Role>,
    /// The single group that the vendor's REST API shows.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub primary_group: Field<EntityRef>,
    /// The vendor's name for `primary_group`.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub group_id: Field<EntityRef>,
    /// Groups of the user; the primary group counts as one without being listed.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub groups: Option<Vec<EntityRef>>,
    /// All skills of the user.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub skills: Option<Vec<EntityRef>>,
    /// The vendor's name for `skills`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub skill_list: Option<Vec<EntityRef>>,
    /// All projects (the vendor's web sites) of the user.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub projects: Option<Vec<EntityRef>>,
    /// The vendor's name for `projects`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub website_list: Option<Vec<EntityRef>>,
    /// All queues of the user.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub queues: Option<Vec<EntityRef>>,
    /// All campaigns of the user.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub campaigns: Option<Vec<EntityRef>>,
    /// All routing groups of the user.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub routing_groups: Option<Vec<EntityRef>>,
    /// Changes to channel settings.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::object")]
    pub channels: Option<ChannelsPatch>,
    /// The vendor's name for `channels.chat.enabled`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub chat_enabled: Option<bool>,
    /// The vendor's name for `channels.call.enabled`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub call_enabled: Option<bool>,
    /// The vendor's name for `channels.video.enabled`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub video_enabled: Option<bool>,
    /// The vendor's name for `channels.chat.max_slots`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub chat_max_number: Option<u32>,
    /// The vendor's name for `channels.chat.priority`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub chat_priority: Option<u8>,
    /// The vendor's name for `channels.call.priority`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub call_priority: Option<u8>,
    /// The vendor's name for `channels.video.priority`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub video_priority: Option<u8>,
    /// True if the user may chat and call at the same time.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub chat_and_call: Option<bool>,
    /// Sizes of the user's interactions; those that are not set are the tenant's. An absent size stays as it is.
    #[serde(skip_serializing_if = "Field::is_absent", deserialize_with = "json::field")]
    pub capacity: Field<SizesPatch>,
    /// True if the user may turn a chat into a video call.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub chat_to_video: Option<bool>,
    /// Languages spoken, as ISO 639-1 codes.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub language_list: Option<Vec<String>>,
    /// Language of the administration pages: de, en, es or fr.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub language_admin: Field<String>,
    /// Key for single sign-on; stored and returned only.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub sso_key: Field<String>,
    /// Call settings; replaced as a whole.
    #[serde(skip_serializing_if = "Field::is_absent", deserialize_with = "json::field")]
    pub call_config: Field<CallConfig>,
    /// Experience points; not negative.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub experience: Field<i64>,
    /// Average satisfaction, a ratio from 0 to 1.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub satisfaction: Field<f64>,
    /// Public profile; replaced as a whole.
    #[serde(skip_serializing_if = "Field::is_absent", deserialize_with = "json::field")]
    pub profile: Field<PublicProfile>,
}

impl UserPatch {
    /// The roles of a user after the patch, which had `before`.
    pub fn roles_after(&self, before: Roles) -> Roles {
        match (&self.roles, self.role) {
            (Some(roles), _) => roles.iter().copied().collect(),
            (None, Some(role)) => Roles::from_iter([role]),
            (None, None) => before,
        }
    }

    /// The changes to one channel that are given by the vendor's flat members such as `chat_enabled`.
    pub fn flat(&self, channel: Channel) -> ChannelPatch {
        let (enabled, max_slots, priority) = match channel {
            Channel::Chat => (self.chat_enabled, self.chat_max_number, self.chat_priority),
            Channel::Call => (self.call_enabled, None, self.call_priority),
            Channel::Video => (self.video_enabled, None, self.video_priority),
            Channel::ThirdParty => (None, None, None),
        };
        ChannelPatch { enabled, max_slots, priority }
    }
}
