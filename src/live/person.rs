//! The live state of one user: presence, channel switches, sessions and conversations held, each with its time.

mod held;
mod lanes;
mod sessions;

use crate::domain::PackedProfile;
use crate::domain::event::Surface;
use crate::domain::settings::capacity::Sizes;
use crate::domain::status::{self, Facts};
use crate::domain::{Category, Channel, PerChannel, Time};

use super::persistent::steps;

pub use held::Held;
pub use lanes::{Lane, Lanes};
pub use sessions::Sessions;

/// A value with the time at which it was set; the newest wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register<T> {
    /// The current value.
    pub value: T,
    /// Event time at which it was set; [`Time::NEVER`] for the initial value.
    pub at: Time,
}

impl<T> Register<T> {
    /// Creates a register that was never set, so that any value replaces the initial one.
    pub const fn initial(value: T) -> Self {
        Register { value, at: Time::NEVER }
    }

    /// Sets `value` unless the current value is newer. At equal times the one journalled later wins, which is `value`.
    /// Returns true if it was set.
    pub fn set(&mut self, value: T, at: Time) -> bool {
        let wins = at >= self.at;
        if wins {
            *self = Register { value, at };
        }
        wins
    }
}

/// The presence that a user chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Category chosen, directly or by a definition.
    pub category: Category,
    /// Definition chosen, by integer id; `None` if only a category was.
    pub definition: Option<i64>,
    /// False if the definition was one of ready that is not routable when it was chosen. Copied, as the category is: a
    /// later change of the definition concerns later choices.
    pub routable: bool,
}

impl Presence {
    /// The presence of a user who chose a category.
    pub const fn of(category: Category) -> Self {
        Presence { category, definition: None, routable: true }
    }
}

impl Default for Presence {
    fn default() -> Self {
        Presence::of(Category::default())
    }
}

/// One session of a user, open or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Time of the newest event about it.
    pub at: Time,
    /// True if it is open.
    pub open: bool,
    /// Application in which it was opened.
    pub surface: Surface,
    /// Seconds it stays open without a heartbeat; unlimited when absent.
    pub lease_seconds: Option<u32>,
    /// Name of the device, as the desk gave it.
    pub device: Option<Box<str>>,
    /// Journal position of the `desk.connected` that opened it; 0 if only its end is known.
    pub opened: u64,
    /// Recorded time of its end. Its tombstone's term starts then.
    pub ended: Option<Time>,
    /// True if a WebSocket of this server opened it.
    pub socket: bool,
    /// True if any event that opened it named a desk, in whatever order they arrived. Only then does it concern the
    /// user's presence.
    pub of_desk: bool,
    /// The newest time of its ends that were applied before a desk was named.
    pub ended_at: Time,
}

impl Session {
    /// Returns true for a session that was opened by a desk, in rows that do not say it.
    pub fn is_desk(surface: Surface, opened: u64) -> bool {
        surface == Surface::Desk && opened != 0
    }
}

/// The live state of one user.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// Presence that the user chose.
    pub presence: Register<Presence>,
    /// Per channel, the switch and the floor.
    pub lanes: Lanes,
    /// Sessions by id: open ones, and ended ones that are still remembered.
    pub sessions: Sessions,
    /// Time at which all sessions were last closed at once.
    pub closed_all: Time,
    /// The newest time at which a session of a desk opened or ended, whatever the order in which the events arrived. An
    /// end that arrives before its beginning counts once that names the surface.
    pub desk_at: Time,
    /// True if the user was logged in at least once: to a desk, to the administration, or by e-mail and password.
    pub ever_logged_in: bool,
    /// The newest time at which a session of any surface opened, also of one that was stale when it arrived.
    pub logged_in: Time,
    /// Number of conversations ever taken. Taking one again counts only if its claim was dropped in between, and it is no
    /// open conversation that was pushed to the user before.
    pub handled: u64,
    /// Conversations held now, per channel. Derived from the claims.
    pub held: Held,
    /// Recorded time of the user's deletion.
    pub deleted: Option<Time>,
    /// Journal position of the entry that created the user; 0 if unknown. Takes and releases by the same id at earlier
    /// positions are those of an earlier owner of the id.
    pub created: Option<u64>,
    /// The newest event time of any session of this user that was dropped early because too many had ended.
    pub sessions_floor: Time,
}

impl Default for Person {
    fn default() -> Self {
        Person {
            presence: Register::initial(Presence::default()),
            lanes: Lanes::default(),
            sessions: Sessions::default(),
            closed_all: Time::NEVER,
            desk_at: Time::NEVER,
            ever_logged_in: false,
            logged_in: Time::NEVER,
            handled: 0,
            held: Held::default(),
            deleted: None,
            created: None,
            sessions_floor: Time::NEVER,
        }
    }
}

impl Person {
    /// Returns true if at least one desk session is open. Sessions of the administration do not count.
    pub fn is_connected(&self) -> bool {
        self.sessions.iter().any(|(_, session)| session.open && session.surface == Surface::Desk)
    }

    /// Takes note of a beginning of a desk's session, which may have come late. Returns false if the session is unknown.
    pub fn begin_desk(&mut self, session: &str, time: Time) -> bool {
        let Some(known) = self.sessions.get_mut(session) else { return false };
        known.of_desk = true;
        let ended = std::mem::replace(&mut known.ended_at, Time::NEVER);
        self.desk_at = self.desk_at.max(time).max(ended);
        true
    }

    /// Takes note of an end of a session, which may have come late. Returns false if the session is unknown.
    pub fn end_session(&mut self, session: &str, time: Time) -> bool {
        let Some(known) = self.sessions.get_mut(session) else { return false };
        let newest = if known.of_desk { &mut self.desk_at } else { &mut known.ended_at };
        *newest = time.max(*newest);
        true
    }

    /// The number of open sessions that are sockets, or that are not, without the session `name`.
    pub fn open_beside(&self, name: &str, socket: bool) -> usize {
        let is_counted = |known: &str, session: &Session| session.open && session.socket == socket && known != name;
        steps::count(self.sessions.size());
        self.sessions.iter().filter(|(known, session)| is_counted(known, session)).count()
    }

    /// Bytes that the person occupies on the heap, without the conversations held.
    pub fn heap_bytes(&self) -> usize {
        self.sessions.heap_bytes() + self.lanes.heap_bytes()
    }

    /// The newest event time of anything stored here. The state's floor rises to it when the user is dropped.
    pub fn newest(&self) -> Time {
        let times = [self.presence.at, self.closed_all, self.desk_at, self.logged_in, self.sessions_floor];
        times.into_iter().fold(self.lanes.newest(), Time::max)
    }

    /// Collects the facts from which statuses are derived. `sizes` are the tenant's.
    pub fn facts(&self, profile: &PackedProfile, sizes: Sizes) -> Facts {
        let conf = profile.channels().per_channel();
        Facts {
            connected: self.is_connected(),
            presence: self.presence.value.category,
            routable: self.presence.value.routable,
            chat_and_call: profile.chat_and_call,
            sizes: profile.capacity.or(sizes),
            lanes: PerChannel::from_fn(|channel: Channel| status::Lane {
                enabled: conf[channel].enabled,
                toggle: self.lanes.of(channel).toggle.value,
                // At most the quota of slots per user, 4,000.
                current: self.held.count(channel) as u32,
                max: conf[channel].max_slots,
            }),
        }
    }
}
