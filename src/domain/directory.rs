//! The document that `PUT /v1/directory` takes: patches to reference data and users (EVENTS.md, "Directory").

mod check;
mod patch;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ids::EntityRef;
use super::object;
use super::presence::DefinitionCategory;
pub use patch::{ChannelPatch, ChannelsPatch, Field, UserPatch};

/// Entities one document may hold.
pub const MAX_ENTITIES: usize = 50_000;
/// References, languages or roles one list may hold.
pub const MAX_LIST: usize = 1_000;

/// A kind of reference data; users are apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A project: the vendor's web site.
    Project,
    /// A group of users.
    Group,
    /// A skill.
    Skill,
    /// A queue.
    Queue,
    /// A campaign.
    Campaign,
    /// A routing group.
    RoutingGroup,
    /// A routing rule: routing groups tried together.
    RoutingRule,
    /// What a person may choose to be, with a description.
    PresenceDefinition,
}

impl Kind {
    /// Every kind, in the order a document is applied: what is referred to comes first.
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

    /// The kind's name, which its GUIDs are made from; never to be changed.
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

    /// The document's member that lists the kind.
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

/// One entity of reference data, to be made or changed. What is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EntityPatch {
    /// Integer identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// GUID identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guid: Option<Uuid>,
    /// Name; needed when the entity is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Routing rules only: the routing groups tried together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routing_groups: Option<Vec<EntityRef>>,
    /// Presence definitions only: needed when the definition is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<DefinitionCategory>,
    /// Presence definitions only: what it is called, in place of a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Presence definitions only: whether a person may choose it; true unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selectable: Option<bool>,
    /// Groups and skills only: the one it lies in.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub parent: Field<EntityRef>,
    /// Skills only: its place among the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<u32>,
}

/// Reference data and users to make or change, as one unit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Document {
    /// Projects.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "object::list")]
    pub projects: Vec<EntityPatch>,
    /// Groups.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "object::list")]
    pub groups: Vec<EntityPatch>,
    /// Skills.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "object::list")]
    pub skills: Vec<EntityPatch>,
    /// Queues.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "object::list")]
    pub queues: Vec<EntityPatch>,
    /// Campaigns.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "object::list")]
    pub campaigns: Vec<EntityPatch>,
    /// Routing groups.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "object::list")]
    pub routing_groups: Vec<EntityPatch>,
    /// Routing rules.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "object::list")]
    pub routing_rules: Vec<EntityPatch>,
    /// Presence definitions.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "object::list")]
    pub presence_definitions: Vec<EntityPatch>,
    /// Users.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "object::list")]
    pub users: Vec<UserPatch>,
}

impl Document {
    /// The patches of one kind.
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

    /// How many entities the document names.
    pub fn len(&self) -> usize {
        Kind::ALL.iter().map(|kind| self.of(*kind).len()).sum::<usize>() + self.users.len()
    }

    /// Whether it names none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The detail of a problem with a name that only one user may have.
pub const TAKEN: &str = "belongs to another user";

/// Why a document is refused: where, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// JSON pointer into the document (RFC 6901).
    pub pointer: String,
    /// A sentence for people.
    pub detail: String,
}

/// What a document did, entity by entity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Entities that are new.
    pub created: u32,
    /// Entities that differ from before.
    pub updated: u32,
    /// Entities that were so already.
    pub unchanged: u32,
}
