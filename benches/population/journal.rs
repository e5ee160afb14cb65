//! Stands in for the journal in a benchmark: numbers events and applies them to the state.

use rollcall::domain::{Entry, Event, EventBody, Outcome, TenantId, Time};
use rollcall::live::State;
use uuid::Uuid;

/// 2026-01-01T00:00:00Z, before the first entry.
const START: Time = Time::from_micros(1_767_225_600_000_000);

/// A tenant's state and the end of its journal.
pub struct Journal {
    /// The state after all entries so far.
    pub state: State,
    next: u64,
    now: Time,
}

impl Journal {
    /// Makes an empty journal.
    pub fn new() -> Self {
        Journal { state: State::new(TenantId(Uuid::nil())), next: 1, now: START }
    }

    /// Makes the next entry, one second after the previous one, so that a long run also forgets ended conversations.
    pub fn entry(&mut self, body: EventBody) -> Entry {
        self.now = self.now.plus_seconds(1);
        let entry = Entry {
            seq: self.next,
            recorded: self.now,
            event: Event::internal("rollcall:bench", Uuid::from_u128(self.next.into()), self.now, body),
        };
        self.next += 1;
        entry
    }

    /// Applies `body`, which must take effect: an incomplete population would be measured too fast.
    pub fn append(&mut self, body: EventBody) {
        let entry = self.entry(body);
        let outcome = self.state.apply(&entry).expect("no gap");
        assert!(matches!(outcome, Outcome::Applied | Outcome::Upserted(_)), "{outcome:?} for {entry:?}");
    }
}
