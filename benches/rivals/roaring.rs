//! The `roaring` crate, with the same columns as the live view: one bitmap for each membership value, each state, and
//! each binary digit of the slots. The selection is computed first and then intersected with every other bitmap.
//!
//! There are two variants: the plain one, with OR inside a clause and AND across clauses; and one with the ANDs pulled
//! into the ORs by hand, which keeps every intermediate bitmap small. No general way to combine filters does the
//! latter.

use std::borrow::Cow;

use roaring::{MultiOps, RoaringBitmap};
use rollcall::domain::status::Liveness;
use rollcall::domain::{Category, Channel, PerChannel, Status};

use super::{Counts, Everything, Rival, Wanted, counts, everything};
use crate::population::SyntheticUser;

/// Binary digits of the largest number of slots here.
const DIGITS: u32 = 3;

/// All bitmaps of a tenant.
pub struct Bitmaps {
    groups: Vec<RoaringBitmap>,
    skills: Vec<RoaringBitmap>,
    projects: Vec<RoaringBitmap>,
    agent: RoaringBitmap,
    assigned: RoaringBitmap,
    connected: RoaringBitmap,
    away: RoaringBitmap,
    extended_away: RoaringBitmap,
    accepts_work: RoaringBitmap,
    room_for_a_call: RoaringBitmap,
    enabled: PerChannel<RoaringBitmap>,
    available: PerChannel<RoaringBitmap>,
    busy: PerChannel<RoaringBitmap>,
    chats: Vec<RoaringBitmap>,
    chats_allowed: Vec<RoaringBitmap>,
}

impl Bitmaps {
    /// Makes the bitmaps of these people.
    pub fn of(people: &[SyntheticUser]) -> Self {
        let those = |has: &dyn Fn(&SyntheticUser) -> bool| {
            let found = people.iter().enumerate().filter(|(_, person)| has(person));
            RoaringBitmap::from_sorted_iter(found.map(|(n, _)| n as u32)).expect("ascending")
        };
        let values = |of: fn(&SyntheticUser) -> &Vec<u32>| {
            let highest = people.iter().flat_map(of).max().copied().unwrap_or(0);
            (0..=highest).map(|value| those(&|person| of(person).contains(&value))).collect()
        };
        let on = |status| PerChannel::from_fn(|channel| those(&|p| p.facts.status(channel) == status));
        let open =
            |p: &SyntheticUser| Liveness::Live.channels().iter().any(|c| p.facts.status(*c) == Status::Available);
        let chat = |p: &SyntheticUser| p.facts.lanes[Channel::Chat];
        Bitmaps {
            groups: values(|person| &person.groups),
            skills: values(|person| &person.skills),
            projects: values(|person| &person.projects),
            agent: those(&|p| p.facts.is_agent()),
            assigned: those(&|p| !p.queues.is_empty()),
            connected: those(&|p| p.facts.connected),
            away: those(&|p| p.facts.presence == Category::Away),
            extended_away: those(&|p| p.facts.presence == Category::ExtendedAway),
            accepts_work: those(&|p| p.facts.accepts_work()),
            room_for_a_call: those(&|p| open(p) && p.facts.fits(Liveness::Live)),
            enabled: PerChannel::from_fn(|channel| those(&|p| p.facts.lanes[channel].enabled)),
            available: on(Status::Available),
            busy: on(Status::Busy),
            chats: (0..DIGITS).map(|digit| those(&|p| chat(p).current >> digit & 1 == 1)).collect(),
            chats_allowed: (0..DIGITS).map(|digit| those(&|p| chat(p).max >> digit & 1 == 1)).collect(),
        }
    }

    fn selection(&self, wanted: &Wanted) -> RoaringBitmap {
        let mut selection = any(&self.groups, &wanted.groups).into_owned();
        selection &= any(&self.skills, &wanted.skills).as_ref();
        selection &= any(&self.projects, &wanted.projects).as_ref();
        selection
    }

    fn selection_by_hand(&self, wanted: &Wanted) -> RoaringBitmap {
        let among = |selection: &RoaringBitmap, bitmaps: &[RoaringBitmap], values: &[u32]| {
            values.iter().map(|value| selection & &bitmaps[*value as usize]).reduce(|a, b| a | b).unwrap_or_default()
        };
        let on_projects = any(&self.projects, &wanted.projects);
        let in_groups = among(&on_projects, &self.groups, &wanted.groups);
        among(&in_groups, &self.skills, &wanted.skills)
    }

    fn count(&self, among: &Among) -> Counts {
        let mut numbers = counts();
        let (headcount, occupancy) = &mut numbers;
        let connected = among.keep(&self.connected);
        let enabled = connected.as_ref() & &self.enabled[Channel::Chat];
        headcount.connected = connected.len();
        headcount.available = among.len_of(&self.available[Channel::Chat]);
        headcount.busy = among.len_of(&self.busy[Channel::Chat]);
        headcount.toggle_off = enabled.len() - headcount.available - headcount.busy;

        let accepting = [&self.available[Channel::Chat], &self.busy[Channel::Chat]];
        let working = self.chats.iter().chain(accepting);
        let producing = match among.0 {
            None => working.union() & &enabled,
            // The selection is small, and so is each intersection with it, but the union is not.
            Some(_) => working.map(|bitmap| &enabled & bitmap).union(),
        };
        occupancy.people = producing.len();
        occupancy.current = sum(&producing, &self.chats);
        occupancy.max = sum(&producing, &self.chats_allowed);
        numbers
    }

    fn count_agents(&self, among: &Among) -> Everything {
        let mut numbers = everything();
        numbers.0 = self.count(among);
        let (readiness, (presence, capacity)) = &mut numbers.1;
        let agents = among.keep(&self.agent);
        let connected = agents.as_ref() & &self.connected;
        readiness.logged_in = connected.len();
        readiness.available = (&connected & &self.assigned).intersection_len(&self.available[Channel::Call]);

        presence.away = connected.intersection_len(&self.away);
        presence.extended_away = connected.intersection_len(&self.extended_away);
        presence.ready = connected.len() - presence.away - presence.extended_away;
        presence.logged_out = agents.len() - connected.len();

        let ready = connected & &self.accepts_work;
        let of = |bitmaps: &PerChannel<RoaringBitmap>, channel: Channel| &ready & &bitmaps[channel];
        let mut off = of(&self.enabled, Channel::Call) | of(&self.enabled, Channel::Video);
        for channel in Liveness::Live.channels() {
            off -= &self.available[*channel];
            off -= &self.busy[*channel];
        }
        capacity.available = ready.intersection_len(&self.room_for_a_call);
        capacity.incompatible_presence = agents.len() - ready.len() + off.len();
        capacity.insufficient_capacity = ready.len() - off.len() - capacity.available;
        numbers
    }
}

impl Rival for Bitmaps {
    type Question = Option<Wanted>;

    fn question(wanted: Option<&Wanted>) -> Option<Wanted> {
        wanted.cloned()
    }

    fn counts(&self, question: &Option<Wanted>) -> Counts {
        self.count(&Among(question.as_ref().map(|wanted| self.selection(wanted))))
    }

    fn everything(&self, question: &Option<Wanted>) -> Everything {
        self.count_agents(&Among(question.as_ref().map(|wanted| self.selection(wanted))))
    }
}

/// The same bitmaps, the filters combined by hand.
pub struct ByHand<'a>(pub &'a Bitmaps);

impl Rival for ByHand<'_> {
    type Question = Option<Wanted>;

    fn question(wanted: Option<&Wanted>) -> Option<Wanted> {
        wanted.cloned()
    }

    fn counts(&self, question: &Option<Wanted>) -> Counts {
        self.0.count(&Among(question.as_ref().map(|wanted| self.0.selection_by_hand(wanted))))
    }

    fn everything(&self, question: &Option<Wanted>) -> Everything {
        self.0.count_agents(&Among(question.as_ref().map(|wanted| self.0.selection_by_hand(wanted))))
    }
}

/// The selection; `None` for all people, so that nothing is intersected.
struct Among(Option<RoaringBitmap>);

impl Among {
    fn keep<'a>(&self, bitmap: &'a RoaringBitmap) -> Cow<'a, RoaringBitmap> {
        match &self.0 {
            None => Cow::Borrowed(bitmap),
            Some(selection) => Cow::Owned(selection & bitmap),
        }
    }

    fn len_of(&self, bitmap: &RoaringBitmap) -> u64 {
        match &self.0 {
            None => bitmap.len(),
            Some(selection) => selection.intersection_len(bitmap),
        }
    }
}

fn any<'a>(bitmaps: &'a [RoaringBitmap], values: &[u32]) -> Cow<'a, RoaringBitmap> {
    match values {
        [one] => Cow::Borrowed(&bitmaps[*one as usize]),
        [one, other] => Cow::Owned(&bitmaps[*one as usize] | &bitmaps[*other as usize]),
        values => Cow::Owned(values.iter().map(|value| &bitmaps[*value as usize]).union()),
    }
}

fn sum(among: &RoaringBitmap, digits: &[RoaringBitmap]) -> u64 {
    digits.iter().enumerate().map(|(digit, bitmap)| among.intersection_len(bitmap) << digit).sum()
}
