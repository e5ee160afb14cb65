//! The journal's part in a benchmark: gives events their place and hands them to the state.

use rollcall::domain::{Body, Entry, Event, Outcome, TenantId, Time};
use rollcall::live::State;
use uuid::Uuid;

/// 2026-01-01T00:00:00Z, before the first entry.
const START: Time = Time::from_micros(1_767_225_600_000_000);

/// A tenant's state and the end of its journal.
pub struct Journal {
    /// What all entries so far come to.
    pub state: State,
    next: u64,
    now: Time,
}

impl Journal {
    /// Nothing has happened.
    pub fn new() -> Self {
        Journal { state: State::new(TenantId(Uuid::nil())), next: 1, now: START }
    }

    /// Gives `body` the next place, a second after the one before: in a long run, what ended is forgotten again.
    pub fn entry(&mut self, body: Body) -> Entry {
        self.now = self.now.plus_seconds(1);
        let entry = Entry {
            seq: self.next,
            recorded: self.now,
            event: Event::internal("rollcall:bench", Uuid::from_u128(self.next.into()), self.now, body),
        };
        self.next += 1;
        entry
    }

    /// Applies `body`, which must take effect: a population with holes in it would be measured too fast.
    pub fn append(&mut self, body: Body) {
        let entry = self.entry(body);
        let outcome = self.state.apply(&entry).expect("no gap");
        assert!(matches!(outcome, Outcome::Applied | Outcome::Upserted(_)), "{outcome:?} for {entry:?}");
    }
}
