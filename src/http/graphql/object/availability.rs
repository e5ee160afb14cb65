//! A user's presence, and their availability on each channel (docs/reference/iadvize-graphql.md, "user and users").

use async_graphql::{Enum, Object, SimpleObject};

use crate::domain::presence::{Definition, DefinitionCategory};
use crate::domain::{Channel, PerChannel, Reason, Status};
use crate::http::graphql::scalar::{DateTime, Guid};
use crate::query::people::presences::Presence;
use crate::query::people::users::Standing;

/// The presence that a user shows, and the state of their connection.
pub struct UserPresence {
    /// The definition that the user shows, and the time of its last change.
    pub shown: Presence,
    /// True if at least one desk is connected.
    pub is_connected: bool,
}

/// The presence that a user shows, and the state of their connection.
#[Object]
impl UserPresence {
    /// True if at least one desk of the user is connected. A connected user can still be unavailable on every channel.
    async fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// The presence that the user shows: the one chosen last, or a logged-out one while no desk is connected.
    async fn definition(&self) -> PresenceDefinition {
        PresenceDefinition(self.shown.definition.clone())
    }

    /// Time at which a presence was last chosen, or a session of a desk last opened or ended, whichever is
    /// newer. Null if neither ever happened.
    async fn updated_at(&self) -> Option<DateTime> {
        self.shown.updated.map(DateTime)
    }
}

/// A presence that users can show, as the account names it. Several presences can have the same category.
pub struct PresenceDefinition(Definition);

/// A presence that users can show, as the account names it. Several presences can have the same category.
#[Object]
impl PresenceDefinition {
    /// The definition's GUID.
    async fn id(&self) -> Guid {
        Guid(self.0.guid)
    }

    /// The effect of the presence on the user's work.
    async fn category(&self) -> PresenceCategory {
        self.0.category.into()
    }

    /// True if users who choose the presence can be given conversations: a READY one that is not for outbound calls or
    /// other work of the user's own. The presence of a user has the value from the time of the choice.
    async fn is_routable(&self) -> bool {
        self.0.routable
    }

    /// The presence's name.
    async fn description(&self) -> &str {
        &self.0.description
    }
}

/// The effect of a presence on a user's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum PresenceCategory {
    /// Can be given conversations, if the presence is routable.
    Ready,
    /// On a short break; is given no conversations.
    Away,
    /// Away for longer, in a meeting or at lunch; is given no conversations.
    ExtendedAway,
    /// No desk is connected.
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

/// The availability of a user on each channel.
pub struct UserAvailability(pub PerChannel<Standing>);

/// The availability of a user on each channel.
#[Object]
impl UserAvailability {
    /// Availability for chat and messaging.
    async fn chat(&self) -> UserChannelAvailability {
        self.on(Channel::Chat)
    }

    /// Availability for calls.
    async fn call(&self) -> UserChannelAvailability {
        self.on(Channel::Call)
    }

    /// Availability for video calls.
    async fn video(&self) -> UserChannelAvailability {
        self.on(Channel::Video)
    }

    /// Availability for third-party channels: mail, cases, social media.
    async fn third_party(&self) -> UserChannelAvailability {
        self.on(Channel::ThirdParty)
    }
}

impl UserAvailability {
    fn on(&self, channel: Channel) -> UserChannelAvailability {
        let Standing { enabled, reason, current, max } = self.0[channel];
        let status = reason.status();
        UserChannelAvailability {
            reason: reason.into(),
            is_enabled: enabled,
            is_available: status == Status::Available,
            current_slots: current,
            max_slots: max,
            status: status.into(),
        }
    }
}

/// The availability of a user on one channel.
#[derive(SimpleObject)]
pub struct UserChannelAvailability {
    /// True if the channel is enabled for the user.
    is_enabled: bool,
    /// True if the user can take one more conversation now: if and only if `status` is AVAILABLE.
    is_available: bool,
    /// Conversations that the user holds on the channel, also while offline. Can exceed `maxSlots` after `maxSlots` was
    /// lowered.
    current_slots: u32,
    /// Most conversations that the user may hold on the channel at once. With 0 there is never a free slot.
    max_slots: u32,
    /// AVAILABLE if the user can take one more conversation now, else the reason why not.
    status: UserChannelStatus,
    /// AVAILABLE if the user can take one more conversation now, else the reason why not, in more detail than `status`.
    reason: UnavailabilityReason,
}

/// AVAILABLE if a user can take one more conversation on a channel, else the one reason why not: of several the last in
/// this list, from OFFLINE upwards. Over several channels a user has the first of their reasons in this list, the one
/// nearest to AVAILABLE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum UnavailabilityReason {
    /// Can take one more conversation now.
    Available,
    /// Full or blocked, but only because slots are reserved. Slots cannot be reserved yet, so that no user has it.
    Reserved,
    /// At the maximum of simultaneous conversations.
    Full,
    /// Below the maximum, but a conversation on another channel excludes one on this channel.
    Blocked,
    /// The user has the channel switched off.
    SwitchedOff,
    /// The presence is a READY one that is not routable, such as one for outbound calls.
    NotRoutable,
    /// The presence is an AWAY one.
    Away,
    /// The presence is an EXTENDED_AWAY one.
    ExtendedAway,
    /// The channel is not enabled for the user.
    Disabled,
    /// No desk is connected.
    Offline,
}

impl From<Reason> for UnavailabilityReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Available => UnavailabilityReason::Available,
            Reason::Reserved => UnavailabilityReason::Reserved,
            Reason::Full => UnavailabilityReason::Full,
            Reason::Blocked => UnavailabilityReason::Blocked,
            Reason::SwitchedOff => UnavailabilityReason::SwitchedOff,
            Reason::NotRoutable => UnavailabilityReason::NotRoutable,
            Reason::Away => UnavailabilityReason::Away,
            Reason::ExtendedAway => UnavailabilityReason::ExtendedAway,
            Reason::Disabled => UnavailabilityReason::Disabled,
            Reason::Offline => UnavailabilityReason::Offline,
        }
    }
}

/// AVAILABLE if a user can take one more conversation on a channel, else the reason why not. Of several reasons the
/// first of OFFLINE, DISABLED, TOGGLE_OFF and BUSY is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum UserChannelStatus {
    /// No desk is connected.
    Offline,
    /// The channel is not enabled for the user.
    Disabled,
    /// Unavailable by choice: the channel is switched off, or the presence is not a ready one, or not routable.
    ToggleOff,
    /// At the maximum of simultaneous conversations, or blocked by a conversation on another channel.
    Busy,
    /// Can take one more conversation now.
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
