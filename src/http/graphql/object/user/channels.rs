//! The settings of a professional's channels, by the names that the vendor uses when users are created.

use async_graphql::{Enum, SimpleObject};

use crate::domain::PackedProfile;
use crate::domain::profile::PickUp;

/// The settings of a user's channels.
#[derive(SimpleObject)]
pub struct ChannelConfiguration {
    /// Settings of calls.
    call_configuration: CallConfiguration,
    /// Settings of chat.
    chat_configuration: ChatConfiguration,
    /// Settings of video calls.
    video_configuration: VideoConfiguration,
    /// Settings of third-party channels.
    third_party_configuration: ThirdPartyConfiguration,
}

/// A user's settings of calls.
#[derive(SimpleObject)]
pub struct CallConfiguration {
    /// True if calls are enabled for the user.
    is_enabled: bool,
    /// True if the user is to be given calls before others.
    has_priority_on_call: bool,
    /// True if the desk asks for the phone number at every connection. Null if no call settings were set.
    is_always_ask_for_number: Option<bool>,
    /// The device on which calls are answered. Null if no call settings were set.
    respond_from: Option<CallRespondFrom>,
    /// The phone number on which calls are answered. Null if none is known.
    click_to_call_phone_number: Option<String>,
}

/// The device on which a user answers calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum CallRespondFrom {
    /// The user's own telephone.
    ClickToCallNumber,
    /// The desk, in the browser.
    Desk,
}

/// A user's settings of chat.
#[derive(SimpleObject)]
pub struct ChatConfiguration {
    /// True if chat is enabled for the user.
    is_enabled: bool,
    /// True if the user is to be given chats before others.
    has_priority_on_chat: bool,
    /// Most chats at once.
    number_of_slots: u32,
    /// True if the user may turn a chat into a video call.
    is_allow_chat_to_video: bool,
    /// True if the user may chat and call at the same time.
    is_simultaneous_call_allowed: bool,
}

/// A user's settings of video calls.
#[derive(SimpleObject)]
pub struct VideoConfiguration {
    /// True if video calls are enabled for the user.
    is_enabled: bool,
    /// True if the user is to be given video calls before others.
    has_priority_on_video: bool,
}

/// A user's settings of third-party channels: mail, cases, social media.
#[derive(SimpleObject)]
pub struct ThirdPartyConfiguration {
    /// True if third-party channels are enabled for the user.
    is_enabled: bool,
    /// Most conversations at once.
    number_of_slots: u32,
}

impl ChannelConfiguration {
    /// Converts the settings of a profile.
    pub fn of(profile: &PackedProfile) -> Self {
        let (channels, call) = (profile.channels(), profile.call_config());
        let call = call.as_ref();
        ChannelConfiguration {
            call_configuration: CallConfiguration {
                is_enabled: channels.call.enabled,
                has_priority_on_call: channels.call.priority > 0,
                is_always_ask_for_number: call.map(|call| call.ask_phone_number_at_every_connection),
                respond_from: call.map(|call| match call.pick_up {
                    PickUp::AnswerFromPhone => CallRespondFrom::ClickToCallNumber,
                    PickUp::AnswerFromDesk => CallRespondFrom::Desk,
                }),
                click_to_call_phone_number: call.and_then(|call| call.phone_number.clone()),
            },
            chat_configuration: ChatConfiguration {
                is_enabled: channels.chat.enabled,
                has_priority_on_chat: channels.chat.priority > 0,
                number_of_slots: channels.chat.max_slots,
                is_allow_chat_to_video: profile.chat_to_video,
                is_simultaneous_call_allowed: profile.chat_and_call,
            },
            video_configuration: VideoConfiguration {
                is_enabled: channels.video.enabled,
                has_priority_on_video: channels.video.priority > 0,
            },
            third_party_configuration: ThirdPartyConfiguration {
                is_enabled: channels.third_party.enabled,
                number_of_slots: channels.third_party.max_slots,
            },
        }
    }
}
