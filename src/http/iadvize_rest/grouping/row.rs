//! One group or skill in the vendor's form.

use serde::Serialize;
use utoipa::ToSchema;

use super::Resource;
use crate::domain::Time;
use crate::query::groupings::Grouping;

/// An item of a list: its id, and the path of its details.
#[derive(Serialize, ToSchema)]
#[schema(as = Link)]
pub struct Item {
    id: i64,
    _link: String,
}

impl Item {
    /// The item for an integer id.
    pub fn new(resource: Resource, id: i64) -> Self {
        Item { id, _link: link(resource, id) }
    }
}

/// A group or skill with every field. Only skills have `order`; only groups have `parent_list`, the ids of all
/// ancestors.
#[derive(Serialize, ToSchema)]
#[schema(as = Grouping)]
pub struct Row {
    id: i64,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>)]
    order: Option<Option<u32>>,
    created_at: Option<String>,
    parent_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_list: Option<Vec<i64>>,
    /// Ids of the members; deprecated by the vendor.
    #[schema(deprecated)]
    operator_list: Vec<i64>,
    _link: String,
}

impl Row {
    /// The row for a group or skill.
    pub fn new(resource: Resource, grouping: Grouping) -> Self {
        let entity = &grouping.entity;
        Row {
            id: entity.id,
            name: entity.name.clone(),
            order: (resource == Resource::Skill).then_some(entity.order),
            created_at: entity.created.map(Time::to_date_and_time),
            parent_id: entity.parent,
            parent_list: (resource == Resource::Group).then_some(grouping.parents),
            operator_list: grouping.operators,
            _link: link(resource, entity.id),
        }
    }
}

fn link(resource: Resource, id: i64) -> String {
    format!("/{}/{id}", resource.name())
}
