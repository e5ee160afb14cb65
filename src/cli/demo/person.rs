//! One simulated desk: it connects, works, takes breaks and disconnects, some twenty times faster than in reality.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use uuid::Uuid;

use super::duration_range::DurationRange;
use super::people::{AT_WORK, BREAK, LUNCH, MEETING};
use crate::domain::event::Surface;
use crate::domain::{Channel, EventBody, UserRef};

/// Session id of every simulated desk: the same in every run, so that a run can close the sessions of an earlier one.
pub const SESSION: &str = "demo-desk";
/// Lease of a desk in seconds: without heartbeats, as after the demo was killed, it ends after these.
const LEASE: u32 = 60;

const TIME_AT_HOME: DurationRange = DurationRange::seconds(30, 180);
const TIME_AT_WORK: DurationRange = DurationRange::seconds(5, 300);
const SHORT_BREAK: DurationRange = DurationRange::seconds(20, 60);
const LONG_BREAK: DurationRange = DurationRange::seconds(60, 150);

/// The reason for taking no more contacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    Break(Uuid, DurationRange),
    Home,
}

impl Leave {
    fn pick(rng: &mut StdRng) -> Self {
        match rng.random_range(0..10) {
            0..=4 => Leave::Break(BREAK, SHORT_BREAK),
            5 => Leave::Break(LUNCH, LONG_BREAK),
            6 => Leave::Break(MEETING, LONG_BREAK),
            _ => Leave::Home,
        }
    }
}

/// The current activity of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Activity {
    /// Not connected.
    Home,
    /// Takes contacts.
    Working,
    /// Takes no new contacts, and leaves once those under way have ended.
    Finishing(Leave),
    /// On a break.
    Paused,
}

/// One simulated desk.
#[derive(Debug)]
pub struct Person {
    /// The user's id.
    pub id: i64,
    activity: Activity,
    /// Monotonic time at which the activity ends.
    until: Duration,
}

impl Person {
    /// A person at home that connects at once or a little later.
    pub fn new(id: i64, now: Duration, rng: &mut StdRng) -> Self {
        let until = if rng.random_bool(0.75) { now } else { now + TIME_AT_HOME.pick(rng) };
        Person { id, activity: Activity::Home, until }
    }

    /// Returns whether the desk is connected.
    pub fn is_connected(&self) -> bool {
        self.activity != Activity::Home
    }

    /// Marks the desk as disconnected; it connects again after five seconds.
    pub fn lose(&mut self, now: Duration) {
        *self = Person { id: self.id, activity: Activity::Home, until: now + Duration::from_secs(5) };
    }

    /// Moves on to the next activity if it is time, and returns the events. `is_busy` while the person has contacts.
    pub fn step(&mut self, now: Duration, is_busy: bool, rng: &mut StdRng) -> Vec<EventBody> {
        match self.activity {
            Activity::Finishing(leave) if !is_busy => self.leave(leave, now, rng),
            Activity::Home if now >= self.until => {
                let mut bodies = vec![self.connected()];
                bodies.push(self.begin_work(now, rng));
                bodies
            }
            Activity::Paused if now >= self.until => vec![self.begin_work(now, rng)],
            Activity::Working if now >= self.until => {
                let leave = Leave::pick(rng);
                if is_busy {
                    self.activity = Activity::Finishing(leave);
                    return vec![self.status(None, false)];
                }
                self.leave(leave, now, rng)
            }
            _ => Vec::new(),
        }
    }

    /// Returns a heartbeat of the desk.
    pub fn heartbeat(&self) -> EventBody {
        EventBody::DeskHeartbeat { user: UserRef::id(self.id), session: SESSION.into(), opened: None }
    }

    /// Returns the events that clear the session and slots of an earlier run.
    pub fn reset(&self) -> Vec<EventBody> {
        let empty = |channel| EventBody::SlotsSynced { user: UserRef::id(self.id), channel, conversations: Vec::new() };
        vec![self.disconnected(), empty(Channel::Chat), empty(Channel::Call)]
    }

    fn begin_work(&mut self, now: Duration, rng: &mut StdRng) -> EventBody {
        self.activity = Activity::Working;
        self.until = now + TIME_AT_WORK.pick(rng);
        self.status(Some(AT_WORK), true)
    }

    fn leave(&mut self, leave: Leave, now: Duration, rng: &mut StdRng) -> Vec<EventBody> {
        match leave {
            Leave::Home => {
                self.activity = Activity::Home;
                self.until = now + TIME_AT_HOME.pick(rng);
                vec![self.disconnected()]
            }
            Leave::Break(definition, length) => {
                self.activity = Activity::Paused;
                self.until = now + length.pick(rng);
                vec![self.status(Some(definition), true)]
            }
        }
    }

    fn connected(&self) -> EventBody {
        EventBody::DeskConnected {
            socket: false,
            user: UserRef::id(self.id),
            session: SESSION.into(),
            lease_seconds: Some(LEASE),
            device: Some("simulated".into()),
            surface: Surface::Desk,
        }
    }

    fn disconnected(&self) -> EventBody {
        EventBody::DeskDisconnected { user: UserRef::id(self.id), session: SESSION.into(), opened: None }
    }

    /// Returns the event that sets the presence and switches both channels on or off.
    fn status(&self, presence_id: Option<Uuid>, on: bool) -> EventBody {
        let channels = vec![(Channel::Chat, on), (Channel::Call, on)];
        EventBody::StatusChanged { user: UserRef::id(self.id), presence: None, presence_id, channels }
    }
}
