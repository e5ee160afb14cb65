//! Heartbeats that share a request with other events: renewed at once, judged at their place among the others.

use std::collections::HashMap;

use super::caller::Receipt;
use crate::domain::event::Rejection;
use crate::domain::{Body, Event, Outcome, UserRef};
use crate::live::View;

/// A session, by its user's integer id.
type SessionKey = (i64, Box<str>);

/// One event of the request, as far as it matters to heartbeats.
enum Place {
    /// A heartbeat of this user and session, and what its renewal came to.
    Heartbeat(UserRef, Box<str>, Outcome),
    /// An event that opens or closes a session if it is applied.
    Session(UserRef, Box<str>, bool),
    /// Any other event.
    Other,
}

/// The events of a request, in order.
pub(super) struct Places(Vec<Place>);

impl Places {
    /// Renews the heartbeats among the events with `renew` and notes the order of all.
    pub fn new(events: &[Event], renew: impl Fn(&Event) -> Outcome) -> Self {
        let place = |event: &Event| match &event.fact.body {
            Body::DeskHeartbeat { user, session, .. } => Place::Heartbeat(user.clone(), session.clone(), renew(event)),
            Body::DeskConnected { user, session, .. } => Place::Session(user.clone(), session.clone(), true),
            Body::DeskDisconnected { user, session, .. } => Place::Session(user.clone(), session.clone(), false),
            _ => Place::Other,
        };
        Places(events.iter().map(place).collect())
    }

    /// Puts the heartbeats' outcomes to their places among those of the journalled events. A heartbeat after an event of
    /// the same request that opened or closed its session is judged by that event; `view` is newer than the request.
    pub fn merge(self, journalled: Receipt, view: &View) -> Receipt {
        let mut merged = Receipt { position: journalled.position, ..Receipt::default() };
        let mut rest = journalled.outcomes.into_iter().zip(journalled.positions).zip(journalled.firsts);
        let key = |user: &UserRef, session: Box<str>| -> Option<SessionKey> {
            Some((view.directory().profile_of(user)?.id, session))
        };
        let mut open: HashMap<SessionKey, bool> = HashMap::new();
        for place in self.0 {
            let (outcome, position, first) = match place {
                Place::Heartbeat(user, session, renewed) => {
                    let outcome = match key(&user, session).and_then(|key| open.get(&key)) {
                        Some(true) => Outcome::Applied,
                        Some(false) => Outcome::Rejected(Rejection::UnknownSession),
                        None => renewed,
                    };
                    (outcome, None, None)
                }
                other => {
                    let Some(((outcome, position), first)) = rest.next() else { continue };
                    if let Place::Session(user, session, opens) = other
                        && outcome == Outcome::Applied
                        && let Some(key) = key(&user, session)
                    {
                        open.insert(key, opens);
                    }
                    (outcome, position, first)
                }
            };
            merged.outcomes.push(outcome);
            merged.positions.push(position);
            merged.firsts.push(first);
        }
        merged
    }
}
