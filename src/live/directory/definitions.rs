//! Presence definitions: those in the directory, and one built-in definition per category that every tenant has.

use uuid::Uuid;

use super::{Directory, Entity};
use crate::domain::EntityRef;
use crate::domain::directory::Kind;
use crate::domain::presence::{Category, Definition, DefinitionCategory};

impl Directory {
    /// All definitions: the built-in ones first, then the directory's, ascending by integer id.
    pub fn definitions(&self) -> Vec<Definition> {
        let mut rows: Vec<_> = self.table(Kind::PresenceDefinition).rows().iter().collect();
        rows.sort_unstable_by_key(|entity| entity.id);
        let built_in = DefinitionCategory::ALL.map(|category| self.built_in(category));
        built_in.into_iter().chain(rows.into_iter().filter_map(|entity| defined(entity))).collect()
    }

    /// Finds a definition by GUID, in the directory or among the built-in ones.
    pub fn definition(&self, guid: Uuid) -> Option<Definition> {
        let of_directory = self.table(Kind::PresenceDefinition).get(EntityRef::Guid(guid));
        of_directory.and_then(|entity| defined(entity)).or_else(|| {
            DefinitionCategory::ALL.into_iter().map(|c| self.built_in(c)).find(|definition| definition.guid == guid)
        })
    }

    /// The definition to show for a connected user who chose `category`, and possibly a definition by integer id. If
    /// the definition's category was changed since, the built-in definition of the chosen category is shown instead.
    pub fn shown(&self, category: Category, definition: Option<i64>) -> Definition {
        let named = definition.and_then(|id| self.table(Kind::PresenceDefinition).get(EntityRef::Id(id)));
        let chosen = named.and_then(|entity| defined(entity));
        let meant = chosen.filter(|definition| definition.category.chosen() == Some(category));
        meant.unwrap_or_else(|| self.built_in(category.into()))
    }

    /// The definition to show for a user without a desk: the directory's logged-out definition with the lowest integer
    /// id, else the built-in one.
    pub fn logged_out(&self) -> Definition {
        let rows = self.table(Kind::PresenceDefinition).rows().iter();
        let logged_out = rows.filter(|entity| entity.category == Some(DefinitionCategory::LoggedOut));
        let first = logged_out.min_by_key(|entity| entity.id).and_then(|entity| defined(entity));
        first.unwrap_or_else(|| self.built_in(DefinitionCategory::LoggedOut))
    }

    fn built_in(&self, category: DefinitionCategory) -> Definition {
        let (name, description) = match category {
            DefinitionCategory::Ready => ("presence/Ready", "Ready"),
            DefinitionCategory::Away => ("presence/Away", "Away"),
            DefinitionCategory::ExtendedAway => ("presence/ExtendedAway", "Extended away"),
            DefinitionCategory::LoggedOut => ("presence/LoggedOut", "Logged out"),
        };
        Definition {
            // Derived from the tenant: the same on every server and after every start, without being stored.
            guid: Uuid::new_v5(&self.tenant.0, name.as_bytes()),
            category,
            description: String::from(description),
            selectable: category.chosen().is_some(),
            routable: category == DefinitionCategory::Ready,
            is_built_in: true,
        }
    }
}

/// Converts an entity to a definition; `None` if it has no category. A logged-out definition is never selectable, and
/// one that is not ready never routable, even if the directory marks it so.
fn defined(entity: &Entity) -> Option<Definition> {
    let category = entity.category?;
    Some(Definition {
        guid: entity.guid,
        category,
        description: entity.description.clone().unwrap_or_default(),
        selectable: entity.selectable.unwrap_or(true) && category.chosen().is_some(),
        routable: entity.routable.unwrap_or(true) && category == DefinitionCategory::Ready,
        is_built_in: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::TenantId;
    use crate::domain::Time;
    use crate::domain::directory::Document;

    fn directory() -> Directory {
        let mut directory = Directory::new(TenantId(Uuid::from_u128(7)));
        let json = r#"{"presence_definitions":[{"id":9,"category":"LoggedOut","description":"Home"},
            {"id":3,"category":"LoggedOut","description":"Gone"},{"id":2,"category":"Away","description":"Break"},
            {"id":5,"category":"Ready","description":"Senior","selectable":false}]}"#;
        directory.upsert(&serde_json::from_str::<Document>(json).unwrap(), Time::NEVER).unwrap();
        directory
    }

    fn named(definitions: &[Definition]) -> Vec<(&str, bool)> {
        definitions.iter().map(|definition| (definition.description.as_str(), definition.selectable)).collect()
    }

    #[test]
    fn built_in_definitions_come_first_then_others_by_id() {
        let all = directory().definitions();
        let built_in = [("Ready", true), ("Away", true), ("Extended away", true), ("Logged out", false)];
        assert_eq!(named(&all[..4]), built_in);
        assert_eq!(named(&all[4..]), [("Break", true), ("Gone", false), ("Senior", false), ("Home", false)]);
        assert_eq!(all[1].guid, Uuid::new_v5(&Uuid::from_u128(7), b"presence/Away"));
        for definition in &all {
            assert_eq!(directory().definition(definition.guid).as_ref(), Some(definition));
        }
        assert_eq!(directory().definition(Uuid::nil()), None);
    }

    #[test]
    fn the_definition_shown_has_the_chosen_category() {
        let mut directory = directory();
        assert_eq!(directory.shown(Category::Away, Some(2)).description, "Break");
        assert_eq!(directory.shown(Category::Away, None).description, "Away");
        assert_eq!(directory.logged_out().description, "Gone", "the lowest id");
        let json = r#"{"presence_definitions":[{"id":2,"category":"Ready"}]}"#;
        directory.upsert(&serde_json::from_str::<Document>(json).unwrap(), Time::NEVER).unwrap();
        assert_eq!(directory.shown(Category::Away, Some(2)).description, "Away", "its category was changed");
        assert_eq!(Directory::new(TenantId(Uuid::nil())).logged_out().description, "Logged out");
    }
}
