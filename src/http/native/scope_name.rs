//! The OpenAPI schema of a scope's name.

use std::borrow::Cow;

use serde_json::json;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::Scope;
use crate::http::describe;

/// The name of a scope.
pub struct ScopeName;

impl PartialSchema for ScopeName {
    fn schema() -> RefOr<Schema> {
        let names = Scope::ALL.map(|scope| json!(scope));
        describe::text().enum_values(Some(names)).description(Some("A permission; `*` is all of them")).into()
    }
}

impl ToSchema for ScopeName {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Scope")
    }
}
