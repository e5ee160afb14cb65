//! A user's record in the directory. Its JSON form is the one that `GET /v1/directory` returns and `PUT` accepts.

mod packed;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use packed::{Ids, PackedProfile};

use super::channel::PerChannel;
use super::role::Roles;
use super::settings::capacity::Sizes;

/// A user's settings for one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelConf {
    /// True if the user may work on the channel.
    pub enabled: bool,
    /// Maximum number of simultaneous conversations, 0 to 1000.
    pub max_slots: u32,
    /// Routing priority: 0 or 10, the two values the vendor defines.
    pub priority: u8,
}

impl Default for ChannelConf {
    fn default() -> Self {
        ChannelConf { enabled: false, max_slots: 1, priority: 0 }
    }
}

/// A user's settings for all channels; the JSON member names are the channel names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channels {
    /// Settings for chat.
    pub chat: ChannelConf,
    /// Settings for calls.
    pub call: ChannelConf,
    /// Settings for video calls.
    pub video: ChannelConf,
    /// Settings for third-party channels such as mail or social messaging.
    pub third_party: ChannelConf,
}

impl Channels {
    /// The settings indexed by channel, in the order of [`super::Channel::ALL`].
    pub const fn per_channel(&self) -> PerChannel<ChannelConf> {
        PerChannel([self.chat, self.call, self.video, self.third_party])
    }
}

/// The device on which a call is picked up (docs/reference/iadvize-rest.md, "Operators").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PickUp {
    /// On the operator's own telephone.
    AnswerFromPhone,
    /// In the browser.
    #[default]
    AnswerFromDesk,
}

/// Call settings of a user: the vendor's `call_config`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallConfig {
    /// The device on which calls are answered.
    #[serde(rename = "type")]
    pub pick_up: PickUp,
    /// True if the desk asks for the phone number at every connection.
    pub ask_phone_number_at_every_connection: bool,
    /// Phone number in international form, such as `+33123456789`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
}

/// Public profile of a user: the vendor's `/operator/{id}/profile`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PublicProfile {
    /// Short status text, shown as given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Longer description, shown as given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Facebook identifier; not validated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facebook: Option<String>,
    /// City, as free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// Country, as free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

/// A user in the directory, as documents and rows have it; the state keeps a [`PackedProfile`]. References to other
/// entities are integer ids, except routing groups, which are GUIDs; each list is ascending and without duplicates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Integer id. That of a deleted user is not assigned again while the user is remembered.
    pub id: i64,
    /// GUID of the user, equivalent to the integer id in references.
    pub guid: Uuid,
    /// The customer's own id; unique among users that are not deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Last name or full name.
    pub name: String,
    /// First name, if kept apart from `name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Name that visitors see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pseudo: Option<String>,
    /// E-mail address; unique among users that are not deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Roles in the vendor's administration.
    pub roles: Roles,
    /// The single group that the vendor's REST API shows. It counts as a membership, as those in `groups` do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_group: Option<i64>,
    /// Groups, by integer id.
    pub groups: Vec<i64>,
    /// Skills, by integer id.
    pub skills: Vec<i64>,
    /// Projects (the vendor's web sites), by integer id.
    pub projects: Vec<i64>,
    /// Queues, by integer id.
    pub queues: Vec<i64>,
    /// Campaigns, by integer id.
    pub campaigns: Vec<i64>,
    /// Routing groups, by GUID, which is how the vendor identifies them.
    pub routing_groups: Vec<Uuid>,
    /// Settings of every channel.
    pub channels: Channels,
    /// True if the user may chat and call at the same time.
    pub chat_and_call: bool,
    /// Sizes of the user's interactions, where they are not the tenant's.
    #[serde(default, skip_serializing_if = "Sizes::is_default")]
    pub capacity: Sizes,
    /// True if the user may turn a chat into a video call.
    pub chat_to_video: bool,
    /// Languages spoken, as ISO 639-1 codes.
    pub language_list: Vec<String>,
    /// Language of the administration pages: de, en, es or fr.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language_admin: Option<String>,
    /// Key for single sign-on; stored and returned only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sso_key: Option<String>,
    /// Call settings, if any were set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_config: Option<CallConfig>,
    /// Experience points; not negative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experience: Option<i64>,
    /// Average satisfaction, a ratio from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub satisfaction: Option<f64>,
    /// Public profile, if one was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<PublicProfile>,
}

impl Profile {
    /// Creates a user with the given identity and name, no memberships, and every channel disabled.
    pub fn new(id: i64, guid: Uuid, name: String) -> Self {
        Profile {
            id,
            guid,
            external_id: None,
            name,
            first_name: None,
            pseudo: None,
            email: None,
            roles: Roles::default(),
            primary_group: None,
            groups: Vec::new(),
            skills: Vec::new(),
            projects: Vec::new(),
            queues: Vec::new(),
            campaigns: Vec::new(),
            routing_groups: Vec::new(),
            channels: Channels::default(),
            chat_and_call: false,
            capacity: Sizes::default(),
            chat_to_video: false,
            language_list: Vec::new(),
            language_admin: None,
            sso_key: None,
            call_config: None,
            experience: None,
            satisfaction: None,
            profile: None,
        }
    }

    /// Returns true if the user has at least one queue or campaign.
    pub fn is_assigned(&self) -> bool {
        !self.queues.is_empty() || !self.campaigns.is_empty()
    }
}
