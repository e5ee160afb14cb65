//! Applies status changes, deletions of users and passwords.

use std::sync::Arc;

use uuid::Uuid;

use super::State;
use super::desk::effective;
use super::tombstones::Tombstone;
use crate::domain::directory::Kind;
use crate::domain::event::{Event, PasswordHash, Rejection};
use crate::domain::{Category, Channel, EntityRef, Entry, Outcome, Time, UserRef};
use crate::live::directory::Password;
use crate::live::persistent::steps;
use crate::live::person::{Person, Presence};

impl State {
    pub(super) fn change_status(
        &mut self,
        event: &Event,
        user: &UserRef,
        category: Option<Category>,
        definition: Option<Uuid>,
        channels: &[(Channel, bool)],
    ) -> Result<Outcome, Rejection> {
        let ix = self.subject(user)?;
        let presence = self.resolve_presence(category, definition)?;
        let person = &mut self.people[ix as usize];
        let mut won = false;
        if let Some(presence) = presence {
            let at = effective(event, person.presence.at);
            won |= person.presence.set(presence, at);
        }
        // Each value has a time of its own: some may be newer than the event, and others older.
        for (channel, on) in channels {
            let at = effective(event, person.lanes.of(*channel).toggle.at);
            won |= person.lanes.of_mut(*channel).toggle.set(*on, at);
        }
        if !won {
            return Ok(Outcome::Stale);
        }
        self.touch(ix);
        Ok(Outcome::Applied)
    }

    /// The presence that a `status.changed` sets, if any. Rejects a definition that is unknown or means logged out, and
    /// a category that contradicts the definition. `selectable` restricts choices through the APIs and is not checked
    /// for events.
    fn resolve_presence(
        &self,
        category: Option<Category>,
        definition: Option<Uuid>,
    ) -> Result<Option<Presence>, Rejection> {
        let Some(guid) = definition else {
            return Ok(category.map(Presence::of));
        };
        let definition = self.directory.table(Kind::PresenceDefinition).get(EntityRef::Guid(guid));
        let definition = definition.ok_or(Rejection::UnknownPresence)?;
        let meant = definition.category.and_then(|c| c.chosen()).ok_or(Rejection::UnknownPresence)?;
        if category.is_some_and(|given| given != meant) {
            return Err(Rejection::PresenceMismatch);
        }
        // Only of ready definitions, so that equal choices are stored alike.
        let routable = meant != Category::Ready || definition.routable.unwrap_or(true);
        Ok(Some(Presence { category: meant, definition: Some(definition.id), routable }))
    }

    /// Deletes a user: ends all sessions and claims and removes the user from every count. The ids stay assigned until
    /// the tombstone is dropped.
    pub(super) fn delete_user(&mut self, entry: &Entry, user: &UserRef) -> Result<Outcome, Rejection> {
        let ix = self.subject(user)?;
        let user = self.user_id(ix);
        let recorded = self.recorded;
        Arc::make_mut(&mut self.directory).delete(ix, recorded);
        self.people[ix as usize].deleted = Some(recorded);
        self.drop_sessions(ix);
        let held: Vec<_> = self.people[ix as usize].held.iter().cloned().collect();
        steps::count(held.len());
        for conversation in held {
            // The claim itself does not change: `holder` no longer finds the user.
            if let Some(change) = self.change(entry, &conversation, |_| {}) {
                self.apply_change(change);
            }
        }
        self.touch(ix);
        self.tombstones.place(Tombstone::User(user), None, Some(recorded));
        Ok(Outcome::Applied)
    }

    /// Sets a user's password. The newest entry wins without comparing times, since only the server sets passwords.
    pub(super) fn set_password(
        &mut self,
        user: &UserRef,
        hash: &PasswordHash,
        by: Option<Uuid>,
    ) -> Result<Outcome, Rejection> {
        let ix = self.subject(user)?;
        let password = Password { hash: hash.clone(), set: self.position, by };
        Arc::make_mut(&mut self.directory).set_password(ix, Some(password));
        self.touch(ix);
        Ok(Outcome::Applied)
    }

    /// Records that a user logged in. It has no time of its own: a user who was ever logged in stays so.
    pub(super) fn log_in(&mut self, user: &UserRef) -> Result<Outcome, Rejection> {
        let ix = self.subject(user)?;
        self.people[ix as usize].ever_logged_in = true;
        self.touch(ix);
        Ok(Outcome::Applied)
    }

    /// Drops a deleted user and frees the id for another user. Returns the newest event time stored for the user.
    /// Claims with the id are not searched for: their positions before the next owner's creation show that they are not
    /// the next owner's.
    pub(super) fn forget_user(&mut self, user: i64) -> Time {
        let Some(ix) = self.directory.users().by_id(user) else { return Time::NEVER };
        // While the directory still has the id, which is the key of the row to be deleted.
        self.touch(ix);
        let newest = self.people[ix as usize].newest();
        self.people[ix as usize] = Person::default();
        Arc::make_mut(&mut self.directory).forget(ix);
        newest
    }
}
