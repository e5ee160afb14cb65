//! Conversations, recounted from all statements about each (docs/reference/events.md, "Conversations").
//!
//! An event counts at its own time, however late it arrives. Where the documents leave room:
//!
//! * "A push implies a start when unknown": a conversation exists from its first start or push on. The newest start
//!   determines channel and project ("the newest time wins"); without a start, the first push does.
//! * A conversation is closed if it was closed after its last start or push. Of several closes the first counts.
//! * "The latest routing event at or before the push" goes by time alone: one at the push's own time is not after it.
//! * A conversation without a start or push is not returned to readers. It is remembered for a day after its newest
//!   statement, since the start may still arrive.
//! * A closed conversation is remembered for a day after its newest statement. From then on it is final.
//! * An event is identified by source and id: one that is repeated after its id was forgotten happens once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use rollcall::domain::conversation::Medium;
use rollcall::domain::directory::Kind;
use rollcall::domain::{Channel, ConversationId, EntityRef, Entry, EventBody, EventId, Quota, Time, UserRef};
use uuid::Uuid;

use super::{AccountIx, Effect, Flaw, Reference, Verdict};

/// One accepted event of a conversation.
#[derive(Clone, Debug)]
struct ConversationStatement {
    time: Time,
    seq: u64,
    id: EventId,
    /// The event's user, by integer id.
    user: Option<i64>,
    /// The user whose slot it took.
    taker: Option<AccountIx>,
    body: EventBody,
}

/// Everything that readers see of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    pub created: Time,
    pub channel: Medium,
    pub project: Option<EntityRef>,
    /// The time and reason of the close.
    pub closed: Option<(Time, Option<String>)>,
    pub contacts: Vec<Contact>,
    /// The users that it was ever pushed to.
    pub users: BTreeSet<i64>,
    /// The routing groups that it was routed to.
    pub groups: Vec<EntityRef>,
    /// All events, in order.
    pub happened: Vec<(Time, String)>,
}

/// An exchange with one user.
#[derive(Clone, Debug, PartialEq)]
pub struct Contact {
    pub user: i64,
    pub channel: Medium,
    /// The routing rule and the routing group.
    pub routing: (Option<EntityRef>, Option<EntityRef>),
    pub start: Time,
    /// The time and kind of the end.
    pub end: Option<(Time, &'static str)>,
}

/// All statements about conversations.
#[derive(Debug, Default)]
pub struct Conversations {
    flaw: Option<Flaw>,
    statements: HashMap<Uuid, Vec<ConversationStatement>>,
    /// The recorded time of the newest statement about each conversation that is not open.
    pub idle_since: HashMap<Uuid, Time>,
    /// Conversations that no statement is added to any more.
    is_final: HashSet<Uuid>,
}

impl ConversationStatement {
    fn is_start(&self) -> bool {
        matches!(self.body, EventBody::ConversationStarted { .. })
    }

    fn is_push(&self) -> bool {
        matches!(self.body, EventBody::ConversationPushed { .. })
    }

    fn is_close(&self) -> bool {
        matches!(self.body, EventBody::ConversationClosed { .. })
    }

    /// Returns the kind of end that the event gives the current contact, if any.
    fn ending(&self) -> Option<&'static str> {
        match self.body {
            EventBody::ConversationPushed { .. } | EventBody::ConversationTransferred { .. } => Some("transferred"),
            EventBody::ConversationSnoozed { .. } => Some("snoozed"),
            EventBody::ConversationRemoved { .. } => Some("removed"),
            EventBody::ConversationClosed { .. } => Some("closed"),
            _ => None,
        }
    }

    fn group(&self) -> Option<EntityRef> {
        match self.body {
            EventBody::ConversationRouted { routing_group, .. } => routing_group,
            _ => None,
        }
    }

    fn text(&self) -> String {
        let user = self.user;
        match &self.body {
            EventBody::ConversationStarted { project, channel, .. } => format!("started on {project:?} by {channel:?}"),
            EventBody::ConversationRouted { routing_rule, routing_group, .. } => {
                format!("routed by {routing_rule:?} to {routing_group:?}")
            }
            EventBody::ConversationPushed { channel, project, .. } => {
                format!("pushed to {user:?} on {project:?} by {channel:?}")
            }
            EventBody::ConversationMessage { author, text, .. } => format!("{author} ({user:?}) said {text:?}"),
            EventBody::ConversationTransferred { to_group, to_rule, .. } => {
                format!("transferred by {to_rule:?} to {to_group:?}")
            }
            EventBody::ConversationSnoozed { until, .. } => format!("snoozed until {until:?}"),
            EventBody::ConversationRemoved { .. } => String::from("removed"),
            EventBody::ConversationClosed { reason, .. } => format!("closed for {reason:?}"),
            other => panic!("no statement about a conversation: {other:?}"),
        }
    }
}

impl Conversations {
    pub fn with_flaw(flaw: Option<Flaw>) -> Self {
        Conversations { flaw, ..Conversations::default() }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// Adds an event; returns false if it is a repeat.
    fn add(&mut self, entry: &Entry, id: Uuid, user: Option<i64>, taker: Option<AccountIx>) -> bool {
        let event = &entry.event;
        let is_repeat = self
            .statements
            .get(&id)
            .is_some_and(|statements| statements.iter().any(|statement| statement.id == event.id));
        if is_repeat && !self.has(Flaw::RepeatsHappenAgain) {
            return false;
        }
        let statement = ConversationStatement {
            time: event.fact.time,
            seq: entry.seq,
            id: event.id.clone(),
            user,
            taker,
            body: event.fact.body.clone(),
        };
        self.statements.entry(id).or_default().push(statement);
        let summary = self.summary(id);
        if summary.is_some_and(|summary| summary.closed.is_none()) {
            self.idle_since.remove(&id);
        } else if !(self.has(Flaw::AmendingDoesNotDelay) && self.idle_since.contains_key(&id)) {
            self.idle_since.insert(id, entry.recorded);
        }
        true
    }

    /// Forgets a conversation: a closed one becomes final, another is removed. Returns the time of its newest
    /// statement.
    pub fn forget(&mut self, id: Uuid) -> Option<Time> {
        self.idle_since.remove(&id);
        let newest = self.statements.get(&id)?.iter().map(|statement| statement.time).max();
        if self.summary(id).is_some() {
            self.is_final.insert(id);
        } else if !self.has(Flaw::NeverStartedIsKept) {
            self.statements.remove(&id);
        }
        newest
    }

    /// Returns the conversations that are neither forgotten nor final.
    fn known(&self) -> impl Iterator<Item = &Uuid> {
        self.statements.keys().filter(|id| !self.is_final.contains(*id) || self.has(Flaw::FinalConversationsAreAmended))
    }

    /// Returns true if a push of a known conversation before a position took the slot for the user.
    pub fn was_taken(&self, slot: &ConversationId, taker: AccountIx, before: u64) -> bool {
        let is_it = |id: &&Uuid| ConversationId::new(&id.to_string()).as_ref() == Some(slot);
        let pushes = |id: &Uuid| self.statements[id].iter().any(|push| push.taker == Some(taker) && push.seq < before);
        self.known().find(is_it).is_some_and(pushes)
    }

    fn in_order(&self, id: Uuid) -> Vec<&ConversationStatement> {
        let mut statements: Vec<_> = self.statements.get(&id).into_iter().flatten().collect();
        match self.flaw {
            Some(Flaw::TimesAreIgnored) => statements.sort_by_key(|statement| statement.seq),
            Some(Flaw::FirstOfEqualsWins) => {
                statements.sort_by_key(|statement| (statement.time, std::cmp::Reverse(statement.seq)))
            }
            _ => statements.sort_by_key(|statement| (statement.time, statement.seq)),
        }
        statements
    }

    /// Returns the summary of a conversation that was started or pushed.
    fn summary(&self, id: Uuid) -> Option<Summary> {
        let statements = self.in_order(id);
        let first = statements.iter().find(|statement| statement.is_start() || statement.is_push())?;
        let first_journalled = statements
            .iter()
            .filter(|statement| statement.is_start() || statement.is_push())
            .min_by_key(|statement| statement.seq)?;
        let pushes = (0..statements.len()).filter(|at| statements[*at].is_push());
        let (channel, project) = self.place(&statements)?;
        Some(Summary {
            created: if self.has(Flaw::FirstJournalledIsCreation) { first_journalled.time } else { first.time },
            channel,
            project,
            closed: self.closed(&statements),
            contacts: pushes.filter_map(|at| self.contact(&statements, at)).collect(),
            users: statements
                .iter()
                .filter(|statement| statement.is_push())
                .filter_map(|statement| statement.user)
                .filter(|id| *id != 0)
                .collect(),
            groups: statements.iter().filter_map(|statement| statement.group()).collect(),
            happened: statements.iter().map(|statement| (statement.time, statement.text())).collect(),
        })
    }

    /// Returns the channel and the project.
    fn place(&self, statements: &[&ConversationStatement]) -> Option<(Medium, Option<EntityRef>)> {
        let newest_start = statements.iter().rev().find_map(|statement| match &statement.body {
            EventBody::ConversationStarted { project, channel, .. } => Some((*channel, Some(*project))),
            _ => None,
        });
        let given = statements.iter().filter_map(|statement| match &statement.body {
            EventBody::ConversationPushed { project, channel, .. } => Some((*channel, *project)),
            EventBody::ConversationStarted { project, channel, .. } => Some((*channel, Some(*project))),
            _ => None,
        });
        let given: Vec<_> = given.collect();
        let implied = (given.first()?.0, given.iter().find_map(|(_, project)| *project));
        Some(newest_start.filter(|_| !self.has(Flaw::StartsDoNotOverridePushes)).unwrap_or(implied))
    }

    fn closed(&self, statements: &[&ConversationStatement]) -> Option<(Time, Option<String>)> {
        let opens = |statement: &&ConversationStatement| {
            statement.is_start() && !self.has(Flaw::StartDoesNotReopen)
                || statement.is_push() && !self.has(Flaw::PushDoesNotReopen)
        };
        let first = statements.iter().position(|statement| statement.is_start() || statement.is_push())?;
        let opened = statements.iter().rposition(opens).unwrap_or(first).max(first);
        let mut closes = statements[opened..].iter().filter(|statement| statement.is_close());
        let close = if self.has(Flaw::SecondCloseCounts) { closes.next_back() } else { closes.next() }?;
        let EventBody::ConversationClosed { reason, .. } = &close.body else { return None };
        Some((close.time, reason.as_deref().map(String::from)))
    }

    /// Returns the contact that the push at an index begins.
    fn contact(&self, statements: &[&ConversationStatement], at: usize) -> Option<Contact> {
        let push = statements[at];
        let EventBody::ConversationPushed { channel, .. } = push.body else { return None };
        let end = statements[at + 1..].iter().find_map(|statement| {
            let is_none = self.has(Flaw::ContactsEndOnlyAtClose) && !statement.is_close()
                || self.has(Flaw::PushesEndNoContact) && statement.is_push();
            Some((statement.time, statement.ending().filter(|_| !is_none)?))
        });
        let counts = |statement: &&&ConversationStatement| {
            let covers = !self.has(Flaw::RoutingCoversOnePush)
                || !statements[..at].iter().any(|other| other.is_push() && other.time >= statement.time);
            let is_in_time =
                !self.has(Flaw::RoutingMustBeJournalledFirst) || statement.time < push.time || statement.seq < push.seq;
            (statement.time <= push.time || self.has(Flaw::RoutingAfterThePushCounts)) && covers && is_in_time
        };
        let routings = statements.iter().rev().filter(counts).find_map(|statement| match statement.body {
            EventBody::ConversationRouted { routing_rule, routing_group, .. } => Some((routing_rule, routing_group)),
            _ => None,
        });
        Some(Contact { user: push.user?, channel, routing: routings.unwrap_or_default(), start: push.time, end })
    }
}

impl Reference {
    /// Returns the summaries of all conversations, including final ones.
    pub fn conversations(&self) -> BTreeMap<Uuid, Summary> {
        let ids = self.conversations.statements.keys();
        ids.filter_map(|id| Some((*id, self.conversations.summary(*id)?))).collect()
    }

    /// Returns the project and the routing groups, as far as they are in the directory.
    pub fn known_places(&self, summary: &Summary) -> (Option<i64>, BTreeSet<Uuid>) {
        let project = summary.project.and_then(|project| self.directory.entity(Kind::Project, project));
        let groups = summary.groups.iter().filter_map(|group| self.directory.entity(Kind::RoutingGroup, *group));
        (project.map(|project| project.id), groups.map(|group| group.guid).collect())
    }

    /// Returns every conversation with statements, started or not.
    pub fn remembered(&self) -> BTreeSet<Uuid> {
        self.conversations.statements.keys().copied().collect()
    }

    /// Applies an event of a conversation, and its effect on the slot. However late, the event belongs to the
    /// conversation until that is final.
    pub(super) fn record_conversation(&mut self, entry: &Entry) -> Verdict {
        let body = &entry.event.fact.body;
        let Some(id) = body.conversation() else { return Verdict::Rejected };
        let subject: Option<&UserRef> = match body {
            EventBody::ConversationPushed { user, .. } => Some(user),
            EventBody::ConversationMessage { user, .. } => user.as_ref(),
            _ => None,
        };
        let is_push = matches!(body, EventBody::ConversationPushed { .. });
        let ix = subject.map(|user| self.directory.find(user));
        if ix == Some(None) && !is_push {
            return Verdict::Rejected;
        }
        let slot = ConversationId::new(&id.to_string()).expect("an id");
        let is_known = self.conversations.known().any(|known| *known == id);
        let is_over = !is_known && (self.conversations.is_final.contains(&id) || self.is_late(&entry.event));
        let ends = matches!(
            body,
            EventBody::ConversationTransferred { .. }
                | EventBody::ConversationSnoozed { .. }
                | EventBody::ConversationRemoved { .. }
                | EventBody::ConversationClosed { .. }
        );
        if is_over && !ends {
            return if ix == Some(None) { Verdict::Rejected } else { Verdict::Stale };
        }
        let before = self.holders().get(&slot).copied();
        let statements = self.statements.len();
        let (mut took, mut refused) = (None, false);
        if let EventBody::ConversationPushed { channel, .. } = body {
            took = ix.flatten();
            if let Some(ix) = took {
                let effect = Effect::Taken(ix, slot_of(*channel), slot.clone());
                refused = self.slot_follows(entry, &slot) && !self.add_slot_statement(entry, ix, effect);
            } else {
                refused = true;
            }
            if refused && self.record_refused_take(entry, &slot) != Verdict::HolderReleased {
                return Verdict::Rejected;
            }
            took = took.filter(|_| !refused && self.statements.len() > statements);
        }
        let known = self.conversations.known().count();
        let has_room = is_known || is_over || self.has_room(Quota::Conversations, known, known + 1);
        let given = match subject {
            Some(UserRef::Entity(EntityRef::Id(given))) => *given,
            _ => 0,
        };
        let user = ix.map(|ix| ix.map_or(given, |ix| self.directory.accounts[ix].id));
        if has_room && !is_over && !self.conversations.add(entry, id, user, took) {
            self.statements.truncate(statements);
            return Verdict::Stale;
        }
        if let Some(ix) = took {
            self.count_take(entry, ix, &slot);
        }
        // The slot follows an event that the history has no room for.
        if ends && self.slot_follows(entry, &slot) && (has_room || !self.has(Flaw::FullHistoriesKeepSlots)) {
            self.add_statement(entry, entry.event.fact.time, Effect::Released(None, slot.clone()));
        }
        let after = self.holders().get(&slot).copied();
        let changed =
            before != after || took.is_some() && after.is_some() && self.newest_take(&slot) == Some(entry.seq);
        match (has_room, is_over) {
            (false, _) if changed => Verdict::SlotOnly,
            (false, _) => Verdict::Rejected,
            (true, true) if changed => Verdict::Applied,
            (true, true) => Verdict::Stale,
            (true, false) if refused => Verdict::HolderReleased,
            (true, false) => Verdict::Applied,
        }
    }

    fn slot_follows(&self, entry: &Entry, slot: &ConversationId) -> bool {
        !self.is_late_for_slot(&entry.event, slot) && !self.has(Flaw::SlotsDoNotFollow)
    }

    /// Returns the position of the newest take of a conversation.
    fn newest_take(&self, slot: &ConversationId) -> Option<u64> {
        let takes = self.statements.iter().filter(|statement| match &statement.effect {
            Effect::Taken(_, _, taken) | Effect::TakenByOther(taken) => taken == slot,
            Effect::Synced(_, _, named) => named.contains(slot),
            _ => false,
        });
        takes.map(|take| (take.time, take.seq)).max().map(|(_, seq)| seq)
    }
}

/// "CHAT, CALL, VIDEO map to themselves, the rest to third_party."
fn slot_of(channel: Medium) -> Channel {
    match channel {
        Medium::Chat => Channel::Chat,
        Medium::Call => Channel::Call,
        Medium::Video => Channel::Video,
        _ => Channel::ThirdParty,
    }
}
