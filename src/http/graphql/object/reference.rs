//! Reference data: projects, skills, groups and routing groups.

use async_graphql::Object;

use crate::domain::EntityRef;
use crate::http::graphql::paging::Cursor;
use crate::http::graphql::scalar::{Guid, LegacyId};
use crate::query::reference::Reference;

/// A project: a web site or an application where visitors are met.
pub struct Project(pub Reference);

impl Project {
    /// Returns its place in lists of projects, which are ascending by id.
    pub fn place(&self) -> Cursor<i64> {
        Cursor { key: self.0.id(), guid: self.0.guid() }
    }
}

/// A project: a web site or an application where visitors are met.
#[Object]
impl Project {
    /// The project's integer id.
    async fn id(&self) -> LegacyId {
        LegacyId(EntityRef::Id(self.0.id()))
    }

    /// The project's name.
    async fn name(&self) -> &str {
        self.0.name()
    }
}

/// A skill of users.
pub struct Skill(pub Reference);

/// A skill of users.
#[Object]
impl Skill {
    /// The skill's integer id.
    async fn id(&self) -> LegacyId {
        LegacyId(EntityRef::Id(self.0.id()))
    }

    /// The skill's name.
    async fn name(&self) -> &str {
        self.0.name()
    }
}

/// A group of users who are managed together.
pub struct Group(pub Reference);

/// A group of users who are managed together.
#[Object]
impl Group {
    /// The group's integer id.
    async fn id(&self) -> LegacyId {
        LegacyId(EntityRef::Id(self.0.id()))
    }

    /// The group's name.
    async fn name(&self) -> &str {
        self.0.name()
    }
}

/// A group of users to whom routing rules give conversations.
pub struct RoutingGroup(pub Reference);

/// A group of users to whom routing rules give conversations.
#[Object]
impl RoutingGroup {
    /// The group's GUID.
    async fn id(&self) -> Guid {
        Guid(self.0.guid())
    }

    /// The group's name.
    async fn name(&self) -> &str {
        self.0.name()
    }
}
