//! Conversations, recounted from everything that was said of each (docs/reference/events.md, "Conversations").
//!
//! What happened counts at its time, however late it is heard. Where the documents leave room:
//!
//! * "A push implies a start when unknown": a conversation exists from its first start or push on. What its newest start
//!   says of channel and project holds ("the newest time wins"); without a start, what its first push implied.
//! * Closed is what was closed after its last start or push, since when it exists again; a second close closes nothing
//!   that is still open, so that the first counts.
//! * "The latest routing event at or before the push" goes by time alone: one at the push's own time is not after it.
//! * What nobody started or pushed is no conversation that anybody could ask for. It is remembered, since its start may
//!   still come, but as what ended is: for a day after the newest word.
//! * A closed conversation is remembered for a day after the newest word about it. From then on it is final.
//! * An event is what its source and id say it is: the same one again, after the window for repeats, happened once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use rollcall::domain::conversation::Medium;
use rollcall::domain::directory::Kind;
use rollcall::domain::{Body, Channel, ConversationId, EntityRef, Entry, EventId, Quota, Time, UserRef};
use uuid::Uuid;

use super::{Flaw, Reference, Said, Verdict};

/// One accepted word about a conversation.
#[derive(Clone, Debug)]
struct Spoken {
    time: Time,
    seq: u64,
    id: EventId,
    /// The user it is about, by integer id.
    user: Option<i64>,
    body: Body,
}

/// All that is told of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub created: Time,
    pub channel: Medium,
    pub project: Option<EntityRef>,
    /// When and why.
    pub closed: Option<(Time, Option<String>)>,
    pub contacts: Vec<Contact>,
    /// Whom it was ever pushed to.
    pub users: BTreeSet<i64>,
    /// The routing groups that it was given to.
    pub groups: Vec<EntityRef>,
    /// Everything that happened, in order.
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
    /// When and how.
    pub end: Option<(Time, &'static str)>,
}

/// Everything that was said of conversations.
#[derive(Debug, Default)]
pub struct Conversations {
    flaw: Option<Flaw>,
    spoken: HashMap<Uuid, Vec<Spoken>>,
    /// Since when nobody spoke of what is not open, by recorded time.
    pub quiet_since: HashMap<Uuid, Time>,
    /// Those that nothing is added to any more.
    is_final: HashSet<Uuid>,
}

impl Spoken {
    fn is_start(&self) -> bool {
        matches!(self.body, Body::ConversationStarted { .. })
    }

    fn is_push(&self) -> bool {
        matches!(self.body, Body::ConversationPushed { .. })
    }

    fn is_close(&self) -> bool {
        matches!(self.body, Body::ConversationClosed { .. })
    }

    /// How it ends the contact that goes on, if it does.
    fn ending(&self) -> Option<&'static str> {
        match self.body {
            Body::ConversationPushed { .. } | Body::ConversationTransferred { .. } => Some("transferred"),
            Body::ConversationSnoozed { .. } => Some("snoozed"),
            Body::ConversationRemoved { .. } => Some("removed"),
            Body::ConversationClosed { .. } => Some("closed"),
            _ => None,
        }
    }

    fn group(&self) -> Option<EntityRef> {
        match self.body {
            Body::ConversationRouted { routing_group, .. } => routing_group,
            _ => None,
        }
    }

    fn text(&self) -> String {
        let user = self.user;
        match &self.body {
            Body::ConversationStarted { project, channel, .. } => format!("started on {project:?} by {channel:?}"),
            Body::ConversationRouted { routing_rule, routing_group, .. } => {
                format!("routed by {routing_rule:?} to {routing_group:?}")
            }
            Body::ConversationPushed { channel, project, .. } => {
                format!("pushed to {user:?} on {project:?} by {channel:?}")
            }
            Body::ConversationMessage { author, text, .. } => format!("{author} ({user:?}) said {text:?}"),
            Body::ConversationTransferred { to_group, to_rule, .. } => {
                format!("transferred by {to_rule:?} to {to_group:?}")
            }
            Body::ConversationSnoozed { until, .. } => format!("snoozed until {until:?}"),
            Body::ConversationRemoved { .. } => String::from("removed"),
            Body::ConversationClosed { reason, .. } => format!("closed for {reason:?}"),
            other => panic!("no word about a conversation: {other:?}"),
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

    /// Hears a word; false when nobody needs it any more.
    fn hear(&mut self, entry: &Entry, id: Uuid, user: Option<i64>) -> bool {
        let event = &entry.event;
        let is_repeat = self.spoken.get(&id).is_some_and(|spoken| spoken.iter().any(|word| word.id == event.id));
        if is_repeat && !self.has(Flaw::RepeatsHappenAgain) {
            return false;
        }
        let word =
            Spoken { time: event.fact.time, seq: entry.seq, id: event.id.clone(), user, body: event.fact.body.clone() };
        self.spoken.entry(id).or_default().push(word);
        let told = self.told(id);
        if told.is_some_and(|told| told.closed.is_none()) {
            self.quiet_since.remove(&id);
        } else if !(self.has(Flaw::AmendingDoesNotDelay) && self.quiet_since.contains_key(&id)) {
            self.quiet_since.insert(id, entry.recorded);
        }
        true
    }

    /// Forgets a conversation: a closed one is final, of another nothing is left. Returns the time of its newest word.
    pub fn forget(&mut self, id: Uuid) -> Option<Time> {
        self.quiet_since.remove(&id);
        let newest = self.spoken.get(&id)?.iter().map(|word| word.time).max();
        if self.told(id).is_some() {
            self.is_final.insert(id);
        } else if !self.has(Flaw::NeverStartedIsKept) {
            self.spoken.remove(&id);
        }
        newest
    }

    /// Those that are neither forgotten nor final.
    fn known(&self) -> impl Iterator<Item = &Uuid> {
        self.spoken.keys().filter(|id| !self.is_final.contains(*id) || self.has(Flaw::FinalIsAmended))
    }

    fn in_order(&self, id: Uuid) -> Vec<&Spoken> {
        let mut words: Vec<_> = self.spoken.get(&id).into_iter().flatten().collect();
        match self.flaw {
            Some(Flaw::TimesAreIgnored) => words.sort_by_key(|word| word.seq),
            Some(Flaw::FirstOfEqualsWins) => words.sort_by_key(|word| (word.time, std::cmp::Reverse(word.seq))),
            _ => words.sort_by_key(|word| (word.time, word.seq)),
        }
        words
    }

    /// What is told of a conversation that was started or pushed.
    fn told(&self, id: Uuid) -> Option<Told> {
        let words = self.in_order(id);
        let first = words.iter().find(|word| word.is_start() || word.is_push())?;
        let first_heard = words.iter().filter(|word| word.is_start() || word.is_push()).min_by_key(|word| word.seq)?;
        let pushes = (0..words.len()).filter(|at| words[*at].is_push());
        let (channel, project) = self.place(&words)?;
        Some(Told {
            created: if self.has(Flaw::FirstHeardIsCreation) { first_heard.time } else { first.time },
            channel,
            project,
            closed: self.closed(&words),
            contacts: pushes.filter_map(|at| self.contact(&words, at)).collect(),
            users: words
                .iter()
                .filter(|word| word.is_push())
                .filter_map(|word| word.user)
                .filter(|id| *id != 0)
                .collect(),
            groups: words.iter().filter_map(|word| word.group()).collect(),
            happened: words.iter().map(|word| (word.time, word.text())).collect(),
        })
    }

    /// Where it takes place, and on whose site.
    fn place(&self, words: &[&Spoken]) -> Option<(Medium, Option<EntityRef>)> {
        let newest_start = words.iter().rev().find_map(|word| match &word.body {
            Body::ConversationStarted { project, channel, .. } => Some((*channel, Some(*project))),
            _ => None,
        });
        let said = words.iter().filter_map(|word| match &word.body {
            Body::ConversationPushed { project, channel, .. } => Some((*channel, *project)),
            Body::ConversationStarted { project, channel, .. } => Some((*channel, Some(*project))),
            _ => None,
        });
        let said: Vec<_> = said.collect();
        let implied = (said.first()?.0, said.iter().find_map(|(_, project)| *project));
        Some(newest_start.filter(|_| !self.has(Flaw::StartsKnowNoBetter)).unwrap_or(implied))
    }

    fn closed(&self, words: &[&Spoken]) -> Option<(Time, Option<String>)> {
        let opens = |word: &&Spoken| {
            word.is_start() && !self.has(Flaw::StartDoesNotReopen)
                || word.is_push() && !self.has(Flaw::PushDoesNotReopen)
        };
        let first = words.iter().position(|word| word.is_start() || word.is_push())?;
        let opened = words.iter().rposition(opens).unwrap_or(first).max(first);
        let mut closes = words[opened..].iter().filter(|word| word.is_close());
        let close = if self.has(Flaw::SecondCloseCounts) { closes.next_back() } else { closes.next() }?;
        let Body::ConversationClosed { reason, .. } = &close.body else { return None };
        Some((close.time, reason.as_deref().map(String::from)))
    }

    /// The contact that the push at that place began.
    fn contact(&self, words: &[&Spoken], at: usize) -> Option<Contact> {
        let push = words[at];
        let Body::ConversationPushed { channel, .. } = push.body else { return None };
        let end = words[at + 1..].iter().find_map(|word| {
            let is_none = self.has(Flaw::ContactsEndOnlyAtClose) && !word.is_close()
                || self.has(Flaw::PushesEndNoContact) && word.is_push();
            Some((word.time, word.ending().filter(|_| !is_none)?))
        });
        let counts = |word: &&&Spoken| {
            let covers = !self.has(Flaw::RoutingCoversOnePush)
                || !words[..at].iter().any(|other| other.is_push() && other.time >= word.time);
            let is_heard = !self.has(Flaw::RoutingMustBeHeardFirst) || word.time < push.time || word.seq < push.seq;
            (word.time <= push.time || self.has(Flaw::RoutingAfterThePushCounts)) && covers && is_heard
        };
        let routings = words.iter().rev().filter(counts).find_map(|word| match word.body {
            Body::ConversationRouted { routing_rule, routing_group, .. } => Some((routing_rule, routing_group)),
            _ => None,
        });
        Some(Contact { user: push.user?, channel, routing: routings.unwrap_or_default(), start: push.time, end })
    }
}

impl Reference {
    /// Everything that is told of conversations, the final ones among them.
    pub fn conversations(&self) -> BTreeMap<Uuid, Told> {
        let ids = self.conversations.spoken.keys();
        ids.filter_map(|id| Some((*id, self.conversations.told(*id)?))).collect()
    }

    /// The project and the routing groups, as far as the directory knows them by now.
    pub fn known_places(&self, told: &Told) -> (Option<i64>, BTreeSet<Uuid>) {
        let project = told.project.and_then(|project| self.directory.entity(Kind::Project, project));
        let groups = told.groups.iter().filter_map(|group| self.directory.entity(Kind::RoutingGroup, *group));
        (project.map(|project| project.id), groups.map(|group| group.guid).collect())
    }

    /// Every conversation of which anything is remembered, started or not.
    pub fn remembered(&self) -> BTreeSet<Uuid> {
        self.conversations.spoken.keys().copied().collect()
    }

    /// Takes an event of a conversation; the slot follows. What it says is part of the conversation however late it
    /// comes, until the conversation is final.
    pub(super) fn converse(&mut self, entry: &Entry) -> Verdict {
        let body = &entry.event.fact.body;
        let Some(id) = body.conversation() else { return Verdict::Rejected };
        let subject: Option<&UserRef> = match body {
            Body::ConversationPushed { user, .. } => Some(user),
            Body::ConversationMessage { user, .. } => user.as_ref(),
            _ => None,
        };
        let is_push = matches!(body, Body::ConversationPushed { .. });
        let whose = subject.map(|user| self.directory.find(user));
        if whose == Some(None) && !is_push {
            return Verdict::Rejected;
        }
        let slot = ConversationId::new(&id.to_string()).expect("an id");
        if !self.conversations.known().any(|known| *known == id) {
            if self.conversations.is_final.contains(&id) || self.is_late(&entry.event) {
                return if whose == Some(None) { Verdict::Rejected } else { Verdict::Stale };
            }
            let known = self.conversations.known().count();
            if !self.has_room(Quota::Conversations, known, known + 1) {
                return Verdict::Rejected;
            }
        }
        let words = self.words.len();
        if whose == Some(None) {
            return self.push_to_unknown(entry, id, &slot);
        }
        let whose = whose.flatten();
        let took = match (body, whose) {
            (Body::ConversationPushed { channel, .. }, Some(whose)) if self.slot_follows(entry, &slot) => {
                if !self.say_of_slots(entry, whose, Said::Taken(whose, slot_of(*channel), slot.clone())) {
                    return Verdict::Rejected;
                }
                Some(whose)
            }
            _ => None,
        };
        let user = whose.map(|whose| self.directory.accounts[whose].id);
        if !self.conversations.hear(entry, id, user) {
            self.words.truncate(words);
            return Verdict::Stale;
        }
        if let Some(whose) = took {
            self.take(whose, &slot);
        }
        let ends = matches!(
            body,
            Body::ConversationTransferred { .. }
                | Body::ConversationSnoozed { .. }
                | Body::ConversationRemoved { .. }
                | Body::ConversationClosed { .. }
        );
        if ends && self.slot_follows(entry, &slot) {
            self.say(entry, entry.event.fact.time, Said::Released(None, slot));
        }
        Verdict::Applied
    }

    fn slot_follows(&self, entry: &Entry, slot: &ConversationId) -> bool {
        !self.is_late_for_slot(&entry.event, slot) && !self.has(Flaw::SlotsDoNotFollow)
    }

    /// A push to a user whom nobody knows is a contact if it ends another's claim, and is named as the event names it.
    fn push_to_unknown(&mut self, entry: &Entry, id: Uuid, slot: &ConversationId) -> Verdict {
        let Body::ConversationPushed { user, .. } = &entry.event.fact.body else { return Verdict::Rejected };
        let words = self.words.len();
        let verdict = self.hear_unknown_take(entry, slot);
        if verdict != Verdict::HolderReleased {
            return Verdict::Rejected;
        }
        let given = match user {
            UserRef::Entity(EntityRef::Id(given)) => *given,
            _ => 0,
        };
        if !self.conversations.hear(entry, id, Some(given)) {
            self.words.truncate(words);
            return Verdict::Stale;
        }
        verdict
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
