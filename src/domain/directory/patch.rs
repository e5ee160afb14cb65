//! One user of the document, with the names of both worlds: ours, and the vendor's REST fields.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::domain::channel::Channel;
use crate::domain::ids::EntityRef;
use crate::domain::object;
use crate::domain::profile::{CallConfig, PublicProfile};
use crate::domain::role::Role;

/// A member that may be left alone, cleared with `null`, or set.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Field<T> {
    /// Not in the document: stays as it is.
    #[default]
    Absent,
    /// `null`: cleared.
    Clear,
    /// A value.
    Set(T),
}

impl<T> Field<T> {
    /// Whether the document leaves the member alone.
    pub const fn is_absent(&self) -> bool {
        matches!(self, Field::Absent)
    }

    /// The value, where one is set.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Field::Set(value) => Some(value),
            Field::Absent | Field::Clear => None,
        }
    }
}

impl<T: Clone> Field<T> {
    /// Carries the member over.
    pub fn patch(&self, target: &mut Option<T>) {
        match self {
            Field::Absent => {}
            Field::Clear => *target = None,
            Field::Set(value) => *target = Some(value.clone()),
        }
    }
}

impl<T: Serialize> Serialize for Field<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Option::deserialize(deserializer)? {
            Some(value) => Field::Set(value),
            None => Field::Clear,
        })
    }
}

/// Changes to one channel's settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelPatch {
    /// The user may work on the channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Conversations at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_slots: Option<u32>,
    /// 0 or 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
}

/// Changes to the channels named.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelsPatch {
    /// Chat.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "object::option")]
    pub chat: Option<ChannelPatch>,
    /// Call.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "object::option")]
    pub call: Option<ChannelPatch>,
    /// Video.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "object::option")]
    pub video: Option<ChannelPatch>,
    /// Third party.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "object::option")]
    pub third_party: Option<ChannelPatch>,
}

impl ChannelsPatch {
    /// The changes to one channel.
    pub const fn of(&self, channel: Channel) -> Option<&ChannelPatch> {
        match channel {
            Channel::Chat => self.chat.as_ref(),
            Channel::Call => self.call.as_ref(),
            Channel::Video => self.video.as_ref(),
            Channel::ThirdParty => self.third_party.as_ref(),
        }
    }
}

/// One user, to be made or changed. What is absent stays as it is; an empty list clears.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UserPatch {
    /// Integer identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// GUID identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guid: Option<Uuid>,
    /// The customer's own id.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub external_id: Field<String>,
    /// Last or full name; needed when the user is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// First name.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub first_name: Field<String>,
    /// Name shown to visitors.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub pseudo: Field<String>,
    /// E-mail address.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub email: Field<String>,
    /// Roles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<Role>>,
    /// The vendor's single role: the same as `roles` with one element.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The vendor's one group.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub primary_group: Field<EntityRef>,
    /// The vendor's name for `primary_group`.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub group_id: Field<EntityRef>,
    /// Groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<EntityRef>>,
    /// Skills.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skills: Option<Vec<EntityRef>>,
    /// The vendor's name for `skills`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skill_list: Option<Vec<EntityRef>>,
    /// Projects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projects: Option<Vec<EntityRef>>,
    /// The vendor's name for `projects`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website_list: Option<Vec<EntityRef>>,
    /// Queues.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queues: Option<Vec<EntityRef>>,
    /// Campaigns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaigns: Option<Vec<EntityRef>>,
    /// Routing groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routing_groups: Option<Vec<EntityRef>>,
    /// Channel settings.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "object::option")]
    pub channels: Option<ChannelsPatch>,
    /// The vendor's name for `channels.chat.enabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_enabled: Option<bool>,
    /// The vendor's name for `channels.call.enabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_enabled: Option<bool>,
    /// The vendor's name for `channels.video.enabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_enabled: Option<bool>,
    /// The vendor's name for `channels.chat.max_slots`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_max_number: Option<u32>,
    /// The vendor's name for `channels.chat.priority`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_priority: Option<u8>,
    /// The vendor's name for `channels.call.priority`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_priority: Option<u8>,
    /// The vendor's name for `channels.video.priority`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_priority: Option<u8>,
    /// May chat and call at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_and_call: Option<bool>,
    /// May turn a chat into a video call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_to_video: Option<bool>,
    /// Languages spoken, ISO 639-1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language_list: Option<Vec<String>>,
    /// Language of the administration.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub language_admin: Field<String>,
    /// Key for single sign-on.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub sso_key: Field<String>,
    /// Call pick-up, replaced as a whole.
    #[serde(skip_serializing_if = "Field::is_absent", deserialize_with = "object::field")]
    pub call_config: Field<CallConfig>,
    /// Experience points.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub experience: Field<i64>,
    /// Average satisfaction, a ratio from 0 to 1.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub satisfaction: Field<f64>,
    /// Public profile, replaced as a whole.
    #[serde(skip_serializing_if = "Field::is_absent", deserialize_with = "object::field")]
    pub profile: Field<PublicProfile>,
}

impl UserPatch {
    /// The changes to one channel, by the vendor's flat names.
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
