//! Reference data and users, in the form in which `PUT /v1/directory` takes them back.

use std::sync::Arc;

use serde::Serialize;

use crate::domain::Profile;
use crate::domain::directory::Kind;
use crate::live::View;
use crate::live::directory::Entity;

/// The whole directory, each list ascending by id.
#[derive(Debug, Serialize)]
pub struct DirectoryDocument {
    projects: Vec<Arc<Entity>>,
    groups: Vec<Arc<Entity>>,
    skills: Vec<Arc<Entity>>,
    queues: Vec<Arc<Entity>>,
    campaigns: Vec<Arc<Entity>>,
    routing_groups: Vec<Arc<Entity>>,
    routing_rules: Vec<Arc<Entity>>,
    presence_definitions: Vec<Arc<Entity>>,
    users: Vec<Arc<Profile>>,
}

/// The directory of a view.
pub fn directory(view: &View) -> DirectoryDocument {
    let of = |kind| {
        // When an entity came to be is not for a document to say, so it is not in what a document takes back.
        let plain = |entity: &Arc<Entity>| Arc::new(Entity { created: None, ..Entity::clone(entity) });
        let mut rows: Vec<_> = view.directory().table(kind).rows().iter().map(plain).collect();
        rows.sort_unstable_by_key(|entity| entity.id);
        rows
    };
    let mut users: Vec<_> = view.directory().users().live().map(|(_, profile)| profile.clone()).collect();
    users.sort_unstable_by_key(|profile| profile.id);
    DirectoryDocument {
        projects: of(Kind::Project),
        groups: of(Kind::Group),
        skills: of(Kind::Skill),
        queues: of(Kind::Queue),
        campaigns: of(Kind::Campaign),
        routing_groups: of(Kind::RoutingGroup),
        routing_rules: of(Kind::RoutingRule),
        presence_definitions: of(Kind::PresenceDefinition),
        users,
    }
}
