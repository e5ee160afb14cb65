//! Converts list arguments into the values of a filter's clauses.

use async_graphql::Result;

use crate::domain::EntityRef;
use crate::domain::filter::{MAX_VALUES, Value};
use crate::http::graphql::fault::invalid_argument;
use crate::http::graphql::scalar::{Guid, LegacyId};

/// Returns the values of one argument; none for null, which restricts nothing. `INVALID_ARGUMENT` for more than
/// [`MAX_VALUES`].
pub fn values<T, U>(list: Option<Vec<T>>, name: &str, map: impl Fn(T) -> U) -> Result<Vec<U>> {
    let list = list.unwrap_or_default();
    if list.len() > MAX_VALUES {
        return Err(invalid_argument(format!("{name} has more than 500 values")));
    }
    Ok(list.into_iter().map(map).collect())
}

/// Converts an integer id or a GUID into a filter value.
pub fn entity(LegacyId(reference): LegacyId) -> Value {
    Value::Entity(reference)
}

/// Converts a GUID into a filter value, for entities that the schema names by GUID only.
pub fn by_guid(Guid(guid): Guid) -> Value {
    Value::Entity(EntityRef::Guid(guid))
}
