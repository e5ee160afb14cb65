//! The only module that reads the time and makes ids. All other code takes a [`Clock`], which tests drive by hand.
//!
//! [`Clock::now`] is service time: it advances with the machine's uptime and approaches the wall clock slowly, so that
//! a wrong wall clock expires nothing (`docs/decisions/0043-guarded-clock.md`).

mod guard;
mod source;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use uuid::Uuid;

use self::guard::{Change, Guard};
use self::source::Source;
use crate::domain::Time;

pub use self::guard::{ClockAlarm, Suspect};

/// Service time, monotonic time and ids. A clone shares the clock.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Source,
    guard: Mutex<Guard>,
}

impl Clock {
    /// Makes a clock that reads the machine's clocks.
    pub fn system() -> Self {
        Self::of(Source::system())
    }

    /// Makes a clock for tests that reads the machine's clocks, with the wall clock `seconds` ahead.
    pub fn skewed(seconds: i64) -> Self {
        Self::of(Source::skewed(seconds))
    }

    /// Makes a clock for tests that stands still at `origin` until it is moved.
    pub fn manual(origin: Time) -> Self {
        Self::of(Source::manual(origin))
    }

    fn of(source: Source) -> Self {
        let guard = Mutex::new(Guard::new(source.read()));
        Clock(Arc::new(Inner { source, guard }))
    }

    /// Returns service time: guarded time plus the last measured offset to the database's clock. Never goes back.
    pub fn now(&self) -> Time {
        self.guarded(|guard, source| guard.now(source.read()))
    }

    /// Compares the clocks with the database's, which was asked for at monotonic time `asked` and has answered just now.
    /// Called several times a second where the database has a clock of its own, and before anything is written. After a
    /// jump the wall clock is trusted again once it has agreed with the database for 10 s, or, without a database, after
    /// 10 minutes.
    pub fn observe_database(&self, database: Time, asked: Duration) {
        // The database read its clock in between; half of the time is the best guess.
        let since = (self.monotonic().saturating_sub(asked) / 2).as_micros() as i64;
        let database = Time::from_micros(database.micros() + since);
        self.guarded(|guard, source| guard.observe_database(source.read(), database));
    }

    /// Returns true from the start until the wall clock and the database's clock have agreed for the first time. Either
    /// may be wrong then, so that nothing may be written.
    pub fn is_unsettled(&self) -> bool {
        self.guarded(|guard, _| guard.is_unsettled())
    }

    /// Returns true while the database's clock is known to differ from guarded time by more than 2 s. Nothing is appended
    /// then.
    pub fn is_apart(&self) -> bool {
        self.guarded(|guard, _| guard.is_apart())
    }

    /// Returns the earliest and the latest time of the database's clock that agree with guarded time now: 2 s before it
    /// and after it.
    pub fn agreeing(&self) -> (Time, Time) {
        self.guarded(|guard, source| guard.agreeing(source.read()))
    }

    /// Returns the clock that is off, if one is. The service is not ready then.
    pub fn alarm(&self) -> Option<ClockAlarm> {
        self.guarded(|guard, source| guard.alarm(source.read()))
    }

    /// Reads the clocks and calls the guard under one lock, so that it gets the readings in order.
    fn guarded<T>(&self, work: impl FnOnce(&mut Guard, &Source) -> T) -> T {
        let mut guard = self.0.guard.lock();
        let result = work(&mut guard, &self.0.source);
        let change = guard.change();
        drop(guard);
        if let Some(change) = change {
            log(change);
        }
        result
    }

    /// Makes a new id (UUIDv7), which sorts by its time of creation.
    #[expect(clippy::disallowed_methods, reason = "this is where ids are made")]
    pub fn new_id(&self) -> Uuid {
        Uuid::now_v7()
    }

    /// Returns the time since the clock was made. Never goes back, and is independent of the wall clock.
    pub fn monotonic(&self) -> Duration {
        self.0.source.monotonic()
    }

    /// Returns once [`Clock::monotonic`] has reached `deadline`.
    pub async fn sleep_until(&self, deadline: Duration) {
        self.0.source.sleep_until(deadline).await;
    }

    /// Returns after `duration` of monotonic time.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.monotonic() + duration).await;
    }

    /// Returns true for a manual clock, which has nothing to do with the true time or with the database's clock.
    pub fn is_manual(&self) -> bool {
        matches!(self.0.source, Source::Manual(_))
    }

    /// Moves a manual clock on. Does nothing to the machine's clock.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(manual) = &self.0.source {
            manual.advance(by);
        }
    }

    /// Moves only the wall clock of a clock for tests, as an operator or a wrong time server does.
    pub fn jump(&self, seconds: i64) {
        self.0.source.jump(seconds);
    }

    /// Simulates a suspended machine on a manual clock: uptime and wall clock move on, monotonic time does not.
    pub fn suspend(&self, by: Duration) {
        if let Source::Manual(manual) = &self.0.source {
            manual.suspend(by);
        }
    }
}

/// Logs a change of the guard. Called without its lock.
fn log(change: Change) {
    match change {
        Change::Unsettled(ms) => {
            tracing::error!(ms, "the wall clock and the database's clock differ; writes are rejected until they agree");
        }
        Change::Settled => tracing::info!("the wall clock and the database's clock agree; writes are accepted"),
        Change::Jumped(ms) => tracing::error!(ms, "the wall clock jumped; service time does not follow it"),
        Change::Returned => tracing::info!("the wall clock agrees with service time again"),
        Change::Stepped(ms) if ms < 0 => {
            tracing::warn!(ms, "the wall clock is trusted again; service time stands still until it is reached");
        }
        Change::Stepped(ms) => tracing::warn!(ms, "the wall clock is trusted again; service time stepped to it"),
    }
}

/// Returns a monotonic time or a duration in whole milliseconds.
pub const fn millis(duration: Duration) -> u64 {
    // 64 bits of milliseconds last for millions of years.
    duration.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: Time = Time::from_micros(1_000_000_000_000_000);
    const DAY: i64 = 24 * 60 * 60;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Seconds of service time since the origin.
    fn passed(clock: &Clock) -> f64 {
        (clock.now().micros() - ORIGIN.micros()) as f64 / 1e6
    }

    /// Lets time pass, with a database that is read twice a second and is `database_off` seconds off the true time.
    fn run(clock: &Clock, for_seconds: u64, true_time: &mut i64, database_off: i64) {
        for _ in 0..for_seconds * 2 {
            clock.advance(Duration::from_millis(500));
            *true_time += 500_000;
            clock.observe_database(Time::from_micros(*true_time + database_off * 1_000_000), clock.monotonic());
        }
    }

    fn is_near(left: f64, right: f64) -> bool {
        (left - right).abs() < 0.5
    }

    #[test]
    fn service_time_ignores_a_wall_clock_that_is_days_ahead_for_a_minute() {
        for days in [8, 400] {
            let clock = Clock::manual(ORIGIN);
            assert_eq!(clock.alarm(), None);
            clock.jump(days * DAY);
            for second in 1..=75 {
                clock.advance(seconds(1));
                assert!(is_near(passed(&clock), f64::from(second)), "{days} days: {} s", passed(&clock));
            }
            let alarm = clock.alarm().unwrap();
            assert_eq!((alarm.suspect, alarm.standing), (Suspect::Wall, seconds(74)));
            assert!((alarm.ahead_ms - days * DAY * 1_000).abs() < 100, "{alarm:?}");
            clock.jump(-days * DAY);
            assert_eq!(clock.alarm(), None);
            assert!(is_near(passed(&clock), 75.0));
        }
    }

    #[test]
    fn service_time_ignores_a_wall_clock_that_is_an_hour_behind_for_a_minute() {
        let clock = Clock::manual(ORIGIN);
        clock.advance(seconds(10));
        clock.jump(-3_600);
        clock.advance(seconds(60));
        assert!(is_near(passed(&clock), 70.0));
        assert!(clock.alarm().is_some_and(|alarm| alarm.ahead_ms < -3_599_000));
        assert_eq!(clock.alarm().unwrap().to_string(), "the wall clock is 3600.0 s behind service time, for 0 s");
    }

    #[test]
    fn a_steady_wall_clock_is_trusted_after_ten_minutes() {
        let clock = Clock::manual(ORIGIN);
        clock.jump(DAY);
        assert!(clock.alarm().is_some());
        clock.advance(seconds(599));
        assert!(clock.alarm().is_some());
        assert!(is_near(passed(&clock), 599.0));
        clock.advance(seconds(1));
        assert!(is_near(passed(&clock), 600.0 + DAY as f64));
        assert_eq!(clock.alarm(), None);
    }

    #[test]
    fn a_further_jump_restarts_the_ten_minutes() {
        let clock = Clock::manual(ORIGIN);
        for _ in 0..10 {
            clock.jump(DAY);
            clock.advance(seconds(300));
            assert!(clock.alarm().is_some());
        }
        assert!(is_near(passed(&clock), 3_000.0) || passed(&clock) < 3_002.0);
        assert_eq!(clock.alarm().unwrap().standing, seconds(2_700));
    }

    #[test]
    fn service_time_stands_still_after_a_step_backwards() {
        let clock = Clock::manual(ORIGIN);
        clock.jump(-3_600);
        assert!(clock.alarm().is_some());
        clock.advance(seconds(600));
        assert_eq!(clock.alarm(), None, "the wall clock is trusted");
        let stands = clock.now();
        clock.advance(seconds(1_800));
        assert_eq!(clock.now(), stands);
        clock.advance(seconds(3_000));
        assert!(is_near(passed(&clock), 1_800.0), "{} s: it goes on from where it stood", passed(&clock));
    }

    #[test]
    fn service_time_follows_a_slow_drift_without_an_alarm() {
        let clock = Clock::manual(ORIGIN);
        // 1 s in 5000 s: 200 ppm.
        for step in 1..=50 {
            clock.advance(seconds(5_000));
            clock.jump(1);
            assert_eq!(clock.alarm(), None);
            clock.advance(seconds(2_001));
            assert!((passed(&clock) - f64::from(step) * 7_002.0).abs() < 0.01, "{step}: {}", passed(&clock));
        }
    }

    #[test]
    fn corrections_stay_within_500_ppm_for_frequent_reads() {
        let clock = Clock::manual(ORIGIN);
        clock.jump(1);
        for _ in 0..25_000 {
            clock.advance(Duration::from_nanos(400_900));
            let _read = clock.now();
        }
        // After 10.0225 s: at most 500 ppm of that, and not much less.
        assert!((0.0045..=0.0051).contains(&(passed(&clock) - clock.monotonic().as_secs_f64())), "{}", passed(&clock));
    }

    #[test]
    fn suspended_time_counts_for_service_time_but_not_for_monotonic_time() {
        let clock = Clock::manual(ORIGIN);
        clock.suspend(seconds(8 * 3_600));
        assert_eq!(clock.alarm(), None);
        assert_eq!(clock.now(), ORIGIN.plus_seconds(8 * 3_600));
        assert_eq!(clock.monotonic(), Duration::ZERO);
    }

    #[test]
    fn a_wall_clock_that_agrees_with_the_database_is_trusted_after_ten_seconds() {
        let clock = Clock::manual(ORIGIN);
        let mut time = ORIGIN.micros();
        run(&clock, 60, &mut time, 0);
        // Wall clock and database are both at the new time: service time was wrong.
        clock.jump(DAY);
        time += DAY * 1_000_000;
        run(&clock, 9, &mut time, 0);
        assert!(is_near(passed(&clock), 69.0));
        assert!(clock.alarm().is_some());
        run(&clock, 2, &mut time, 0);
        assert!(is_near(passed(&clock), 71.0 + DAY as f64));
        assert_eq!(clock.alarm(), None);
    }

    #[test]
    fn a_wall_clock_that_the_database_contradicts_is_never_trusted() {
        let clock = Clock::manual(ORIGIN);
        let mut time = ORIGIN.micros();
        run(&clock, 10, &mut time, 0);
        clock.jump(DAY);
        run(&clock, 1_200, &mut time, 0);
        assert!(is_near(passed(&clock), 1_210.0));
        assert_eq!(clock.alarm().unwrap().suspect, Suspect::Wall);
        clock.jump(-DAY);
        run(&clock, 1, &mut time, 0);
        assert_eq!(clock.alarm(), None);
    }

    #[test]
    fn agreement_only_counts_while_the_database_answers() {
        let clock = Clock::manual(ORIGIN);
        let mut time = ORIGIN.micros();
        run(&clock, 1, &mut time, 0);
        clock.jump(DAY);
        time += DAY * 1_000_000;
        run(&clock, 6, &mut time, 0);
        clock.advance(seconds(60));
        time += 60_000_000;
        run(&clock, 6, &mut time, 0);
        assert!(clock.alarm().is_some());
        run(&clock, 5, &mut time, 0);
        assert_eq!(clock.alarm(), None);
    }

    #[test]
    fn service_time_follows_a_database_within_two_seconds() {
        let clock = Clock::manual(ORIGIN);
        let mut time = ORIGIN.micros();
        run(&clock, 10, &mut time, 1);
        assert!((passed(&clock) - 11.0).abs() < 0.01, "{}", passed(&clock));
        assert_eq!(clock.alarm(), None);
    }

    #[test]
    fn a_database_further_off_raises_an_alarm_and_is_not_followed() {
        let clock = Clock::manual(ORIGIN);
        let mut time = ORIGIN.micros();
        run(&clock, 10, &mut time, 0);
        // A single difference: an answer that was delayed.
        clock.observe_database(Time::from_micros(time - 8_000_000), clock.monotonic());
        assert_eq!(clock.alarm(), None);
        run(&clock, 1, &mut time, 0);
        run(&clock, 60, &mut time, 8 * DAY);
        assert!(is_near(passed(&clock), 71.0));
        let alarm = clock.alarm().unwrap();
        assert_eq!((alarm.suspect, alarm.ahead_ms), (Suspect::Database, 8 * DAY * 1_000));
        run(&clock, 1, &mut time, 0);
        assert_eq!(clock.alarm(), None);
    }

    #[test]
    fn at_the_start_nothing_is_certain_until_wall_clock_and_database_agree() {
        for off in [3_600, -3_600] {
            let clock = Clock::manual(ORIGIN);
            let mut time = ORIGIN.micros();
            clock.jump(off);
            run(&clock, 60, &mut time, 0);
            assert!(clock.is_unsettled(), "{off}");
            let alarm = clock.alarm().unwrap();
            assert_eq!((alarm.suspect, alarm.ahead_ms), (Suspect::Unsettled, off * 1_000));
            // The earlier of the two, at which less expires.
            assert!(is_near(passed(&clock), 60.0 + off.min(0) as f64), "{off}: {}", passed(&clock));
            clock.jump(-off);
            run(&clock, 1, &mut time, 0);
            assert!(!clock.is_unsettled() && clock.alarm().is_none(), "{off}");
            assert!(is_near(passed(&clock), 61.0), "{off}: {}", passed(&clock));
            // From then on a jump is a jump.
            clock.jump(off);
            run(&clock, 1, &mut time, 0);
            assert!(!clock.is_unsettled());
            assert_eq!(clock.alarm().unwrap().suspect, Suspect::Wall);
        }
    }

    #[test]
    fn a_database_answer_is_taken_as_of_half_its_round_trip() {
        let clock = Clock::manual(ORIGIN);
        clock.advance(seconds(3));
        // Read in the middle of a round trip of three seconds.
        clock.observe_database(ORIGIN.plus_seconds(1), Duration::ZERO);
        assert!(!clock.is_unsettled());
    }

    #[test]
    fn the_system_clock_advances_without_an_alarm() {
        let clock = Clock::system();
        let (first, started) = (clock.now(), clock.monotonic());
        assert!(first.micros() > ORIGIN.micros());
        assert!(clock.now() >= first && clock.monotonic() >= started);
        assert_eq!(clock.alarm(), None);
    }
}
