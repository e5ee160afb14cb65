//! One user as the reference recounts them, with the definitions of docs/reference/events.md, "Status", and
//! docs/reference/vonage.md, "Capacity".

use rollcall::domain::channel::ReferenceChannel;
use rollcall::domain::directory::Kind;
use rollcall::domain::status::Liveness;
use rollcall::domain::{Category, Channel, PerChannel, Reason, Status, Time};
use uuid::Uuid;

use super::Flaw;
use super::directory::{Account, Settings};

/// One user's current data.
pub struct Individual<'r> {
    pub account: &'r Account,
    pub connected: bool,
    /// Whether the user was ever logged in.
    pub seen: bool,
    pub settings: Settings,
    /// The time of the newest connection.
    pub logged_in: Time,
    pub presence: Category,
    /// False if the definition chosen was not routable.
    pub routable: bool,
    /// The shown presence definition, by GUID.
    pub shown: Uuid,
    /// The time of the last change of the presence.
    pub updated: Option<Time>,
    /// The number of conversations that the user ever took.
    pub handled: u64,
    pub toggles: PerChannel<bool>,
    /// The conversations held on each channel.
    pub current: PerChannel<u32>,
    pub(super) flaw: Option<Flaw>,
}

impl Individual<'_> {
    pub(super) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// Ready, and not by a definition that takes no routed work.
    pub fn accepts_work(&self) -> bool {
        self.presence == Category::Ready && (self.routable || self.has(Flaw::NotRoutableAcceptsWork))
    }

    /// `accepting(u,c) = conf.enabled ∧ toggle[c] ∧ presence = Ready ∧ routable`
    fn accepting(&self, channel: Channel) -> bool {
        self.account.conf(channel).enabled && self.toggles[channel] && self.accepts_work()
    }

    /// `full(u,c) = current_slots(c) ≥ max_slots(c)`, so that 0 slots are full.
    fn full(&self, channel: Channel) -> bool {
        self.current[channel] >= self.account.conf(channel).max
    }

    /// `blocked(u,c) = ¬chat_and_call ∧ c ∈ {chat, call, video} ∧ another of those has a conversation`
    fn blocked(&self, channel: Channel) -> bool {
        let others: &[Channel] = match channel {
            Channel::Chat => &[Channel::Call, Channel::Video],
            Channel::Call => &[Channel::Chat, Channel::Video],
            Channel::Video => &[Channel::Chat, Channel::Call],
            Channel::ThirdParty => &[],
        };
        let elsewhere = others.iter().any(|other| self.current[*other] > 0);
        elsewhere && !self.account.chat_and_call && !self.has(Flaw::ConversationsDoNotBlock)
    }

    /// `reason(u,c)`: the first that applies.
    pub fn reason(&self, channel: Channel) -> Reason {
        let in_order = [
            (!self.connected, Reason::Offline),
            (!self.account.conf(channel).enabled, Reason::Disabled),
            (self.presence == Category::ExtendedAway, Reason::ExtendedAway),
            (self.presence == Category::Away, Reason::Away),
            (!self.accepts_work(), Reason::NotRoutable),
            (!self.toggles[channel], Reason::SwitchedOff),
            (self.full(channel), Reason::Full),
            (self.blocked(channel), Reason::Blocked),
        ];
        in_order.into_iter().find(|(applies, _)| *applies).map_or(Reason::Available, |(_, reason)| reason)
    }

    /// The best reason over some channels.
    pub fn best_reason(&self, channels: &[Channel]) -> Reason {
        let ranked = [
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
        let theirs: Vec<Reason> = channels.iter().map(|channel| self.reason(*channel)).collect();
        ranked.into_iter().find(|reason| theirs.contains(reason)).expect("one of the ten")
    }

    /// `status(u,c)`, in the order of precedence.
    pub fn status(&self, channel: Channel) -> Status {
        let no_room = self.full(channel) || self.blocked(channel);
        if !self.connected {
            Status::Offline
        } else if !self.account.conf(channel).enabled {
            Status::Disabled
        } else if self.has(Flaw::BusyBeforeToggleOff) && no_room {
            Status::Busy
        } else if !self.accepting(channel) {
            Status::ToggleOff
        } else if no_room {
            Status::Busy
        } else {
            Status::Available
        }
    }

    /// docs/reference/iadvize-graphql.md, "connectedUsersIndicator": available if any enabled channel is, else busy if
    /// any is, else toggled off; none without an enabled channel. Offline users have none, since it is defined for
    /// connected users.
    pub fn overall(&self) -> Option<Status> {
        let of_channels = Channel::ALL.map(|channel| self.status(channel));
        [Status::Available, Status::Busy, Status::ToggleOff].into_iter().find(|status| of_channels.contains(status))
    }

    /// `in_production(u,c) = connected ∧ enabled ∧ (accepting ∨ current_slots(c) > 0)`
    pub fn in_production(&self, channel: Channel) -> bool {
        let working = self.current[channel] > 0 && !self.has(Flaw::UnavailableLeavesProduction);
        self.connected && self.account.conf(channel).enabled && (self.accepting(channel) || working)
    }

    /// Agents are users with at least one enabled channel (docs/reference/events.md, "Status").
    pub fn is_agent(&self) -> bool {
        self.has(Flaw::EveryoneIsAnAgent) || Channel::ALL.iter().any(|channel| self.account.conf(*channel).enabled)
    }

    /// Returns whether the user has a queue or a campaign.
    pub fn is_assigned(&self) -> bool {
        let any = |kind: Kind| !self.account.belongs[&kind].is_empty();
        self.has(Flaw::AssignmentIsNotNeeded) || any(Kind::Queue) || any(Kind::Campaign)
    }

    /// docs/reference/convoso.md, "User activity": logged in, ready, assigned, and available on the reference channel.
    pub fn can_be_called(&self) -> bool {
        let ready = self.connected && self.presence == Category::Ready;
        let available = |channel: Channel| self.status(channel) == Status::Available;
        let on_reference = match self.settings.reference {
            _ if self.has(Flaw::TheReferenceIsCall) => available(Channel::Call),
            ReferenceChannel::Call => available(Channel::Call),
            ReferenceChannel::Chat => available(Channel::Chat),
            ReferenceChannel::Video => available(Channel::Video),
            ReferenceChannel::Any => Channel::ALL.into_iter().any(available),
        };
        self.is_agent() && ready && self.is_assigned() && on_reference
    }

    /// The size that is set for the user, else for the tenant, else the usual one. `n` counts live, semilive, nonlive.
    fn size(&self, n: usize, usual: u32) -> u32 {
        let of_user = self.account.sizes[n].filter(|_| !self.has(Flaw::SizesOfUsersAreIgnored));
        let of_tenant = self.settings.sizes[n].filter(|_| !self.has(Flaw::SizesOfTenantsAreIgnored));
        of_user.or(of_tenant).map_or(usual, |size| size as u32)
    }

    /// `fits(u,L) = used(u) + size_L ≤ 100`
    pub fn fits(&self, liveness: Liveness) -> bool {
        let live = self.size(0, if self.account.chat_and_call { 51 } else { 100 });
        let of_slots = match self.account.conf(Channel::Chat).max {
            0 => 100,
            max => (100 / max).max(1),
        };
        let semilive = self.size(1, of_slots);
        let nonlive = self.size(2, 20);
        let used = self.current[Channel::Chat] * semilive
            + (self.current[Channel::Call] + self.current[Channel::Video]) * live
            + self.current[Channel::ThirdParty] * nonlive;
        let size = match liveness {
            Liveness::Live => live,
            Liveness::Semilive => semilive,
            Liveness::Nonlive => nonlive,
        };
        used + size <= 100 || self.has(Flaw::NoBudget)
    }

    /// docs/reference/vonage.md, "Capacity", in the order of the answer: available, incompatible presence, insufficient
    /// capacity.
    pub fn capacity(&self, liveness: Liveness) -> [u64; 3] {
        let channels: &[Channel] = match liveness {
            Liveness::Live => &[Channel::Call, Channel::Video],
            Liveness::Semilive => &[Channel::Chat],
            Liveness::Nonlive => &[Channel::ThirdParty],
        };
        let enabled: Vec<_> = channels.iter().filter(|channel| self.account.conf(**channel).enabled).collect();
        let ready = self.connected && self.accepts_work();
        let all_off = !enabled.is_empty() && enabled.iter().all(|channel| !self.toggles[**channel]);
        if !ready || all_off {
            [0, 1, 0]
        } else if self.has_room(liveness) {
            [1, 0, 0]
        } else {
            [0, 0, 1]
        }
    }

    /// Returns whether a channel of the liveness is available and one more interaction fits.
    pub fn has_room(&self, liveness: Liveness) -> bool {
        let of_it = |channel: Channel| match liveness {
            Liveness::Live => channel == Channel::Call || channel == Channel::Video,
            Liveness::Semilive => channel == Channel::Chat,
            Liveness::Nonlive => channel == Channel::ThirdParty,
        };
        let open = Channel::ALL.iter().any(|channel| of_it(*channel) && self.status(*channel) == Status::Available);
        open && self.fits(liveness)
    }
}
