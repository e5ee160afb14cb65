//! The document of `PUT /v1/directory`: patches to reference data and users (docs/reference/native.md, "Directory").

mod check;
mod patch;
mod settings;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ids::EntityRef;
use super::json::{self, Field};
use super::presence::DefinitionCategory;
pub use check::MAX_SLOTS;
pub use patch::{ChannelPatch, ChannelsPatch, UserPatch};
pub use settings::{DirectorySettings, DirectorySettingsPatch};

/// Maximum number of entities in one document.
pub const MAX_ENTITIES: usize = 50_000;
/// Maximum number of references, languages or roles in one list.
pub const MAX_LIST: usize = 1_000;

/// A kind of reference data. Users are not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A project: the vendor's web site.
    Project,
    /// A group of users, possibly inside another group.
    Group,
    /// A skill of users, possibly below another skill.
    Skill,
    /// A queue that users serve.
    Queue,
    /// A campaign that users work for.
    Campaign,
    /// A routing group, a target of routing rules.
    RoutingGroup,
    /// A routing rule: a set of routing groups tried together.
    RoutingRule,
    /// A presence that a user can choose, with a category and a description.
    PresenceDefinition,
}

impl Kind {
    /// All kinds, in the order in which a document is applied: a kind comes before those that refer to it.
    pub const ALL: [Kind; 8] = [
        Kind::Project,
        Kind::Group,
        Kind::Skill,
        Kind::Queue,
        Kind::Campaign,
        Kind::RoutingGroup,
        Kind::RoutingRule,
        Kind::PresenceDefinition,
    ];

    /// The kind's name. GUIDs of its entities are derived from it, so it must never change.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Project => "project",
            Kind::Group => "group",
            Kind::Skill => "skill",
            Kind::Queue => "queue",
            Kind::Campaign => "campaign",
            Kind::RoutingGroup => "routing_group",
            Kind::RoutingRule => "routing_rule",
            Kind::PresenceDefinition => "presence_definition",
        }
    }

    /// The member of the document that lists entities of the kind.
    pub const fn member(self) -> &'static str {
        match self {
            Kind::Project => "projects",
            Kind::Group => "groups",
            Kind::Skill => "skills",
            Kind::Queue => "queues",
            Kind::Campaign => "campaigns",
            Kind::RoutingGroup => "routing_groups",
            Kind::RoutingRule => "routing_rules",
            Kind::PresenceDefinition => "presence_definitions",
        }
    }
}

/// One entity of reference data to create or change. An absent member leaves the entity's value as it is, `null` removes
/// a value that an entity can be without, and is rejected elsewhere
/// (docs/decisions/0095-null-in-documents.md).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EntityPatch {
    /// Integer id. The entity is found by it, or created with it.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub id: Option<i64>,
    /// GUID. The entity is found by it, or created with it.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub guid: Option<Uuid>,
    /// Name; required for a new entity.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub name: Option<String>,
    /// Routing rules only: the routing groups tried together.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub routing_groups: Option<Vec<EntityRef>>,
    /// Presence definitions only: the category; required for a new definition.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub category: Option<DefinitionCategory>,
    /// Presence definitions only: the text shown for it, in place of a name.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub description: Option<String>,
    /// Presence definitions only: true if users may choose it. Defaults to true.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub selectable: Option<bool>,
    /// Presence definitions only: true if users who chose it can be given work. Defaults to true; of no effect in a
    /// category other than ready.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub routable: Option<bool>,
    /// Groups and skills only: the group or skill directly above it.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub parent: Field<EntityRef>,
    /// Skills only: the sort position among skills.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub order: Field<u32>,
}

/// Reference data and users to create or change. A document is applied as a whole or not at all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Document {
    /// Settings to change.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::object")]
    pub settings: Option<DirectorySettingsPatch>,
    /// Projects (the vendor's web sites) to create or change.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "json::list")]
    pub projects: Vec<EntityPatch>,
    /// Groups to create or change.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "json::list")]
    pub groups: Vec<EntityPatch>,
    /// Skills to create or change.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "json::list")]
    pub skills: Vec<EntityPatch>,
    /// Queues to create or change.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "json::list")]
    pub queues: Vec<EntityPatch>,
    /// Campaigns to create or change.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "json::list")]
    pub campaigns: Vec<EntityPatch>,
    /// Routing groups to create or change.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "json::list")]
    pub routing_groups: Vec<EntityPatch>,
    /// Routing rules to create or change.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "json::list")]
    pub routing_rules: Vec<EntityPatch>,
    /// Presence definitions to create or change.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "json::list")]
    pub presence_definitions: Vec<EntityPatch>,
    /// Users to create or change.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "json::list")]
    pub users: Vec<UserPatch>,
}

impl Document {
    /// The patches of entities of one kind.
    pub fn of(&self, kind: Kind) -> &[EntityPatch] {
        match kind {
            Kind::Project => &self.projects,
            Kind::Group => &self.groups,
            Kind::Skill => &self.skills,
            Kind::Queue => &self.queues,
            Kind::Campaign => &self.campaigns,
            Kind::RoutingGroup => &self.routing_groups,
            Kind::RoutingRule => &self.routing_rules,
            Kind::PresenceDefinition => &self.presence_definitions,
        }
    }

    /// The number of entities in the document, users included. Settings are none.
    pub fn len(&self) -> usize {
        Kind::ALL.iter().map(|kind| self.of(*kind).len()).sum::<usize>() + self.users.len()
    }

    /// Returns true if the document contains neither entities nor settings.
    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.settings.as_ref().is_none_or(DirectorySettingsPatch::is_empty)
    }
}

/// Detail of the problem of a value that must be unique and belongs to another user.
pub const TAKEN: &str = "belongs to another user";

/// Detail of the problem of roles that the sender of a document must not change or give.
pub const ROLES_NOT_GRANTED: &str = "need the scope operators:passwords, and every scope that a log-in with them has";

/// One reason for which a document is rejected, and its location.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// JSON pointer into the document (RFC 6901).
    pub pointer: String,
    /// Description for people, as a predicate such as "must be 1 to 256 bytes".
    pub detail: String,
}

/// Counts of the entities that a document created, updated and left as they were. Its settings count as one entity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Number of entities created.
    pub created: u32,
    /// Number of entities with at least one changed value.
    pub updated: u32,
    /// Number of entities that already had all the given values.
    pub unchanged: u32,
}
