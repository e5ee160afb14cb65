//! The rule "Leaf Field Selections": nothing can be selected of a scalar or an enum (GraphQL specification of October
//! 2021, 5.3.3). async-graphql does not hold it for `__typename`, and reports a violation twice elsewhere: for the field,
//! and for each name below it.

use async_graphql::Pos;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};

use super::Violation;
use super::signatures::{Signatures, base};

/// Most characters of a name in an error message.
const MAX_NAME_SHOWN: usize = 64;

/// Rejects a field of a scalar or an enum with a selection: the first in the text.
pub fn check(document: &ExecutableDocument, signatures: &Signatures) -> Result<(), Violation> {
    let mut leaves = Leaves { signatures, found: Vec::new() };
    for (_, operation) in document.operations.iter() {
        if let Some(root) = signatures.root(operation.node.ty) {
            leaves.set(&operation.node.selection_set.node, root);
        }
    }
    for fragment in document.fragments.values() {
        leaves.set(&fragment.node.selection_set.node, &fragment.node.type_condition.node.on.node);
    }
    // In the order of the text, since the maps have none.
    leaves.found.into_iter().min().map_or(Ok(()), |(pos, message)| Err(Violation::at(message, [pos])))
}

struct Leaves<'s> {
    signatures: &'s Signatures,
    /// Place and message of each violation.
    found: Vec<(Pos, String)>,
}

impl Leaves<'_> {
    /// Checks the fields of a selection set. Fragments that it spreads are checked by themselves.
    fn set(&mut self, set: &SelectionSet, parent: &str) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    let inside = &field.node.selection_set.node;
                    // The validator reports unknown fields.
                    let Some(of) = self.signatures.type_of(parent, &field.node.name.node) else { continue };
                    let of = base(of);
                    if self.signatures.is_composite(of) {
                        self.set(inside, of);
                    } else if !inside.items.is_empty() {
                        let name: String = field.node.name.node.chars().take(MAX_NAME_SHOWN).collect();
                        let (line, column) = (field.pos.line, field.pos.column);
                        let message = format!(
                            "nothing can be selected of {name} at line {line} column {column}: its type is {of}, which has \
                             no fields"
                        );
                        self.found.push((field.pos, message));
                    }
                }
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    let parent = condition.map_or(parent, |condition| condition.node.on.node.as_str());
                    self.set(&fragment.node.selection_set.node, parent);
                }
                Selection::FragmentSpread(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;
    use crate::http::graphql::sdl;

    fn violation(text: &str) -> Option<String> {
        check(&parse_query(text).unwrap(), &Signatures::read(&sdl())).err().map(|found| found.message)
    }

    #[test]
    fn selections_of_leaves_are_found_in_the_order_of_the_text() {
        for (text, name) in [
            ("{__typename{a}}", "__typename at line 1 column 2: its type is String"),
            ("{user(id:1){lastName{x}}}", "lastName at line 1 column 13: its type is String"),
            ("{user(id:1){id{x} lastName{x}}}", "id at line 1 column 13: its type is LegacyId"),
            ("{user(id:1){...{roles{x}}}}", "roles at line 1 column 17: its type is UserRole"),
            ("query a{...f} fragment f on User{lastName{x}}", "lastName at line 1 column 34: its type is String"),
            ("{__schema{types{name{x}}}}", "name at line 1 column 17: its type is String"),
            ("mutation{__typename{a}}", "__typename at line 1 column 10: its type is String"),
        ] {
            assert!(violation(text).unwrap_or_default().contains(name), "{text}: {:?}", violation(text));
        }
        for text in ["{user(id:1){lastName nothing{x}}}", "{nothing{x}}", "{user(id:1){groups{id}}}", "{__typename}"] {
            assert_eq!(violation(text), None, "{text}");
        }
    }
}
