//! Breakdowns of random histories: equal to a walk over all users, with numbers that add up however they are cut.

use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use rollcall::domain::directory::{Document, EntityPatch, UserPatch};
use rollcall::domain::ids::EntityRef;
use rollcall::domain::presence::DefinitionCategory;
use rollcall::domain::status::Reason;
use rollcall::domain::{Channel, Filter};
use rollcall::live::{State, View};
use rollcall::projection::{Headcount, Reasons};
use rollcall::query::breakdown::{Arguments, Breakdown, Key, Question, Value, breakdown};

use super::archive::Archive;
use super::cases;
use super::compare::Compared;
use super::generate::{Mix, TENANT, filters, journal, small, user, users_to_name};
use super::reference::{Broke, Broken, Counted, Reference};

/// A breakdown to compute, without its filter.
#[derive(Clone, Debug)]
struct Asked {
    keys: Vec<Key>,
    channels: Vec<Channel>,
    include_empty: Option<bool>,
    first: usize,
}

fn asked() -> impl Strategy<Value = Asked> {
    let keys = subsequence(Key::ALL.to_vec(), 0..=3).prop_shuffle();
    let channels = prop_oneof![2 => Just(Channel::ALL.to_vec()), 3 => subsequence(Channel::ALL.to_vec(), 1..=4)];
    let first = prop_oneof![2 => Just(5_000), 1 => 1..20usize];
    (keys, channels, option::of(any::<bool>()), first).prop_map(|(keys, channels, include_empty, first)| Asked {
        keys,
        channels,
        include_empty,
        first,
    })
}

impl Asked {
    fn ask(&self, view: &View, filter: &Filter) -> Breakdown {
        let question = Question::new(Arguments {
            keys: self.keys.clone(),
            channels: Some(self.channels.clone()),
            filter: filter.clone(),
            include_empty: self.include_empty,
            first: Some(self.first as i64),
        });
        breakdown(view, &question.expect("valid arguments")).expect("few combinations")
    }
}

fn counted(found: &Reasons) -> Counted {
    Counted { reasons: Reason::ALL.map(|reason| found.people.of(reason)), slots: [found.held, found.max, found.free] }
}

/// Returns the breakdown in the reference's types.
fn plain(found: &Breakdown) -> Broken {
    let value = |value: &Value| match value {
        Value::Channel(channel) => *channel as i64,
        Value::Presence(category) => {
            DefinitionCategory::ALL.iter().position(|known| known == category).expect("a category") as i64
        }
        Value::Entity(entity) => entity.id(),
    };
    let rows = found.rows.iter().map(|row| {
        let values = row.values.iter().map(|of| of.as_ref().map(value)).collect();
        (values, counted(&row.counted))
    });
    let (row_count, overlap) = (found.row_count, found.overlap);
    Broken { total: counted(&found.total), rows: rows.collect(), row_count, overlap }
}

fn agrees(view: &View, reference: &Reference, filter: &Filter, asked: &Asked) -> Compared {
    let found = asked.ask(view, filter);
    let broke = Broke {
        keys: &asked.keys,
        channels: &asked.channels,
        filter,
        include_empty: asked.include_empty.unwrap_or(asked.keys.len() == 1),
        first: asked.first,
    };
    let expected = reference.breakdown(&reference.individuals(), &broke);
    prop_assert_eq!(plain(&found), expected, "{:?} {:?}", asked, filter);
    prop_assert_eq!(found.is_truncated(), found.row_count > found.rows.len() as u64);
    adds_up(view, filter, asked, &found)
}

/// Checks the identities of one answer, without the reference.
fn adds_up(view: &View, filter: &Filter, asked: &Asked, found: &Breakdown) -> Compared {
    let people = |of: &Reasons| of.people.people();
    for of in found.rows.iter().map(|row| &row.counted).chain([&found.total]) {
        prop_assert_eq!(people(of), Reason::ALL.map(|reason| of.people.of(reason)).iter().sum::<u64>());
        prop_assert!(of.connected() <= people(of) && of.free <= of.max, "{:?}", of);
    }
    let by_presence = Asked { keys: vec![Key::Presence], first: 4, ..asked.clone() }.ask(view, filter);
    prop_assert_eq!(by_presence.rows.iter().map(|row| people(&row.counted)).sum::<u64>(), people(&found.total));
    prop_assert_eq!(by_presence.overlap, 0);
    let on_chat = Asked { keys: vec![], channels: vec![Channel::Chat], ..asked.clone() }.ask(view, filter).total;
    let indicator = view.count(filter, Headcount::default());
    prop_assert_eq!(on_chat.people.of(Reason::Available), indicator.available);
    prop_assert_eq!(on_chat.connected(), indicator.connected);
    let whole = Asked { first: 5_000, ..asked.clone() }.ask(view, filter);
    let of_channels = if asked.keys.contains(&Key::Channel) { asked.channels.len() as u64 } else { 1 };
    let in_rows: u64 = whole.rows.iter().map(|row| people(&row.counted)).sum();
    prop_assert_eq!(in_rows, of_channels * (people(&found.total) + found.overlap), "also when rows are cut");
    Ok(())
}

/// Generates a directory with more combinations of groups and skills than are counted, but few users.
fn many_values() -> impl Strategy<Value = Document> {
    let some = || prop::collection::vec((1..=90i64).prop_map(EntityRef::Id), 0..6);
    let one = (some(), some(), option::of((1..=90i64).prop_map(EntityRef::Id)));
    prop::collection::vec(one, 0..12).prop_map(|users| {
        let entities = |kind: &str| {
            let entity =
                |id| EntityPatch { id: Some(id), name: Some(format!("{kind} {id}")), ..EntityPatch::default() };
            (1..=90).map(entity).collect::<Vec<_>>()
        };
        let users = users.into_iter().zip(1..).map(|((groups, skills, primary), id)| {
            let primary = primary.map(rollcall::domain::json::Field::Set).unwrap_or_default();
            UserPatch { groups: Some(groups), skills: Some(skills), primary_group: primary, ..user(id) }
        });
        Document { groups: entities("group"), skills: entities("skill"), users: users.collect(), ..Document::default() }
    })
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn a_breakdown_equals_a_walk_over_all_users(
        history in small(Mix::EVERYTHING),
        filters in filters(users_to_name(6)),
        asked in prop::collection::vec(asked(), 6),
    ) {
        let mut state = State::new(TENANT);
        let mut reference = Reference::new(TENANT);
        for entry in &history.entries {
            // Without checkpoints the archive stays empty.
            let marked = Archive::default().mark(&state, entry);
            state.apply(&marked).map_err(|gap| TestCaseError::fail(gap.to_string()))?;
            reference.record(entry);
        }
        let view = state.publish();
        let all = Filter::default();
        for (asked, filter) in asked.iter().zip(filters.iter().chain(std::iter::repeat(&all))) {
            agrees(&view, &reference, filter, asked)?;
        }
    }

    #[test]
    fn rows_beyond_the_most_are_cut_and_counted(
        document in many_values(),
        include_empty in option::of(any::<bool>()),
        first in prop_oneof![1..40usize, Just(5_000)],
        keys in select(vec![vec!["group", "skill"], vec!["skill", "presence", "group"], vec!["group", "channel", "skill"]]),
    ) {
        let entries = journal(&document, &[]);
        let (mut state, mut reference) = (State::new(TENANT), Reference::new(TENANT));
        for entry in &entries {
            state.apply(entry).map_err(|gap| TestCaseError::fail(gap.to_string()))?;
            reference.record(entry);
        }
        let key = |name: &&str| Key::ALL.into_iter().find(|key| key.name() == *name).expect("a key");
        let keys = keys.iter().map(key).collect();
        let asked = Asked { keys, channels: vec![Channel::Chat, Channel::Video], include_empty, first };
        let view = state.publish();
        let found = asked.ask(&view, &Filter::default());
        let broke = Broke {
            keys: &asked.keys,
            channels: &asked.channels,
            filter: &Filter::default(),
            include_empty: include_empty == Some(true),
            first,
        };
        prop_assert_eq!(plain(&found), reference.breakdown(&reference.individuals(), &broke));
    }
}

#[test]
fn too_many_combinations_are_an_error() {
    let entities = |kind: &str| {
        let entity = |id| EntityPatch { id: Some(id), name: Some(format!("{kind} {id}")), ..EntityPatch::default() };
        (1..=300).map(entity).collect::<Vec<_>>()
    };
    let all = || Some((1..=300).map(EntityRef::Id).collect::<Vec<_>>());
    let everything = UserPatch { groups: all(), skills: all(), queues: all(), ..user(1) };
    let document = Document {
        groups: entities("group"),
        skills: entities("skill"),
        queues: entities("queue"),
        users: vec![everything],
        ..Document::default()
    };
    let mut state = State::new(TENANT);
    state.apply(&journal(&document, &[])[0]).expect("the first entry");
    let view = state.publish();
    let ask = |keys: &[&str]| {
        let key = |name: &&str| Key::ALL.into_iter().find(|key| key.name() == *name).expect("a key");
        let arguments = Arguments { keys: keys.iter().map(key).collect(), first: Some(2), ..Arguments::default() };
        breakdown(&view, &Question::new(arguments).expect("valid arguments"))
    };
    assert!(ask(&["group", "skill", "queue"]).is_err(), "27,000,000 combinations of one user");
    let two = ask(&["group", "skill"]).expect("90,000 combinations");
    assert_eq!((two.row_count, two.overlap, two.rows.len()), (90_000, 89_999, 2));
}
