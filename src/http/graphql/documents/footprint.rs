//! The heap memory of a parsed document, which is many times the size of its text.

use std::mem::size_of;

use async_graphql::parser::types::{
    Directive, DocumentOperations, ExecutableDocument, Field, FragmentDefinition, OperationDefinition, Selection,
    SelectionSet, VariableDefinition,
};
use async_graphql::{Name, Positioned};
use async_graphql_value::Value;

/// Bytes that an allocation takes in addition to its content: the allocator's rounding and, for a name, its two
/// reference counters.
const ALLOCATION_OVERHEAD: usize = 32;

/// Returns the bytes that the document keeps on the heap. Only for a document that passed
/// [`crate::http::graphql::guard::scan`], which bounds the recursion.
pub fn bytes(document: &ExecutableDocument) -> usize {
    let operations = match &document.operations {
        DocumentOperations::Single(only) => operation(&only.node),
        DocumentOperations::Multiple(all) => {
            let entries = all.iter().map(|(key, one)| name(key) + operation(&one.node));
            all.capacity() * entry::<Positioned<OperationDefinition>>() + entries.sum::<usize>()
        }
    };
    let fragments = document.fragments.iter().map(|(key, fragment)| {
        name(key)
            + name(&fragment.node.type_condition.node.on.node)
            + body(&fragment.node.selection_set.node)
            + directives(&fragment.node.directives)
    });
    let table = document.fragments.capacity() * entry::<Positioned<FragmentDefinition>>();
    size_of::<ExecutableDocument>() + ALLOCATION_OVERHEAD + operations + table + fragments.sum::<usize>()
}

/// Bytes of one slot in a hash table keyed by name.
const fn entry<T>() -> usize {
    // The table keeps one slot in eight free, and one control byte per slot.
    (size_of::<(Name, T)>() + 1) * 8 / 7
}

fn operation(operation: &OperationDefinition) -> usize {
    let variables = operation.variable_definitions.iter().map(|variable| {
        let default =
            variable.node.default_value.as_ref().map_or(0, |default| value(&default.node.clone().into_value()));
        // A type has one box per list around its name; the length of its text bounds their number.
        name(&variable.node.name.node)
            + 2 * ALLOCATION_OVERHEAD
            + variable.node.var_type.node.to_string().len() * ALLOCATION_OVERHEAD
            + directives(&variable.node.directives)
            + default
    });
    list::<Positioned<VariableDefinition>>(operation.variable_definitions.capacity())
        + variables.sum::<usize>()
        + directives(&operation.directives)
        + body(&operation.selection_set.node)
}

fn body(set: &SelectionSet) -> usize {
    let inside = set.items.iter().map(|selection| match &selection.node {
        Selection::Field(field) => self::field(&field.node),
        Selection::FragmentSpread(spread) => {
            name(&spread.node.fragment_name.node) + directives(&spread.node.directives)
        }
        Selection::InlineFragment(fragment) => {
            let on = fragment.node.type_condition.as_ref().map_or(0, |condition| name(&condition.node.on.node));
            on + directives(&fragment.node.directives) + body(&fragment.node.selection_set.node)
        }
    });
    list::<Positioned<Selection>>(set.items.capacity()) + inside.sum::<usize>()
}

fn field(field: &Field) -> usize {
    field.alias.as_ref().map_or(0, |alias| name(&alias.node))
        + name(&field.name.node)
        + arguments(&field.arguments, field.arguments.capacity())
        + directives(&field.directives)
        + body(&field.selection_set.node)
}

fn directives(all: &Vec<Positioned<Directive>>) -> usize {
    let inside = all.iter().map(|directive| {
        let given = &directive.node.arguments;
        name(&directive.node.name.node) + arguments(given, given.capacity())
    });
    list::<Positioned<Directive>>(all.capacity()) + inside.sum::<usize>()
}

fn arguments(given: &[(Positioned<Name>, Positioned<Value>)], capacity: usize) -> usize {
    let inside = given.iter().map(|(key, argument)| name(&key.node) + value(&argument.node));
    list::<(Positioned<Name>, Positioned<Value>)>(capacity) + inside.sum::<usize>()
}

fn value(of: &Value) -> usize {
    match of {
        Value::Variable(text) | Value::Enum(text) => name(text),
        Value::String(text) => list::<u8>(text.capacity()),
        Value::List(all) => list::<Value>(all.capacity()) + all.iter().map(value).sum::<usize>(),
        Value::Object(all) => {
            let places = all.capacity() * (entry::<Value>() + 2 * size_of::<usize>());
            ALLOCATION_OVERHEAD + places + all.iter().map(|(key, inner)| name(key) + value(inner)).sum::<usize>()
        }
        Value::Null | Value::Number(_) | Value::Boolean(_) | Value::Binary(_) => 0,
    }
}

fn name(name: &Name) -> usize {
    ALLOCATION_OVERHEAD + name.len()
}

/// Bytes of a vector's buffer; one without capacity allocates nothing.
const fn list<T>(capacity: usize) -> usize {
    if capacity == 0 { 0 } else { ALLOCATION_OVERHEAD + capacity * size_of::<T>() }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn of(text: &str) -> usize {
        bytes(&parse_query(text).unwrap())
    }

    #[test]
    fn parsed_documents_take_many_times_the_size_of_their_text() {
        let fields = format!("{{{}}}", "a ".repeat(1_000));
        assert!(of(&fields) > 50 * fields.len(), "{}", of(&fields));
        let values = format!("{{a(b:[{}])}}", "1,".repeat(1_000));
        assert!(of(&values) > 30 * values.len(), "{}", of(&values));
    }

    #[test]
    fn every_part_is_counted() {
        let small = of("{a}");
        let long = "x".repeat(1_000);
        for larger in [
            format!("{{{long}}}"),
            format!("{{{long}:a}}"),
            format!("{{a(b:\"{long}\")}}"),
            format!("{{a({long}:1)}}"),
            format!("{{a(b:${long})}}"),
            format!("{{a(b:{{{long}:1}})}}"),
            format!("{{a(b:[{long}])}}"),
            format!("{{a @{long}}}"),
            format!("{{a @b({long}:1)}}"),
            format!("{{...{long}}}"),
            format!("{{... on {long}{{a}}}}"),
            format!("{{a}} fragment {long} on A{{a}}"),
            format!("{{a}} fragment f on {long}{{a}}"),
            format!("{{a}} fragment f on A{{{long}}}"),
            format!("{{a}} fragment f on A @{long} {{a}}"),
            format!("query {long}{{a}}"),
            format!("query(${long}:Int){{a}}"),
            format!("query($a:{long}){{a}}"),
            format!("query($a:String=\"{long}\"){{a}}"),
            format!("query @{long} {{a}}"),
        ] {
            assert!(of(&larger) + 2 >= small + long.len(), "{larger}");
        }
    }
}
