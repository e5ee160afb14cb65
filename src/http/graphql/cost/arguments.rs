//! The values that the arguments of a field have in one request.

use async_graphql::parser::types::{Field, OperationDefinition};
use async_graphql::{Name, Value, Variables};

use crate::http::graphql::paging::MAX_PAGE;

/// The operation, with the defaults of its variables, and the given values of the variables.
#[derive(Clone, Copy)]
pub struct Arguments<'d> {
    /// The operation that is executed.
    pub operation: &'d OperationDefinition,
    /// The values that the request gives.
    pub variables: &'d Variables,
}

impl Arguments<'_> {
    /// Returns the value of an argument; `None` if it is absent, or a variable in it has no value.
    pub fn value(&self, field: &Field, name: &str) -> Option<Value> {
        let value = field.get_argument(name)?.node.clone();
        value.into_const_with(|name| self.variable(&name)).ok()
    }

    /// Returns the number of items that the field's page may have. A missing, negative or too large size counts as a
    /// full page, 0 as 1; the field itself rejects sizes out of range.
    pub fn page(&self, field: &Field) -> usize {
        let values = ["first", "last"].iter().filter_map(|name| self.value(field, name));
        let sizes = values.filter_map(|value| match value {
            Value::Number(size) => size.as_u64(),
            _ => None,
        });
        sizes.max().map_or(MAX_PAGE, |size| usize::try_from(size).unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE))
    }

    /// Returns the given value of a variable, or else its default; an error if it has neither.
    fn variable(&self, name: &Name) -> Result<Value, ()> {
        let default = || {
            let mut definitions = self.operation.variable_definitions.iter();
            definitions.find(|known| known.node.name.node == *name)?.node.default_value.as_ref()
        };
        let default = || default().map(|value| &value.node);
        self.variables.get(name).or_else(default).cloned().ok_or(())
    }
}
