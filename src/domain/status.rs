//! The reason why a user can or cannot take a conversation on a channel, and the status that follows from it
//! (docs/reference/events.md, "Status").

use super::channel::{Channel, PerChannel};
use super::presence::Category;
use super::settings::capacity::Sizes;

/// The status of a person on a channel: available, or the reason for which not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// The person has no desk connected.
    Offline,
    /// The channel is not enabled for the person.
    Disabled,
    /// Unavailable by choice: the channel is switched off, or the presence is not ready or not routable. Takes
    /// precedence over busy, since a person may become unavailable during a conversation.
    ToggleOff,
    /// At capacity: all slots are taken, or a conversation on another channel blocks this one.
    Busy,
    /// The person can take a conversation now.
    Available,
}

/// The one reason why a person can or cannot take a conversation on a channel now. Each person has exactly one on each
/// channel.
///
/// In ascending order: over several channels a person has the greatest of their reasons, the one nearest to available.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// No desk is connected.
    Offline,
    /// The channel is not enabled for the person.
    Disabled,
    /// The chosen presence is extended away.
    ExtendedAway,
    /// The chosen presence is away.
    Away,
    /// The chosen presence is ready, but not routable.
    NotRoutable,
    /// The person has the channel switched off.
    SwitchedOff,
    /// Below the maximum, but a conversation on another channel excludes one on this.
    Blocked,
    /// All slots are taken by conversations.
    Full,
    /// Full or blocked, but only because slots are reserved. No slot can be reserved yet, so that no person has it.
    Reserved,
    /// The person can take a conversation now.
    Available,
}

impl Reason {
    /// All reasons, from available to offline.
    pub const ALL: [Reason; 10] = [
        Reason::Available,
        Reason::Reserved,
        Reason::Full,
        Reason::Blocked,
        Reason::SwitchedOff,
        Reason::NotRoutable,
        Reason::Away,
        Reason::ExtendedAway,
        Reason::Disabled,
        Reason::Offline,
    ];

    /// The reason's name, in snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::Offline => "offline",
            Reason::Disabled => "disabled",
            Reason::ExtendedAway => "extended_away",
            Reason::Away => "away",
            Reason::NotRoutable => "not_routable",
            Reason::SwitchedOff => "switched_off",
            Reason::Blocked => "blocked",
            Reason::Full => "full",
            Reason::Reserved => "reserved",
            Reason::Available => "available",
        }
    }

    /// Returns the status that a person with this reason has on the channel.
    pub const fn status(self) -> Status {
        match self {
            Reason::Offline => Status::Offline,
            Reason::Disabled => Status::Disabled,
            Reason::ExtendedAway | Reason::Away | Reason::NotRoutable | Reason::SwitchedOff => Status::ToggleOff,
            Reason::Blocked | Reason::Full | Reason::Reserved => Status::Busy,
            Reason::Available => Status::Available,
        }
    }
}

/// The facts about a person on one channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lane {
    /// True if the directory enables the channel for the person.
    pub enabled: bool,
    /// True if the person has the channel switched on.
    pub toggle: bool,
    /// Number of conversations held now.
    pub current: u32,
    /// Maximum number of simultaneous conversations; with 0 the person is always busy.
    pub max: u32,
}

/// The facts about a person from which every status is derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// True if at least one desk session is open.
    pub connected: bool,
    /// Presence category that the person chose.
    pub presence: Category,
    /// True unless the person chose a ready presence that takes no work, such as one for outbound calls.
    pub routable: bool,
    /// True if the person may chat and call at the same time.
    pub chat_and_call: bool,
    /// Sizes of interactions that are set for the person or the tenant.
    pub sizes: Sizes,
    /// Facts of each channel.
    pub lanes: PerChannel<Lane>,
}

impl Facts {
    /// Returns the reason why the person can or cannot take a conversation on `channel`: the first that applies, in the
    /// order of the branches.
    pub fn reason(&self, channel: Channel) -> Reason {
        let lane = &self.lanes[channel];
        if !self.connected {
            Reason::Offline
        } else if !lane.enabled {
            Reason::Disabled
        } else if self.presence == Category::ExtendedAway {
            Reason::ExtendedAway
        } else if self.presence == Category::Away {
            Reason::Away
        } else if !self.routable {
            Reason::NotRoutable
        } else if !lane.toggle {
            Reason::SwitchedOff
        } else if lane.current >= lane.max {
            Reason::Full
        } else if self.blocked(channel) {
            Reason::Blocked
        } else {
            Reason::Available
        }
    }

    /// Returns the best reason over `channels`; `None` for no channels.
    pub fn best_reason(&self, channels: impl IntoIterator<Item = Channel>) -> Option<Reason> {
        channels.into_iter().map(|channel| self.reason(channel)).max()
    }

    /// Returns the status of the person on `channel`. Every dialect's availability derives from this function.
    pub fn status(&self, channel: Channel) -> Status {
        self.reason(channel).status()
    }

    /// Returns true if the chosen presence lets work be given to the person: it is ready, and routable.
    pub fn accepts_work(&self) -> bool {
        self.presence == Category::Ready && self.routable
    }

    /// Returns true if the person is at work on `channel` (docs/reference/events.md, "Status"): available or busy, or
    /// unavailable by choice with a conversation still held.
    pub fn in_production(&self, channel: Channel) -> bool {
        match self.status(channel) {
            Status::Available | Status::Busy => true,
            Status::ToggleOff => self.lanes[channel].current > 0,
            Status::Offline | Status::Disabled => false,
        }
    }

    /// Returns true if a conversation on another of chat, call and video excludes one on `channel`.
    fn blocked(&self, channel: Channel) -> bool {
        !self.chat_and_call
            && channel.is_exclusive()
            && self.lanes.iter().any(|(other, lane)| other != channel && other.is_exclusive() && lane.current > 0)
    }

    /// Returns true if any channel is enabled. Managers without one are users but not agents
    /// (docs/reference/events.md, "Status").
    pub fn is_agent(&self) -> bool {
        self.lanes.iter().any(|(_, lane)| lane.enabled)
    }

    /// Returns true if one more interaction of this liveness fits the budget of 100 %
    /// (docs/reference/vonage.md, "Capacity"), of which each ongoing interaction uses its size.
    pub fn fits(&self, liveness: Liveness) -> bool {
        // In 64 bits, since the product of two 32-bit numbers may not fit into 32.
        let used: u64 = self
            .lanes
            .iter()
            .map(|(channel, lane)| u64::from(lane.current) * u64::from(self.size(Liveness::of(channel))))
            .sum();
        used + u64::from(self.size(liveness)) <= 100
    }

    /// The share of the budget that one interaction uses, in percent: the size that is set, else one that follows from
    /// the channels.
    fn size(&self, liveness: Liveness) -> u32 {
        let set = match liveness {
            Liveness::Live => self.sizes.live,
            Liveness::Semilive => self.sizes.semi_live,
            Liveness::Nonlive => self.sizes.non_live,
        };
        set.map_or_else(|| self.usual_size(liveness), u32::from)
    }

    /// The share of the budget that one interaction uses where no size is set, in percent.
    fn usual_size(&self, liveness: Liveness) -> u32 {
        match liveness {
            // More than half, so that two live interactions never fit, while a chat beside one may.
            Liveness::Live if self.chat_and_call => 51,
            Liveness::Live => 100,
            // At least 1 each, and the whole budget if the person has no chat slots.
            Liveness::Semilive => (100 / self.lanes[Channel::Chat].max.max(1)).max(1),
            Liveness::Nonlive => 20,
        }
    }
}

/// The degree to which an interaction occupies a person (docs/reference/vonage.md, "Capacity").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// Calls and video calls.
    Live,
    /// Chats on the web site.
    Semilive,
    /// Conversations on third-party channels.
    Nonlive,
}

impl Liveness {
    /// All degrees, in declaration order.
    pub const ALL: [Liveness; 3] = [Liveness::Live, Liveness::Semilive, Liveness::Nonlive];

    /// The liveness of interactions on `channel`.
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
    use proptest::prelude::*;

    use super::*;

    /// A connected, ready person with one chat slot of two taken and a free line.
    fn person() -> Facts {
        let lane = |enabled, current, max| Lane { enabled, toggle: true, current, max };
        Facts {
            connected: true,
            presence: Category::Ready,
            routable: true,
            chat_and_call: true,
            sizes: Sizes::default(),
            lanes: PerChannel([lane(true, 1, 2), lane(true, 0, 1), lane(false, 0, 1), lane(false, 0, 1)]),
        }
    }

    #[test]
    fn each_reason_takes_precedence_over_the_next() {
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

    /// The status as it was decided before there were reasons.
    fn status(facts: &Facts, channel: Channel) -> Status {
        let lane = &facts.lanes[channel];
        if !facts.connected {
            Status::Offline
        } else if !lane.enabled {
            Status::Disabled
        } else if !lane.toggle || !facts.accepts_work() {
            Status::ToggleOff
        } else if lane.current >= lane.max || facts.blocked(channel) {
            Status::Busy
        } else {
            Status::Available
        }
    }

    prop_compose! {
        fn any_lane()(enabled in prop::bool::weighted(0.8), toggle in prop::bool::weighted(0.8), current in 0..3u32,
            max in 0..3u32) -> Lane {
            Lane { enabled, toggle, current, max }
        }
    }

    prop_compose! {
        fn any_facts()(
            connected in prop::bool::weighted(0.8),
            presence in prop_oneof![3 => Just(Category::Ready), 1 => Just(Category::Away), 1 => Just(Category::ExtendedAway)],
            routable in prop::bool::weighted(0.8),
            chat_and_call in any::<bool>(),
            lanes in [any_lane(), any_lane(), any_lane(), any_lane()],
        ) -> Facts {
            Facts { connected, presence, routable, chat_and_call, sizes: Sizes::default(), lanes: PerChannel(lanes) }
        }
    }

    proptest! {
        #[test]
        fn statuses_follow_from_reasons(facts in any_facts()) {
            for channel in Channel::ALL {
                let reason = facts.reason(channel);
                prop_assert_eq!(reason.status(), status(&facts, channel));
                prop_assert_ne!(reason, Reason::Reserved);
                prop_assert_eq!(reason == Reason::Offline, !facts.connected);
            }
            let best = facts.best_reason(Channel::ALL).unwrap();
            let has = |reason| Channel::ALL.iter().any(|channel| facts.reason(*channel) == reason);
            // The first in the list that any channel has.
            prop_assert_eq!(Some(best), Reason::ALL.into_iter().find(|reason| has(*reason)));
        }
    }

    #[test]
    fn each_reason_takes_precedence_over_those_below_it() {
        let mut facts = person();
        facts.chat_and_call = false;
        facts.lanes[Channel::Call] = Lane { current: 1, ..facts.lanes[Channel::Call] };
        let mut expect = |change: fn(&mut Facts), reason| {
            change(&mut facts);
            assert_eq!(facts.reason(Channel::Chat), reason);
        };
        expect(|_| {}, Reason::Blocked);
        expect(|facts| facts.lanes[Channel::Chat].current = 2, Reason::Full);
        expect(|facts| facts.lanes[Channel::Chat].toggle = false, Reason::SwitchedOff);
        expect(|facts| facts.routable = false, Reason::NotRoutable);
        expect(|facts| facts.presence = Category::Away, Reason::Away);
        expect(|facts| facts.presence = Category::ExtendedAway, Reason::ExtendedAway);
        expect(|facts| facts.lanes[Channel::Chat].enabled = false, Reason::Disabled);
        expect(|facts| facts.connected = false, Reason::Offline);
    }

    #[test]
    fn a_chat_blocks_calls_without_chat_and_call() {
        let mut facts = person();
        assert_eq!(facts.status(Channel::Call), Status::Available);
        facts.chat_and_call = false;
        assert_eq!(facts.status(Channel::Call), Status::Busy);
        assert_eq!(facts.status(Channel::Chat), Status::Available, "a chat does not block chat itself");
    }

    #[test]
    fn unavailable_with_an_open_chat_is_in_production() {
        let mut facts = person();
        assert!(facts.in_production(Channel::Chat));
        facts.presence = Category::Away;
        assert!(facts.in_production(Channel::Chat) && !facts.in_production(Channel::Call));
        facts.connected = false;
        assert!(!facts.in_production(Channel::Chat), "offline is never in production");
    }

    #[test]
    fn a_maximum_of_zero_slots_is_busy() {
        let mut facts = person();
        facts.lanes[Channel::Call].max = 0;
        assert_eq!(facts.status(Channel::Call), Status::Busy);
    }

    #[test]
    fn a_presence_that_is_not_routable_is_unavailable_by_choice() {
        let mut facts = person();
        facts.routable = false;
        for channel in [Channel::Chat, Channel::Call] {
            assert_eq!(facts.status(channel), Status::ToggleOff);
        }
        assert_eq!(facts.status(Channel::Video), Status::Disabled);
        assert!(facts.in_production(Channel::Chat), "with a chat still held");
        assert!(!facts.accepts_work());
        facts.routable = true;
        facts.presence = Category::Away;
        assert!(!facts.accepts_work(), "away is never routable");
    }

    #[test]
    fn sizes_that_are_set_replace_those_of_the_channels() {
        let mut facts = person();
        assert!(!facts.fits(Liveness::Live), "one chat of two is 50, a call 51");
        facts.sizes = Sizes { live: Some(50), ..Sizes::default() };
        assert!(facts.fits(Liveness::Live));
        facts.sizes = Sizes { semi_live: Some(51), ..Sizes::default() };
        assert!(!facts.fits(Liveness::Semilive), "51 and 51");
        facts.lanes[Channel::Chat].current = 0;
        facts.lanes[Channel::ThirdParty].current = 4;
        facts.sizes = Sizes { non_live: Some(25), ..Sizes::default() };
        assert!(!facts.fits(Liveness::Semilive), "four of 25 are all");
        facts.sizes.non_live = Some(12);
        assert!(facts.fits(Liveness::Semilive) && facts.fits(Liveness::Live), "48 and 50, 48 and 51");
    }

    #[test]
    fn the_budget_spans_channels() {
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
