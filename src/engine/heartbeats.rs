//! Heartbeats in requests with other events: leases are renewed at once, outcomes follow the order of the request.

use std::collections::HashMap;

use super::request::Receipt;
use crate::domain::event::Rejection;
use crate::domain::{Event, EventBody, Outcome, UserRef};
use crate::live::View;

/// A session's key: its user's integer id and its name.
type SessionKey = (i64, Box<str>);

/// The part of one event that decides the outcomes of heartbeats.
enum EventRole {
    /// A heartbeat of this user and session, and the outcome of its renewal.
    Heartbeat(UserRef, Box<str>, Outcome),
    /// An event that, if applied, opens (true) or closes (false) a session.
    Session(UserRef, Box<str>, bool),
    /// Any other event.
    Other,
}

/// The events of a request, in order.
pub(super) struct EventRoles(Vec<EventRole>);

impl EventRoles {
    /// Calls `renew` for every heartbeat and records the order of all events.
    pub fn new(events: &[Event], renew: impl Fn(&Event) -> Outcome) -> Self {
        let role = |event: &Event| match &event.fact.body {
            EventBody::DeskHeartbeat { user, session, .. } => {
                EventRole::Heartbeat(user.clone(), session.clone(), renew(event))
            }
            EventBody::DeskConnected { user, session, .. } => EventRole::Session(user.clone(), session.clone(), true),
            EventBody::DeskDisconnected { user, session, .. } => {
                EventRole::Session(user.clone(), session.clone(), false)
            }
            _ => EventRole::Other,
        };
        EventRoles(events.iter().map(role).collect())
    }

    /// Returns true if a heartbeat was rejected.
    pub fn has_rejected(&self) -> bool {
        self.0.iter().any(|role| matches!(role, EventRole::Heartbeat(_, _, Outcome::Rejected(_))))
    }

    /// Merges the heartbeats' outcomes into the receipt of the journalled events, in the order of the request. A
    /// heartbeat after an event of the same request that opened or closed its session takes its outcome from that
    /// event, since the lease was renewed before the event was applied. `view` is newer than the request.
    pub fn merge(self, journalled: Receipt, view: &View) -> Receipt {
        let mut merged = Receipt { position: journalled.position, ..Receipt::default() };
        let mut rest = journalled.outcomes.into_iter().zip(journalled.positions).zip(journalled.first_outcomes);
        // By integer id: the events of a request may refer to one user in different forms.
        let key = |user: &UserRef, session: Box<str>| -> Option<SessionKey> {
            Some((view.directory().profile_of(user)?.id, session))
        };
        let mut open: HashMap<SessionKey, bool> = HashMap::new();
        for role in self.0 {
            let (outcome, position, first) = match role {
                EventRole::Heartbeat(user, session, renewed) => {
                    let outcome = match key(&user, session).and_then(|key| open.get(&key)) {
                        Some(true) => Outcome::Applied,
                        Some(false) => Outcome::Rejected(Rejection::UnknownSession),
                        None => renewed,
                    };
                    (outcome, None, None)
                }
                other => {
                    // Never missing: the receipt has one result for each journalled event.
                    let Some(((outcome, position), first)) = rest.next() else { continue };
                    // Any other outcome left the session as it was when the lease was renewed.
                    if let EventRole::Session(user, session, opens) = other
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
            merged.first_outcomes.push(first);
        }
        merged
    }
}
