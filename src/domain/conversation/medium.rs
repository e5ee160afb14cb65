//! Where a conversation takes place.

use serde::{Deserialize, Serialize};

use crate::domain::Channel;

/// A conversation's own channel, finer than the channel of the slot it takes (CONTRACTS.md 2.9, EVENTS.md "Types").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Medium {
    /// On the web site.
    Chat,
    /// By voice.
    Call,
    /// By video.
    Video,
    /// Facebook's pages.
    Facebook,
    /// Facebook Messenger.
    FacebookBusinessOnMessenger,
    /// Twitter.
    Twitter,
    /// Inside an app.
    MobileApp,
    /// Text message.
    Sms,
    /// WhatsApp.
    Whatsapp,
    /// Instagram.
    Instagram,
    /// Apple Business Chat.
    AppleBusinessChat,
    /// Google Business Messages.
    GoogleBusinessMessages,
}

impl Medium {
    /// Every one of them.
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

    /// The vendor's name for it.
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

    /// The one of that name, in capitals or in small letters.
    pub fn parse(name: &str) -> Option<Self> {
        Medium::ALL.into_iter().find(|medium| medium.name().eq_ignore_ascii_case(name))
    }

    /// The channel whose slots its conversations take.
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
    fn names_are_read_as_they_are_written() {
        for medium in Medium::ALL {
            assert_eq!(Medium::parse(medium.name()), Some(medium));
            assert_eq!(serde_json::to_value(medium).unwrap(), medium.name());
        }
        assert_eq!(Medium::parse("chat"), Some(Medium::Chat));
        assert_eq!(Medium::parse("third_party"), None);
    }
}
