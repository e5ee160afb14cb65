//! The channels on which a user holds conversations.

use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

/// A slot channel (docs/reference/events.md, "Presence and channels").
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
    /// (docs/reference/events.md, "Status").
    pub const fn is_exclusive(self) -> bool {
        !matches!(self, Channel::ThirdParty)
    }
}

/// The channel on which agents are counted as available by a dialect that has one channel only
/// (docs/reference/convoso.md, "User activity").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceChannel {
    /// Calls by voice, which the vendor's API is about.
    #[default]
    Call,
    /// Web site chat.
    Chat,
    /// Calls by video.
    Video,
    /// All channels: an agent counts as available if any of them is.
    Any,
}

impl ReferenceChannel {
    /// All values, in declaration order.
    pub const ALL: [ReferenceChannel; 4] =
        [ReferenceChannel::Call, ReferenceChannel::Chat, ReferenceChannel::Video, ReferenceChannel::Any];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            ReferenceChannel::Call => "call",
            ReferenceChannel::Chat => "chat",
            ReferenceChannel::Video => "video",
            ReferenceChannel::Any => "any",
        }
    }

    /// The channels of which at least one must be available.
    pub const fn channels(self) -> &'static [Channel] {
        match self {
            ReferenceChannel::Call => &[Channel::Call],
            ReferenceChannel::Chat => &[Channel::Chat],
            ReferenceChannel::Video => &[Channel::Video],
            ReferenceChannel::Any => &Channel::ALL,
        }
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
