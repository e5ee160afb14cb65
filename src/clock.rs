//! The only place that reads the time and makes ids. Everything else is given a [`Clock`], and tests drive it by hand.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;

use crate::domain::Time;

/// Tells the time of day, and a monotonic time since the clock was made.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Source>);

#[derive(Debug)]
enum Source {
    System { start: std::time::Instant },
    Manual { origin: Time, elapsed: watch::Sender<Duration> },
}

impl Clock {
    /// The machine's clock.
    #[expect(clippy::disallowed_methods, reason = "this is where time enters")]
    pub fn system() -> Self {
        Clock(Arc::new(Source::System { start: std::time::Instant::now() }))
    }

    /// A clock that stands still at `origin` until it is advanced.
    pub fn manual(origin: Time) -> Self {
        Clock(Arc::new(Source::Manual { origin, elapsed: watch::Sender::new(Duration::ZERO) }))
    }

    /// The time of day.
    #[expect(clippy::disallowed_methods, reason = "this is where time enters")]
    pub fn now(&self) -> Time {
        match &*self.0 {
            Source::System { .. } => jiff::Timestamp::now().into(),
            Source::Manual { origin, elapsed } => {
                Time::from_micros(origin.micros() + elapsed.borrow().as_micros() as i64)
            }
        }
    }

    /// A new id, which sorts by the time it was made at.
    #[expect(clippy::disallowed_methods, reason = "this is where ids are made")]
    pub fn new_id(&self) -> Uuid {
        Uuid::now_v7()
    }

    /// Time since the clock was made; never goes back, whatever happens to the time of day.
    pub fn monotonic(&self) -> Duration {
        match &*self.0 {
            Source::System { start } => start.elapsed(),
            Source::Manual { elapsed, .. } => *elapsed.borrow(),
        }
    }

    /// Returns once [`Clock::monotonic`] has reached `deadline`.
    pub async fn sleep_until(&self, deadline: Duration) {
        match &*self.0 {
            Source::System { start } => tokio::time::sleep_until((*start + deadline).into()).await,
            Source::Manual { elapsed, .. } => {
                let mut changes = elapsed.subscribe();
                // The sender lives as long as this clock, so waiting cannot fail.
                let _reached = changes.wait_for(|now| *now >= deadline).await;
            }
        }
    }

    /// Returns after `duration`.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.monotonic() + duration).await;
    }

    /// Whether the clock is moved by hand.
    pub fn is_driven(&self) -> bool {
        matches!(&*self.0, Source::Manual { .. })
    }

    /// Moves a manual clock on; the machine's clock is not to be moved.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual { elapsed, .. } = &*self.0 {
            elapsed.send_modify(|now| *now += by);
        }
    }
}
