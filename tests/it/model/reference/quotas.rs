//! What a tenant may keep: each number recounted as it would be after the event, which is refused if there is too much of
//! something that it makes more of.

use rollcall::domain::{Entry, Quota};

use super::{Flaw, Reference, Said, Whose, Word};

impl Reference {
    /// Whether there is room for a number that changes so.
    pub(super) fn has_room(&self, quota: Quota, before: usize, after: usize) -> bool {
        let limit = self.limits.limit(quota) as usize;
        after <= before || after <= limit || self.has(Flaw::QuotasAreIgnored)
    }

    /// Whether the user may have the session open.
    pub(super) fn has_room_for_session(&self, whose: Whose, session: &str, socket: bool) -> bool {
        let open: Vec<_> = self.open_sessions().into_iter().collect();
        let open: Vec<_> = open.iter().filter(|((w, _), _)| self.directory.accounts[*w].is_live()).collect();
        let own = open.iter().copied().filter(|((w, _), _)| *w == whose);
        let (same, others): (Vec<_>, Vec<_>) = own.partition(|((_, name), _)| name.as_ref() == session);
        if same.is_empty() && !self.has_room(Quota::Sessions, open.len(), open.len() + 1) {
            return false;
        }
        let of_kind = others.iter().filter(|(_, (_, opening))| opening.socket == socket).count();
        let has_place = same.iter().any(|(_, (_, opening))| opening.socket == socket);
        has_place || if socket { of_kind < 16 } else { self.has_room(Quota::SessionsPerUser, of_kind, of_kind + 1) }
    }

    /// Says a word about slots, unless there is no room for what the user would hold by it. Returns whether it was said.
    pub(super) fn say_of_slots(&mut self, entry: &Entry, whose: Whose, said: Said) -> bool {
        let count = |reference: &Reference| {
            let holders = reference.holders();
            (holders.values().filter(|(holder, _)| *holder == whose).count(), holders.len())
        };
        let (own, all) = count(self);
        self.words.push(Word { time: entry.event.fact.time, seq: entry.seq, said });
        let (own_after, all_after) = count(self);
        let has_room =
            self.has_room(Quota::SlotsPerUser, own, own_after) && self.has_room(Quota::Slots, all, all_after);
        if !has_room {
            self.words.pop();
        }
        has_room
    }
}
