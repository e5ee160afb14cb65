//! The guard of the wall clock: service time follows the machine's uptime, and a jump of the wall clock is an alarm.
//!
//! Pure: every method is given a [`Reading`], so that tests can move uptime and wall clock apart.

use std::time::Duration;

use crate::domain::Time;

/// How far the wall clock, or the database's, may be from guarded time before it counts as a jump: 2 s.
const TOLERANCE: i64 = 2_000_000;
/// Guarded time approaches the wall clock by at most this part of the time that passes: 500 ppm.
const SLEW: i64 = 2_000;
/// Between two corrections; shorter pauses would round the correction to nothing.
const SLEW_EVERY: Duration = Duration::from_millis(100);
/// For how long wall clock and database agree before guarded time steps to them.
const AGREED: Duration = Duration::from_secs(10);
/// For how long the wall clock runs on from its new time before guarded time steps to it, where no database is asked.
const STOOD: Duration = Duration::from_secs(10 * 60);
/// The longest pause between two observations of the database within which their agreement counts as unbroken.
const OBSERVED: Duration = Duration::from_secs(3);
/// For how long the database's clock is off before that is an alarm: an answer that was delayed looks like it once.
const DISAGREED: Duration = Duration::from_secs(2);

/// What the machine's clocks show at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Time since the machine started, suspended time included. Never goes back.
    pub uptime: Duration,
    /// The wall clock, which anything may set.
    pub wall: Time,
}

/// A clock that cannot be trusted: service time does not follow it, and the service is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockAlarm {
    /// Which clock is off.
    pub suspect: Suspect,
    /// By how many milliseconds it is ahead of guarded time; negative if it is behind.
    pub ahead_ms: i64,
    /// For how long.
    pub standing: Duration,
}

/// A clock that may be off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspect {
    /// This machine's wall clock.
    Wall,
    /// The database's clock.
    Database,
}

impl std::fmt::Display for ClockAlarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let clock = match self.suspect {
            Suspect::Wall => "the wall clock",
            Suspect::Database => "the database's clock",
        };
        let side = if self.ahead_ms < 0 { "behind" } else { "ahead of" };
        let (off, standing) = (self.ahead_ms.unsigned_abs() as f64 / 1e3, self.standing.as_secs());
        write!(f, "{clock} is {off:.1} s {side} service time, for {standing} s")
    }
}

/// A change of the guard that an operator has to know about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The wall clock jumped by so many milliseconds.
    Jumped(i64),
    /// The wall clock is back at guarded time.
    Returned,
    /// The wall clock is trusted again, and guarded time stepped by so many milliseconds.
    Stepped(i64),
}

/// Guarded time, and why it may differ from the wall clock.
#[derive(Debug)]
pub struct Guard {
    /// Uptime of the newest reading.
    uptime: Duration,
    /// Guarded time then, in microseconds since the epoch.
    time: i64,
    /// Uptime of the newest correction.
    slewed: Duration,
    /// The newest service time that was returned. Service time never goes back, also when guarded time steps back.
    issued: i64,
    /// The database's clock less guarded time, as last measured; 0 without a database.
    offset: i64,
    jump: Option<Jump>,
    database: Option<Database>,
    change: Option<Change>,
}

/// The wall clock is not where guarded time is.
#[derive(Clone, Copy, Debug)]
struct Jump {
    /// Uptime at which that was noticed.
    since: Duration,
    /// Uptime since which the wall clock runs on from one new time.
    stood: Duration,
    /// The wall clock less uptime then, in microseconds.
    origin: i64,
}

/// What is known of the database's clock.
#[derive(Clone, Copy, Debug)]
struct Database {
    /// Uptime of the newest observation.
    seen: Duration,
    /// Uptime since which it agrees with the wall clock.
    agreed: Option<Duration>,
    /// Uptime since which it is off guarded time, and by how much.
    off: Option<(Duration, i64)>,
}

impl Guard {
    /// Starts at the wall clock, since there is nothing else to start from.
    pub fn new(Reading { uptime, wall }: Reading) -> Self {
        let time = wall.micros();
        Guard { uptime, time, slewed: uptime, issued: time, offset: 0, jump: None, database: None, change: None }
    }

    /// Returns service time: guarded time plus the last measured offset to the database's clock.
    pub fn now(&mut self, reading: Reading) -> Time {
        self.advance(reading);
        self.issued = self.issued.max(self.time + self.offset);
        Time::from_micros(self.issued)
    }

    /// Takes the database's clock, as read a moment ago.
    pub fn observe_database(&mut self, reading: Reading, database: Time) {
        let uptime = reading.uptime;
        let agrees = (reading.wall.micros() - database.micros()).abs() <= TOLERANCE;
        let before = self.database.filter(|before| uptime.saturating_sub(before.seen) <= OBSERVED);
        let agreed = agrees.then(|| before.and_then(|before| before.agreed).unwrap_or(uptime));
        let off = self.database.and_then(|before| before.off);
        self.database = Some(Database { seen: uptime, agreed, off });
        self.advance(reading);
        if let (Some(agreed), Some(jump)) = (agreed, self.jump)
            && uptime.saturating_sub(agreed.max(jump.stood)) >= AGREED
        {
            self.step(reading);
        }
        let offset = database.micros() - self.time;
        let is_off = offset.abs() > TOLERANCE;
        let since = off.map_or(uptime, |(since, _)| since);
        self.database = Some(Database { seen: uptime, agreed, off: is_off.then_some((since, offset)) });
        if !is_off {
            self.offset = offset;
        }
    }

    /// Returns which clock is off, if one is.
    pub fn alarm(&mut self, reading: Reading) -> Option<ClockAlarm> {
        self.advance(reading);
        if let Some(Jump { since, .. }) = self.jump {
            let ahead_ms = (reading.wall.micros() - self.time) / 1_000;
            return Some(ClockAlarm { suspect: Suspect::Wall, ahead_ms, standing: self.uptime - since });
        }
        let (since, offset) = self.database?.off?;
        let standing = self.uptime - since;
        let alarm = ClockAlarm { suspect: Suspect::Database, ahead_ms: offset / 1_000, standing };
        (standing >= DISAGREED).then_some(alarm)
    }

    /// Returns what changed since the last call.
    pub fn change(&mut self) -> Option<Change> {
        self.change.take()
    }

    /// Moves guarded time on with uptime and a little towards the wall clock, and notices whether that jumped.
    fn advance(&mut self, reading: Reading) {
        // Readings are taken one after the other; a platform whose uptime goes back is held where it was.
        let uptime = reading.uptime.max(self.uptime);
        // Each is rounded by itself: what a difference loses would add up with every reading.
        self.time += micros(uptime) - micros(self.uptime);
        self.uptime = uptime;
        let wall = reading.wall.micros();
        if uptime - self.slewed >= SLEW_EVERY {
            let most = micros(uptime - self.slewed) / SLEW;
            self.time += (wall - self.time).clamp(-most, most);
            self.slewed = uptime;
        }
        if (wall - self.time).abs() <= TOLERANCE {
            if self.jump.take().is_some() {
                self.change = Some(Change::Returned);
            }
            return;
        }
        let origin = wall - micros(uptime);
        let since = self.jump.map_or(uptime, |jump| jump.since);
        let stands = self.jump.filter(|jump| (jump.origin - origin).abs() <= TOLERANCE);
        let jump = stands.unwrap_or(Jump { since, stood: uptime, origin });
        if self.jump.is_none() {
            self.change = Some(Change::Jumped((wall - self.time) / 1_000));
        }
        self.jump = Some(jump);
        if self.database.is_none() && uptime - jump.stood >= STOOD {
            self.step(reading);
        }
    }

    /// Trusts the wall clock again.
    fn step(&mut self, reading: Reading) {
        let wall = reading.wall.micros();
        self.change = Some(Change::Stepped((wall - self.time) / 1_000));
        self.time = wall;
        self.jump = None;
    }
}

fn micros(duration: Duration) -> i64 {
    duration.as_micros() as i64
}
