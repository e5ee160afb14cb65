//! The connections of this server by the sessions that they opened. One is cancelled once an entry of the journal opens its
//! session again, at whichever server.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::domain::TenantId;

type Session = (TenantId, i64, Box<str>);

/// A connection.
#[derive(Debug)]
struct Holder {
    /// Position of the entry that opened the session for it.
    opened: u64,
    superseded: CancellationToken,
}

/// The connections that hold sessions. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Holders(Arc<Mutex<HashMap<Session, Holder>>>);

/// A connection that holds a session; dropping it lets go of the session.
#[derive(Debug)]
pub struct HeldSession {
    holders: Holders,
    session: Session,
    opened: u64,
}

impl Holders {
    /// Adds a connection to a session that was opened for it at position `opened`. Whichever of this and the one before has
    /// the older opening is cancelled.
    pub fn add(&self, session: Session, opened: u64, superseded: CancellationToken) -> HeldSession {
        let mut holders = self.0.lock();
        match holders.get(&session) {
            Some(other) if other.opened > opened => superseded.cancel(),
            _ => {
                let before = holders.insert(session.clone(), Holder { opened, superseded });
                before.into_iter().for_each(|before| before.superseded.cancel());
            }
        }
        drop(holders);
        HeldSession { holders: self.clone(), session, opened }
    }

    /// Cancels the connection of a session that an entry at position `opened` opened for another one.
    pub fn opened(&self, session: Session, opened: u64) {
        let mut holders = self.0.lock();
        if holders.get(&session).is_some_and(|holder| holder.opened < opened)
            && let Some(holder) = holders.remove(&session)
        {
            holder.superseded.cancel();
        }
    }
}

impl Drop for HeldSession {
    fn drop(&mut self) {
        let mut holders = self.holders.0.lock();
        // It may be another connection's by now.
        if holders.get(&self.session).is_some_and(|holder| holder.opened == self.opened) {
            holders.remove(&self.session);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_opening_keeps_its_connection() {
        let (holders, session) = (Holders::default(), (TenantId(uuid::Uuid::nil()), 1, Box::from("tab")));
        let add = |opened| {
            let token = CancellationToken::new();
            (holders.add(session.clone(), opened, token.clone()), token)
        };
        let (first, first_token) = add(5);
        holders.opened(session.clone(), 5);
        assert!(!first_token.is_cancelled(), "its own opening");
        let (second, second_token) = add(7);
        assert!(first_token.is_cancelled() && !second_token.is_cancelled());
        drop(first);
        let (_late, late_token) = add(6);
        assert!(late_token.is_cancelled() && !second_token.is_cancelled());
        holders.opened(session.clone(), 9);
        assert!(second_token.is_cancelled());
        let (third, third_token) = add(9);
        drop(second);
        holders.opened((session.0, 2, session.2.clone()), 10);
        assert!(!third_token.is_cancelled(), "another user's session");
        drop(third);
        assert!(holders.0.lock().is_empty());
    }
}
