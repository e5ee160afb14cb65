//! One thing of the reference data: a project, a group, a skill, by id, GUID and name.

use std::sync::Arc;

use uuid::Uuid;

use crate::domain::EntityRef;
use crate::domain::directory::Kind;
use crate::live::View;
use crate::live::directory::Entity;

/// Something that users, rules or conversations refer to.
#[derive(Clone, Debug)]
pub struct Reference(Arc<Entity>);

impl Reference {
    /// Integer id.
    pub fn id(&self) -> i64 {
        self.0.id
    }

    /// GUID.
    pub fn guid(&self) -> Uuid {
        self.0.guid
    }

    /// The routing groups that a routing rule tries together.
    pub fn routing_groups(&self) -> &[Uuid] {
        self.0.routing_groups.as_deref().unwrap_or_default()
    }

    /// Name.
    pub fn name(&self) -> &str {
        &self.0.name
    }
}

/// The thing of this kind that a reference in either form names.
pub fn reference(view: &View, kind: Kind, entity: EntityRef) -> Option<Reference> {
    view.directory().table(kind).get(entity).cloned().map(Reference)
}
