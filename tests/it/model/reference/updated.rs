//! The time at which a user's presence last changed: sessions of desks count, in whatever order their events arrive.

use rollcall::domain::Time;
use rollcall::domain::event::Surface;

use super::{AccountIx, Flaw, Opening, Reference};

impl Reference {
    /// Counts a beginning of a session, and with the first by a desk the ends that came before it.
    pub(super) fn count_beginning(&mut self, ix: AccountIx, session: &str, opening: Opening, time: Time) {
        let counts = opening.surface == Surface::Desk || self.has(Flaw::AdministrationUpdatesPresence);
        if counts && !self.has(Flaw::DesksDoNotUpdatePresence) {
            let key = (ix, Box::from(session));
            let ended = self.uncounted.remove(&key).unwrap_or(Time::NEVER);
            self.of_desks.insert(key);
            self.update(ix, time.max(ended));
        }
    }

    pub(super) fn count_end(&mut self, ix: AccountIx, session: &str, time: Time) {
        let key = (ix, Box::from(session));
        if self.of_desks.contains(&key) {
            self.update(ix, time);
        } else {
            let newest = self.uncounted.entry(key).or_insert(time);
            *newest = time.max(*newest);
        }
    }

    pub(super) fn update(&mut self, ix: AccountIx, time: Time) {
        let updated = self.updated.entry(ix).or_insert(time);
        *updated = time.max(*updated);
    }
}
