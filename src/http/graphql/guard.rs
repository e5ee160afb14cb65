//! Checks that reject a document before it can exhaust the parser or the validator.

use std::collections::HashMap;

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned, Value, Variables};

use super::validation::{NullableVariable, Violation, place};

/// Longest document, in bytes.
pub const MAX_BYTES: usize = 16 * 1024;
/// Most brackets open at once: the parser recurses for each.
pub const MAX_NESTING: usize = 32;
/// Most `...` in the text: fragment spreads and inline fragments.
pub const MAX_SPREADS: usize = 100;
/// Most selections after the expansion of every fragment.
pub const MAX_SELECTIONS: usize = 500;
/// Most aliases after the expansion of every fragment: aliases repeat one field within a selection.
pub const MAX_ALIASES: usize = 100;

/// Checks size, brackets and spreads in one pass over the text, without a parser.
pub fn scan(document: &str) -> Result<(), Violation> {
    if document.len() > MAX_BYTES {
        return Err(Violation::at("the document is larger than 16 KiB", []));
    }
    let text = document.as_bytes();
    let (mut nesting, mut spreads, mut at) = (0usize, 0usize, 0usize);
    while at < text.len() {
        match text[at] {
            b'{' | b'[' | b'(' => nesting += 1,
            b'}' | b']' | b')' => nesting = nesting.saturating_sub(1),
            b'#' => at += text[at..].iter().take_while(|b| !matches!(b, b'\n' | b'\r')).count().saturating_sub(1),
            b'"' => at += string_length(&text[at..]) - 1,
            b'.' if text[at..].starts_with(b"...") => {
                spreads += 1;
                at += 2;
            }
            _ => {}
        }
        if nesting > MAX_NESTING {
            return Err(Violation::at("the document nests more than 32 brackets", [place(document, at)]));
        }
        if spreads > MAX_SPREADS {
            return Err(Violation::at("the document spreads more than 100 fragments", [place(document, at)]));
        }
        at += 1;
    }
    Ok(())
}

/// Returns the bytes of the string literal at the start of `text`, or of all of `text` if the literal does not end. One
/// that is not a block string also ends at a line break.
pub(super) fn string_length(text: &[u8]) -> usize {
    let block = text.starts_with(b"\"\"\"");
    let mut at = if block { 3 } else { 1 };
    while at < text.len() {
        if block && text[at..].starts_with(b"\\\"\"\"") {
            at += 4;
        } else if block && text[at..].starts_with(b"\"\"\"") {
            return at + 3;
        } else if !block && text[at] == b'\\' {
            at += 2;
        } else if !block && matches!(text[at], b'"' | b'\n' | b'\r') {
            return at + 1;
        } else {
            at += 1;
        }
    }
    text.len()
}

/// Checks the numbers of selections and aliases after the expansion of every fragment. A fragment is visited once and
/// its count reused, so that fragments which double each other stay cheap. Returns the reason of a rejection.
pub fn count(document: &ExecutableDocument) -> Result<(), &'static str> {
    let mut counter = Counter { document, known: HashMap::new() };
    let mut total = Count::default();
    for (_, operation) in document.operations.iter() {
        total = total.and(counter.set(&operation.node.selection_set.node)?);
    }
    if total.selections > MAX_SELECTIONS {
        Err("the document selects more than 500 fields")
    } else if total.aliases > MAX_ALIASES {
        Err("the document has more than 100 aliases")
    } else {
        Ok(())
    }
}

/// Selections and aliases of a selection set, with its fragments expanded.
#[derive(Clone, Copy, Default)]
struct Count {
    selections: usize,
    aliases: usize,
}

impl Count {
    const fn and(self, other: Count) -> Count {
        Count {
            selections: self.selections.saturating_add(other.selections),
            aliases: self.aliases.saturating_add(other.aliases),
        }
    }
}

struct Counter<'d> {
    document: &'d ExecutableDocument,
    /// Counts of the fragments; `None` while one is being counted, which reveals cycles.
    known: HashMap<&'d Name, Option<Count>>,
}

impl<'d> Counter<'d> {
    fn set(&mut self, set: &'d SelectionSet) -> Result<Count, &'static str> {
        let mut total = Count::default();
        for selection in &set.items {
            let (inside, is_aliased) = match &selection.node {
                Selection::Field(field) => (self.set(&field.node.selection_set.node)?, field.node.alias.is_some()),
                Selection::InlineFragment(fragment) => (self.set(&fragment.node.selection_set.node)?, false),
                Selection::FragmentSpread(spread) => (self.fragment(&spread.node.fragment_name.node)?, false),
            };
            total = total.and(Count { selections: 1, aliases: usize::from(is_aliased) }).and(inside);
        }
        Ok(total)
    }

    fn fragment(&mut self, name: &'d Name) -> Result<Count, &'static str> {
        match self.known.get(name) {
            Some(Some(count)) => return Ok(*count),
            Some(None) => return Err("a fragment spreads itself"),
            None => {}
        }
        // The validator reports unknown fragments.
        let Some(fragment) = self.document.fragments.get(name) else { return Ok(Count::default()) };
        self.known.insert(name, None);
        let count = self.set(&fragment.node.selection_set.node)?;
        self.known.insert(name, Some(count));
        Ok(count)
    }
}

/// Returns the operation that a request executes, or the reason that there is none.
pub fn operation<'d>(
    document: &'d ExecutableDocument,
    name: Option<&str>,
) -> Result<&'d Positioned<OperationDefinition>, String> {
    let found = match (&document.operations, name) {
        (DocumentOperations::Single(only), None) => Some(only),
        (DocumentOperations::Multiple(all), Some(name)) => all.get(name),
        (DocumentOperations::Multiple(all), None) if all.len() == 1 => all.values().next(),
        _ => None,
    };
    found.ok_or_else(|| match name {
        Some(name) => format!("Unknown operation named \"{name}\""),
        None => String::from("Operation name required in request."),
    })
}

/// Returns true if all operations of the document select introspection fields only: these need no credential. Only for
/// a document that passed [`count`]: a fragment that spreads itself would recurse forever.
pub fn is_introspection(document: &ExecutableDocument) -> bool {
    let mut sets = document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node);
    sets.all(|set| selects_introspection_only(document, set))
}

fn selects_introspection_only(document: &ExecutableDocument, set: &SelectionSet) -> bool {
    set.items.iter().all(|selection| match &selection.node {
        Selection::Field(field) => field.node.name.node.starts_with("__"),
        Selection::InlineFragment(fragment) => selects_introspection_only(document, &fragment.node.selection_set.node),
        Selection::FragmentSpread(spread) => {
            let fragment = document.fragments.get(&spread.node.fragment_name.node);
            fragment.is_some_and(|fragment| selects_introspection_only(document, &fragment.node.selection_set.node))
        }
    })
}

/// Rejects a request that lacks a value for a non-null variable, or gives null for a nullable one that is used where null
/// is not allowed. The validator leaves this to the fields that use the variable.
pub fn check_variables(
    operation: &Positioned<OperationDefinition>,
    nullable: &[NullableVariable],
    variables: &Variables,
) -> Result<(), Violation> {
    for definition in &operation.node.variable_definitions {
        let variable = &definition.node;
        let name = &variable.name.node;
        let given = variables.get(name);
        let is_missing = given.is_none() && variable.default_value.is_none();
        if !variable.var_type.node.nullable && (is_missing || given == Some(&Value::Null)) {
            return Err(Violation::at(format!("the variable ${name} must have a value"), [definition.pos]));
        }
    }
    for variable in nullable.iter().filter(|variable| variable.operation == operation.pos) {
        if variable.must_not_be_null && variables.get(&variable.name) == Some(&Value::Null) {
            let name = &variable.name;
            let why = format!("the variable ${name} must not be null, since it is used where null is not allowed");
            let definitions = operation.node.variable_definitions.iter();
            let places = definitions.filter(|definition| definition.node.name.node == *name).map(|found| found.pos);
            return Err(Violation { message: why, places: places.collect() });
        }
    }
    Ok(())
}

/// Gives each variable that is not given its default, or else that of the places where it is used. async-graphql would
/// ignore the former in `@skip` and `@include`, and so execute a field that a default excludes, and the latter
/// everywhere.
pub fn fill_defaults(
    operation: &Positioned<OperationDefinition>,
    nullable: &[NullableVariable],
    variables: &mut Variables,
) {
    let own = operation.node.variable_definitions.iter().filter_map(|definition| {
        let default = definition.node.default_value.as_ref()?;
        Some((&definition.node.name.node, &default.node))
    });
    let nullable = nullable.iter().filter(|variable| variable.operation == operation.pos);
    let of_places = nullable.filter_map(|variable| Some((&variable.name, variable.place_default.as_ref()?)));
    for (name, default) in own.chain(of_places) {
        variables.entry(name.clone()).or_insert_with(|| default.clone());
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use async_graphql::parser::types::OperationType;

    use super::*;

    #[test]
    fn brackets_in_strings_and_comments_do_not_count() {
        assert!(scan(&format!("{{a(b:{}1{})}}", "[".repeat(40), "]".repeat(40))).is_err());
        assert_eq!(scan(&format!("{{a(b:\"{}\")}} # {}", "[".repeat(40), "{".repeat(40))), Ok(()));
        assert_eq!(scan(&format!("{{a(b:\"\"\"{}\\\"\"\" \"\"\")}}", "[".repeat(40))), Ok(()));
        assert!(scan(&format!("{{a(b:\"x\\\"\"{}", "[".repeat(40))).is_err(), "after the string ended");
        assert!(scan(&"{...f}".repeat(101)).is_err());
        assert!(scan(&" ".repeat(MAX_BYTES + 1)).is_err());
    }

    #[test]
    fn literals_that_would_overflow_the_parser_are_rejected() {
        assert!(scan(&format!("{{a(b:{})}}", "[".repeat(3_000))).is_err());
        assert!(scan(&format!("{{a(b:{})}}", "{c:".repeat(3_000))).is_err());
    }

    #[test]
    fn doubling_fragments_are_counted_without_expanding_them() {
        let mut text = String::from("{...f0} fragment f20 on Q {a}");
        for n in 0..20 {
            text.push_str(&format!(" fragment f{n} on Q {{...f{m} ...f{m}}}", m = n + 1));
        }
        assert!(count(&parse_query(text).unwrap()).is_err());
    }

    #[test]
    fn aliases_of_a_fragment_count_for_each_spread() {
        let fields = |count: usize| (0..count).map(|n| format!("a{n}:a ")).collect::<String>();
        assert_eq!(count(&parse_query(format!("{{{} a}}", fields(100))).unwrap()), Ok(()));
        assert!(count(&parse_query(format!("{{{}}}", fields(101))).unwrap()).is_err());
        let spread = |times: usize| format!("{{{}}} fragment f on Q {{{}}}", "...f ".repeat(times), fields(25));
        assert_eq!(count(&parse_query(spread(4)).unwrap()), Ok(()));
        assert!(count(&parse_query(spread(5)).unwrap()).is_err());
    }

    #[test]
    fn the_named_or_only_operation_is_selected() {
        let two = parse_query("query a{b} mutation c{d}").unwrap();
        let (one, unnamed) = (parse_query("mutation c{d}").unwrap(), parse_query("mutation{d}").unwrap());
        for (document, name, expected) in [
            (&two, Some("a"), Some(OperationType::Query)),
            (&two, Some("c"), Some(OperationType::Mutation)),
            (&two, None, None),
            (&two, Some("x"), None),
            (&one, None, Some(OperationType::Mutation)),
            (&unnamed, None, Some(OperationType::Mutation)),
            (&unnamed, Some("c"), None),
        ] {
            assert_eq!(operation(document, name).ok().map(|found| found.node.ty), expected, "{name:?}");
        }
    }

    #[test]
    fn cyclic_fragments_are_rejected() {
        let text = "{...f} fragment f on Q {...g} fragment g on Q {...f}";
        assert_eq!(count(&parse_query(text).unwrap()), Err("a fragment spreads itself"));
    }

    #[test]
    fn introspection_is_recognised() {
        assert!(is_introspection(&parse_query("{__schema{types{name}} __typename}").unwrap()));
        assert!(!is_introspection(&parse_query("{__typename a}").unwrap()));
    }
}
