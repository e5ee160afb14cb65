//! A view's conversations in the reference's types, and their comparison with the reference.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use proptest::prelude::*;
use rollcall::domain::conversation::{Ending, HistoryEntry, HistoryEvent, Key};
use rollcall::domain::{Conversation, EntityRef, Time};
use rollcall::live::{Listed, View};
use uuid::Uuid;

use super::compare::Compared;
use super::reference::{Contact, Reference, Summary};

/// The bounds of a whole list.
const ALL: (Bound<Key>, Bound<Key>) = (Bound::Unbounded, Bound::Unbounded);

/// Returns the summary of a conversation; `None` unless it was started or pushed.
pub fn summary(conversation: &Conversation) -> Option<Summary> {
    let summary = conversation.summary()?;
    let contact = |contact: rollcall::domain::conversation::Contact| Contact {
        user: contact.user.id,
        channel: contact.medium,
        routing: (contact.rule, contact.group),
        start: contact.start,
        end: contact.end.map(|(time, ending)| (time, name(ending))),
    };
    let closing = summary.closing.as_ref();
    Some(Summary {
        created: summary.created,
        channel: summary.medium,
        project: summary.project,
        closed: closing.map(|closing| (closing.time, closing.reason.as_deref().map(String::from))),
        contacts: conversation.contacts().into_iter().map(contact).collect(),
        users: conversation.users().into_iter().collect(),
        groups: conversation.history().iter().filter_map(group).collect(),
        happened: conversation.history().iter().map(|entry| (entry.time, text(entry))).collect(),
    })
}

fn name(ending: Ending) -> &'static str {
    match ending {
        Ending::Closed => "closed",
        Ending::Transferred => "transferred",
        Ending::Snoozed => "snoozed",
        Ending::Removed => "removed",
    }
}

fn group(entry: &HistoryEntry) -> Option<EntityRef> {
    match entry.event {
        HistoryEvent::Routed { group, .. } => group,
        _ => None,
    }
}

fn text(entry: &HistoryEntry) -> String {
    match &entry.event {
        HistoryEvent::Started { project, medium } => format!("started on {project:?} by {medium:?}"),
        HistoryEvent::Routed { rule, group } => format!("routed by {rule:?} to {group:?}"),
        HistoryEvent::Pushed { user, medium, project, .. } => {
            format!("pushed to {:?} on {project:?} by {medium:?}", Some(user))
        }
        HistoryEvent::Message { user, author, text } => format!("{author} ({user:?}) said {text:?}"),
        HistoryEvent::Transferred { group, rule } => format!("transferred by {rule:?} to {group:?}"),
        HistoryEvent::Snoozed { until } => format!("snoozed until {until:?}"),
        HistoryEvent::Removed {} => String::from("removed"),
        HistoryEvent::Closed { reason } => format!("closed for {reason:?}"),
    }
}

/// Returns the conversations of a view's two lists.
pub fn listed(view: &View) -> BTreeMap<Uuid, Summary> {
    let (open, closed) = (view.conversations().open(ALL.0, ALL.1), view.conversations().closed(ALL.0, ALL.1));
    open.chain(closed).filter_map(|(key, conversation)| Some((key.id, summary(conversation)?))).collect()
}

/// Checks that a view's conversations equal the reference's, in both lists and by id.
pub fn agree_on_conversations(view: &View, reference: &Reference) -> Compared {
    let known = view.conversations();
    let all = reference.conversations();
    let remembered: BTreeSet<Uuid> = reference.remembered();
    for id in &remembered {
        let conversation = known.get(*id);
        prop_assert!(conversation.is_some(), "conversation {} is forgotten", id);
        prop_assert_eq!(conversation.and_then(|known| summary(known)), all.get(id).cloned(), "conversation {}", id);
        let history = conversation.map_or(&[][..], |known| known.history());
        let ids: BTreeSet<_> = history.iter().map(|entry| entry.id).collect();
        prop_assert_eq!(ids.len(), history.len(), "two entries have the same id: {:?}", history);
    }
    for (id, summary) in &all {
        let Some(conversation) = known.get(*id) else { continue };
        let listed = Listed::of(conversation, view.directory());
        let (project, groups) = reference.known_places(summary);
        prop_assert_eq!(listed.project, project, "project of {}", id);
        prop_assert_eq!(listed.routing_groups, groups.into_iter().collect::<Vec<_>>(), "routing groups of {}", id);
    }
    let beside: Vec<_> = known.iter().filter(|(id, _)| !remembered.contains(id)).collect();
    prop_assert!(beside.is_empty(), "not in the reference: {:?}", beside);
    let open = known.open(ALL.0, ALL.1).map(|(key, _)| key.id).collect::<Vec<_>>();
    let closed = known.closed(ALL.0, ALL.1).map(|(key, _)| key.id).collect::<Vec<_>>();
    prop_assert_eq!(open, in_order(&all, |summary| summary.closed.is_none().then_some(summary.created)), "open ones");
    prop_assert_eq!(closed, in_order(&all, |summary| summary.closed.as_ref().map(|(time, _)| *time)), "closed ones");
    Ok(())
}

/// Returns the conversations that have the time, ordered by its milliseconds, then by id.
fn in_order(all: &BTreeMap<Uuid, Summary>, time: impl Fn(&Summary) -> Option<Time>) -> Vec<Uuid> {
    let mut places: Vec<_> =
        all.iter().filter_map(|(id, summary)| Some((time(summary)?.micros() / 1_000, *id))).collect();
    places.sort_unstable();
    places.into_iter().map(|(_, id)| id).collect()
}

/// Returns the ids of each conversation's history entries and contacts, which must not change.
fn ids(view: &View) -> BTreeMap<Uuid, [Vec<Uuid>; 2]> {
    let (open, closed) = (view.conversations().open(ALL.0, ALL.1), view.conversations().closed(ALL.0, ALL.1));
    let of = |conversation: &Conversation| {
        let contacts = conversation.contacts().into_iter().map(|contact| contact.id);
        [conversation.history().iter().map(|entry| entry.id).collect(), contacts.collect()]
    };
    open.chain(closed).map(|(key, conversation)| (key.id, of(conversation))).collect()
}

/// Checks that two views have the same conversations, whatever their positions.
pub fn same_conversations(one: &View, other: &View) -> Compared {
    prop_assert_eq!(listed(one), listed(other));
    prop_assert_eq!(ids(one), ids(other));
    Ok(())
}
