//! Contacts between a visitor and users, derived from the history (docs/reference/iadvize-graphql.md, "Contacts").

use uuid::Uuid;

use super::{Conversation, HistoryEvent, Medium, NamedUser};
use crate::domain::{EntityRef, Time};

/// The event that ended a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The conversation was closed.
    Closed,
    /// It was transferred, or pushed again, which implies a transfer.
    Transferred,
    /// It was snoozed, to resume later.
    Snoozed,
    /// It was removed without a stated reason.
    Removed,
}

/// An exchange between a visitor and one user, from a push to the next push, transfer, snooze, removal or close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Id of the push that began it.
    pub id: Uuid,
    /// The user; the id is 0 if the push named one that has no integer id.
    pub user: NamedUser,
    /// Medium on which it took place.
    pub medium: Medium,
    /// Rule of the newest routing at or before the push.
    pub rule: Option<EntityRef>,
    /// Routing group of that routing.
    pub group: Option<EntityRef>,
    /// Time of the push.
    pub start: Time,
    /// Time and kind of its end; `None` while it lasts.
    pub end: Option<(Time, Ending)>,
}

impl Conversation {
    /// Derives the contacts, in the order in which they began.
    pub fn contacts(&self) -> Vec<Contact> {
        let mut contacts: Vec<Contact> = Vec::new();
        // The routings up to the newest push. They are read once for all pushes: a history can have a thousand of them.
        let (mut routings, mut newest) = (self.history().iter().peekable(), (None, None));
        for entry in self.history() {
            let ending = match entry.event {
                // A push during a contact, without a transfer event, moves the conversation to the next user.
                HistoryEvent::Pushed { .. } | HistoryEvent::Transferred { .. } => Ending::Transferred,
                HistoryEvent::Snoozed { .. } => Ending::Snoozed,
                HistoryEvent::Removed {} => Ending::Removed,
                HistoryEvent::Closed { .. } => Ending::Closed,
                HistoryEvent::Started { .. } | HistoryEvent::Routed { .. } | HistoryEvent::Message { .. } => continue,
            };
            if let Some(contact) = contacts.last_mut().filter(|contact| contact.end.is_none()) {
                contact.end = Some((entry.time, ending));
            }
            if let HistoryEvent::Pushed { user, medium, .. } = entry.event {
                // A routing at exactly the push's time counts even if it was journalled after the push.
                while let Some(earlier) = routings.next_if(|earlier| earlier.time <= entry.time) {
                    if let HistoryEvent::Routed { rule, group } = earlier.event {
                        newest = (rule, group);
                    }
                }
                let (rule, group) = newest;
                let user = NamedUser { id: user, at: entry.seq };
                contacts.push(Contact { id: entry.id, user, medium, rule, group, start: entry.time, end: None });
            }
        }
        contacts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::conversation::HistoryEntry;

    fn with_history(events: impl IntoIterator<Item = (i64, HistoryEvent)>) -> Conversation {
        let entry = |(seq, (second, event))| {
            let time = Time::from_micros(second * 1_000_000);
            HistoryEntry { time, seq, id: Uuid::from_u128(seq.into()), event }
        };
        Conversation::with(Uuid::nil(), (1..).zip(events).map(entry).collect())
    }

    fn pushed(user: i64) -> HistoryEvent {
        HistoryEvent::Pushed { user, given: None, medium: Medium::Chat, project: None, untaken: false }
    }

    fn routed(group: i64) -> HistoryEvent {
        HistoryEvent::Routed { rule: None, group: Some(EntityRef::Id(group)) }
    }

    /// A contact in short: user, group, start in seconds, and end in seconds with its kind.
    type Plain = (i64, Option<i64>, i64, Option<(i64, Ending)>);

    fn contacts(conversation: &Conversation) -> Vec<Plain> {
        let seconds = |time: Time| time.micros() / 1_000_000;
        let group = |group: Option<EntityRef>| match group {
            Some(EntityRef::Id(id)) => Some(id),
            _ => None,
        };
        let plain =
            |c: Contact| (c.user.id, group(c.group), seconds(c.start), c.end.map(|(at, how)| (seconds(at), how)));
        conversation.contacts().into_iter().map(plain).collect()
    }

    #[test]
    fn a_push_after_a_snooze_keeps_the_routing() {
        let conversation = with_history([
            (0, routed(1)),
            (1, pushed(5)),
            (5, HistoryEvent::Snoozed { until: None }),
            (305, pushed(5)),
            (600, HistoryEvent::Closed { reason: None }),
        ]);
        let expected = [(5, Some(1), 1, Some((5, Ending::Snoozed))), (5, Some(1), 305, Some((600, Ending::Closed)))];
        assert_eq!(contacts(&conversation), expected);
    }

    #[test]
    fn a_push_during_a_contact_is_a_transfer() {
        let conversation =
            with_history([(1, pushed(5)), (2, routed(2)), (3, pushed(6)), (4, HistoryEvent::Removed {})]);
        let expected = [(5, None, 1, Some((3, Ending::Transferred))), (6, Some(2), 3, Some((4, Ending::Removed)))];
        assert_eq!(contacts(&conversation), expected);
    }

    #[test]
    fn an_ended_contact_does_not_end_again() {
        let transfer = HistoryEvent::Transferred { group: None, rule: None };
        let closed = HistoryEvent::Closed { reason: None };
        let conversation = with_history([(1, pushed(5)), (2, transfer), (3, closed), (4, pushed(6)), (4, routed(3))]);
        let expected = [(5, None, 1, Some((2, Ending::Transferred))), (6, Some(3), 4, None)];
        assert_eq!(contacts(&conversation), expected, "a routing at the push's own time counts");
    }
}
