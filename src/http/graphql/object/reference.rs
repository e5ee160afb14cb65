//! Reference data that users refer to: projects, skills and groups.

use async_graphql::Object;

use crate::domain::EntityRef;
use crate::http::graphql::paging::Cursor;
use crate::http::graphql::scalar::LegacyId;
use crate::query::reference::Reference;

/// Returns the place of an entity in lists of its kind, which are ascending by id.
pub fn place(of: &Reference) -> Cursor<i64> {
    Cursor { key: of.id(), guid: of.guid() }
}

/// A project: a web site or an application where visitors are met.
pub struct Project(pub Reference);

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
pub struct UserGroup(pub Reference);

/// A group of users who are managed together.
#[Object]
impl UserGroup {
    /// The group's integer id.
    async fn id(&self) -> LegacyId {
        LegacyId(EntityRef::Id(self.0.id()))
    }

    /// The group's name.
    async fn name(&self) -> &str {
        self.0.name()
    }
}
