//! Groups and skills, with their parents and members.

use std::collections::HashSet;
use std::sync::Arc;

use super::INLINE_ROWS;
use super::people::operators::{operator, operators};
use crate::domain::filter::{Clause, Dimension, Value};
use crate::domain::{EntityRef, Filter};
use crate::live::View;
use crate::live::directory::{Entity, kind_of};
use crate::projection::roster::Connection;

/// A group or a skill.
#[derive(Clone, Debug)]
pub struct Grouping {
    /// The entity of the group or skill.
    pub entity: Arc<Entity>,
    /// Integer ids of its ancestors, the nearest first.
    pub parents: Vec<i64>,
    /// Integer ids of its members, ascending.
    pub operators: Vec<i64>,
}

/// A filter of groups or skills. An empty list restricts nothing.
#[derive(Clone, Debug, Default)]
pub struct GroupingFilter {
    /// Parents, one of which must be the entity's own.
    pub parents: Vec<EntityRef>,
    /// Operators, one of which must be a member.
    pub operators: Vec<EntityRef>,
}

/// Returns the entities of a dimension that pass the filter, ascending by id.
pub fn groupings<'v>(view: &'v View, dimension: Dimension, filter: &GroupingFilter) -> Vec<&'v Arc<Entity>> {
    let table = view.directory().table(kind_of(dimension));
    let parents: HashSet<i64> =
        filter.parents.iter().filter_map(|parent| table.get(*parent)).map(|entity| entity.id).collect();
    let theirs: HashSet<i64> = filter.operators.iter().flat_map(|of| belongs(view, dimension, *of)).collect();
    let is_wanted = |entity: &&Arc<Entity>| {
        let lies = filter.parents.is_empty() || entity.parent.is_some_and(|parent| parents.contains(&parent));
        lies && (filter.operators.is_empty() || theirs.contains(&entity.id))
    };
    let mut found: Vec<_> = table.rows().iter().filter(is_wanted).collect();
    found.sort_unstable_by_key(|entity| entity.id);
    found
}

/// Finds an entity of a dimension by its integer id or GUID.
pub fn entity(view: &View, dimension: Dimension, reference: EntityRef) -> Option<&Arc<Entity>> {
    view.directory().table(kind_of(dimension)).get(reference)
}

/// Returns the filter for the members of an entity.
pub fn members(dimension: Dimension, entity: &Entity) -> Filter {
    Filter::default().and(Clause::Any(dimension, vec![Value::Entity(EntityRef::Id(entity.id))]))
}

/// Returns an entity with its ancestors and members.
pub fn described(view: &View, dimension: Dimension, entity: &Arc<Entity>) -> Grouping {
    let members = members(dimension, entity);
    Grouping {
        entity: entity.clone(),
        parents: view.directory().table(kind_of(dimension)).ancestors(entity.id).collect(),
        operators: operators(view, &members, Connection::Any).into_iter().map(|profile| profile.id).collect(),
    }
}

/// Returns true if finding entities of a dimension takes long, or, if `is_described`, describing a page of them.
pub fn is_long(view: &View, dimension: Dimension, is_described: bool) -> bool {
    let entities = view.directory().table(kind_of(dimension)).rows().len();
    entities > INLINE_ROWS || (is_described && view.directory().users().len() > INLINE_ROWS)
}

/// Returns the integer ids of an operator's groups or skills.
fn belongs(view: &View, dimension: Dimension, reference: EntityRef) -> Vec<i64> {
    let Some(profile) = operator(view, reference) else { return Vec::new() };
    match dimension {
        Dimension::Group => profile.groups().chain(profile.primary_group()).collect(),
        Dimension::Skill => profile.skills().collect(),
        _ => Vec::new(),
    }
}
