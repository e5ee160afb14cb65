//! The directory of one tenant: its current reference data and users, with their memberships.
//!
//! A clone shares everything that neither side changes afterwards: its cost does not depend on the size, and that of a
//! change only on what is changed. So a document is applied to a clone, and views share the rest.

mod definitions;
mod members;
mod patch;
mod restore;
mod table;
mod upsert;
mod users;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use members::Members;
pub use table::Table;
pub use upsert::{Upsert, Upserted};
pub use users::{Account, Password, Users};

use crate::domain::directory::{DirectorySettings, Kind};
use crate::domain::filter::{Dimension, Value};
use crate::domain::ids::{EntityRef, TenantId, UserRef};
use crate::domain::presence::DefinitionCategory;
use crate::domain::role::Role;
use crate::domain::{PackedProfile, Time, text};

/// One entity of reference data, as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entity {
    /// Integer id, unique within the kind.
    pub id: i64,
    /// GUID, equivalent to the integer id in references.
    pub guid: Uuid,
    /// Name; empty for presence definitions, which have a description instead.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Routing rules only: the GUIDs of their routing groups, ascending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing_groups: Option<Vec<Uuid>>,
    /// Presence definitions only: the category of a user choosing it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<DefinitionCategory>,
    /// Presence definitions only: the text shown for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Presence definitions only: true if users may choose it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selectable: Option<bool>,
    /// Presence definitions only: false if users who chose it cannot be given work; absent where it was never given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routable: Option<bool>,
    /// Groups and skills only: the integer id of the group or skill directly above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<i64>,
    /// Skills only: the sort position among skills.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<u32>,
    /// Recorded time of the entry that created it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
}

/// The directory of one tenant: tables of reference data, users, and the sets of users by value and role.
#[derive(Clone, Debug)]
pub struct Directory {
    tenant: TenantId,
    settings: DirectorySettings,
    tables: [Table; Kind::ALL.len()],
    users: Users,
    members: Members,
}

impl Directory {
    /// Creates an empty directory. Derived GUIDs depend on `tenant`.
    pub fn new(tenant: TenantId) -> Self {
        let (settings, tables) = (DirectorySettings::default(), Default::default());
        Directory { tenant, settings, tables, users: Users::default(), members: Members::default() }
    }

    /// The settings of what is counted.
    pub fn settings(&self) -> DirectorySettings {
        self.settings
    }

    /// Restores the settings from a checkpoint.
    pub fn restore_settings(&mut self, settings: DirectorySettings) {
        self.settings = settings;
    }

    /// The table of the entities of one kind.
    pub fn table(&self, kind: Kind) -> &Table {
        &self.tables[kind as usize]
    }

    /// The number of entities of all kinds, without users.
    pub fn entities(&self) -> usize {
        self.tables.iter().map(Table::count).sum()
    }

    /// The users, including deleted ones that are still remembered.
    pub fn users(&self) -> &Users {
        &self.users
    }

    /// The sets of users by value of each dimension and by role.
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// The dense index of a user that is not deleted.
    pub fn find(&self, user: &UserRef) -> Option<u32> {
        let ix = match user {
            UserRef::Entity(EntityRef::Id(id)) => self.users.by_id(*id),
            UserRef::Entity(EntityRef::Guid(guid)) => self.users.by_guid(*guid),
            UserRef::External(id) => self.users.by_external(id),
        }?;
        self.users.account(ix).is_some_and(|account| account.deleted.is_none()).then_some(ix)
    }

    /// The profile of a user that is not deleted.
    pub fn profile(&self, ix: u32) -> Option<&Arc<PackedProfile>> {
        self.users.account(ix).filter(|account| account.deleted.is_none()).map(|account| &account.profile)
    }

    /// The integer id of the user at a dense index, even if deleted; 0 if there is none.
    pub fn user_id(&self, ix: u32) -> i64 {
        self.users.account(ix).map_or(0, |account| account.profile.id)
    }

    /// The profile of a user that is not deleted, by a reference in any form.
    pub fn profile_of(&self, user: &UserRef) -> Option<&Arc<PackedProfile>> {
        self.profile(self.find(user)?)
    }

    /// Resolves a caller's value to rows of the dimension's table: none if it is unknown, several if a name is shared.
    pub fn resolve(&self, dimension: Dimension, value: &Value) -> impl Iterator<Item = u32> {
        let table = self.table(kind_of(dimension));
        let (one, several) = match value {
            Value::Entity(reference) => (table.find(*reference), Vec::new()),
            Value::Name(name) => (None, table.named(name)),
        };
        one.into_iter().chain(several)
    }

    /// Restores an entity from a checkpoint.
    pub fn restore_entity(&mut self, kind: Kind, entity: Entity) {
        self.tables[kind as usize].put(Arc::new(entity));
    }

    /// Sets a user's password; `None` removes it.
    pub fn set_password(&mut self, ix: u32, password: Option<Password>) {
        self.users.set_password(ix, password);
    }

    /// The highest integer id ever assigned, for each kind in the order of [`Kind::ALL`], and last for users.
    pub fn high_water(&self) -> Vec<i64> {
        self.tables.iter().map(Table::high).chain([self.users.high()]).collect()
    }

    /// Restores the values of [`Directory::high_water`].
    pub fn restore_high_water(&mut self, high: &[i64]) {
        for (table, high) in self.tables.iter_mut().zip(high) {
            table.raise(*high);
        }
        if let Some(high) = high.get(Kind::ALL.len()) {
            self.users.raise(*high);
        }
    }

    /// Marks a user as deleted and removes all memberships. The user's ids stay assigned.
    pub fn delete(&mut self, ix: u32, at: Time) {
        if let Some(account) = self.users.account(ix) {
            let before = account.profile.clone();
            self.change_memberships(ix, Some(&before), None);
        }
        self.users.delete(ix, at);
    }

    /// Removes a deleted user; the dense index may be assigned to another.
    pub fn forget(&mut self, ix: u32) {
        self.users.forget(ix);
    }

    /// Counts the elements and pointers that this directory does not share with `before`, an earlier clone of it.
    pub fn copied_since(&self, before: &Self) -> usize {
        let tables = self.tables.iter().zip(&before.tables).map(|(table, old)| table.copied_since(old));
        tables.sum::<usize>() + self.users.copied_since(&before.users) + self.members.copied_since(&before.members)
    }

    /// Moves a user from the sets of one profile to those of another. Sets common to both are not touched, so that they
    /// stay shared with clones.
    fn change_memberships(&mut self, ix: u32, before: Option<&PackedProfile>, after: Option<&PackedProfile>) {
        let rows = |profile: Option<&PackedProfile>| {
            let mut rows = profile.map(|profile| self.rows_of(profile)).unwrap_or_default();
            rows.sort_unstable();
            rows
        };
        let (old, new) = (rows(before), rows(after));
        for &(dimension, row) in old.iter().filter(|row| new.binary_search(row).is_err()) {
            self.members.of_mut(dimension, row).remove(ix);
        }
        for &(dimension, row) in new.iter().filter(|row| old.binary_search(row).is_err()) {
            self.members.of_mut(dimension, row).insert(ix);
        }
        for role in Role::ALL {
            let has = |profile: Option<&PackedProfile>| profile.is_some_and(|profile| profile.roles.contains(role));
            match (has(before), has(after)) {
                (true, false) => self.members.role_mut(role).remove(ix),
                (false, true) => self.members.role_mut(role).insert(ix),
                _ => {}
            }
        }
    }

    /// All rows that the profile is a member of.
    fn rows_of(&self, profile: &PackedProfile) -> Vec<(Dimension, u32)> {
        let rows = |dimension| self.rows_in(profile, dimension).into_iter().map(move |row| (dimension, row));
        Dimension::ALL.into_iter().flat_map(rows).collect()
    }

    /// The rows of a dimension's table that the profile is a member of, each once. The primary group counts like the
    /// other groups.
    pub fn rows_in(&self, profile: &PackedProfile, dimension: Dimension) -> Vec<u32> {
        let table = self.table(kind_of(dimension));
        let Some(ids) = restore::ids_in(profile, dimension) else {
            return profile.routing_groups().filter_map(|guid| table.by_guid(guid)).collect();
        };
        ids.filter_map(|id| table.by_id(id)).collect()
    }
}

/// The kind of the entities that are a dimension's values.
pub const fn kind_of(dimension: Dimension) -> Kind {
    match dimension {
        Dimension::Group => Kind::Group,
        Dimension::Skill => Kind::Skill,
        Dimension::Project => Kind::Project,
        Dimension::RoutingGroup => Kind::RoutingGroup,
        Dimension::Queue => Kind::Queue,
        Dimension::Campaign => Kind::Campaign,
    }
}

/// Returns the form in which names are compared: trimmed, in lower case, of at most [`text::NAME_MAX`] characters.
pub fn folded(name: &str) -> String {
    // Bounds the work for long texts given in a filter.
    name.trim().chars().take(text::NAME_MAX).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Directory {
        /// The sets, to be damaged.
        pub(crate) fn members_mut(&mut self) -> &mut Members {
            &mut self.members
        }
    }
}
