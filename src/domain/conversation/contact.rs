//! Contacts between a visitor and users, derived from the history (CONTRACTS.md 2.9, "Contact reconstruction").

use uuid::Uuid;

use super::{Conversation, Medium, Moment, What};
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
    /// The user, by integer id.
    pub user: i64,
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
        for moment in self.moments() {
            let ending = match moment.what {
                // A push during a contact, without a transfer event, moves the conversation to the next user.
                What::Pushed { .. } | What::Transferred { .. } => Ending::Transferred,
                What::Snoozed { .. } => Ending::Snoozed,
                What::Removed {} => Ending::Removed,
                What::Closed { .. } => Ending::Closed,
                What::Started { .. } | What::Routed { .. } | What::Message { .. } => continue,
            };
            if let Some(contact) = contacts.last_mut().filter(|contact| contact.end.is_none()) {
                contact.end = Some((moment.time, ending));
            }
            if let What::Pushed { user, medium, .. } = moment.what {
                contacts.push(self.begin(moment, user, medium));
            }
        }
        contacts
    }

    fn begin(&self, push: &Moment, user: i64, medium: Medium) -> Contact {
        // A routing at exactly the push's time counts even if it was journalled after the push.
        let before = self.moments().partition_point(|moment| moment.time <= push.time);
        let routing = self.moments()[..before].iter().rev().find_map(|moment| match moment.what {
            What::Routed { rule, group } => Some((rule, group)),
            _ => None,
        });
        let (rule, group) = routing.unwrap_or_default();
        Contact { id: push.id, user, medium, rule, group, start: push.time, end: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_history(whats: impl IntoIterator<Item = (i64, What)>) -> Conversation {
        let moment = |(seq, (second, what))| {
            let time = Time::from_micros(second * 1_000_000);
            Moment { time, seq, id: Uuid::from_u128(seq.into()), what }
        };
        Conversation::with(Uuid::nil(), (1..).zip(whats).map(moment).collect())
    }

    fn pushed(user: i64) -> What {
        What::Pushed { user, given: None, medium: Medium::Chat, project: None }
    }

    fn routed(group: i64) -> What {
        What::Routed { rule: None, group: Some(EntityRef::Id(group)) }
    }

    /// A contact in short: user, group, start in seconds, and end in seconds with its kind.
    type Plain = (i64, Option<i64>, i64, Option<(i64, Ending)>);

    fn contacts(conversation: &Conversation) -> Vec<Plain> {
        let seconds = |time: Time| time.micros() / 1_000_000;
        let group = |group: Option<EntityRef>| match group {
            Some(EntityRef::Id(id)) => Some(id),
            _ => None,
        };
        let plain = |c: Contact| (c.user, group(c.group), seconds(c.start), c.end.map(|(at, how)| (seconds(at), how)));
        conversation.contacts().into_iter().map(plain).collect()
    }

    #[test]
    fn a_push_after_a_snooze_keeps_the_routing() {
        let conversation = with_history([
            (0, routed(1)),
            (1, pushed(5)),
            (5, What::Snoozed { until: None }),
            (305, pushed(5)),
            (600, What::Closed { reason: None }),
        ]);
        let expected = [(5, Some(1), 1, Some((5, Ending::Snoozed))), (5, Some(1), 305, Some((600, Ending::Closed)))];
        assert_eq!(contacts(&conversation), expected);
    }

    #[test]
    fn a_push_during_a_contact_is_a_transfer() {
        let conversation = with_history([(1, pushed(5)), (2, routed(2)), (3, pushed(6)), (4, What::Removed {})]);
        let expected = [(5, None, 1, Some((3, Ending::Transferred))), (6, Some(2), 3, Some((4, Ending::Removed)))];
        assert_eq!(contacts(&conversation), expected);
    }

    #[test]
    fn an_ended_contact_does_not_end_again() {
        let transfer = What::Transferred { group: None, rule: None };
        let closed = What::Closed { reason: None };
        let conversation = with_history([(1, pushed(5)), (2, transfer), (3, closed), (4, pushed(6)), (4, routed(3))]);
        let expected = [(5, None, 1, Some((2, Ending::Transferred))), (6, Some(3), 4, None)];
        assert_eq!(contacts(&conversation), expected, "a routing at the push's own time counts");
    }
}
