//! Guards service time against a wrong wall clock: service time follows the machine's uptime, and a jump of the wall
//! clock raises an alarm.
//!
//! Every method takes a [`Reading`] and reads no clock itself, so that tests can move uptime and wall clock apart.

use std::time::Duration;

use crate::domain::Time;

/// The largest difference of a clock from guarded time that is no jump, in microseconds: 2 s.
const JUMP_TOLERANCE: i64 = 2_000_000;
/// The divisor of the passed time by which guarded time approaches the wall clock at most: 1/2000, or 500 ppm.
const SLEW_DIVISOR: i64 = 2_000;
/// The shortest time between two corrections. In shorter intervals the correction would round to zero.
const SLEW_INTERVAL: Duration = Duration::from_millis(100);
/// The time for which wall clock and database must agree before guarded time steps to them.
const AGREEMENT_PERIOD: Duration = Duration::from_secs(10);
/// The time for which the wall clock must run on from its new time before guarded time steps to it, if there is no
/// database.
const STEADY_PERIOD: Duration = Duration::from_secs(10 * 60);
/// The longest interval between two observations of the database over which agreement counts as unbroken.
const OBSERVATION_GAP: Duration = Duration::from_secs(3);
/// The time for which the database's clock must be off before an alarm is raised: one delayed answer is not enough.
const DISAGREEMENT_PERIOD: Duration = Duration::from_secs(2);

/// A reading of the machine's clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Time since the machine started, suspended time included. Never goes back.
    pub uptime: Duration,
    /// The wall clock, which may be set to any time.
    pub wall: Time,
}

/// An alarm about a clock that is not trusted. Service time does not follow it, and the service is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockAlarm {
    /// The clock that is off.
    pub suspect: Suspect,
    /// Milliseconds by which it is ahead of guarded time; negative if it is behind.
    pub ahead_ms: i64,
    /// The time since the difference was noticed.
    pub standing: Duration,
}

/// A clock that may be off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspect {
    /// This machine's wall clock.
    Wall,
    /// The database's clock.
    Database,
    /// The wall clock or the database's: they have not agreed since the start. The difference is the wall clock's from
    /// the database's.
    Unsettled,
}

impl std::fmt::Display for ClockAlarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (clock, other) = match self.suspect {
            Suspect::Wall => ("the wall clock", "service time"),
            Suspect::Database => ("the database's clock", "service time"),
            Suspect::Unsettled => ("since the start the wall clock", "the database's clock"),
        };
        let side = if self.ahead_ms < 0 { "behind" } else { "ahead of" };
        let (off, standing) = (self.ahead_ms.unsigned_abs() as f64 / 1e3, self.standing.as_secs());
        write!(f, "{clock} is {off:.1} s {side} {other}, for {standing} s")
    }
}

/// A change of the guard to be logged for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// At the start the wall clock is not the database's, by milliseconds.
    Unsettled(i64),
    /// The wall clock and the database's clock agree for the first time since the start.
    Settled,
    /// The wall clock jumped, by milliseconds.
    Jumped(i64),
    /// The wall clock is back within the tolerance of guarded time.
    Returned,
    /// The wall clock is trusted again, and guarded time stepped to it, by milliseconds.
    Stepped(i64),
}

/// Guarded time, and the state that decides its corrections.
#[derive(Debug)]
pub struct Guard {
    /// Uptime of the newest reading.
    uptime: Duration,
    /// Guarded time then, in microseconds since the epoch.
    time: i64,
    /// Uptime of the newest correction.
    slewed: Duration,
    /// The newest service time that was returned, in microseconds since the epoch. It keeps service time from going
    /// back when guarded time steps back.
    issued: i64,
    /// The database's clock less guarded time, in microseconds, as last measured; 0 without a database.
    offset: i64,
    /// Set from the start until the wall clock and the database's clock agree, if they did not at the first observation.
    unsettled: Option<Unsettled>,
    /// Set while the wall clock differs from guarded time by more than the tolerance.
    jump: Option<Jump>,
    /// Set once the database's clock was observed.
    database: Option<Database>,
    /// The newest change that was not logged yet.
    change: Option<Change>,
}

/// A difference between wall clock and guarded time.
#[derive(Clone, Copy, Debug)]
struct Jump {
    /// Uptime at which it was noticed.
    since: Duration,
    /// Uptime since which the wall clock has run on without a further jump.
    stood: Duration,
    /// The wall clock less uptime at `stood`, in microseconds.
    origin: i64,
}

/// Clocks that have not agreed since the start.
#[derive(Clone, Copy, Debug)]
struct Unsettled {
    /// Uptime of the first observation.
    since: Duration,
    /// The wall clock less the database's clock at the newest observation, in microseconds.
    ahead: i64,
}

/// The observations of the database's clock.
#[derive(Clone, Copy, Debug)]
struct Database {
    /// Uptime of the newest observation.
    seen: Duration,
    /// Uptime since which it has agreed with the wall clock; `None` if it does not.
    agreed: Option<Duration>,
    /// Uptime since which it has been off guarded time, and the newest difference in microseconds; `None` if it is not.
    off: Option<(Duration, i64)>,
}

impl Guard {
    /// Starts at the wall clock, the only time known then.
    pub fn new(Reading { uptime, wall }: Reading) -> Self {
        let time = wall.micros();
        Guard {
            uptime,
            time,
            slewed: uptime,
            issued: time,
            offset: 0,
            unsettled: None,
            jump: None,
            database: None,
            change: None,
        }
    }

    /// Returns true from the first observation of a database that disagrees until it agrees with the wall clock.
    pub const fn is_unsettled(&self) -> bool {
        self.unsettled.is_some()
    }

    /// Returns true if the newest observation of the database's clock was off guarded time, or the clocks have not agreed
    /// since the start.
    pub fn is_apart(&self) -> bool {
        self.is_unsettled() || self.database.is_some_and(|database| database.off.is_some())
    }

    /// Returns the earliest and the latest time of the database's clock that agree with guarded time.
    pub fn agreeing(&mut self, reading: Reading) -> (Time, Time) {
        self.advance(reading);
        (Time::from_micros(self.time - JUMP_TOLERANCE), Time::from_micros(self.time + JUMP_TOLERANCE))
    }

    /// Returns service time: guarded time plus the last measured offset to the database's clock.
    pub fn now(&mut self, reading: Reading) -> Time {
        self.advance(reading);
        self.issued = self.issued.max(self.time + self.offset);
        Time::from_micros(self.issued)
    }

    /// Records an observation of the database's clock, and steps to the wall clock after a jump if both have agreed for
    /// [`AGREEMENT_PERIOD`].
    pub fn observe_database(&mut self, reading: Reading, database: Time) {
        let uptime = reading.uptime;
        let agrees = (reading.wall.micros() - database.micros()).abs() <= JUMP_TOLERANCE;
        let before = self.database.filter(|before| uptime.saturating_sub(before.seen) <= OBSERVATION_GAP);
        let agreed = agrees.then(|| before.and_then(|before| before.agreed).unwrap_or(uptime));
        let off = self.database.and_then(|before| before.off);
        let is_first = self.database.is_none();
        self.database = Some(Database { seen: uptime, agreed, off });
        if (is_first && !agrees) || self.is_unsettled() {
            self.settle(reading, database);
            return;
        }
        self.advance(reading);
        if let (Some(agreed), Some(jump)) = (agreed, self.jump)
            && uptime.saturating_sub(agreed.max(jump.stood)) >= AGREEMENT_PERIOD
        {
            self.step(reading);
        }
        let offset = database.micros() - self.time;
        let is_off = offset.abs() > JUMP_TOLERANCE;
        let since = off.map_or(uptime, |(since, _)| since);
        self.database = Some(Database { seen: uptime, agreed, off: is_off.then_some((since, offset)) });
        if !is_off {
            self.offset = offset;
        }
    }

    /// Returns the clock that is off, if one is; the wall clock first.
    pub fn alarm(&mut self, reading: Reading) -> Option<ClockAlarm> {
        self.advance(reading);
        if let Some(Unsettled { since, ahead }) = self.unsettled {
            let standing = self.uptime - since;
            return Some(ClockAlarm { suspect: Suspect::Unsettled, ahead_ms: ahead / 1_000, standing });
        }
        if let Some(Jump { since, .. }) = self.jump {
            let ahead_ms = (reading.wall.micros() - self.time) / 1_000;
            return Some(ClockAlarm { suspect: Suspect::Wall, ahead_ms, standing: self.uptime - since });
        }
        let (since, offset) = self.database?.off?;
        let standing = self.uptime - since;
        let alarm = ClockAlarm { suspect: Suspect::Database, ahead_ms: offset / 1_000, standing };
        (standing >= DISAGREEMENT_PERIOD).then_some(alarm)
    }

    /// Returns the newest change since the last call.
    pub fn change(&mut self) -> Option<Change> {
        self.change.take()
    }

    /// Moves guarded time on with uptime, slews it towards the wall clock, and detects the start and end of a jump.
    /// Steps to the wall clock after [`STEADY_PERIOD`] if there is no database.
    fn advance(&mut self, reading: Reading) {
        // On a platform with an uptime that goes back, time stands still until it catches up.
        let uptime = reading.uptime.max(self.uptime);
        // Both times are rounded before they are subtracted: rounding the difference would lose a part of a microsecond
        // with every reading.
        self.time += micros(uptime) - micros(self.uptime);
        self.uptime = uptime;
        if self.is_unsettled() {
            // Which of the clocks is wrong is not known, so that neither is followed.
            return;
        }
        let wall = reading.wall.micros();
        if uptime - self.slewed >= SLEW_INTERVAL {
            let most = micros(uptime - self.slewed) / SLEW_DIVISOR;
            self.time += (wall - self.time).clamp(-most, most);
            self.slewed = uptime;
        }
        if (wall - self.time).abs() <= JUMP_TOLERANCE {
            if self.jump.take().is_some() {
                self.change = Some(Change::Returned);
            }
            return;
        }
        let origin = wall - micros(uptime);
        let since = self.jump.map_or(uptime, |jump| jump.since);
        let stands = self.jump.filter(|jump| (jump.origin - origin).abs() <= JUMP_TOLERANCE);
        let jump = stands.unwrap_or(Jump { since, stood: uptime, origin });
        if self.jump.is_none() {
            self.change = Some(Change::Jumped((wall - self.time) / 1_000));
        }
        self.jump = Some(jump);
        if self.database.is_none() && uptime - jump.stood >= STEADY_PERIOD {
            self.step(reading);
        }
    }

    /// Compares the clocks of a start. Until they agree, guarded time is the earlier one: less expires at it.
    fn settle(&mut self, reading: Reading, database: Time) {
        self.advance(reading);
        let ahead = reading.wall.micros() - database.micros();
        let is_first = self.unsettled.is_none();
        if ahead.abs() <= JUMP_TOLERANCE {
            self.unsettled = None;
            self.time = reading.wall.micros();
            self.slewed = self.uptime;
            self.change = Some(Change::Settled);
            return;
        }
        self.time = reading.wall.min(database).micros();
        self.jump = None;
        if is_first {
            // The time before was the wall clock's, which nothing has used yet.
            self.issued = self.time;
            self.change = Some(Change::Unsettled(ahead / 1_000));
        }
        let since = self.unsettled.map_or(self.uptime, |unsettled| unsettled.since);
        self.unsettled = Some(Unsettled { since, ahead });
    }

    /// Steps guarded time to the wall clock, which is trusted again.
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
