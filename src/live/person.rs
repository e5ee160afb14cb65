//! The truth about one user: what they chose, the sessions open, the conversations held, each with its time.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::event::Surface;
use crate::domain::profile::Profile;
use crate::domain::status::{Facts, Lane};
use crate::domain::{Category, Channel, ConversationId, PerChannel, Time};

use super::claim::Stamp;
use super::persistent::steps;

/// A value with the time it was chosen at; the newest wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register<T> {
    /// The value.
    pub value: T,
    /// Since when; [`Time::NEVER`] before the first choice.
    pub at: Time,
}

impl<T> Register<T> {
    /// Before the first choice.
    pub const fn initial(value: T) -> Self {
        Register { value, at: Time::NEVER }
    }

    /// Takes `value` unless something newer is there. Of two at the same time the one journalled later wins, and
    /// that is this one. Tells whether it won.
    pub fn set(&mut self, value: T, at: Time) -> bool {
        let wins = at >= self.at;
        if wins {
            *self = Register { value, at };
        }
        wins
    }
}

/// The presence a person chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// Its category.
    pub category: Category,
    /// The definition chosen, by integer id, where one was.
    pub definition: Option<i64>,
}

/// One session of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Time of the newest word about it.
    pub at: Time,
    /// Whether that word was that it is open.
    pub open: bool,
    /// Where.
    pub surface: Surface,
    /// Seconds it lasts without a heartbeat.
    pub lease_seconds: Option<u32>,
    /// A name for the device.
    pub device: Option<Box<str>>,
    /// Position of the `desk.connected` that opened it; 0 if none did.
    pub opened: u64,
    /// When its end was recorded, for the tombstone.
    pub ended: Option<Time>,
    /// A socket of ours opened it.
    pub socket: bool,
}

/// The truth about one user.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// What they chose to be.
    pub presence: Register<Presence>,
    /// Which channels they left on.
    pub toggles: PerChannel<Register<bool>>,
    /// Per channel, the newest `slots.synced`: what was taken before it and not named does not hold.
    pub floors: PerChannel<Stamp>,
    /// Sessions, open ones and those whose end is still remembered.
    pub sessions: BTreeMap<Box<str>, Session>,
    /// When every session was last closed at once.
    pub closed_all: Time,
    /// The newest time at which a session opened or ended: what was applied counts, in whatever order it came. An end
    /// that comes before its beginning does not say of which surface it is, so every surface counts.
    pub desk_at: Time,
    /// A desk was connected at least once.
    pub ever_logged_in: bool,
    /// How many conversations they ever took: once for each, as long as it is remembered.
    pub handled: u64,
    /// Conversations held now, per channel.
    pub held: PerChannel<BTreeSet<ConversationId>>,
    /// When the user's deletion was recorded.
    pub deleted: Option<Time>,
    /// Position of the entry that created the user; 0 where it is not known. What claims say of the same id from before
    /// is an earlier owner's.
    pub created: Option<u64>,
    /// The newest event time of any session of this user that was forgotten early, since too many had ended.
    pub sessions_floor: Time,
}

impl Default for Person {
    fn default() -> Self {
        Person {
            presence: Register::initial(Presence::default()),
            toggles: PerChannel([Register::initial(true); 4]),
            floors: PerChannel([Stamp::NEVER; 4]),
            sessions: BTreeMap::new(),
            closed_all: Time::NEVER,
            desk_at: Time::NEVER,
            ever_logged_in: false,
            handled: 0,
            held: PerChannel::default(),
            deleted: None,
            created: None,
            sessions_floor: Time::NEVER,
        }
    }
}

impl Person {
    /// At least one desk session is open.
    pub fn is_connected(&self) -> bool {
        self.sessions.values().any(|session| session.open && session.surface == Surface::Desk)
    }

    /// The number of open sessions, sockets or others, but for the one of that name.
    pub fn open_beside(&self, name: &str, socket: bool) -> usize {
        let is_counted = |known: &str, session: &Session| session.open && session.socket == socket && known != name;
        steps::count(self.sessions.len());
        self.sessions.iter().filter(|(known, session)| is_counted(known, session)).count()
    }

    /// The number of conversations held, on all channels.
    pub fn held_in_all(&self) -> usize {
        self.held.0.iter().map(BTreeSet::len).sum()
    }

    /// The newest event time of anything that is kept of the person: what the floor rises to when they are forgotten.
    pub fn newest(&self) -> Time {
        let toggles = self.toggles.0.iter().map(|toggle| toggle.at);
        let floors = self.floors.0.iter().map(|floor| floor.time);
        let times = [self.presence.at, self.closed_all, self.desk_at, self.sessions_floor];
        toggles.chain(floors).chain(times).max().unwrap_or(Time::NEVER)
    }

    /// What a status is decided from.
    pub fn facts(&self, profile: &Profile) -> Facts {
        let conf = profile.channels.per_channel();
        Facts {
            connected: self.is_connected(),
            presence: self.presence.value.category,
            chat_and_call: profile.chat_and_call,
            lanes: PerChannel::from_fn(|channel: Channel| Lane {
                enabled: conf[channel].enabled,
                toggle: self.toggles[channel].value,
                current: self.held[channel].len() as u32,
                max: conf[channel].max_slots,
            }),
        }
    }
}
