//! Contacts: what a visitor had with each user, rebuilt from what happened (CONTRACTS.md 2.9, "Contact reconstruction").

use uuid::Uuid;

use super::{Conversation, Medium, Moment, What};
use crate::domain::{EntityRef, Time};

/// How a contact ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With the conversation.
    Closed,
    /// Somebody else went on, or was to.
    Transferred,
    /// It was to go on later.
    Snoozed,
    /// Nobody told why.
    Removed,
}

/// An exchange between a visitor and one user, from a push to the next push, transfer, snooze, removal or close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The id of the push that began it.
    pub id: Uuid,
    /// With whom, by integer id.
    pub user: i64,
    /// Where.
    pub medium: Medium,
    /// The rule of the newest routing at or before the push.
    pub rule: Option<EntityRef>,
    /// The routing group of that routing.
    pub group: Option<EntityRef>,
    /// When it began.
    pub start: Time,
    /// When and how it ended, unless it goes on.
    pub end: Option<(Time, Ending)>,
}

impl Conversation {
    /// Its contacts, in the order in which they began.
    pub fn contacts(&self) -> Vec<Contact> {
        let mut contacts: Vec<Contact> = Vec::new();
        for moment in self.moments() {
            let ending = match moment.what {
                // A push that no other word came before: the conversation went from one user to the next.
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
        // At the push's own time the routing counts, whichever of the two was journalled first.
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

    fn told(whats: impl IntoIterator<Item = (i64, What)>) -> Conversation {
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

    /// User, group, start and end in seconds, and how it ended.
    type Plain = (i64, Option<i64>, i64, Option<(i64, Ending)>);

    fn contacts(conversation: &Conversation) -> Vec<Plain> {
        let seconds = |time: Time| time.micros() / 1_000_000;
        let group = |group: Option<EntityRef>| match group {
            Some(EntityRef::Id(id)) => Some(id),
            _ => None,
        };
        let told = |c: Contact| (c.user, group(c.group), seconds(c.start), c.end.map(|(end, how)| (seconds(end), how)));
        conversation.contacts().into_iter().map(told).collect()
    }

    #[test]
    fn one_routing_covers_what_returns_from_a_snooze() {
        let conversation = told([
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
    fn a_push_to_the_next_is_a_transfer() {
        let conversation = told([(1, pushed(5)), (2, routed(2)), (3, pushed(6)), (4, What::Removed {})]);
        let expected = [(5, None, 1, Some((3, Ending::Transferred))), (6, Some(2), 3, Some((4, Ending::Removed)))];
        assert_eq!(contacts(&conversation), expected);
    }

    #[test]
    fn what_ended_does_not_end_twice() {
        let transfer = What::Transferred { group: None, rule: None };
        let conversation =
            told([(1, pushed(5)), (2, transfer), (3, What::Closed { reason: None }), (4, pushed(6)), (4, routed(3))]);
        let expected = [(5, None, 1, Some((2, Ending::Transferred))), (6, Some(3), 4, None)];
        assert_eq!(contacts(&conversation), expected, "a routing at the push's own time counts");
    }
}
