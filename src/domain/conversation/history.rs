//! What happened in one conversation, in the order of time, and the life that follows from it.

use std::collections::HashSet;

use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use super::Medium;
use crate::domain::{EntityRef, Time, UserRef};

/// Things of one sort, messages or others, that one conversation may hold: it is kept in memory, and answered as a whole.
const MOMENTS_MAX: usize = 1_000;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// When.
    pub time: Time,
    /// Its position in the journal: of two things at the same time, the one journalled later came later.
    pub seq: u64,
    /// Its own id, made from that of its event.
    pub id: Uuid,
    /// What.
    pub what: What,
}

/// What may happen in a conversation (EVENTS.md, "Types"). Users are named by integer id; projects, rules and groups as
/// the event named them, since the directory may learn of them later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It exists.
    Started {
        /// On whose site.
        project: EntityRef,
        /// Where it takes place.
        medium: Medium,
    },
    /// It was given to a rule or a group to find somebody.
    Routed {
        /// The rule.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<EntityRef>,
        /// The routing group.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<EntityRef>,
    },
    /// A contact with a user begins.
    Pushed {
        /// Who; 0 if the directory did not know the user, and the event named none by integer id.
        user: i64,
        /// The user as the event named one whom the directory did not know.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        given: Option<UserRef>,
        /// Where it takes place.
        medium: Medium,
        /// On whose site.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project: Option<EntityRef>,
    },
    /// Somebody wrote or said something.
    Message {
        /// Which user, if one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<i64>,
        /// Who, in the source's words.
        author: Box<str>,
        /// What, for tenants that keep it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<Box<str>>,
    },
    /// The contact ends: somebody else is to go on.
    Transferred {
        /// The routing group to find them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<EntityRef>,
        /// The rule to find them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<EntityRef>,
    },
    /// The contact ends: it is to go on later.
    Snoozed {
        /// When.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Time>,
    },
    /// The contact ends for a reason that nobody told.
    Removed {},
    /// The contact and the conversation end.
    Closed {
        /// Why, in the source's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Box<str>>,
    },
}

/// How a conversation ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Closing {
    /// When.
    pub time: Time,
    /// Why, in the source's words.
    pub reason: Option<Box<str>>,
}

/// What is known of a conversation as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Life {
    /// When it was started or first pushed, whichever came first.
    pub created: Time,
    /// Where it takes place: as its newest start says, else as its first push does.
    pub medium: Medium,
    /// On whose site: as its newest start says, else as the first push that names one does.
    pub project: Option<EntityRef>,
    /// How it ended, unless it was started or pushed after that.
    pub closing: Option<Closing>,
}

/// A conversation that has had more than can be kept of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// One conversation: everything that happened in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversation {
    id: Uuid,
    moments: Vec<Moment>,
    /// Follows from the moments; kept because every list asks for it.
    life: Option<Life>,
}

impl Conversation {
    /// A conversation of which nothing is known yet.
    pub fn new(id: Uuid) -> Self {
        Conversation { id, moments: Vec::new(), life: None }
    }

    /// One of which this is known, in any order.
    pub fn with(id: Uuid, mut moments: Vec<Moment>) -> Self {
        moments.sort_by_key(|moment| (moment.time, moment.seq));
        let life = life(&moments);
        Conversation { id, moments, life }
    }

    /// Its id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Puts something that happened in its place. False when it is there already; refused when there is too much.
    pub fn add(&mut self, moment: Moment) -> Result<bool, Full> {
        if self.moments.iter().any(|known| known.id == moment.id) {
            return Ok(false);
        }
        let place = self.moments.partition_point(|known| (known.time, known.seq) < (moment.time, moment.seq));
        let is_message = |what: &What| matches!(what, What::Message { .. });
        let sort = is_message(&moment.what);
        // One that could not be closed would stay open, and hold its slot, for good.
        let opens = |known: &Moment| matches!(known.what, What::Started { .. } | What::Pushed { .. });
        let closes = matches!(moment.what, What::Closed { .. })
            && self.life.as_ref().is_some_and(|life| life.closing.is_none())
            && !self.moments[place..].iter().any(opens);
        if self.moments.len() >= MOMENTS_MAX
            && !closes
            && self.moments.iter().filter(|known| is_message(&known.what) == sort).count() >= MOMENTS_MAX
        {
            return Err(Full);
        }
        self.moments.insert(place, moment);
        self.life = life(&self.moments);
        Ok(true)
    }

    /// Everything that happened, in order.
    pub fn moments(&self) -> &[Moment] {
        &self.moments
    }

    /// What is known of it as a whole; nothing until it was started or pushed.
    pub fn life(&self) -> Option<&Life> {
        self.life.as_ref()
    }

    /// Whether it was started or pushed, and closed after that.
    pub fn closing(&self) -> Option<&Closing> {
        self.life()?.closing.as_ref()
    }

    /// Whether it was ever closed, be it open again or not.
    pub fn was_closed(&self) -> bool {
        self.moments.iter().any(|moment| matches!(moment.what, What::Closed { .. }))
    }

    /// The newest position that it tells of.
    pub fn position(&self) -> u64 {
        self.moments.iter().map(|moment| moment.seq).max().unwrap_or_default()
    }

    /// Bytes that it takes to tell, roughly: what pages are measured by.
    pub fn weight(&self) -> usize {
        let told = |moment: &Moment| match &moment.what {
            What::Message { text: Some(text), .. } => 150 + text.len(),
            _ => 150,
        };
        100 + self.moments.iter().map(told).sum::<usize>()
    }

    /// The users it was pushed to, each once, in the order of their first contacts.
    pub fn users(&self) -> Vec<i64> {
        let (mut users, mut seen) = (Vec::new(), HashSet::new());
        for moment in &self.moments {
            if let What::Pushed { user, .. } = moment.what
                && user != 0
                && seen.insert(user)
            {
                users.push(user);
            }
        }
        users
    }
}

/// Its stored form, but for the id, which its row is found by. What follows from the moments is there for people.
#[derive(Serialize)]
struct Stored<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<Medium>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed: Option<Time>,
    moments: &'a [Moment],
}

impl Serialize for Conversation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let life = self.life();
        let stored = Stored {
            channel: life.map(|life| life.medium),
            created: life.map(|life| life.created),
            closed: self.closing().map(|closing| closing.time),
            moments: &self.moments,
        };
        stored.serialize(serializer)
    }
}

/// Plays the moments: a start or a push opens the conversation, the first close after that closes it.
fn life(moments: &[Moment]) -> Option<Life> {
    let mut life: Option<Life> = None;
    let mut is_started = false;
    for Moment { time, what, .. } in moments {
        match what {
            What::Started { project, medium } => {
                let life = open(&mut life, *time, *medium);
                (life.medium, life.project, is_started) = (*medium, Some(*project), true);
            }
            What::Pushed { medium, project, .. } => {
                let life = open(&mut life, *time, *medium);
                if !is_started && life.project.is_none() {
                    life.project = *project;
                }
            }
            What::Closed { reason } => {
                if let Some(life) = life.as_mut().filter(|life| life.closing.is_none()) {
                    life.closing = Some(Closing { time: *time, reason: reason.clone() });
                }
            }
            _ => {}
        }
    }
    life
}

fn open(life: &mut Option<Life>, created: Time, medium: Medium) -> &mut Life {
    let life = life.get_or_insert(Life { created, medium, project: None, closing: None });
    life.closing = None;
    life
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(seconds: i64, seq: u64, what: What) -> Moment {
        Moment { time: Time::from_micros(seconds * 1_000_000), seq, id: Uuid::from_u128(seq.into()), what }
    }

    fn pushed(user: i64) -> What {
        What::Pushed { user, given: None, medium: Medium::Chat, project: None }
    }

    fn closed() -> What {
        What::Closed { reason: None }
    }

    fn told(moments: impl IntoIterator<Item = Moment>) -> Conversation {
        let mut conversation = Conversation::new(Uuid::nil());
        for moment in moments {
            assert_eq!(conversation.add(moment), Ok(true));
        }
        conversation
    }

    fn closed_at(conversation: &Conversation) -> Option<i64> {
        conversation.closing().map(|closing| closing.time.micros() / 1_000_000)
    }

    #[test]
    fn a_close_alone_is_no_conversation() {
        let conversation = told([moment(5, 1, closed())]);
        assert_eq!(conversation.life(), None);
        assert!(conversation.was_closed());
    }

    #[test]
    fn a_close_counts_wherever_it_comes_from() {
        let conversation = told([moment(10, 1, closed()), moment(5, 2, pushed(1)), moment(12, 3, closed())]);
        assert_eq!(closed_at(&conversation), Some(10), "the first after the last push");
        let conversation = told([moment(5, 1, pushed(1)), moment(10, 2, closed()), moment(11, 3, pushed(2))]);
        assert_eq!(closed_at(&conversation), None, "it goes on");
        assert_eq!(conversation.users(), [1, 2]);
    }

    #[test]
    fn of_equal_times_the_one_journalled_later_is_later() {
        let conversation = told([moment(5, 1, closed()), moment(5, 2, pushed(1))]);
        assert_eq!(closed_at(&conversation), None);
        let conversation = told([moment(5, 1, pushed(1)), moment(5, 2, closed())]);
        assert_eq!(closed_at(&conversation), Some(5));
    }

    #[test]
    fn a_start_knows_better_than_a_push() {
        let project = EntityRef::Id(7);
        let push = What::Pushed { user: 1, given: None, medium: Medium::Chat, project: Some(EntityRef::Id(8)) };
        let conversation = told([
            moment(5, 1, push),
            moment(6, 2, What::Started { project, medium: Medium::Sms }),
            moment(7, 3, pushed(1)),
        ]);
        let life = conversation.life().unwrap();
        assert_eq!((life.medium, life.project), (Medium::Sms, Some(project)));
        assert_eq!(life.created.micros(), 5_000_000);
    }

    #[test]
    fn what_is_there_is_not_put_in_twice_and_there_is_an_end() {
        let mut conversation = told([moment(5, 1, pushed(1))]);
        assert_eq!(conversation.add(moment(9, 1, closed())), Ok(false));
        let message = |seq| moment(6, seq, What::Message { user: None, author: "visitor".into(), text: None });
        for seq in 2..1_002 {
            assert_eq!(conversation.add(message(seq)), Ok(true));
        }
        assert_eq!(conversation.add(message(5_000)), Err(Full));
        assert_eq!(conversation.add(moment(7, 5_000, closed())), Ok(true), "messages do not keep it open");
        assert_eq!(conversation.position(), 5_000);
    }

    #[test]
    fn one_that_is_full_is_closed_all_the_same_and_once() {
        let mut conversation = told((1..1_001).map(|seq| moment(5, seq, pushed(1))));
        assert_eq!(conversation.add(moment(6, 2_000, What::Removed {})), Err(Full));
        assert_eq!(conversation.add(moment(4, 2_000, closed())), Err(Full), "this would not close it");
        assert_eq!(conversation.add(moment(6, 2_000, closed())), Ok(true));
        assert_eq!(closed_at(&conversation), Some(6));
        assert_eq!(conversation.add(moment(7, 2_001, closed())), Err(Full));
        assert_eq!(conversation.add(moment(7, 2_001, pushed(1))), Err(Full));
    }

    #[test]
    fn it_reads_what_it_writes() {
        let whats = [
            What::Started { project: EntityRef::Id(7), medium: Medium::Chat },
            What::Routed { rule: None, group: Some(EntityRef::Guid(Uuid::nil())) },
            pushed(3),
            What::Snoozed { until: None },
            What::Removed {},
            closed(),
        ];
        let moments: Vec<_> = (1..).zip(whats).map(|(n, what)| moment(n, n as u64, what)).collect();
        let json = serde_json::to_string(&moments).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Moment>>(&json).unwrap(), moments);
        assert!(json.contains(r#""what":{"pushed":{"user":3,"medium":"CHAT"}}"#), "{json}");
    }
}
