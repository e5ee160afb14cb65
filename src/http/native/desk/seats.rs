//! Which desks are connected here: how many of a user, and which connection a session's newest one took over from.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::domain::TenantId;

/// Desks of one user at a time.
pub const A_USER: usize = 16;

type User = (TenantId, i64);
type Sessions = HashMap<Box<str>, CancellationToken>;

/// The desks that are connected to this process. A clone shares them.
#[derive(Clone, Debug, Default)]
pub struct Seats(Arc<Mutex<HashMap<User, Sessions>>>);

/// A connected desk's; given back when dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Seats,
    user: User,
    session: Box<str>,
    ousted: CancellationToken,
}

impl Seats {
    /// A seat for the session. Whoever had it hears that they were ousted. `None` when the user has too many.
    pub fn take(&self, user: User, session: &str) -> Option<Seat> {
        let mut seats = self.0.lock();
        let of_user = seats.entry(user).or_default();
        if of_user.len() >= A_USER && !of_user.contains_key(session) {
            return None;
        }
        let ousted = CancellationToken::new();
        if let Some(other) = of_user.insert(session.into(), ousted.clone()) {
            other.cancel();
        }
        Some(Seat { seats: self.clone(), user, session: session.into(), ousted })
    }
}

impl Seat {
    /// Cancelled when another connection has taken the session over.
    pub fn ousted(&self) -> &CancellationToken {
        &self.ousted
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // Whoever was ousted has no seat to give back: only their successor cancels the token.
        let mut seats = self.seats.0.lock();
        if self.ousted.is_cancelled() {
            return;
        }
        if let Some(of_user) = seats.get_mut(&self.user) {
            of_user.remove(&self.session);
            if of_user.is_empty() {
                seats.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_one_seat_and_a_user_so_many() {
        let (seats, user) = (Seats::default(), (TenantId(uuid::Uuid::nil()), 1));
        let first = seats.take(user, "0").unwrap();
        let second = seats.take(user, "0").unwrap();
        assert!(first.ousted().is_cancelled() && !second.ousted().is_cancelled());
        drop(first);
        let others: Vec<_> = (1..A_USER).map(|n| seats.take(user, &n.to_string()).unwrap()).collect();
        assert!(seats.take(user, "one more").is_none());
        assert!(seats.take((user.0, 2), "one more").is_some(), "somebody else");
        assert!(seats.take(user, "0").is_some(), "one that is there already");
        drop((second, others));
        assert!(seats.0.lock().is_empty());
    }
}
