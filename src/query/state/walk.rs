//! Counts users one by one, by the definitions of the aggregates, without the index and the sets that these count with.

use crate::domain::channel::ReferenceChannel;
use crate::domain::filter::{Clause, Dimension, Value};
use crate::domain::status::{Facts, Liveness};
use crate::domain::{Category, Channel, EntityRef, Filter, Status};
use crate::live::count::fold::Sums;
use crate::live::directory::kind_of;
use crate::live::state::Findings;
use crate::live::{State, View};
use crate::projection::{Available, Capacity, Headcount, Occupancy, PresenceSummary, Readiness};

/// Users that are counted between two looks at whether the check is still wanted.
const STEP: u32 = 1_024;

/// The numbers that are compared for each value of each dimension. Only connected users count in any of them.
#[derive(Clone, Debug, Default)]
struct Tally {
    /// Connected, and available, busy and toggled off on chat.
    headcount: [u64; 4],
    /// Users in production, conversations and maximum numbers of these, by channel.
    occupancy: [[u64; 3]; Channel::ALL.len()],
}

impl Tally {
    fn add(&mut self, facts: &Facts) {
        self.headcount[0] += u64::from(facts.connected);
        for (at, status) in (1..).zip([Status::Available, Status::Busy, Status::ToggleOff]) {
            self.headcount[at] += u64::from(facts.status(Channel::Chat) == status);
        }
        for channel in Channel::ALL.into_iter().filter(|channel| facts.in_production(*channel)) {
            let [people, current, max] = &mut self.occupancy[channel as usize];
            let lane = &facts.lanes[channel];
            *people += 1;
            *current += u64::from(lane.current);
            *max += u64::from(lane.max);
        }
    }

    /// Compares with the numbers of the users that `filter` selects. `of` names these in a text.
    fn compare(&self, view: &View, filter: &Filter, findings: &mut Findings, of: impl Fn() -> String) {
        let [chat, call, video, third_party] = Channel::ALL.map(Occupancy::on);
        // One pass over the users for all five.
        let counted = view.count(filter, ((Headcount::default(), chat), ((call, video), third_party)));
        let ((headcount, chat), ((call, video), third_party)) = counted;
        findings.compare(&headcount.into_sums(), &self.headcount, || format!("headcount of {}", of()));
        for (channel, counted) in Channel::ALL.into_iter().zip([chat, call, video, third_party]) {
            findings.compare(&counted.into_sums(), &self.occupancy[channel as usize], || {
                format!("occupancy on {} of {}", channel.name(), of())
            });
        }
    }
}

/// The numbers that are compared for all users.
#[derive(Debug, Default)]
struct Everyone {
    tally: Tally,
    /// Agents logged in, and those of them that are available and assigned, by reference channel.
    readiness: [[u64; 2]; ReferenceChannel::ALL.len()],
    /// Agents ready, away, extended away, and logged out.
    presences: [u64; 4],
    /// Agents available, of an incompatible presence, and without capacity, by liveness.
    capacity: [[u64; 3]; Liveness::ALL.len()],
    /// Users available, by channel.
    available: [u64; Channel::ALL.len()],
}

impl Everyone {
    fn add(&mut self, facts: &Facts, is_assigned: bool) {
        self.tally.add(facts);
        let is_available = |channel: &Channel| facts.status(*channel) == Status::Available;
        for channel in Channel::ALL.into_iter().filter(is_available) {
            self.available[channel as usize] += 1;
        }
        if !facts.is_agent() {
            return;
        }
        for reference in ReferenceChannel::ALL {
            let is_ready = is_assigned && reference.channels().iter().any(is_available);
            self.readiness[reference as usize][0] += u64::from(facts.connected);
            self.readiness[reference as usize][1] += u64::from(facts.connected && is_ready);
        }
        self.presences[match facts.presence {
            _ if !facts.connected => 3,
            Category::Ready => 0,
            Category::Away => 1,
            Category::ExtendedAway => 2,
        }] += 1;
        for liveness in Liveness::ALL {
            let statuses = || liveness.channels().iter().map(|channel| facts.status(*channel));
            let has_any = |status| statuses().any(|other| other == status);
            // Some channel of the liveness is enabled, and the person has all of these switched off.
            let is_off = !statuses().all(|status| status == Status::Disabled)
                && !has_any(Status::Available)
                && !has_any(Status::Busy);
            self.capacity[liveness as usize][if !facts.connected || !facts.accepts_work() || is_off {
                1
            } else if has_any(Status::Available) && facts.fits(liveness) {
                0
            } else {
                2
            }] += 1;
        }
    }

    fn compare(&self, view: &View, findings: &mut Findings) {
        let all = Filter::default();
        self.tally.compare(view, &all, findings, || String::from("all users"));
        for reference in ReferenceChannel::ALL {
            let counted = view.count(&all, Readiness::on(reference)).into_sums();
            findings.compare(&counted, &self.readiness[reference as usize], || {
                format!("readiness on {} of all users", reference.name())
            });
        }
        let counted = view.count(&all, PresenceSummary::default()).into_sums();
        findings.compare(&counted, &self.presences, || String::from("presence summary of all users"));
        for liveness in Liveness::ALL {
            let counted = view.count(&all, Capacity::of(liveness)).into_sums();
            findings
                .compare(&counted, &self.capacity[liveness as usize], || format!("{liveness:?} capacity of all users"));
        }
        for channel in Channel::ALL {
            let counted = view.count(&all, Available::on(channel)).into_sums();
            findings.compare(&counted, &[self.available[channel as usize]], || {
                format!("available on {} of all users", channel.name())
            });
        }
    }
}

/// Compares what the counting loop gives for a view of the state with a walk over its users: every aggregate for all of
/// them, headcount and occupancy for each value of each dimension. `None` if `is_unwanted` has returned true.
pub fn compare(state: &State, view: &View, findings: &mut Findings, is_unwanted: &dyn Fn() -> bool) -> Option<()> {
    let directory = view.directory();
    let mut everyone = Everyone::default();
    let mut values =
        Dimension::ALL.map(|dimension| vec![Tally::default(); directory.table(kind_of(dimension)).count()]);
    for (ix, profile) in directory.users().live() {
        if ix.is_multiple_of(STEP) && is_unwanted() {
            return None;
        }
        let Some(facts) = state.facts(ix) else { continue };
        everyone.add(&facts, profile.is_assigned());
        for dimension in Dimension::ALL.into_iter().filter(|_| facts.connected) {
            for row in directory.rows_in(profile, dimension) {
                values[dimension as usize][row as usize].add(&facts);
            }
        }
    }
    everyone.compare(view, findings);
    for dimension in Dimension::ALL {
        let kind = kind_of(dimension);
        for (entity, tally) in directory.table(kind).rows().iter().zip(&values[dimension as usize]) {
            if is_unwanted() {
                return None;
            }
            let filter = Filter::default().and(Clause::Any(dimension, vec![Value::Entity(EntityRef::Id(entity.id))]));
            tally.compare(view, &filter, findings, || format!("{}/{}", kind.member(), entity.id));
        }
    }
    Some(())
}
