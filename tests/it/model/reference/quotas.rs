//! Quotas: each number is recounted as it would be after the event, which is rejected if it raises a number above its
//! limit.

use rollcall::domain::{Entry, Quota};

use super::{AccountIx, Effect, Flaw, Reference, Statement};

impl Reference {
    /// Returns whether a number may change from `before` to `after`.
    pub(super) fn has_room(&self, quota: Quota, before: usize, after: usize) -> bool {
        let limit = self.limits.limit(quota) as usize;
        after <= before || after <= limit || self.has(Flaw::QuotasAreIgnored)
    }

    /// Returns whether the user may open the session.
    pub(super) fn has_room_for_session(&self, ix: AccountIx, session: &str, socket: bool) -> bool {
        let open: Vec<_> = self.open_sessions().into_iter().collect();
        let open: Vec<_> = open.iter().filter(|((w, _), _)| self.directory.accounts[*w].is_live()).collect();
        let own = open.iter().copied().filter(|((w, _), _)| *w == ix);
        let (same, others): (Vec<_>, Vec<_>) = own.partition(|((_, name), _)| name.as_ref() == session);
        if same.is_empty() && !self.has_room(Quota::Sessions, open.len(), open.len() + 1) {
            return false;
        }
        let of_kind = others.iter().filter(|(_, (_, opening))| opening.socket == socket).count();
        let has_place = same.iter().any(|(_, (_, opening))| opening.socket == socket);
        has_place || if socket { of_kind < 16 } else { self.has_room(Quota::SessionsPerUser, of_kind, of_kind + 1) }
    }

    /// Adds a statement about slots, unless it exceeds a quota. Returns whether it was added.
    pub(super) fn add_slot_statement(&mut self, entry: &Entry, ix: AccountIx, effect: Effect) -> bool {
        let count = |reference: &Reference| {
            let holders = reference.holders();
            (holders.values().filter(|(holder, _)| *holder == ix).count(), holders.len())
        };
        let (own, all) = count(self);
        self.statements.push(Statement { time: entry.event.fact.time, seq: entry.seq, effect });
        let (own_after, all_after) = count(self);
        let has_room =
            self.has_room(Quota::SlotsPerUser, own, own_after) && self.has_room(Quota::Slots, all, all_after);
        if !has_room {
            self.statements.pop();
        }
        has_room
    }
}
