//! Selection sets that can turn out empty, which async-graphql answers with `null` in place of `{}`: a user that exists
//! would look like an unknown one. Each such set gets one more field, which is removed from the answer.

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned};
use async_graphql_value::ConstValue;

/// The response name of the added field. No document can use it, since a name has at least one character.
const ADDED: &str = "";

/// Returns true if a selection set of the document has no field without a condition.
pub fn is_possible(document: &ExecutableDocument) -> bool {
    let operations = document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node);
    let fragments = document.fragments.values().map(|fragment| &fragment.node.selection_set.node);
    operations.into_iter().any(|set| is_uncertain(set) || has_uncertain(set))
        || fragments.into_iter().any(has_uncertain)
}

/// Returns true if all items are fragments, which may be on other types, or have directives, which may exclude them.
fn is_uncertain(set: &SelectionSet) -> bool {
    let is_certain = |selection: &Positioned<Selection>| match &selection.node {
        Selection::Field(field) => field.node.directives.is_empty(),
        Selection::FragmentSpread(_) | Selection::InlineFragment(_) => false,
    };
    !set.items.is_empty() && !set.items.iter().any(is_certain)
}

/// Returns true if a field inside of the set has an uncertain set.
fn has_uncertain(set: &SelectionSet) -> bool {
    set.items.iter().any(|selection| match &selection.node {
        Selection::Field(field) => {
            let set = &field.node.selection_set.node;
            is_uncertain(set) || has_uncertain(set)
        }
        Selection::InlineFragment(fragment) => has_uncertain(&fragment.node.selection_set.node),
        Selection::FragmentSpread(_) => false,
    })
}

/// Adds a field to every uncertain set of an operation or a field. `__typename` is possible on every type.
pub fn prevent(document: &mut ExecutableDocument) {
    match &mut document.operations {
        DocumentOperations::Single(only) => add_to(&mut only.node),
        DocumentOperations::Multiple(all) => all.values_mut().for_each(|operation| add_to(&mut operation.node)),
    }
    for fragment in document.fragments.values_mut() {
        descend(&mut fragment.node.selection_set.node);
    }
}

fn add_to(operation: &mut OperationDefinition) {
    match operation.ty {
        // It selects exactly one field, or is refused; its root has no `__typename`.
        OperationType::Subscription => descend(&mut operation.selection_set.node),
        OperationType::Query | OperationType::Mutation => add(&mut operation.selection_set),
    }
}

fn add(set: &mut Positioned<SelectionSet>) {
    if is_uncertain(&set.node) {
        let at = |name| Positioned::new(Name::new(name), set.pos);
        let field = Field {
            alias: Some(at(ADDED)),
            name: at("__typename"),
            arguments: Vec::new(),
            directives: Vec::new(),
            selection_set: Positioned::new(SelectionSet::default(), set.pos),
        };
        set.node.items.push(Positioned::new(Selection::Field(Positioned::new(field, set.pos)), set.pos));
    }
    descend(&mut set.node);
}

fn descend(set: &mut SelectionSet) {
    for selection in &mut set.items {
        match &mut selection.node {
            Selection::Field(field) => add(&mut field.node.selection_set),
            Selection::InlineFragment(fragment) => descend(&mut fragment.node.selection_set.node),
            Selection::FragmentSpread(_) => {}
        }
    }
}

/// Removes the added fields from an answer.
pub fn clean(answer: &mut ConstValue) {
    match answer {
        ConstValue::Object(members) => {
            members.retain(|name, _| name.as_str() != ADDED);
            members.values_mut().for_each(clean);
        }
        ConstValue::List(items) => items.iter_mut().for_each(clean),
        _ => {}
    }
}
