//! The media on which conversations take place.

use serde::{Deserialize, Serialize};

use crate::domain::Channel;

/// The medium of a conversation, finer than the channel of the slot it takes
/// (docs/reference/events.md, "Conversations").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Medium {
    /// Chat on the web site.
    Chat,
    /// Call by voice.
    Call,
    /// Call by video.
    Video,
    /// Posts on a Facebook page.
    Facebook,
    /// Messages on Facebook Messenger.
    FacebookBusinessOnMessenger,
    /// Messages on Twitter.
    Twitter,
    /// Messages inside a mobile app.
    MobileApp,
    /// Text messages by SMS.
    Sms,
    /// Messages on WhatsApp.
    Whatsapp,
    /// Messages on Instagram.
    Instagram,
    /// Messages on Apple Business Chat.
    AppleBusinessChat,
    /// Messages on Google Business Messages.
    GoogleBusinessMessages,
}

impl Medium {
    /// All media, in declaration order.
    pub const ALL: [Medium; 12] = [
        Medium::Chat,
        Medium::Call,
        Medium::Video,
        Medium::Facebook,
        Medium::FacebookBusinessOnMessenger,
        Medium::Twitter,
        Medium::MobileApp,
        Medium::Sms,
        Medium::Whatsapp,
        Medium::Instagram,
        Medium::AppleBusinessChat,
        Medium::GoogleBusinessMessages,
    ];

    /// The vendor's name of the medium, in capitals.
    pub const fn name(self) -> &'static str {
        match self {
            Medium::Chat => "CHAT",
            Medium::Call => "CALL",
            Medium::Video => "VIDEO",
            Medium::Facebook => "FACEBOOK",
            Medium::FacebookBusinessOnMessenger => "FACEBOOK_BUSINESS_ON_MESSENGER",
            Medium::Twitter => "TWITTER",
            Medium::MobileApp => "MOBILE_APP",
            Medium::Sms => "SMS",
            Medium::Whatsapp => "WHATSAPP",
            Medium::Instagram => "INSTAGRAM",
            Medium::AppleBusinessChat => "APPLE_BUSINESS_CHAT",
            Medium::GoogleBusinessMessages => "GOOGLE_BUSINESS_MESSAGES",
        }
    }

    /// The channel of the slots that its conversations take.
    pub const fn slot(self) -> Channel {
        match self {
            Medium::Chat => Channel::Chat,
            Medium::Call => Channel::Call,
            Medium::Video => Channel::Video,
            _ => Channel::ThirdParty,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_their_json() {
        for medium in Medium::ALL {
            assert_eq!(serde_json::to_value(medium).unwrap(), medium.name());
        }
    }
}
