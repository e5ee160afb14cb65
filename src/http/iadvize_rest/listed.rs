//! The OpenAPI schema of a page of a list, whose rows have every field with `full=1`, and otherwise their id and link.

use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::Meta;
use super::paging::Pagination;
use crate::http::describe;

/// Schemas by name.
pub type Schemas = Vec<(String, RefOr<Schema>)>;

/// Returns the schema of a page. A row is any of both forms, and not one of them: one with every field has its id and link
/// too.
pub fn page<Row: ToSchema, Item: ToSchema>() -> RefOr<Schema> {
    let row = Ref::from_schema_name(Row::name());
    let row = AnyOfBuilder::new().item(row).item(Ref::from_schema_name(Item::name()));
    let object = ObjectBuilder::new().property("meta", Ref::from_schema_name(Meta::name())).required("meta");
    let object = object.property("data", describe::list(row)).required("data");
    object.property("pagination", Ref::from_schema_name(Pagination::name())).required("pagination").into()
}

/// Adds the schemas that a page refers to.
pub fn add_parts<Row: ToSchema, Item: ToSchema>(schemas: &mut Schemas) {
    schemas.extend([(Row::name().into(), Row::schema()), (Item::name().into(), Item::schema())]);
    schemas.extend([(Meta::name().into(), Meta::schema()), (Pagination::name().into(), Pagination::schema())]);
    Row::schemas(schemas);
    Item::schemas(schemas);
}
