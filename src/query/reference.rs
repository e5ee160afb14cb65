//! One entity of the reference data, such as a project, a group or a skill.

use std::sync::Arc;

use uuid::Uuid;

use crate::domain::EntityRef;
use crate::domain::directory::Kind;
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
}

/// Finds the entity of a kind by its integer id or GUID.
pub fn reference(view: &View, kind: Kind, entity: EntityRef) -> Option<Reference> {
    view.directory().table(kind).get(entity).cloned().map(Reference)
}
