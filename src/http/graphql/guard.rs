//! What is refused before the parser or the validator can be hurt by it.

use std::collections::HashMap;

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, Selection, SelectionSet,
};
use async_graphql::{Name, Value, Variables};

/// Bytes of a document.
pub const MAX_BYTES: usize = 16 * 1024;
/// Brackets open at once: the parser recurses for each.
pub const MAX_NESTING: usize = 32;
/// Fragments spread in the text.
pub const MAX_SPREADS: usize = 100;
/// Selections once every fragment is put in its place.
pub const MAX_SELECTIONS: usize = 500;
/// Aliases once every fragment is put in its place: more than that is the same question over and over.
pub const MAX_ALIASES: usize = 100;

/// Scans the text once, without a parser: size, brackets, spreads.
pub fn scan(document: &str) -> Result<(), &'static str> {
    if document.len() > MAX_BYTES {
        return Err("the document is larger than 16 KiB");
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
            return Err("the document nests more than 32 brackets");
        }
        if spreads > MAX_SPREADS {
            return Err("the document spreads more than 100 fragments");
        }
        at += 1;
    }
    Ok(())
}

/// How many bytes the string at the start of `text` takes; all of them if it does not end.
fn string_length(text: &[u8]) -> usize {
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

/// Counts selections and aliases with every fragment put in its place, each fragment counted once however often it is
/// spread.
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

/// What a set of selections comes to.
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
    /// What a fragment comes to; `None` while it is being counted.
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
        // An unknown fragment is for the validator to name.
        let Some(fragment) = self.document.fragments.get(name) else { return Ok(Count::default()) };
        self.known.insert(name, None);
        let count = self.set(&fragment.node.selection_set.node)?;
        self.known.insert(name, Some(count));
        Ok(count)
    }
}

/// Returns the operation that a request executes, or why there is none.
pub fn operation<'d>(document: &'d ExecutableDocument, name: Option<&str>) -> Result<&'d OperationDefinition, String> {
    let found = match (&document.operations, name) {
        (DocumentOperations::Single(only), None) => Some(only),
        (DocumentOperations::Multiple(all), Some(name)) => all.get(name),
        (DocumentOperations::Multiple(all), None) if all.len() == 1 => all.values().next(),
        _ => None,
    };
    found.map(|operation| &operation.node).ok_or_else(|| match name {
        Some(name) => format!("Unknown operation named \"{name}\""),
        None => String::from("Operation name required in request."),
    })
}

/// Whether the document asks about the schema and nothing else: that is public. Only for a document that was counted,
/// whose fragments therefore do not spread themselves.
pub fn is_introspection(document: &ExecutableDocument) -> bool {
    let mut sets = document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node);
    sets.all(|set| asks_schema_only(document, set))
}

fn asks_schema_only(document: &ExecutableDocument, set: &SelectionSet) -> bool {
    set.items.iter().all(|selection| match &selection.node {
        Selection::Field(field) => field.node.name.node.starts_with("__"),
        Selection::InlineFragment(fragment) => asks_schema_only(document, &fragment.node.selection_set.node),
        Selection::FragmentSpread(spread) => {
            let fragment = document.fragments.get(&spread.node.fragment_name.node);
            fragment.is_some_and(|fragment| asks_schema_only(document, &fragment.node.selection_set.node))
        }
    })
}

/// Rejects a request without a value for a variable that must have one: the validator leaves that to the fields that use
/// it.
pub fn check_variables(operation: &OperationDefinition, variables: &Variables) -> Result<(), String> {
    for definition in &operation.variable_definitions {
        let variable = &definition.node;
        let name = &variable.name.node;
        let given = variables.get(name);
        let is_missing = given.is_none() && variable.default_value.is_none();
        if !variable.var_type.node.nullable && (is_missing || given == Some(&Value::Null)) {
            return Err(format!("the variable ${name} must have a value"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use async_graphql::parser::types::OperationType;

    use super::*;

    #[test]
    fn brackets_count_but_not_inside_strings_and_comments() {
        assert!(scan(&format!("{{a(b:{}1{})}}", "[".repeat(40), "]".repeat(40))).is_err());
        assert_eq!(scan(&format!("{{a(b:\"{}\")}} # {}", "[".repeat(40), "{".repeat(40))), Ok(()));
        assert_eq!(scan(&format!("{{a(b:\"\"\"{}\\\"\"\" \"\"\")}}", "[".repeat(40))), Ok(()));
        assert!(scan(&format!("{{a(b:\"x\\\"\"{}", "[".repeat(40))).is_err(), "after the string ended");
        assert!(scan(&"{...f}".repeat(101)).is_err());
        assert!(scan(&" ".repeat(MAX_BYTES + 1)).is_err());
    }

    #[test]
    fn a_literal_deep_enough_to_overflow_the_parser_never_reaches_it() {
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
    fn aliases_are_counted_in_every_place_of_their_fragment() {
        let fields = |count: usize| (0..count).map(|n| format!("a{n}:a ")).collect::<String>();
        assert_eq!(count(&parse_query(format!("{{{} a}}", fields(100))).unwrap()), Ok(()));
        assert!(count(&parse_query(format!("{{{}}}", fields(101))).unwrap()).is_err());
        let spread = |times: usize| format!("{{{}}} fragment f on Q {{{}}}", "...f ".repeat(times), fields(25));
        assert_eq!(count(&parse_query(spread(4)).unwrap()), Ok(()));
        assert!(count(&parse_query(spread(5)).unwrap()).is_err());
    }

    #[test]
    fn the_operation_is_the_one_that_is_named_or_the_only_one() {
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
            assert_eq!(operation(document, name).ok().map(|found| found.ty), expected, "{name:?}");
        }
    }

    #[test]
    fn a_fragment_that_spreads_itself_is_refused() {
        let text = "{...f} fragment f on Q {...g} fragment g on Q {...f}";
        assert_eq!(count(&parse_query(text).unwrap()), Err("a fragment spreads itself"));
    }

    #[test]
    fn introspection_is_told_apart() {
        assert!(is_introspection(&parse_query("{__schema{types{name}} __typename}").unwrap()));
        assert!(!is_introspection(&parse_query("{__typename a}").unwrap()));
    }
}
