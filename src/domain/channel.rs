//! The channels on which a user holds conversations.

use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

/// A slot channel (EVENTS.md, "Types").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Web site chat.
    Chat,
    /// Calls by voice.
    Call,
    /// Calls by video.
    Video,
    /// Everything else: mail, cases, social messaging.
    ThirdParty,
}

impl Channel {
    /// All channels, in the order in which the API dialects list them.
    pub const ALL: [Channel; 4] = [Channel::Chat, Channel::Call, Channel::Video, Channel::ThirdParty];

    /// The channel's name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Channel::Chat => "chat",
            Channel::Call => "call",
            Channel::Video => "video",
            Channel::ThirdParty => "third_party",
        }
    }

    /// Returns true for chat, call and video, which exclude one another for users without `chat_and_call`
    /// (CONTRACTS.md 1.2, `blocked`).
    pub const fn is_exclusive(self) -> bool {
        !matches!(self, Channel::ThirdParty)
    }
}

/// One value per channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PerChannel<T>(pub [T; 4]);

impl<T> PerChannel<T> {
    /// Builds each value by calling `f` with its channel.
    pub fn from_fn(f: impl FnMut(Channel) -> T) -> Self {
        PerChannel(Channel::ALL.map(f))
    }

    /// Iterates over the channels with their values, in the order of [`Channel::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Channel, &T)> {
        Channel::ALL.into_iter().zip(&self.0)
    }
}

impl<T> Index<Channel> for PerChannel<T> {
    type Output = T;
    fn index(&self, channel: Channel) -> &T {
        // `Channel::ALL` has the order of declaration, so the discriminant is the index.
        &self.0[channel as usize]
    }
}

impl<T> IndexMut<Channel> for PerChannel<T> {
    fn index_mut(&mut self, channel: Channel) -> &mut T {
        &mut self.0[channel as usize]
    }
}
