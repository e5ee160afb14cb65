//! Random filters of every clause.

use proptest::prelude::*;
use proptest::sample::select;
use rollcall::domain::filter::{Clause, Dimension, TextField, Value};
use rollcall::domain::ids::EntityRef;
use rollcall::domain::{Filter, Role, Status};

use super::{documents, guid_of};

/// The statuses that filters may contain. Offline and disabled are no filter values of
/// docs/reference/iadvize-graphql.md, and the clauses would match no user.
const FILTERED: [Status; 3] = [Status::Available, Status::Busy, Status::ToggleOff];

/// Generates several filters, always including the one without clauses.
pub fn filters(ids: Vec<i64>) -> impl Strategy<Value = Vec<Filter>> {
    let filter = prop::collection::vec(clause(ids), 1..4)
        .prop_map(|clauses| clauses.into_iter().fold(Filter::default(), Filter::and));
    prop::collection::vec(filter, 5).prop_map(|mut filters| {
        filters.push(Filter::default());
        filters
    })
}

fn clause(ids: Vec<i64>) -> impl Strategy<Value = Clause> {
    let users = prop::collection::vec(user(ids), 0..6);
    prop_oneof![
        4 => (dimension(), prop::collection::vec(value(), 0..3)).prop_map(|(d, values)| any_of(d, values)),
        3 => (dimension(), prop::collection::vec(value(), 0..3)).prop_map(|(d, values)| all_of(d, values)),
        2 => users.prop_map(Clause::Users),
        1 => texts().prop_map(|(field, texts)| Clause::Text(field, texts.into_iter().map(String::from).collect())),
        1 => prop::collection::vec(select(Role::ALL.to_vec()), 0..3).prop_map(Clause::Roles),
        2 => prop::collection::vec(select(FILTERED.to_vec()), 0..3).prop_map(Clause::Chat),
        2 => prop::collection::vec(select(FILTERED.to_vec()), 0..3).prop_map(Clause::Overall),
    ]
}

fn any_of(dimension: Dimension, ids: Vec<(i64, u8, String)>) -> Clause {
    Clause::Any(dimension, ids.into_iter().map(|value| valued(dimension, value)).collect())
}

fn all_of(dimension: Dimension, ids: Vec<(i64, u8, String)>) -> Clause {
    Clause::All(dimension, ids.into_iter().map(|value| valued(dimension, value)).collect())
}

/// Generates an id, the form of the reference, and a name for the form by name.
fn value() -> impl Strategy<Value = (i64, u8, String)> {
    let name = prop_oneof![8 => documents::name(), 1 => Just(String::from("unknown"))];
    (1..=4i64, 0..4u8, name)
}

fn valued(dimension: Dimension, (id, form, name): (i64, u8, String)) -> Value {
    match form {
        0 => Value::Name(name),
        1 => Value::Entity(EntityRef::Guid(guid_of(kind_name(dimension), id))),
        _ => Value::Entity(EntityRef::Id(id)),
    }
}

fn texts() -> impl Strategy<Value = (TextField, Vec<&'static str>)> {
    let patterns = vec!["red", "RED ", "*e*", "*d", "b*", "b*e", "ét*", "*É", "*", "r*e*d", "e", ""];
    let some = |texts| prop::collection::vec(select(texts), 0..3);
    prop_oneof![
        3 => some(patterns).prop_map(|patterns| (TextField::Name, patterns)),
        1 => some(vec!["x1", "X1", "x2", "x6"]).prop_map(|ids| (TextField::ExternalId, ids)),
        1 => some(vec!["u1@mail.example", "U2@mail.Example"]).prop_map(|emails| (TextField::Email, emails)),
    ]
}

fn kind_name(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Group => "group",
        Dimension::Skill => "skill",
        Dimension::Project => "project",
        Dimension::RoutingGroup => "routing_group",
        Dimension::Queue => "queue",
        Dimension::Campaign => "campaign",
    }
}

fn dimension() -> impl Strategy<Value = Dimension> {
    select(Dimension::ALL.to_vec())
}

fn user(ids: Vec<i64>) -> impl Strategy<Value = EntityRef> {
    (select(ids), any::<bool>())
        .prop_map(|(id, by_guid)| if by_guid { EntityRef::Guid(guid_of("user", id)) } else { EntityRef::Id(id) })
}

/// Returns one filter for each existing value, and the one without clauses.
pub fn single_value_filters(users: i64) -> Vec<Filter> {
    let mut clauses = Vec::new();
    for dimension in Dimension::ALL {
        for id in 1..=3 {
            clauses.push(any_of(dimension, vec![(id, 2, String::new())]));
        }
    }
    clauses.extend((1..=users).map(|id| Clause::Users(vec![EntityRef::Id(id)])));
    clauses.extend(Role::ALL.map(|role| Clause::Roles(vec![role])));
    clauses.extend(FILTERED.map(|status| Clause::Chat(vec![status])));
    clauses.extend(FILTERED.map(|status| Clause::Overall(vec![status])));
    let one_each = clauses.into_iter().map(|clause| Filter::default().and(clause));
    std::iter::once(Filter::default()).chain(one_each).collect()
}
