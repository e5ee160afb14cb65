//! docs/reference/events.md, "Since when": the recorded time at which each value that a user shows last changed, against
//! a reference that recounts all values after every entry.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;
use rollcall::domain::channel::ReferenceChannel;
use rollcall::domain::directory::Document;
use rollcall::domain::event::Surface;
use rollcall::domain::status::Liveness;
use rollcall::domain::{Category, Channel, Entry, EventBody, Reason, Status, Time, UserRef};
use rollcall::live::{Row, State, Tracked, View};

use crate::model::archive::Archive;
use crate::model::compare::{Compared, same};
use crate::model::generate::{History, Mix, TENANT, at, event, journal, small, user};
use crate::model::reference::{Individual, Reference};
use crate::model::{cases, fails};

/// One value in the reference's terms.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    Connected(bool),
    /// Category and definition, and false for a ready one that is not routable; `None` while logged out.
    Presence(Option<(Category, Option<i64>, bool)>),
    Reason(Reason),
    Workload(u32),
    /// Available on the reference channel and assigned, else with a conversation there; `None` if not logged in.
    Activity(Option<(bool, bool)>),
}

fn value_of(one: &Individual<'_>, tracked: Tracked) -> Value {
    match tracked {
        Tracked::Connected => Value::Connected(one.connected),
        Tracked::Presence => {
            let routable = one.routable || one.presence != Category::Ready;
            Value::Presence(one.connected.then_some((one.presence, one.definition, routable)))
        }
        Tracked::Reason(channel) => Value::Reason(one.reason(channel)),
        Tracked::Workload(Liveness::Live) => Value::Workload(one.current[Channel::Call] + one.current[Channel::Video]),
        Tracked::Workload(Liveness::Semilive) => Value::Workload(one.current[Channel::Chat]),
        Tracked::Workload(Liveness::Nonlive) => Value::Workload(one.current[Channel::ThirdParty]),
        Tracked::Activity(reference) => Value::Activity((one.connected && one.is_agent()).then(|| {
            let on: Vec<Channel> = match reference {
                ReferenceChannel::Call => vec![Channel::Call],
                ReferenceChannel::Chat => vec![Channel::Chat],
                ReferenceChannel::Video => vec![Channel::Video],
                ReferenceChannel::Any => Channel::ALL.to_vec(),
            };
            let is_ready = one.is_assigned() && on.iter().any(|channel| one.status(*channel) == Status::Available);
            (is_ready, !is_ready && on.iter().any(|channel| one.current[*channel] > 0))
        })),
    }
}

/// A broken rule, for controls.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Broken {
    /// Times are those of events.
    EventTimes,
    /// An event about a value that leaves it equal counts as a change.
    EqualValuesChange,
    /// Changes are found between views, not between entries.
    BetweenViews,
}

/// The value, and the position and time of the entry that gave it.
type Known = (Value, u64, Time);

/// The naive record: all values of all users, compared after every entry.
#[derive(Default)]
struct Record {
    broken: Option<Broken>,
    known: BTreeMap<i64, Vec<Known>>,
}

impl Record {
    fn note(&mut self, reference: &Reference, entry: &Entry) {
        let event_time = self.broken == Some(Broken::EventTimes);
        let time = if event_time { entry.event.fact.time } else { entry.recorded };
        let mut known = BTreeMap::new();
        for one in reference.individuals() {
            let values = Tracked::ALL.map(|tracked| value_of(&one, tracked));
            let before = self.known.remove(&one.account.id);
            let is_chosen = self.broken == Some(Broken::EqualValuesChange)
                && matches!(&entry.event.fact.body, EventBody::StatusChanged { user, presence: Some(_), .. }
                    if *user == UserRef::id(one.account.id));
            let since = |(n, value): (usize, Value)| {
                let before = before.as_ref().map(|before| before[n]).filter(|(known, ..)| *known == value);
                let resets = is_chosen && Tracked::ALL[n] == Tracked::Presence;
                before.filter(|_| !resets).unwrap_or((value, entry.seq, time))
            };
            known.insert(one.account.id, values.into_iter().enumerate().map(since).collect());
        }
        // Users who are gone are dropped: their ids may be given to others.
        self.known = known;
    }

    /// Returns the times of all values by user; those of entries up to `unknown_to` are not known.
    fn times(&self, unknown_to: u64) -> BTreeMap<i64, Vec<Option<Time>>> {
        let time = |(_, seq, time): &Known| Some(*time).filter(|_| *seq > unknown_to);
        self.known.iter().map(|(id, known)| (*id, known.iter().map(time).collect())).collect()
    }
}

/// Returns the times of all values by user, by integer id.
pub fn times(view: &View) -> BTreeMap<i64, Vec<Option<Time>>> {
    let users = view.directory().users().live();
    let of = |ix| Tracked::ALL.into_iter().map(|tracked| view.since(ix, tracked)).collect();
    users.map(|(ix, profile)| (profile.id, of(ix))).collect()
}

fn apply(state: &mut State, entry: &Entry) -> Compared {
    state.apply(entry).map(drop).map_err(|gap| TestCaseError::fail(gap.to_string()))
}

/// Applies a history to both, and compares the times where readers look.
fn compare(history: &History, broken: Option<Broken>) -> Compared {
    let (mut state, mut reference) = (State::new(TENANT), Reference::new(TENANT));
    let (mut record, archive) = (Record { broken, ..Record::default() }, Archive::default());
    for (entry, look) in history.entries.iter().zip(&history.looks) {
        let marked = archive.mark(&state, entry);
        apply(&mut state, &marked)?;
        reference.record(entry);
        if *look || broken != Some(Broken::BetweenViews) {
            record.note(&reference, entry);
        }
        if *look {
            prop_assert_eq!(times(&state.publish()), record.times(0), "entry {}", entry.seq);
        }
    }
    Ok(())
}

fn mixed() -> impl Strategy<Value = History> {
    prop_oneof![3 => small(Mix::EVERYTHING), 2 => small(Mix::TURNOVER), 1 => small(Mix::CONVERSATIONS)]
}

/// Returns the rows without the times, as an older release wrote them.
fn older(rows: Vec<Row>) -> Vec<Row> {
    let without = |row: Row| {
        let mut body: serde_json::Map<_, _> = serde_json::from_str(&row.body).expect("an object");
        body.remove("since");
        Row { body: serde_json::to_string(&body).expect("an object"), ..row }
    };
    rows.into_iter().map(without).collect()
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn times_agree_with_the_reference(history in mixed()) {
        compare(&history, None)?;
    }

    /// After a load of rows without times only later changes have one.
    #[test]
    fn times_before_an_older_checkpoint_are_not_known(history in mixed(), cut in any::<Index>()) {
        let cut = cut.index(history.entries.len()) + 1;
        let (mut state, mut reference) = (State::new(TENANT), Reference::new(TENANT));
        let (mut record, mut archive) = (Record::default(), Archive::default());
        for entry in &history.entries {
            let marked = archive.mark(&state, entry);
            apply(&mut state, &marked)?;
            reference.record(entry);
            record.note(&reference, entry);
            if entry.seq == cut as u64 {
                let rows = older(state.rows());
                archive.write(&state.clone().checkpoint())?;
                state = State::load(TENANT, entry.seq, rows).map_err(|bad| TestCaseError::fail(bad.to_string()))?;
                prop_assert!(times(&state.publish()).values().flatten().all(Option::is_none));
                prop_assert!(state.rows().iter().all(|row| !row.body.contains(r#""since":"#)));
            }
            if entry.seq >= cut as u64 {
                prop_assert_eq!(times(&state.publish()), record.times(cut as u64), "entry {}", entry.seq);
            }
        }
    }
}

#[test]
fn control_every_broken_rule_is_detected() {
    for broken in [Broken::EventTimes, Broken::EqualValuesChange, Broken::BetweenViews] {
        let detected = fails(400, &mixed(), |history| {
            let differs = compare(&history, Some(broken));
            if differs.is_err() && compare(&history, None).is_ok() { differs } else { Ok(()) }
        });
        assert!(detected, "{broken:?}");
    }
}

/// Two users who connect, the second at another recorded time in each journal.
fn connections() -> Vec<Entry> {
    let connected = |n: i64| EventBody::DeskConnected {
        user: UserRef::id(n),
        session: "desk".into(),
        lease_seconds: None,
        device: None,
        surface: Surface::Desk,
        socket: false,
    };
    let directory = Document { users: vec![user(1), user(2)], ..Document::default() };
    journal(&directory, &[event(1, at(0), connected(1)), event(2, at(0), connected(2)), event(3, at(1), connected(1))])
}

/// docs/promises.md W3 is about what events say. When they were recorded is not part of it, but of the digest.
#[test]
fn times_are_in_the_digest_and_not_in_what_the_order_decides() {
    let entries = connections();
    let mut later = entries.clone();
    later[2].recorded = later[3].recorded;
    let play = |entries: &[Entry]| {
        let mut state = State::new(TENANT);
        entries.iter().for_each(|entry| drop(state.apply(entry).expect("no gap")));
        state
    };
    let (mut one, mut other) = (play(&entries), play(&later));
    let (one_view, other_view) = (one.publish(), other.publish());
    assert_eq!(one.recorded(), other.recorded());
    assert_ne!(times(&one_view), times(&other_view));
    assert_ne!(one.digest(), other.digest());
    same(&one_view, &other_view, &[]).expect("the same answers");
    let mut rows = [older(one.rows()), older(other.rows())];
    rows.iter_mut().for_each(|rows| rows.sort_by(|a, b| a.key.cmp(&b.key)));
    assert_eq!(rows[0], rows[1], "they differ in the times alone");
    assert_eq!(play(&entries).digest(), one.digest());
}
