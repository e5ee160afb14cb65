//! A view's answers in the reference's types, and their comparison with the reference.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rollcall::domain::directory::Changes;
use rollcall::domain::status::Liveness;
use rollcall::domain::{Category, Channel, Filter, Outcome, PerChannel, Reason, Status, Time, UserRef};
use rollcall::live::count::fold::Sums;
use rollcall::live::count::index::{Columns, Plane, Span};
use rollcall::live::{Aggregate, State, View};
use rollcall::projection::roster::{Connection, roster};
use rollcall::projection::{Capacity, Headcount, Occupancy, PresenceSummary, Readiness, Reasons};
use rollcall::query::count_agents::{count_agents, list_agents};
use rollcall::query::people::presences::{Presence, presence};

use super::reference::{Answers, Counted, Individual, Reference, Verdict};

/// The result of a comparison; a difference is a failed case.
pub type Compared = Result<(), TestCaseError>;

/// Counts all users of a selection, connected or not.
#[derive(Default)]
struct Population(u64);

impl Aggregate for Population {
    fn add(&mut self, _span: &Span<'_>, mask: &[u64]) {
        self.0 += mask.iter().map(|word| u64::from(word.count_ones())).sum::<u64>();
    }
}

/// Returns a count of all users of a view that a filter selects. Fails if the one that is kept between views is another.
fn count<A: Sums + PartialEq + std::fmt::Debug>(view: &View, filter: &Filter, zero: A) -> A {
    let counted = view.count(filter, zero.clone());
    if let Some(kept) = view.kept() {
        assert_eq!(kept.count(view.index(), filter, zero), counted, "kept and counted anew, {filter:?}");
    }
    counted
}

/// Returns every aggregate and list of a view for the users that a filter selects.
pub fn answers(view: &View, filter: &Filter) -> Answers {
    let reference = view.directory().settings().reference_channel;
    let (head, ready) = count(view, filter, (Headcount::default(), Readiness::on(reference)));
    let presence = count(view, filter, PresenceSummary::default());
    let ids = |connection| {
        let indexes = roster(view, filter, connection);
        indexes.into_iter().map(|ix| view.directory().profile(ix).unwrap().id).collect()
    };
    let for_calls: BTreeSet<_> = list_agents(view, filter, Channel::Call).collect();
    assert_eq!(
        count_agents(view, filter, Channel::Call),
        for_calls.len() as u64,
        "the count equals the length of the list"
    );
    Answers {
        for_calls,
        users: view.count(filter, Population::default()).0,
        connected: head.connected,
        chat: [head.available, head.busy, head.toggle_off],
        occupancy: Channel::ALL.map(|channel| {
            let occupancy = count(view, filter, Occupancy::on(channel));
            [occupancy.people, occupancy.current, occupancy.max]
        }),
        logged_in: ready.logged_in,
        callable: ready.available,
        presence: [presence.ready, presence.away, presence.extended_away, presence.logged_out],
        capacity: Liveness::ALL.map(|liveness| {
            let capacity = count(view, filter, Capacity::of(liveness));
            [capacity.available, capacity.incompatible_presence, capacity.insufficient_capacity]
        }),
        counted: std::array::from_fn(|n| counted(view, filter, Channel::ALL.get(n..=n).unwrap_or(&Channel::ALL))),
        online: ids(Connection::Online),
        offline_seen_before: ids(Connection::OfflineSeenBefore),
    }
}

/// Returns reasons and slots over some channels.
fn counted(view: &View, filter: &Filter, channels: &[Channel]) -> Counted {
    let on = PerChannel::from_fn(|channel| channels.contains(&channel));
    let found = view.count(filter, Reasons::on(on));
    Counted { reasons: Reason::ALL.map(|reason| found.people.of(reason)), slots: [found.held, found.max, found.free] }
}

/// Returns every user's columns by integer id, since indexes are internal to a view.
pub fn columns(view: &View) -> BTreeMap<i64, Columns> {
    view.directory().users().live().map(|(ix, profile)| (profile.id, view.columns(ix))).collect()
}

/// Returns the presence of every user by integer id.
fn shown(view: &View) -> BTreeMap<i64, Option<Presence>> {
    let users = view.directory().users().live();
    users.map(|(_, profile)| (profile.id, presence(view, profile.guid))).collect()
}

/// Returns the deletion time of every deleted user that is still in the state, by integer id.
pub fn gone(view: &View) -> BTreeMap<i64, Time> {
    let users = view.directory().users();
    let accounts = (0..users.len() as u32).filter_map(|ix| users.account(ix));
    accounts.filter_map(|account| Some((account.profile.id, account.deleted?))).collect()
}

/// Returns the user that each live user's external id finds.
fn named(view: &View) -> BTreeMap<String, Option<i64>> {
    let directory = view.directory();
    let names = directory.users().live().filter_map(|(_, profile)| profile.external_id().map(str::to_owned));
    let find = |name: &str| directory.find(&UserRef::External(name.into())).and_then(|ix| directory.profile(ix));
    names.map(|name| (name.clone(), find(&name).map(|profile| profile.id))).collect()
}

/// Checks that two views give the same answers.
pub fn same(one: &View, other: &View, filters: &[Filter]) -> Compared {
    prop_assert_eq!(columns(one), columns(other));
    prop_assert_eq!(named(one), named(other));
    prop_assert_eq!(shown(one), shown(other));
    for filter in filters {
        prop_assert_eq!(answers(one, filter), answers(other, filter), "{:?}", filter);
    }
    Ok(())
}

/// Returns every open session with a lease, in the reference's types.
pub fn leases(state: &State) -> BTreeSet<(i64, Box<str>, u64, u32)> {
    let leases = state.leases().into_iter();
    leases.map(|lease| (lease.user, lease.session, lease.opened, lease.seconds.unwrap_or_default())).collect()
}

/// Checks that a view gives the same answers as the reference.
pub fn agree(view: &View, reference: &Reference, filters: &[Filter]) -> Compared {
    let everyone = reference.individuals();
    prop_assert_eq!(view.directory().users().live().count(), everyone.len(), "users");
    for one in &everyone {
        agree_on(view, one)?;
    }
    for filter in filters {
        prop_assert_eq!(answers(view, filter), reference.answers(&everyone, filter), "{:?}", filter);
    }
    Ok(())
}

/// Checks that a view's data about one user equals the reference's.
fn agree_on(view: &View, one: &Individual<'_>) -> Compared {
    let id = one.account.id;
    let ix = view.directory().find(&UserRef::id(id));
    prop_assert!(ix.is_some(), "user {} is not found", id);
    if let Some(external) = &one.account.external_id {
        let by_external = view.directory().find(&UserRef::External(external.as_str().into()));
        prop_assert_eq!(by_external, ix, "external id {} of user {}", external, id);
    }
    let account = view.directory().users().account(ix.unwrap()).unwrap();
    let password = account.password.as_ref().map(|password| (password.hash.clone(), password.set));
    prop_assert_eq!(&password, &one.account.password, "password of user {}", id);
    let presence = presence(view, one.account.guid).map(|presence| (presence.definition.guid, presence.updated));
    prop_assert_eq!(presence, Some((one.shown, one.updated)), "presence of user {}", id);
    prop_assert_eq!(view.detail(ix.unwrap()).handled, one.handled, "conversations of user {}", id);
    prop_assert_eq!(view.detail(ix.unwrap()).logged_in, one.logged_in, "newest connection of user {}", id);
    let columns = view.columns(ix.unwrap());
    for (plane, expected) in planes(one) {
        prop_assert_eq!(columns.has(plane), expected, "{:?} of user {}", plane, id);
    }
    for channel in Channel::ALL {
        prop_assert_eq!(columns.reason(channel), one.reason(channel), "reason on {:?} of user {}", channel, id);
        let expected = (one.current[channel], one.account.conf(channel).max);
        prop_assert_eq!((columns.current[channel], columns.max[channel]), expected, "{:?} of user {}", channel, id);
    }
    Ok(())
}

fn planes(one: &Individual<'_>) -> Vec<(Plane, bool)> {
    let mut planes = vec![
        (Plane::Exists, true),
        (Plane::Agent, one.is_agent()),
        (Plane::Assigned, one.is_assigned()),
        (Plane::EverLoggedIn, one.seen),
        (Plane::Connected, one.connected),
        (Plane::Away, one.presence == Category::Away),
        (Plane::ExtendedAway, one.presence == Category::ExtendedAway),
        (Plane::AcceptsWork, one.accepts_work()),
    ];
    for channel in Channel::ALL {
        planes.push((Plane::Enabled(channel), one.account.conf(channel).enabled));
        planes.push((Plane::Available(channel), one.status(channel) == Status::Available));
        planes.push((Plane::Busy(channel), one.status(channel) == Status::Busy));
        planes.push((Plane::Full(channel), one.reason(channel) == Reason::Full));
    }
    planes.extend(Liveness::ALL.map(|liveness| (Plane::Room(liveness), one.has_room(liveness))));
    planes
}

/// Checks that an outcome is one that the reference's verdict allows.
pub fn agree_on_outcome(outcome: &Outcome, verdict: Verdict) -> Compared {
    let given = match outcome {
        Outcome::Applied if verdict == Verdict::Applied => verdict,
        Outcome::Stale if verdict == Verdict::Stale => verdict,
        Outcome::HolderReleased(_) => Verdict::HolderReleased,
        Outcome::SlotOnly(_) => Verdict::SlotOnly,
        Outcome::Applied | Outcome::Stale => Verdict::Accepted,
        Outcome::Upserted(Changes { created, updated, unchanged }) => {
            Verdict::Upserted([*created, *updated, *unchanged])
        }
        Outcome::Rejected(_) => Verdict::Rejected,
        Outcome::Duplicate => return Err(TestCaseError::fail("apply knows no duplicates")),
    };
    prop_assert_eq!(given, verdict, "{:?}", outcome);
    Ok(())
}

/// Checks the relations between the numbers of one view, for any history (docs/promises.md R1;
/// docs/reference/native.md, "Agreement of the dialects").
pub fn relations(state: &mut State, filters: &[Filter]) -> Compared {
    let view = state.publish();
    for filter in filters {
        let numbers = answers(&view, filter);
        prop_assert!(numbers.chat.iter().sum::<u64>() <= numbers.connected, "{:?}", numbers);
        let agents: u64 = numbers.presence.iter().sum();
        for (n, [available, incompatible, insufficient]) in numbers.capacity.into_iter().enumerate() {
            prop_assert_eq!(available + incompatible + insufficient, agents, "Σ capacity, {:?}", numbers);
            prop_assert!(incompatible >= agents - numbers.presence[0], "{:?}", numbers);
            prop_assert!(available + insufficient <= numbers.presence[0], "{:?}", numbers);
            let open = |columns: &Columns| {
                let channels = Liveness::ALL[n].channels();
                channels.iter().any(|channel| columns.has(Plane::Available(*channel)))
            };
            let online = roster(&view, filter, Connection::Online);
            let open = online.into_iter().filter(|ix| open(&view.columns(*ix))).count() as u64;
            prop_assert!(available <= open, "{} > {}, {:?}", available, open, numbers);
        }
        follows_from_reasons(&view, &numbers)?;
        prop_assert!(numbers.callable <= numbers.logged_in, "{:?}", numbers);
        prop_assert_eq!(numbers.logged_in, agents - numbers.presence[3], "connected agents, {:?}", numbers);
        prop_assert!(numbers.logged_in <= numbers.connected, "{:?}", numbers);
        prop_assert_eq!(numbers.online.len() as u64, numbers.connected, "{:?}", numbers);
        let offline = numbers.users - numbers.connected;
        prop_assert!(numbers.offline_seen_before.len() as u64 <= offline, "{:?}", numbers);
        for [people, current, max] in numbers.occupancy {
            prop_assert!(people <= numbers.connected && (people > 0 || current + max == 0), "{:?}", numbers);
        }
    }
    Ok(())
}

/// Checks what follows from the reasons alone, and the numbers that need more against them
/// (docs/reference/native.md, "Agreement of the dialects").
fn follows_from_reasons(view: &View, numbers: &Answers) -> Compared {
    let of = |counted: &Counted, reason: Reason| {
        counted.reasons[Reason::ALL.iter().position(|known| *known == reason).expect("one of the ten")]
    };
    for counted in &numbers.counted {
        prop_assert_eq!(counted.reasons.iter().sum::<u64>(), numbers.users, "each user has one reason");
        prop_assert_eq!(of(counted, Reason::Reserved), 0);
        prop_assert_eq!(numbers.users - of(counted, Reason::Offline), numbers.connected);
    }
    let chat = &numbers.counted[0];
    let busy = [Reason::Full, Reason::Blocked, Reason::Reserved].map(|reason| of(chat, reason));
    let off = [Reason::SwitchedOff, Reason::NotRoutable, Reason::Away, Reason::ExtendedAway];
    let off = off.map(|reason| of(chat, reason));
    let expected = [of(chat, Reason::Available), busy.iter().sum(), off.iter().sum()];
    prop_assert_eq!(numbers.chat, expected, "counts on chat follow from the reasons");
    for (n, [_, current, max]) in numbers.occupancy.into_iter().enumerate() {
        prop_assert_eq!(numbers.counted[n].slots[..2].to_vec(), vec![current, max], "occupancy, {:?}", numbers);
    }
    let available = |channels: &[Channel]| {
        channels.iter().map(|channel| of(&numbers.counted[*channel as usize], Reason::Available)).sum::<u64>()
    };
    let reference = view.directory().settings().reference_channel;
    prop_assert!(numbers.callable <= available(reference.channels()), "{:?}", numbers);
    for (liveness, [fits, ..]) in Liveness::ALL.into_iter().zip(numbers.capacity) {
        prop_assert!(fits <= available(liveness.channels()), "{:?}, {:?}", liveness, numbers);
    }
    Ok(())
}
