//! Registry of this process's desk connections: limits them per user, and ends one that a newer one supersedes here (the
//! engine does so where it is at another server), and those of a deleted tenant.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::domain::TenantId;

/// Most connections of one user at a time.
pub const MAX_PER_USER: usize = 16;

type User = (TenantId, i64);
type Sessions = HashMap<Box<str>, Arc<Ending>>;

/// The desk connections of this process. Clones share one registry.
#[derive(Clone, Debug, Default)]
pub struct Connections(Arc<Mutex<HashMap<User, Sessions>>>);

/// The end of a connection that is no longer registered.
#[derive(Debug, Default)]
struct Ending {
    token: CancellationToken,
    /// True if the connection's tenant was deleted; set before the token is cancelled.
    is_of_deleted: AtomicBool,
}

/// A registered connection; dropping it removes it from the registry.
#[derive(Debug)]
pub struct DeskConnection {
    connections: Connections,
    user: User,
    session: Box<str>,
    ending: Arc<Ending>,
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
        let ending = Arc::<Ending>::default();
        if let Some(other) = of_user.insert(session.into(), ending.clone()) {
            other.token.cancel();
        }
        Some(DeskConnection { connections: self.clone(), user, session: session.into(), ending })
    }

    /// Ends every connection of a tenant that was deleted.
    pub fn close_all(&self, tenant: TenantId) {
        let removed: Vec<_> = self.0.lock().extract_if(|(of, _), _| *of == tenant).collect();
        for ending in removed.into_iter().flat_map(|(_, sessions)| sessions.into_values()) {
            ending.is_of_deleted.store(true, Ordering::Release);
            ending.token.cancel();
        }
    }
}

impl DeskConnection {
    /// Returns the token that is cancelled when another connection takes over the session, or the tenant is deleted.
    pub fn superseded(&self) -> &CancellationToken {
        &self.ending.token
    }

    /// Returns true if the tenant was deleted.
    pub fn is_of_deleted(&self) -> bool {
        self.ending.is_of_deleted.load(Ordering::Acquire)
    }
}

impl Drop for DeskConnection {
    fn drop(&mut self) {
        let mut connections = self.connections.0.lock();
        // A superseded connection is no longer registered: the entry is its successor's, unless that is at another server.
        if let Some(of_user) = connections.get_mut(&self.user)
            && of_user.get(&self.session).is_some_and(|ending| Arc::ptr_eq(ending, &self.ending))
        {
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

    #[test]
    fn connections_of_a_deleted_tenant_are_ended() {
        let connections = Connections::default();
        let [ours, theirs] = [1, 2].map(|n| TenantId(uuid::Uuid::from_u128(n)));
        let of_ours = [connections.take((ours, 1), "a").unwrap(), connections.take((ours, 2), "b").unwrap()];
        let of_theirs = connections.take((theirs, 1), "a").unwrap();
        connections.close_all(ours);
        assert!(of_ours.iter().all(|desk| desk.superseded().is_cancelled() && desk.is_of_deleted()));
        assert!(!of_theirs.superseded().is_cancelled() && !of_theirs.is_of_deleted());
        drop(of_ours);
        assert_eq!(connections.0.lock().len(), 1);
    }
}
