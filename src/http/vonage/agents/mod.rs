//! Agents' presences (docs/reference/vonage.md, "Agents' presences"): the one that each agent shows, and those that can
//! be chosen.

pub mod get_presence;
pub mod list_definitions;
pub mod list_presences;
pub mod set_presence;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::{Uuid, uuid};

use crate::domain::Fault;
use crate::domain::fault::found::quoted;
use crate::domain::ids::parse_guid;
use crate::domain::presence::{Definition, DefinitionCategory};
use crate::domain::time::InMillis;
use crate::query::people::presences::Presence;

/// One agent's presence, in the vendor's form.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AgentPresence {
    user_id: Uuid,
    updated: Option<String>,
    presence: PresenceDefinition,
}

impl AgentPresence {
    fn example() -> Self {
        AgentPresence {
            user_id: uuid!("a0000101-0000-4000-8000-000000000101"),
            updated: Some(String::from("2021-03-01T09:00:00.000Z")),
            presence: PresenceDefinition::example(),
        }
    }
}

/// A presence definition, in the vendor's form.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PresenceDefinition {
    presence_id: Uuid,
    selectable: bool,
    category: Category,
    description: String,
}

/// The presence definition of the description's examples.
const LUNCH: Uuid = uuid!("70000001-0000-4000-8000-000000000001");

impl PresenceDefinition {
    fn example() -> Self {
        let category = DefinitionCategory::Away.into();
        PresenceDefinition { presence_id: LUNCH, selectable: true, category, description: String::from("Lunch") }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = PresenceCategory)]
#[serde(rename_all = "camelCase")]
struct Category {
    category_type: &'static str,
    description: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_category: Option<&'static str>,
}

impl From<Presence> for AgentPresence {
    fn from(presence: Presence) -> Self {
        AgentPresence {
            user_id: presence.user,
            updated: presence.updated.map(|updated| InMillis(updated).to_string()),
            presence: presence.definition.into(),
        }
    }
}

impl From<Definition> for PresenceDefinition {
    fn from(definition: Definition) -> Self {
        PresenceDefinition {
            presence_id: definition.guid,
            selectable: definition.selectable,
            category: definition.category.into(),
            description: definition.description,
        }
    }
}

impl From<DefinitionCategory> for Category {
    fn from(category: DefinitionCategory) -> Self {
        let (category_type, description) = match category {
            DefinitionCategory::Ready => ("Ready", "Ready"),
            DefinitionCategory::Away => ("Away", "Away"),
            DefinitionCategory::ExtendedAway => ("ExtendedAway", "Extended Away"),
            DefinitionCategory::LoggedOut => ("LoggedOut", "Logged Out"),
        };
        // As in the vendor's documentation: categories that cannot be chosen have no subcategory.
        let sub_category = category.chosen().map(|_| category_type);
        Category { category_type, description, sub_category }
    }
}

/// Parses the user id in a path, which must be a GUID: the vendor has no other user ids here.
fn user_of(id: &str) -> Result<Uuid, Fault> {
    parse_guid(id).ok_or_else(|| Fault::Malformed(format!("the user's id must be a GUID: {} is given", quoted(id))))
}
