//! One entity of the reference data, such as a project, a group or a skill.

use std::sync::Arc;

use uuid::Uuid;

use crate::domain::directory::Kind;
use crate::domain::{EntityRef, Time};
use crate::live::View;
use crate::live::directory::Entity;

/// An entity that users, rules or conversations refer to.
#[derive(Clone, Debug)]
pub struct Reference(Arc<Entity>);

impl Reference {
    /// Returns the entity's integer id.
    pub fn id(&self) -> i64 {
        self.0.id
    }

    /// Returns the entity's GUID.
    pub fn guid(&self) -> Uuid {
        self.0.guid
    }

    /// Returns the routing groups of a routing rule; none for other entities.
    pub fn routing_groups(&self) -> &[Uuid] {
        self.0.routing_groups.as_deref().unwrap_or_default()
    }

    /// Returns the entity's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns the time at which the entity was created. `None` for one that an older release created, without its time.
    pub fn created(&self) -> Option<Time> {
        self.0.created
    }
}

/// Returns all entities of a kind, in no particular order.
pub fn references(view: &View, kind: Kind) -> impl Iterator<Item = Reference> {
    view.directory().table(kind).rows().iter().cloned().map(Reference)
}

/// Finds the entity of a kind by its integer id or GUID.
pub fn reference(view: &View, kind: Kind, entity: EntityRef) -> Option<Reference> {
    view.directory().table(kind).get(entity).cloned().map(Reference)
}
