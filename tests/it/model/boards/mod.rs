//! Wallboards of random histories: each number, row, person and severity is that of a walk over all users.

use std::cmp::Reverse;
use std::sync::Arc;

use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use rollcall::domain::board::{Board, Metric, Names, Severity};
use rollcall::domain::event::Rejection;
use rollcall::domain::filter::{Clause, Dimension, Value};
use rollcall::domain::ids::EntityRef;
use rollcall::domain::status::Reason;
use rollcall::domain::{Channel, Entry, Event, EventBody, Filter, Outcome, Time, UserRef};
use rollcall::live::{State, Tracked, View};
use rollcall::query::board::{BoardNow, Content, Shown, TileNow, board};
use rollcall::query::breakdown::Key;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::archive::Archive;
use super::cases;
use super::compare::Compared;
use super::generate::{Mix, TENANT, at, small};
use super::reference::{Broke, Counted, Individual, Reference};

/// The filters and channels of a tile.
#[derive(Clone, Debug)]
struct Asked {
    groups: Option<Vec<i64>>,
    skills: Option<Vec<i64>>,
    users: Option<Vec<i64>>,
    channels: Option<Vec<Channel>>,
    key: Key,
    metrics: Vec<Metric>,
    /// Limits on the number of available users.
    limits: (u64, u64),
    reasons: Vec<Reason>,
    by_severity: bool,
    first: usize,
}

fn asked() -> impl Strategy<Value = Asked> {
    let ids = || option::weighted(0.4, subsequence(vec![1, 2, 3], 1..=3));
    let users = option::weighted(0.3, subsequence((1..=5).collect::<Vec<i64>>(), 1..=5));
    let channels = option::weighted(0.6, subsequence(Channel::ALL.to_vec(), 1..=4));
    let metrics = subsequence(Metric::ALL.to_vec(), 1..=8);
    let reasons = subsequence(Reason::ALL.to_vec(), 1..=10);
    let shape = (any::<bool>(), prop_oneof![1..4usize, Just(500)]);
    let filters = (ids(), ids(), users, channels);
    let limits = (0..4u64).prop_flat_map(|warn| (Just(warn), 0..=warn));
    (filters, select(Key::ALL.to_vec()), metrics, limits, reasons, shape).prop_map(
        |((groups, skills, users, channels), key, metrics, limits, reasons, (by_severity, first))| Asked {
            groups,
            skills,
            users,
            channels,
            key,
            metrics,
            limits,
            reasons,
            by_severity,
            first,
        },
    )
}

impl Asked {
    /// The tiles of a board: numbers, a number with limits, one with the bands of health, rows, people, and a chart.
    fn board(&self) -> Json {
        let mut filters = serde_json::Map::new();
        for (name, ids) in [("group", &self.groups), ("skill_all", &self.skills), ("user", &self.users)] {
            filters.extend(ids.as_ref().map(|ids| (name.to_owned(), json!(ids))));
        }
        let tile = |members: Json| {
            let mut tile = members;
            tile["filters"] = Json::Object(filters.clone());
            if let Some(channels) = &self.channels {
                tile["channels"] = channels.iter().map(|channel| channel.name()).collect();
            }
            tile
        };
        let (warn, alert) = self.limits;
        let names: Vec<&str> = self.metrics.iter().map(|metric| metric.name()).collect();
        let limited = json!({ "metric": "available", "warn": { "below": warn }, "alert": { "below": alert } });
        let numbers = names.iter().map(|name| tile(json!({ "type": "number", "metric": name })));
        let mut with_limits = limited.clone();
        with_limits["type"] = json!("number");
        let reasons: Vec<&str> = self.reasons.iter().map(|reason| reason.name()).collect();
        let order = if self.by_severity { "severity" } else { "key" };
        let others = [
            tile(with_limits),
            tile(json!({ "type": "number", "metric": "available", "health": true })),
            tile(json!({ "type": "rows", "by": self.key.name(), "columns": [limited, "full", "occupancy_rate"],
                         "order": order, "first": self.first })),
            tile(json!({ "type": "people", "reasons": reasons, "first": self.first })),
            tile(json!({ "type": "chart", "series": &names[..names.len().min(4)] })),
        ];
        json!({ "pages": [{ "tiles": numbers.chain(others).collect::<Vec<_>>() }] })
    }

    /// The filter, made without the code of boards.
    fn filter(&self) -> Filter {
        let ids = |ids: &Vec<i64>| ids.iter().map(|id| Value::Entity(EntityRef::Id(*id))).collect();
        let mut filter = Filter::default();
        if let Some(groups) = &self.groups {
            filter = filter.and(Clause::Any(Dimension::Group, ids(groups)));
        }
        if let Some(skills) = &self.skills {
            filter = filter.and(Clause::All(Dimension::Skill, ids(skills)));
        }
        if let Some(users) = &self.users {
            filter = filter.and(Clause::Users(users.iter().map(|id| EntityRef::Id(*id)).collect()));
        }
        filter
    }

    fn channels(&self) -> &[Channel] {
        self.channels.as_deref().unwrap_or(&Channel::ALL)
    }

    /// The severity of a number of available users by the limits.
    fn limited(&self, available: u64) -> Severity {
        let (warn, alert) = self.limits;
        match available {
            few if few < alert => Severity::Critical,
            few if few < warn => Severity::Warning,
            _ => Severity::Healthy,
        }
    }
}

/// Returns a metric of a count, by its definition.
fn value(metric: Metric, counted: &Counted) -> Option<f64> {
    let people: u64 = counted.reasons.iter().sum();
    let offline = counted.reasons[9];
    let [held, max, free] = counted.slots;
    let percent = |part: u64, whole: u64| (whole > 0).then(|| 100.0 * (part as f64 / whole as f64));
    let count = match metric.name() {
        "people" => people,
        "connected" => people - offline,
        "held_slots" => held,
        "reserved_slots" => 0,
        "max_slots" => max,
        "free_slots" => free,
        "occupancy_rate" => return percent(held, max),
        "available_rate" => return percent(counted.reasons[0], people - offline),
        reason => {
            let place = Reason::ALL.iter().position(|known| known.name() == reason).expect("a reason");
            counted.reasons[place]
        }
    };
    Some(count as f64)
}

/// The bands of health, in fractions.
fn health(counted: &Counted) -> Severity {
    match (counted.reasons[0], value(Metric::AvailableRate, counted)) {
        (_, None) => Severity::Neutral,
        (0, _) => Severity::Unavailable,
        (_, Some(rate)) if rate <= 5.0 => Severity::Critical,
        (_, Some(rate)) if rate < 10.0 => Severity::Warning,
        (_, Some(rate)) if rate <= 20.0 => Severity::Monitor,
        _ => Severity::Healthy,
    }
}

fn number(tile: &TileNow) -> (Option<f64>, Severity) {
    let Ok(Content::Number(number)) = &tile.content else { panic!("{tile:?} is a number") };
    (number.cell.value, number.cell.severity)
}

fn compare(view: &View, now: &BoardNow, asked: &Asked, reference: &Reference) -> Compared {
    let everyone = reference.individuals();
    let (filter, channels) = (asked.filter(), asked.channels());
    let keys = [asked.key];
    let broke = Broke { keys: &keys, channels, filter: &filter, include_empty: true, first: 5_000 };
    let expected = reference.breakdown(&everyone, &broke);
    let tiles = &now.pages[0].tiles;
    let (numbers, others) = tiles.split_at(asked.metrics.len());
    for (metric, tile) in asked.metrics.iter().zip(numbers) {
        prop_assert_eq!(number(tile), (value(*metric, &expected.total), Severity::Neutral), "{:?}", metric);
    }
    let available = expected.total.reasons[0];
    prop_assert_eq!(number(&others[0]), (Some(available as f64), asked.limited(available)));
    prop_assert_eq!(number(&others[1]).1, health(&expected.total));
    compare_rows(&others[2], asked, &expected.rows)?;
    compare_people(view, &others[3], asked, reference)?;
    let Ok(Content::Chart(chart)) = &others[4].content else { panic!("a chart") };
    for (metric, found) in &chart.series {
        prop_assert_eq!(*found, value(*metric, &expected.total));
    }
    let severities = tiles.iter().map(|tile| tile.severity);
    prop_assert_eq!(now.severity, severities.max().expect("tiles"));
    let of_rows = expected.rows.iter().filter(|(_, row)| asked.limited(row.reasons[0]) > Severity::Healthy).count();
    let of_numbers = [number(&others[0]).1, number(&others[1]).1].iter().filter(|one| one.is_breach()).count();
    prop_assert_eq!(now.breach_count, (of_rows + of_numbers) as u64);
    prop_assert!(now.breaches.is_sorted_by_key(|breach| Reverse(breach.severity)));
    Ok(())
}

fn compare_rows(tile: &TileNow, asked: &Asked, expected: &[(Vec<Option<i64>>, Counted)]) -> Compared {
    let Ok(Content::Rows(found)) = &tile.content else { panic!("rows") };
    prop_assert_eq!(found.row_count, expected.len() as u64);
    let mut rows: Vec<_> = expected.iter().collect();
    if asked.by_severity {
        rows.sort_by_key(|(_, row)| Reverse(asked.limited(row.reasons[0])));
    }
    rows.truncate(asked.first);
    prop_assert_eq!(found.rows.len(), rows.len());
    for (found, (values, row)) in found.rows.iter().zip(rows) {
        prop_assert_eq!(found.label.is_none(), values[0].is_none());
        if let (Key::Of(_), Some(id)) = (asked.key, values[0]) {
            prop_assert_eq!(&found.key, &id.to_string());
        }
        let cells: Vec<_> = found.cells.iter().map(|cell| cell.value).collect();
        let expected = [Metric::Available, Metric::Full, Metric::OccupancyRate].map(|metric| value(metric, row));
        prop_assert_eq!(&cells[..], &expected[..]);
        prop_assert_eq!(found.severity, asked.limited(row.reasons[0]));
    }
    Ok(())
}

/// Returns the time since which a user has a reason over some channels, by what the view has of each channel.
fn since(view: &View, one: &Individual<'_>, asked: &Asked) -> Option<Time> {
    let ix = view.directory().find(&UserRef::id(one.account.id)).expect("a user");
    let reason = one.best_reason(asked.channels());
    let with_it = asked.channels().iter().filter(|channel| one.reason(**channel) == reason);
    let times: Vec<Option<Time>> = with_it.map(|channel| view.since(ix, Tracked::Reason(*channel))).collect();
    if times.contains(&None) { None } else { times.into_iter().flatten().min() }
}

fn compare_people(view: &View, tile: &TileNow, asked: &Asked, reference: &Reference) -> Compared {
    let everyone = reference.individuals();
    let Ok(Content::People(found)) = &tile.content else { panic!("people") };
    let filter = asked.filter();
    let is_meant = |one: &&Individual<'_>| reference.selects(one, &filter);
    let mut people: Vec<(usize, bool, Option<Time>, i64)> = Vec::new();
    for one in everyone.iter().filter(is_meant) {
        let reason = one.best_reason(asked.channels());
        if asked.reasons.contains(&reason) {
            let since = since(view, one, asked);
            let rank = Reason::ALL.iter().position(|known| *known == reason).expect("a reason");
            people.push((rank, since.is_none(), since, one.account.id));
        }
    }
    people.sort_unstable();
    prop_assert_eq!(found.people_count, people.len() as u64);
    let name = |id: i64| &everyone.iter().find(|one| one.account.id == id).expect("a user").account.name;
    let label = |place: usize, id: i64| match name(id).split_whitespace().collect::<Vec<_>>().join(" ") {
        blank if blank.is_empty() => format!("Agent {}", place + 1),
        label => label,
    };
    let expected: Vec<_> = people
        .into_iter()
        .take(asked.first)
        .enumerate()
        .map(|(place, (rank, _, since, id))| (Reason::ALL[rank], since, label(place, id)))
        .collect();
    let found: Vec<_> = found.people.iter().map(|person| (person.reason, person.since, person.label.clone())).collect();
    prop_assert_eq!(found, expected);
    Ok(())
}

/// Puts a board after a history; returns the outcome.
fn put(state: &mut State, board: &Json) -> Result<Outcome, TestCaseError> {
    let board: Board = serde_json::from_value(board.clone()).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let body = EventBody::WallboardPut { name: "floor".into(), board: Arc::new(board), expected: None };
    let seq = state.position() + 1;
    let event = Event::internal("rollcall:wallboards", Uuid::from_u128(seq.into()), at(0), body);
    state.apply(&Entry { seq, recorded: state.recorded(), event }).map_err(|gap| TestCaseError::fail(gap.to_string()))
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn a_board_equals_a_walk_over_all_users(
        history in small(Mix::EVERYTHING),
        asked in prop::collection::vec(asked(), 4),
    ) {
        let (mut state, mut reference) = (State::new(TENANT), Reference::new(TENANT));
        for entry in &history.entries {
            // Without checkpoints the archive stays empty.
            let marked = Archive::default().mark(&state, entry);
            state.apply(&marked).map_err(|gap| TestCaseError::fail(gap.to_string()))?;
            reference.record(entry);
        }
        for asked in &asked {
            let outcome = put(&mut state, &asked.board())?;
            let view = state.publish();
            if let Outcome::Rejected(Rejection::Document(problems)) = &outcome {
                // Some histories have fewer entities, and deleted users.
                prop_assert!(problems.iter().all(|problem| problem.detail.starts_with("there is no ")), "{problems:?}");
                continue;
            }
            prop_assert_eq!(outcome, Outcome::Applied);
            // Names that no other rule shortens.
            let now = board(&view, "floor", Shown { names: Names::Full, people: true }).expect("a board");
            prop_assert_eq!(now.pages.len(), 1);
            compare(&view, &now, asked, &reference)?;
            let without = board(&view, "floor", Shown { names: Names::Full, people: false }).expect("a board");
            prop_assert_eq!(without.pages[0].tiles.len() + 1, now.pages[0].tiles.len());
        }
    }
}
