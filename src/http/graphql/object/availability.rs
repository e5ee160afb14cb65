//! What a user shows to be, and what they can take now (CONTRACTS.md 2.8).

use async_graphql::{Enum, Object, SimpleObject};

use crate::domain::presence::{Definition, DefinitionCategory};
use crate::domain::{Channel, PerChannel, Status};
use crate::http::graphql::scalar::{DateTime, Guid};
use crate::query::people::presences::Presence;
use crate::query::people::users::Standing;

/// What a user shows, and whether they are here.
pub struct UserPresence {
    /// What they show.
    pub shown: Presence,
    /// A desk is connected.
    pub is_connected: bool,
}

/// What a user shows, and whether they are here.
#[Object]
impl UserPresence {
    /// Whether at least one desk of the user is connected. Somebody who is connected may still take nothing.
    async fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// The presence that the user shows: the one they chose, or a logged-out one while no desk is connected.
    async fn definition(&self) -> PresenceDefinition {
        PresenceDefinition(self.shown.definition.clone())
    }

    /// When the presence was chosen or a desk last came or went, whichever is newer. Null if neither ever happened.
    async fn updated_at(&self) -> Option<DateTime> {
        self.shown.updated.map(DateTime)
    }
}

/// What a user may be, in the words of their account. Several may be of one category.
pub struct PresenceDefinition(Definition);

/// What a user may be, in the words of their account. Several may be of one category.
#[Object]
impl PresenceDefinition {
    /// GUID.
    async fn id(&self) -> Guid {
        Guid(self.0.guid)
    }

    /// What it means for the user's work.
    async fn category(&self) -> PresenceCategory {
        self.0.category.into()
    }

    /// What it is called.
    async fn description(&self) -> &str {
        &self.0.description
    }
}

/// What a presence means for a user's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum PresenceCategory {
    /// Takes new work.
    Ready,
    /// On a short break.
    Away,
    /// Away for longer: in a meeting, at lunch.
    ExtendedAway,
    /// Without a desk.
    LoggedOut,
}

impl From<DefinitionCategory> for PresenceCategory {
    fn from(category: DefinitionCategory) -> Self {
        match category {
            DefinitionCategory::Ready => PresenceCategory::Ready,
            DefinitionCategory::Away => PresenceCategory::Away,
            DefinitionCategory::ExtendedAway => PresenceCategory::ExtendedAway,
            DefinitionCategory::LoggedOut => PresenceCategory::LoggedOut,
        }
    }
}

/// How a user stands on every channel.
pub struct UserAvailability(pub PerChannel<Standing>);

/// How a user stands on every channel.
#[Object]
impl UserAvailability {
    /// Chat and messaging.
    async fn chat(&self) -> UserChannelAvailability {
        self.on(Channel::Chat)
    }

    /// Call.
    async fn call(&self) -> UserChannelAvailability {
        self.on(Channel::Call)
    }

    /// Video.
    async fn video(&self) -> UserChannelAvailability {
        self.on(Channel::Video)
    }

    /// Third parties: mail, cases, social media.
    async fn third_party(&self) -> UserChannelAvailability {
        self.on(Channel::ThirdParty)
    }
}

impl UserAvailability {
    fn on(&self, channel: Channel) -> UserChannelAvailability {
        let Standing { enabled, status, current, max } = self.0[channel];
        UserChannelAvailability {
            is_enabled: enabled,
            is_available: status == Status::Available,
            current_slots: current,
            max_slots: max,
            status: status.into(),
        }
    }
}

/// How a user stands on one channel.
#[derive(SimpleObject)]
pub struct UserChannelAvailability {
    /// Whether the user may work on the channel at all.
    is_enabled: bool,
    /// Whether the user can take one more conversation now: the same as `status: AVAILABLE`.
    is_available: bool,
    /// Conversations that the user holds on the channel, also while offline. More than `maxSlots` after that was
    /// lowered.
    current_slots: u32,
    /// Conversations that the user may hold on the channel at once. With 0 the user is always busy.
    max_slots: u32,
    /// Whether the user can take one more conversation now, and if not, why.
    status: UserChannelStatus,
}

/// Whether a user can take one more conversation on a channel, and if not, why. Of several reasons OFFLINE comes first,
/// then DISABLED, then TOGGLE_OFF, then BUSY.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum UserChannelStatus {
    /// No desk is connected.
    Offline,
    /// The channel is not enabled for the user.
    Disabled,
    /// Unavailable by choice: the channel is switched off, or the presence is not a ready one.
    ToggleOff,
    /// Has reached the maximum of simultaneous conversations, or is held by another channel.
    Busy,
    /// Can take a conversation now.
    Available,
}

impl From<Status> for UserChannelStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Offline => UserChannelStatus::Offline,
            Status::Disabled => UserChannelStatus::Disabled,
            Status::ToggleOff => UserChannelStatus::ToggleOff,
            Status::Busy => UserChannelStatus::Busy,
            Status::Available => UserChannelStatus::Available,
        }
    }
}
