//! A walk over a vector of structs that decides each person's status on the way.
//!
//! Memberships are short vectors, which are faster than hash sets for one to three values.

use rollcall::domain::status::{Facts, Liveness};
use rollcall::domain::{Category, Channel, Status};

use super::{Counts, Everything, Rival, Wanted, counts, everything};
use crate::population::SyntheticUser;

impl Rival for Vec<SyntheticUser> {
    type Question = Option<Wanted>;

    fn question(wanted: Option<&Wanted>) -> Option<Wanted> {
        wanted.cloned()
    }

    fn counts(&self, question: &Option<Wanted>) -> Counts {
        let mut numbers = counts();
        for person in self.iter().filter(|person| is_wanted(person, question.as_ref())) {
            count(&person.facts, &mut numbers);
        }
        numbers
    }

    fn everything(&self, question: &Option<Wanted>) -> Everything {
        let mut numbers = everything();
        for person in self.iter().filter(|person| is_wanted(person, question.as_ref())) {
            count(&person.facts, &mut numbers.0);
            count_agent(person, &mut numbers);
        }
        numbers
    }
}

fn is_wanted(person: &SyntheticUser, wanted: Option<&Wanted>) -> bool {
    let any = |has: &[u32], of: &[u32]| of.iter().any(|value| has.contains(value));
    wanted.is_none_or(|wanted| {
        any(&person.groups, &wanted.groups)
            && any(&person.skills, &wanted.skills)
            && any(&person.projects, &wanted.projects)
    })
}

fn count(facts: &Facts, (headcount, occupancy): &mut Counts) {
    let status = facts.status(Channel::Chat);
    headcount.connected += u64::from(facts.connected);
    match status {
        Status::Available => headcount.available += 1,
        Status::Busy => headcount.busy += 1,
        Status::ToggleOff => headcount.toggle_off += 1,
        Status::Offline | Status::Disabled => return,
    }
    let chat = &facts.lanes[Channel::Chat];
    if status != Status::ToggleOff || chat.current > 0 {
        occupancy.people += 1;
        occupancy.current += u64::from(chat.current);
        occupancy.max += u64::from(chat.max);
    }
}

fn count_agent(person: &SyntheticUser, (_, (readiness, (presence, capacity))): &mut Everything) {
    let facts = &person.facts;
    if !facts.is_agent() {
        return;
    }
    readiness.logged_in += u64::from(facts.connected);
    let callable = facts.status(Channel::Call) == Status::Available;
    readiness.available += u64::from(callable && !person.queues.is_empty());
    let category = match facts.presence {
        _ if !facts.connected => &mut presence.logged_out,
        Category::Ready => &mut presence.ready,
        Category::Away => &mut presence.away,
        Category::ExtendedAway => &mut presence.extended_away,
    };
    *category += 1;
    *capacity_of(facts, capacity) += 1;
}

fn capacity_of<'a>(facts: &Facts, capacity: &'a mut rollcall::projection::Capacity) -> &'a mut u64 {
    if !facts.connected || !facts.accepts_work() {
        return &mut capacity.incompatible_presence;
    }
    let channels = Liveness::Live.channels().iter();
    let mut enabled = channels.clone().filter(|channel| facts.lanes[**channel].enabled).peekable();
    let all_off = enabled.peek().is_some() && enabled.all(|channel| !facts.lanes[*channel].toggle);
    let open = channels.into_iter().any(|channel| facts.status(*channel) == Status::Available);
    if all_off {
        &mut capacity.incompatible_presence
    } else if open && facts.fits(Liveness::Live) {
        &mut capacity.available
    } else {
        &mut capacity.insufficient_capacity
    }
}
