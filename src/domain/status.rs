//! The one function that decides a status, and the four facts it needs (CONTRACTS.md 1.2).

use super::channel::{Channel, PerChannel};
use super::presence::Category;

/// Whether a person can take work on a channel, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// No desk is connected.
    Offline,
    /// The channel is not enabled for the person.
    Disabled,
    /// By choice: the channel switched off, or a presence other than ready. Comes before busy, since a person may go
    /// unavailable in the middle of a conversation.
    ToggleOff,
    /// No room: full, or held by another channel.
    Busy,
    /// Can take work now.
    Available,
}

/// What is known of a person on one channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lane {
    /// The directory enables the channel for the person.
    pub enabled: bool,
    /// The person left the channel switched on.
    pub toggle: bool,
    /// Conversations held now.
    pub current: u32,
    /// Conversations the person may hold at once; 0 is always full.
    pub max: u32,
}

/// What is known of a person: enough to derive every status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// At least one desk session is open.
    pub connected: bool,
    /// What the person chose.
    pub presence: Category,
    /// May chat and call at once.
    pub chat_and_call: bool,
    /// The channels.
    pub lanes: PerChannel<Lane>,
}

impl Facts {
    /// Status of the person on `channel`: the one place where it is decided.
    pub fn status(&self, channel: Channel) -> Status {
        let lane = &self.lanes[channel];
        if !self.connected {
            Status::Offline
        } else if !lane.enabled {
            Status::Disabled
        } else if !lane.toggle || self.presence != Category::Ready {
            Status::ToggleOff
        } else if lane.current >= lane.max || self.blocked(channel) {
            Status::Busy
        } else {
            Status::Available
        }
    }

    /// Whether the person is at work on `channel` (CONTRACTS.md 1.2): accepts it, with room or without, or went unavailable
    /// and still has some.
    pub fn in_production(&self, channel: Channel) -> bool {
        match self.status(channel) {
            Status::Available | Status::Busy => true,
            Status::ToggleOff => self.lanes[channel].current > 0,
            Status::Offline | Status::Disabled => false,
        }
    }

    /// Another of chat, call and video holds a conversation, and the person cannot do both.
    fn blocked(&self, channel: Channel) -> bool {
        !self.chat_and_call
            && channel.is_exclusive()
            && self.lanes.iter().any(|(other, lane)| other != channel && other.is_exclusive() && lane.current > 0)
    }

    /// An agent takes work on some channel; managers without one are users but not agents (CONTRACTS.md 6, row 32).
    pub fn is_agent(&self) -> bool {
        self.lanes.iter().any(|(_, lane)| lane.enabled)
    }

    /// Whether one more interaction of this liveness fits the percentage budget (CONTRACTS.md 1.4): each ongoing
    /// interaction uses up its size, and 100 is the whole.
    pub fn fits(&self, liveness: Liveness) -> bool {
        let used: u64 = self
            .lanes
            .iter()
            .map(|(channel, lane)| u64::from(lane.current) * u64::from(self.size(Liveness::of(channel))))
            .sum();
        used + u64::from(self.size(liveness)) <= 100
    }

    fn size(&self, liveness: Liveness) -> u32 {
        match liveness {
            Liveness::Live if self.chat_and_call => 51,
            Liveness::Live => 100,
            Liveness::Semilive => (100 / self.lanes[Channel::Chat].max.max(1)).max(1),
            Liveness::Nonlive => 20,
        }
    }
}

/// How closely an interaction ties a person down (CONTRACTS.md 1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// Call and video.
    Live,
    /// Chat.
    Semilive,
    /// Third party.
    Nonlive,
}

impl Liveness {
    /// All three.
    pub const ALL: [Liveness; 3] = [Liveness::Live, Liveness::Semilive, Liveness::Nonlive];

    /// The liveness of a channel's interactions.
    pub const fn of(channel: Channel) -> Self {
        match channel {
            Channel::Call | Channel::Video => Liveness::Live,
            Channel::Chat => Liveness::Semilive,
            Channel::ThirdParty => Liveness::Nonlive,
        }
    }

    /// The channels of this liveness.
    pub const fn channels(self) -> &'static [Channel] {
        match self {
            Liveness::Live => &[Channel::Call, Channel::Video],
            Liveness::Semilive => &[Channel::Chat],
            Liveness::Nonlive => &[Channel::ThirdParty],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connected, ready person with one chat slot of two taken and a free line.
    fn person() -> Facts {
        let lane = |enabled, current, max| Lane { enabled, toggle: true, current, max };
        Facts {
            connected: true,
            presence: Category::Ready,
            chat_and_call: true,
            lanes: PerChannel([lane(true, 1, 2), lane(true, 0, 1), lane(false, 0, 1), lane(false, 0, 1)]),
        }
    }

    #[test]
    fn the_order_of_the_reasons() {
        let mut facts = person();
        assert_eq!(facts.status(Channel::Chat), Status::Available);
        facts.lanes[Channel::Chat].current = 2;
        assert_eq!(facts.status(Channel::Chat), Status::Busy);
        facts.lanes[Channel::Chat].toggle = false;
        assert_eq!(facts.status(Channel::Chat), Status::ToggleOff, "unavailable by choice comes before full");
        facts.lanes[Channel::Chat].enabled = false;
        assert_eq!(facts.status(Channel::Chat), Status::Disabled);
        facts.connected = false;
        assert_eq!(facts.status(Channel::Chat), Status::Offline);
    }

    #[test]
    fn a_chat_blocks_the_line_unless_both_are_allowed() {
        let mut facts = person();
        assert_eq!(facts.status(Channel::Call), Status::Available);
        facts.chat_and_call = false;
        assert_eq!(facts.status(Channel::Call), Status::Busy);
        assert_eq!(facts.status(Channel::Chat), Status::Available, "its own conversation blocks nobody");
    }

    #[test]
    fn who_went_unavailable_in_the_middle_of_a_chat_is_in_production() {
        let mut facts = person();
        assert!(facts.in_production(Channel::Chat));
        facts.presence = Category::Away;
        assert!(facts.in_production(Channel::Chat) && !facts.in_production(Channel::Call));
        facts.connected = false;
        assert!(!facts.in_production(Channel::Chat), "whoever is offline is not, whatever they hold");
    }

    #[test]
    fn no_slots_is_full() {
        let mut facts = person();
        facts.lanes[Channel::Call].max = 0;
        assert_eq!(facts.status(Channel::Call), Status::Busy);
    }

    #[test]
    fn the_budget_crosses_channels() {
        let mut facts = person();
        assert!(!facts.fits(Liveness::Live), "one chat of two is 50, a call 51");
        facts.lanes[Channel::Chat].max = 4;
        assert!(facts.fits(Liveness::Live), "one chat of four is 25");
        facts.chat_and_call = false;
        assert!(!facts.fits(Liveness::Live));
        facts.lanes[Channel::Chat].max = 0;
        assert!(!facts.fits(Liveness::Semilive), "without slots one chat is the whole budget");
    }
}
