//! Registry of this process's desk connections: limits them per user, and cancels one that a newer one supersedes.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::domain::TenantId;

/// Most connections of one user at a time.
pub const MAX_PER_USER: usize = 16;

type User = (TenantId, i64);
type Sessions = HashMap<Box<str>, CancellationToken>;

/// The desk connections of this process. Clones share one registry.
#[derive(Clone, Debug, Default)]
pub struct Connections(Arc<Mutex<HashMap<User, Sessions>>>);

/// A registered connection; dropping it removes it from the registry.
#[derive(Debug)]
pub struct DeskConnection {
    connections: Connections,
    user: User,
    session: Box<str>,
    superseded: CancellationToken,
}

impl Connections {
    /// Registers a connection of the session, and supersedes the session's previous one. `None` if the user has
    /// [`MAX_PER_USER`] other sessions connected.
    pub fn take(&self, user: User, session: &str) -> Option<DeskConnection> {
        let mut connections = self.0.lock();
        let of_user = connections.entry(user).or_default();
        if of_user.len() >= MAX_PER_USER && !of_user.contains_key(session) {
            return None;
        }
        let superseded = CancellationToken::new();
        if let Some(other) = of_user.insert(session.into(), superseded.clone()) {
            other.cancel();
        }
        Some(DeskConnection { connections: self.clone(), user, session: session.into(), superseded })
    }
}

impl DeskConnection {
    /// Returns the token that is cancelled when another connection takes over the session.
    pub fn superseded(&self) -> &CancellationToken {
        &self.superseded
    }
}

impl Drop for DeskConnection {
    fn drop(&mut self) {
        // A superseded connection is no longer registered: the entry is its successor's, which cancelled the token.
        let mut connections = self.connections.0.lock();
        if self.superseded.is_cancelled() {
            return;
        }
        if let Some(of_user) = connections.get_mut(&self.user) {
            of_user.remove(&self.session);
            if of_user.is_empty() {
                connections.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_bounded_by_session_and_user() {
        let (connections, user) = (Connections::default(), (TenantId(uuid::Uuid::nil()), 1));
        let first = connections.take(user, "0").unwrap();
        let second = connections.take(user, "0").unwrap();
        assert!(first.superseded().is_cancelled() && !second.superseded().is_cancelled());
        drop(first);
        let others: Vec<_> = (1..MAX_PER_USER).map(|n| connections.take(user, &n.to_string()).unwrap()).collect();
        assert!(connections.take(user, "one more").is_none());
        assert!(connections.take((user.0, 2), "one more").is_some(), "another user");
        assert!(connections.take(user, "0").is_some(), "a session that is connected already");
        drop((second, others));
        assert!(connections.0.lock().is_empty());
    }
}
