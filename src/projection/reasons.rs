//! The number of users by reason, and their slots, on one channel or the best over several
//! (docs/reference/native.md, "Breakdown").

use crate::domain::status::Reason;
use crate::domain::{Channel, PerChannel};
use crate::live::count::fold::Aggregate;
use crate::live::count::index::{Digits, Plane, Span};

/// A number of users for each reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerReason([u64; Reason::ALL.len()]);

impl PerReason {
    /// The number of users with this reason.
    pub const fn of(&self, reason: Reason) -> u64 {
        self.0[reason as usize]
    }

    /// The number of users with any reason, which is all of them.
    pub fn people(&self) -> u64 {
        self.0.iter().sum()
    }

    fn add(&mut self, reason: Reason, users: u64) {
        self.0[reason as usize] += u64::from(users.count_ones());
    }
}

/// Counts the selected users, connected or not, by their best reason over some channels, and sums their slots on these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reasons {
    channels: PerChannel<bool>,
    /// Users by their best reason over the channels, each in exactly one.
    pub people: PerReason,
    /// Conversations held by users in production, on the channels.
    pub held: u64,
    /// Maximum numbers of conversations of users in production, on the channels.
    pub max: u64,
    /// Slots without a conversation of users who are available, on each channel where they are.
    pub free: u64,
}

impl Reasons {
    /// An aggregate for the channels that are true, at zero. Without channels every connected user is disabled.
    pub const fn on(channels: PerChannel<bool>) -> Self {
        Reasons { channels, people: PerReason([0; Reason::ALL.len()]), held: 0, max: 0, free: 0 }
    }

    /// The number of connected users.
    pub fn connected(&self) -> u64 {
        self.people.people() - self.people.of(Reason::Offline)
    }

    /// The percentage of `held` in `max`: 100 is full, and more is possible after a maximum was lowered. `None` without
    /// slots.
    pub fn occupancy_percent(&self) -> Option<f64> {
        // As the occupancy of chat is computed, so that equal slots give the same number to the last digit.
        (self.max > 0).then(|| 100.0 * (self.held as f64 / self.max as f64))
    }

    /// Counts the users of one word.
    #[inline(always)]
    fn count(&mut self, span: &Span<'_>, at: usize, users: u64) {
        let plane = |plane| span.plane(plane)[at];
        let (mut enabled, mut available, mut busy, mut full) = (0, 0, 0, 0);
        for channel in Channel::ALL.into_iter().filter(|channel| self.channels[*channel]) {
            enabled |= plane(Plane::Enabled(channel));
            available |= plane(Plane::Available(channel));
            busy |= plane(Plane::Busy(channel));
            full |= plane(Plane::Full(channel));
        }
        let connected = users & plane(Plane::Connected);
        let on_duty = connected & enabled;
        let (away, extended_away) = (plane(Plane::Away), plane(Plane::ExtendedAway));
        let accepting = on_duty & plane(Plane::AcceptsWork);
        self.people.add(Reason::Offline, users & !connected);
        self.people.add(Reason::Disabled, connected & !enabled);
        self.people.add(Reason::ExtendedAway, on_duty & extended_away);
        self.people.add(Reason::Away, on_duty & away);
        self.people.add(Reason::NotRoutable, on_duty & !accepting & !away & !extended_away);
        self.people.add(Reason::SwitchedOff, accepting & !available & !busy);
        self.people.add(Reason::Blocked, accepting & busy & !full & !available);
        self.people.add(Reason::Full, accepting & full & !available);
        self.people.add(Reason::Available, users & available);
    }

    /// Sums the slots of the users of one word.
    #[inline(always)]
    fn sum(&mut self, span: &Span<'_>, at: usize, users: u64) {
        for channel in Channel::ALL.into_iter().filter(|channel| self.channels[*channel]) {
            let producing = users & span.plane(Plane::InProduction(channel))[at];
            // Available implies in production, so that most words of most channels end here.
            if producing == 0 {
                continue;
            }
            let available = users & span.plane(Plane::Available(channel))[at];
            let number = |mask: u64, digits: Digits<'_>| -> u64 {
                digits.enumerate().map(|(digit, plane)| u64::from((mask & plane[at]).count_ones()) << digit).sum()
            };
            self.held += number(producing, span.current(channel));
            self.max += number(producing, span.max(channel));
            // Cannot underflow: an available user holds fewer than the maximum.
            self.free += number(available, span.max(channel)) - number(available, span.current(channel));
        }
    }
}

impl Aggregate for Reasons {
    #[inline(always)]
    fn add(&mut self, span: &Span<'_>, mask: &[u64]) {
        // Word by word: the users of one value are often few, and words without any cost nothing.
        for (at, users) in mask.iter().copied().enumerate().filter(|(_, users)| *users != 0) {
            self.count(span, at, users);
            self.sum(span, at, users);
        }
    }
}
