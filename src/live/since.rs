//! When the values that a user shows last changed, in recorded time (docs/reference/events.md, "Since when").

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::person::Person;
#[cfg(doc)]
use super::person::Presence;
use crate::domain::channel::ReferenceChannel;
use crate::domain::status::{Facts, Liveness};
use crate::domain::{AgentActivity, Category, Channel, PackedProfile, Reason, Time};

/// A value of a user whose last change is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracked {
    /// True if a desk is connected.
    Connected,
    /// The presence that the user shows: the one chosen, or logged out while no desk is connected.
    Presence,
    /// The reason on a channel.
    Reason(Channel),
    /// The number of conversations of a liveness that the user holds.
    Workload(Liveness),
    /// The activity on a reference channel, of an agent who is logged in; for other users a value of its own.
    Activity(ReferenceChannel),
}

impl Tracked {
    /// All tracked values of a user.
    pub const ALL: [Tracked; 13] = [
        Tracked::Connected,
        Tracked::Presence,
        Tracked::Reason(Channel::Chat),
        Tracked::Reason(Channel::Call),
        Tracked::Reason(Channel::Video),
        Tracked::Reason(Channel::ThirdParty),
        Tracked::Workload(Liveness::Live),
        Tracked::Workload(Liveness::Semilive),
        Tracked::Workload(Liveness::Nonlive),
        Tracked::Activity(ReferenceChannel::Call),
        Tracked::Activity(ReferenceChannel::Chat),
        Tracked::Activity(ReferenceChannel::Video),
        Tracked::Activity(ReferenceChannel::Any),
    ];

    /// The place in [`Tracked::ALL`].
    const fn place(self) -> usize {
        match self {
            Tracked::Connected => 0,
            Tracked::Presence => 1,
            Tracked::Reason(channel) => 2 + channel as usize,
            Tracked::Workload(liveness) => 6 + liveness as usize,
            Tracked::Activity(reference) => 9 + reference as usize,
        }
    }

    /// The name in a stored row.
    const fn name(self) -> &'static str {
        const NAMES: [&str; Tracked::ALL.len()] = [
            "connected",
            "presence",
            "reason_chat",
            "reason_call",
            "reason_video",
            "reason_third_party",
            "workload_live",
            "workload_semilive",
            "workload_nonlive",
            "activity_call",
            "activity_chat",
            "activity_video",
            "activity_any",
        ];
        NAMES[self.place()]
    }
}

/// The tracked values of one user, as of the newest entry. Derived from the rest of the state, and not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Values {
    /// The definition chosen, by integer id; 0, which no definition has, if there is none.
    definition: i64,
    /// At most the quota of slots per user, 1,000.
    workload: [u16; Liveness::ALL.len()],
    reasons: [Reason; Channel::ALL.len()],
    activities: [Option<AgentActivity>; ReferenceChannel::ALL.len()],
    /// The category chosen; `None` while no desk is connected.
    category: Option<Category>,
    /// See [`Presence::routable`]; false while no desk is connected.
    routable: bool,
}

impl Values {
    /// Derives the values of a person with this profile.
    pub fn of(person: &Person, profile: &PackedProfile) -> Self {
        // No tracked value depends on the sizes of interactions, so that those of the tenant are left out.
        let facts = person.facts(profile, profile.capacity);
        let is_logged_in = facts.connected && facts.is_agent();
        let reasons = Channel::ALL.map(|channel| facts.reason(channel));
        let presence = facts.connected.then_some(person.presence.value);
        Values {
            definition: presence.and_then(|presence| presence.definition).unwrap_or(0),
            category: presence.map(|presence| presence.category),
            routable: presence.is_some_and(|presence| presence.routable),
            reasons,
            workload: Liveness::ALL.map(|liveness| held(&facts, liveness)),
            activities: ReferenceChannel::ALL.map(|reference| {
                is_logged_in.then(|| {
                    let is_available = |channel: Channel| reasons[channel as usize] == Reason::Available;
                    let holds = |channel| facts.lanes[channel].current > 0;
                    AgentActivity::on(reference, profile.is_assigned(), is_available, holds)
                })
            }),
        }
    }

    /// Returns true if the tracked value is the same in both.
    fn agree(&self, other: &Self, tracked: Tracked) -> bool {
        match tracked {
            Tracked::Connected => self.category.is_some() == other.category.is_some(),
            Tracked::Presence => {
                (self.category, self.definition, self.routable) == (other.category, other.definition, other.routable)
            }
            Tracked::Reason(channel) => self.reasons[channel as usize] == other.reasons[channel as usize],
            Tracked::Workload(liveness) => self.workload[liveness as usize] == other.workload[liveness as usize],
            Tracked::Activity(reference) => self.activities[reference as usize] == other.activities[reference as usize],
        }
    }
}

/// The number of conversations of a liveness.
fn held(facts: &Facts, liveness: Liveness) -> u16 {
    let all: u32 = liveness.channels().iter().map(|channel| facts.lanes[*channel].current).sum();
    u16::try_from(all).unwrap_or(u16::MAX)
}

/// The recorded times at which the tracked values of one user last changed; [`Time::NEVER`] where it is not known.
///
/// Equal times take 16 bytes, as those of most users are: of a user who never connected, or whose state is older than
/// this record. Other users have two to four different times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Since {
    /// All values changed last at this time.
    Same(Time),
    /// The times are not all equal.
    Differing(Differing),
}

/// The times of the values, each different time once.
///
/// The first number has four bits for each value, in the order of [`Tracked::ALL`] from the lowest: the place of its time
/// among the other numbers, which are the times in microseconds. One allocation with all of it, since there is one for
/// every user who was ever connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differing(Arc<[i64]>);

impl Differing {
    /// Bits for a place. There are at most 13 different times, and 13 places of four bits in the number.
    const BITS: usize = 4;

    fn of(times: &[Time; Tracked::ALL.len()]) -> Self {
        let mut numbers = vec![0];
        for (n, time) in times.iter().enumerate() {
            let known = numbers[1..].iter().position(|known| *known == time.micros());
            let place = known.unwrap_or_else(|| {
                numbers.push(time.micros());
                numbers.len() - 2
            });
            numbers[0] |= (place as i64) << (n * Self::BITS);
        }
        Differing(numbers.into())
    }

    fn get(&self, n: usize) -> Time {
        let place = self.0[0] >> (n * Self::BITS) & ((1 << Self::BITS) - 1);
        Time::from_micros(self.0[1 + place as usize])
    }
}

/// The times as a checkpoint's row has them, by the names of the values. A value that is left out has the time of
/// `connected`; null is not known. Empty if none is known.
pub type StoredSince = BTreeMap<Cow<'static, str>, Option<Time>>;

impl Default for Since {
    fn default() -> Self {
        Since::UNKNOWN
    }
}

impl Since {
    /// No time is known.
    pub const UNKNOWN: Since = Since::Same(Time::NEVER);

    fn from_times(times: [Time; Tracked::ALL.len()]) -> Self {
        if times.iter().all(|time| *time == times[0]) {
            Since::Same(times[0])
        } else {
            Since::Differing(Differing::of(&times))
        }
    }

    fn times(&self) -> [Time; Tracked::ALL.len()] {
        match self {
            Since::Same(time) => [*time; Tracked::ALL.len()],
            Since::Differing(times) => std::array::from_fn(|n| times.get(n)),
        }
    }

    /// The recorded time of the entry that gave the value its present content; `None` if it is not known.
    pub fn get(&self, tracked: Tracked) -> Option<Time> {
        let time = match self {
            Since::Same(time) => *time,
            Since::Differing(times) => times.get(tracked.place()),
        };
        Some(time).filter(|time| *time != Time::NEVER)
    }

    /// Sets the times of the values that differ between `before` and `after` to `recorded`.
    pub fn change(&mut self, before: &Values, after: &Values, recorded: Time) {
        let mut times = self.times();
        for tracked in Tracked::ALL.into_iter().filter(|tracked| !before.agree(after, *tracked)) {
            times[tracked.place()] = recorded;
        }
        *self = Since::from_times(times);
    }

    /// Bytes that the times occupy on the heap.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Since::Same(_) => 0,
            // 16 bytes are the two reference counters.
            Since::Differing(times) => size_of_val(&*times.0) + 16,
        }
    }

    /// Converts the times to their stored form.
    pub fn to_stored(&self) -> StoredSince {
        let connected = self.get(Tracked::Connected);
        if *self == Since::UNKNOWN {
            return StoredSince::new();
        }
        let others = Tracked::ALL.into_iter().map(|tracked| (tracked, self.get(tracked)));
        let differ = others.filter(|(tracked, time)| *tracked == Tracked::Connected || *time != connected);
        differ.map(|(tracked, time)| (Cow::Borrowed(tracked.name()), time)).collect()
    }

    /// Reads the stored form.
    pub fn from_stored(stored: &StoredSince) -> Self {
        let time = |tracked: Tracked| stored.get(tracked.name()).copied();
        let connected = time(Tracked::Connected).flatten();
        let times = Tracked::ALL.map(|tracked| time(tracked).unwrap_or(connected).unwrap_or(Time::NEVER));
        Since::from_times(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn every_value_has_a_place_and_a_name_of_its_own() {
        for (place, tracked) in Tracked::ALL.into_iter().enumerate() {
            assert_eq!(tracked.place(), place);
        }
        let names: std::collections::BTreeSet<_> = Tracked::ALL.iter().map(|tracked| tracked.name()).collect();
        assert_eq!(names.len(), Tracked::ALL.len());
    }

    #[test]
    fn stored_times_are_read_as_written() {
        let mut times = [at(5); Tracked::ALL.len()];
        let same = Since::from_times(times);
        assert_eq!(same, Since::Same(at(5)));
        assert_eq!(serde_json::to_string(&same.to_stored()).unwrap(), r#"{"connected":"1970-01-01T00:00:05Z"}"#);
        times[3] = at(9);
        times[12] = Time::NEVER;
        let each = Since::from_times(times);
        let written = serde_json::to_string(&each.to_stored()).unwrap();
        assert_eq!(
            written,
            r#"{"activity_any":null,"connected":"1970-01-01T00:00:05Z","reason_call":"1970-01-01T00:00:09Z"}"#
        );
        for since in [same, each, Since::UNKNOWN, Since::from_times(std::array::from_fn(|n| at(n as i64)))] {
            let stored = serde_json::to_string(&since.to_stored()).unwrap();
            assert_eq!(Since::from_stored(&serde_json::from_str(&stored).unwrap()), since, "{stored}");
        }
        times = [at(1); Tracked::ALL.len()];
        times[0] = Time::NEVER;
        let stored = Since::from_times(times).to_stored();
        assert_eq!(Since::from_stored(&stored), Since::from_times(times), "only the first is not known");
    }

    #[test]
    fn each_value_keeps_its_time() {
        let all: [Time; Tracked::ALL.len()] = std::array::from_fn(|n| at(n as i64 % 5));
        let apart: [Time; Tracked::ALL.len()] =
            std::array::from_fn(|n| if n == 4 { Time::NEVER } else { at(n as i64) });
        for times in [all, apart] {
            let since = Since::from_times(times);
            assert_eq!(since.times(), times);
            for tracked in Tracked::ALL {
                let expected = Some(times[tracked.place()]).filter(|time| *time != Time::NEVER);
                assert_eq!(since.get(tracked), expected, "{tracked:?}");
            }
        }
        assert!(Since::from_times(all).heap_bytes() <= 64 && Since::from_times(apart).heap_bytes() <= 128);
    }

    #[test]
    fn nothing_is_stored_of_unknown_times() {
        assert_eq!(Since::UNKNOWN.to_stored(), StoredSince::new());
        assert_eq!(Since::from_stored(&StoredSince::new()), Since::UNKNOWN);
        assert!(Tracked::ALL.into_iter().all(|tracked| Since::UNKNOWN.get(tracked).is_none()));
    }

    #[test]
    fn users_with_equal_times_take_16_bytes() {
        assert_eq!(size_of::<Since>(), 16);
        assert!(size_of::<Option<Values>>() <= 24, "{}", size_of::<Option<Values>>());
    }
}
