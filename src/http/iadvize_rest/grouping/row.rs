//! One group or skill in the vendor's form.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::Resource;
use crate::domain::Time;
use crate::domain::settings::base_path::BasePath;
use crate::http::describe::EXAMPLE_TIME;
use crate::http::iadvize_rest::listed::{self, Schemas};
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
    pub fn new(resource: Resource, id: i64, base: &BasePath) -> Self {
        Item { id, _link: link(resource, id, base) }
    }
}

impl Item {
    /// The first of a resource, as an example.
    pub fn example(resource: Resource) -> Self {
        Item::new(resource, 1, &BasePath::default())
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

/// A page of groups or skills, for the OpenAPI description.
pub struct Page;

impl PartialSchema for Page {
    fn schema() -> RefOr<Schema> {
        listed::page::<Row, Item>()
    }
}

impl ToSchema for Page {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("GroupingPage")
    }

    fn schemas(schemas: &mut Schemas) {
        listed::add_parts::<Row, Item>(schemas);
    }
}

impl Row {
    /// The first of a resource, as an example.
    pub fn example(resource: Resource) -> Self {
        let is_group = resource == Resource::Group;
        Row {
            id: 1,
            name: String::from(if is_group { "North" } else { "english" }),
            order: (!is_group).then_some(None),
            created_at: Some(EXAMPLE_TIME.to_date_and_time()),
            parent_id: None,
            parent_list: is_group.then(Vec::new),
            operator_list: vec![101, 102],
            _link: link(resource, 1, &BasePath::default()),
        }
    }

    /// The row for a group or skill.
    pub fn new(resource: Resource, grouping: Grouping, base: &BasePath) -> Self {
        let entity = &grouping.entity;
        Row {
            id: entity.id,
            name: entity.name.clone(),
            order: (resource == Resource::Skill).then_some(entity.order),
            created_at: entity.created.map(Time::to_date_and_time),
            parent_id: entity.parent,
            parent_list: (resource == Resource::Group).then_some(grouping.parents),
            operator_list: grouping.operators,
            _link: link(resource, entity.id, base),
        }
    }
}

fn link(resource: Resource, id: i64, base: &BasePath) -> String {
    format!("{base}/{}/{id}", resource.name())
}
