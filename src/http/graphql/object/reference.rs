//! Reference data: what users, rules and conversations belong to.

use async_graphql::Object;

use crate::domain::EntityRef;
use crate::http::graphql::paging::Cursor;
use crate::http::graphql::scalar::{Guid, LegacyId};
use crate::query::reference::Reference;

/// A project: a web site, or an application, where visitors are met.
pub struct Project(pub Reference);

impl Project {
    /// Its place in lists of projects, which are ascending by id.
    pub fn place(&self) -> Cursor<i64> {
        Cursor { key: self.0.id(), guid: self.0.guid() }
    }
}

/// A project: a web site, or an application, where visitors are met.
#[Object]
impl Project {
    /// Integer id.
    async fn id(&self) -> LegacyId {
        LegacyId(EntityRef::Id(self.0.id()))
    }

    /// Name.
    async fn name(&self) -> &str {
        self.0.name()
    }
}

/// Something that users are good at.
pub struct Skill(pub Reference);

/// Something that users are good at.
#[Object]
impl Skill {
    /// Integer id.
    async fn id(&self) -> LegacyId {
        LegacyId(EntityRef::Id(self.0.id()))
    }

    /// Name.
    async fn name(&self) -> &str {
        self.0.name()
    }
}

/// Users who are managed together.
pub struct Group(pub Reference);

/// Users who are managed together.
#[Object]
impl Group {
    /// Integer id.
    async fn id(&self) -> LegacyId {
        LegacyId(EntityRef::Id(self.0.id()))
    }

    /// Name.
    async fn name(&self) -> &str {
        self.0.name()
    }
}

/// Users whom a routing rule gives conversations to.
pub struct RoutingGroup(pub Reference);

/// Users whom a routing rule gives conversations to.
#[Object]
impl RoutingGroup {
    /// GUID.
    async fn id(&self) -> Guid {
        Guid(self.0.guid())
    }

    /// Name.
    async fn name(&self) -> &str {
        self.0.name()
    }
}
