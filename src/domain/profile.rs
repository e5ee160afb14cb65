//! What the directory knows of a user. Its JSON form is the one `GET /v1/directory` shows and `PUT` takes back.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::channel::PerChannel;
use super::role::Roles;

/// One channel's settings for one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelConf {
    /// The user may work on the channel.
    pub enabled: bool,
    /// Conversations at once, 0 to 1000.
    pub max_slots: u32,
    /// 0 or 10, as the vendor has it.
    pub priority: u8,
}

impl Default for ChannelConf {
    fn default() -> Self {
        ChannelConf { enabled: false, max_slots: 1, priority: 0 }
    }
}

/// The settings of all channels, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channels {
    /// Chat.
    pub chat: ChannelConf,
    /// Call.
    pub call: ChannelConf,
    /// Video.
    pub video: ChannelConf,
    /// Third party.
    pub third_party: ChannelConf,
}

impl Channels {
    /// In the order of [`super::Channel::ALL`].
    pub const fn per_channel(&self) -> PerChannel<ChannelConf> {
        PerChannel([self.chat, self.call, self.video, self.third_party])
    }
}

/// How a call is picked up (CONTRACTS.md 3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PickUp {
    /// On the operator's own telephone.
    AnswerFromPhone,
    /// In the browser.
    #[default]
    AnswerFromDesk,
}

/// The vendor's `call_config`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallConfig {
    /// Where calls are answered.
    #[serde(rename = "type")]
    pub pick_up: PickUp,
    /// Ask for the number each time the desk connects.
    pub ask_phone_number_at_every_connection: bool,
    /// With international prefix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
}

/// What the user shows of themselves: the vendor's `/operator/{id}/profile`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PublicProfile {
    /// A short status text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// A longer description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Facebook identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facebook: Option<String>,
    /// City.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// Country.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

/// A user as the directory has them. References are integer ids, but for routing groups
/// GUIDs; ascending and without repeats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Integer identity, never reused.
    pub id: i64,
    /// GUID identity.
    pub guid: Uuid,
    /// The customer's own id, unique among live users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Last or full name.
    pub name: String,
    /// First name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Name shown to visitors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pseudo: Option<String>,
    /// E-mail address, unique among live users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Roles.
    pub roles: Roles,
    /// The one group the vendor's REST API shows; a membership like those in `groups`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_group: Option<i64>,
    /// Groups.
    pub groups: Vec<i64>,
    /// Skills.
    pub skills: Vec<i64>,
    /// Projects, the vendor's web sites.
    pub projects: Vec<i64>,
    /// Queues.
    pub queues: Vec<i64>,
    /// Campaigns.
    pub campaigns: Vec<i64>,
    /// Routing groups, by GUID as the vendor knows them.
    pub routing_groups: Vec<Uuid>,
    /// Channel settings.
    pub channels: Channels,
    /// May chat and call at once.
    pub chat_and_call: bool,
    /// May turn a chat into a video call.
    pub chat_to_video: bool,
    /// Languages spoken, ISO 639-1.
    pub language_list: Vec<String>,
    /// Language of the administration: de, en, es or fr.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language_admin: Option<String>,
    /// Key for single sign-on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sso_key: Option<String>,
    /// Call pick-up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_config: Option<CallConfig>,
    /// Experience points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experience: Option<i64>,
    /// Average satisfaction, a ratio from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub satisfaction: Option<f64>,
    /// Public profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<PublicProfile>,
}

impl Profile {
    /// A user with nothing but an identity and a name.
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
}
