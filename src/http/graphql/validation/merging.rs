//! The rule "Field Selection Merging": fields with one response name must be mergeable into one value, wherever they
//! stand, in fragments too (GraphQL specification of October 2021, 5.3.2).
//!
//! The specification compares every pair of fields. Here the fields of one level are grouped by response name and each
//! is compared with the first of its group, which is enough, since "equal" is transitive; the selections of a group are
//! the next level. So the work grows with the number of fields, not with its square.

use std::collections::{BTreeMap, HashMap, HashSet};

use async_graphql::parser::types::{BaseType, ExecutableDocument, Field, Selection, SelectionSet, Type};
use async_graphql::{Name, Positioned};
use async_graphql_value::Value;

use super::Violation;
use super::signatures::{Signatures, base};

/// Most visits of fields in one document. A field on an interface is visited once for each object type beside it. A
/// document that the validator accepts has up to 500 fields, and the schema nests interfaces so that each is visited at
/// most six times; only documents that are rejected anyway could multiply further.
const MAX_VISITS: usize = 20_000;
/// Most characters of a name in an error message.
const MAX_NAME_SHOWN: usize = 64;

/// Rejects the first two fields that cannot be merged, by their name in the answer.
pub fn check(document: &ExecutableDocument, signatures: &Signatures) -> Result<(), Violation> {
    let mut merger = Merger { document, signatures, visits: 0 };
    let mut operations: Vec<_> = document.operations.iter().map(|(_, operation)| operation).collect();
    // In the order of the text, since the map has none.
    operations.sort_by_key(|operation| operation.pos);
    for operation in operations {
        let Some(root) = signatures.root(operation.node.ty) else { continue };
        let mut level = Level::default();
        merger.collect(&operation.node.selection_set.node, root, &mut level);
        merger.check_shapes(&level.fields)?;
        merger.check_fields(&level.fields)?;
    }
    Ok(())
}

/// A selected field.
#[derive(Clone, Copy)]
struct Selected<'d> {
    /// Name of the type on which it is selected.
    parent: &'d str,
    field: &'d Positioned<Field>,
    /// The type of its values.
    of: &'d Type,
}

/// The fields of one level of the answer, with fragments expanded.
#[derive(Default)]
struct Level<'d> {
    fields: Vec<Selected<'d>>,
    /// Fragments that are expanded already: a second expansion would add the same fields.
    expanded: HashSet<&'d str>,
}

struct Merger<'d> {
    document: &'d ExecutableDocument,
    signatures: &'d Signatures,
    visits: usize,
}

impl<'d> Merger<'d> {
    /// Adds the fields of a selection set, without those that the schema does not have.
    fn collect(&self, set: &'d SelectionSet, parent: &'d str, level: &mut Level<'d>) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    if let Some(of) = self.signatures.type_of(parent, &field.node.name.node) {
                        level.fields.push(Selected { parent, field, of });
                    }
                }
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    let parent = condition.map_or(parent, |condition| condition.node.on.node.as_str());
                    self.collect(&fragment.node.selection_set.node, parent, level);
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    // The validator reports unknown fragments.
                    if let Some(fragment) = self.document.fragments.get(name)
                        && level.expanded.insert(name)
                    {
                        let parent = &fragment.node.type_condition.node.on.node;
                        self.collect(&fragment.node.selection_set.node, parent, level);
                    }
                }
            }
        }
    }

    /// Returns the fields that are selected inside of some fields.
    fn below(&self, fields: &[Selected<'d>]) -> Vec<Selected<'d>> {
        let mut level = Level::default();
        for selected in fields {
            self.collect(&selected.field.node.selection_set.node, base(selected.of), &mut level);
        }
        level.fields
    }

    /// Checks that fields with one response name have values of one shape, even on types that exclude each other.
    fn check_shapes(&mut self, fields: &[Selected<'d>]) -> Result<(), Violation> {
        self.count(fields)?;
        for group in by_response_name(fields).values() {
            let first = group[0];
            if let Some(other) = group.iter().find(|other| !self.has_same_shape(first.of, other.of)) {
                let types = format!("have the types {} and {}", first.of, other.of);
                return Err(conflict(first.field, other.field, &types));
            }
            self.check_shapes(&self.below(group))?;
        }
        Ok(())
    }

    fn has_same_shape(&self, one: &Type, other: &Type) -> bool {
        one.nullable == other.nullable
            && match (&one.base, &other.base) {
                (BaseType::List(one), BaseType::List(other)) => self.has_same_shape(one, other),
                (BaseType::Named(one), BaseType::Named(other)) => {
                    one == other || (self.signatures.is_composite(one) && self.signatures.is_composite(other))
                }
                _ => false,
            }
    }

    /// Checks that fields with one response name that can meet in one object are the same field with the same
    /// arguments.
    fn check_fields(&mut self, fields: &[Selected<'d>]) -> Result<(), Violation> {
        self.count(fields)?;
        for group in by_response_name(fields).values() {
            for meeting in self.meetings(group) {
                let first = meeting[0];
                let mut arguments = None;
                for other in &meeting[1..] {
                    check_same(first.field, other.field, &mut arguments)?;
                }
                self.check_fields(&self.below(&meeting))?;
            }
        }
        Ok(())
    }

    /// Divides fields into those that can meet in one object: for each object type its own fields, with those of
    /// interfaces and unions.
    fn meetings(&self, group: &[Selected<'d>]) -> Vec<Vec<Selected<'d>>> {
        let (own, shared): (Vec<Selected<'_>>, Vec<_>) =
            group.iter().copied().partition(|selected| self.signatures.is_object(selected.parent));
        if own.is_empty() {
            return vec![shared];
        }
        let mut objects: BTreeMap<&str, Vec<Selected<'_>>> = BTreeMap::new();
        for selected in own {
            objects.entry(selected.parent).or_insert_with(|| shared.clone()).push(selected);
        }
        objects.into_values().collect()
    }

    fn count(&mut self, fields: &[Selected<'d>]) -> Result<(), Violation> {
        self.visits += fields.len();
        if self.visits > MAX_VISITS {
            Err(Violation::at("the document's fields overlap too often", []))
        } else {
            Ok(())
        }
    }
}

/// Groups fields by response name, in a fixed order.
fn by_response_name<'d>(fields: &[Selected<'d>]) -> BTreeMap<&'d str, Vec<Selected<'d>>> {
    let mut groups: BTreeMap<&str, Vec<Selected<'_>>> = BTreeMap::new();
    for selected in fields {
        groups.entry(selected.field.node.response_key().node.as_str()).or_default().push(*selected);
    }
    groups
}

/// Checks that two fields have the same name and arguments. `arguments` keeps the first field's by name.
fn check_same<'d>(
    first: &'d Positioned<Field>,
    other: &'d Positioned<Field>,
    arguments: &mut Option<HashMap<&'d Name, &'d Value>>,
) -> Result<(), Violation> {
    // One field of the text, reached through a fragment that is spread more than once.
    if std::ptr::eq(first, other) {
        return Ok(());
    }
    if first.node.name.node != other.node.name.node {
        return Err(conflict(first, other, "are different fields"));
    }
    let by_name = || first.node.arguments.iter().map(|(name, value)| (&name.node, &value.node)).collect();
    let known = arguments.get_or_insert_with(by_name);
    let mut given = other.node.arguments.iter();
    let is_same = known.len() == other.node.arguments.len()
        && given.all(|(name, value)| known.get(&name.node).is_some_and(|known| **known == value.node));
    if is_same { Ok(()) } else { Err(conflict(first, other, "have different arguments")) }
}

fn conflict(first: &Positioned<Field>, other: &Positioned<Field>, why: &str) -> Violation {
    let (first, other) = if other.pos < first.pos { (other, first) } else { (first, other) };
    let place = |field: &Positioned<Field>| {
        format!("{} at line {} column {}", shown(&field.node.name.node), field.pos.line, field.pos.column)
    };
    let name = shown(&first.node.response_key().node);
    let message =
        format!("the fields named {name} in the answer conflict: {} and {} {why}", place(first), place(other));
    Violation::at(message, [first.pos, other.pos])
}

fn shown(name: &str) -> String {
    name.chars().take(MAX_NAME_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;
    use crate::http::graphql::{guard, sdl};

    fn checked_in(sdl: &str, text: &str) -> Result<(), String> {
        let document = parse_query(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        check(&document, &Signatures::read(sdl)).map_err(|found| found.message)
    }

    fn checked(text: &str) -> Result<(), String> {
        checked_in(&sdl(), text)
    }

    #[test]
    fn conflicts_are_found_wherever_the_fields_stand() {
        let count = "connectedUsersCount";
        for text in [
            "{u:user(id:101){id} ...F} fragment F on Query{u:user(id:102){lastName}}".to_owned(),
            "{u:user(id:101){id} ...on Query{u:user(id:102){lastName}}}".to_owned(),
            "{u:user(id:101){id} ...{...{u:user(id:102){lastName}}}}".to_owned(),
            "{...F ...G} fragment F on Query{u:user(id:1){id}} fragment G on Query{u:user(id:2){id}}".to_owned(),
            "{user(id:101){x:id} user(id:101){x:lastName}}".to_owned(),
            "{user(id:101){id x:lastName x:firstName}}".to_owned(),
            "{user(id:101){...on Expert{x:id} ...on User{x:lastName}}}".to_owned(),
            "{user(id:101){projects(first:1){edges{cursor}} ...on User{projects(first:2){edges{cursor}}}}}".to_owned(),
            "{user(id:101){...on Expert{x:id} ...on Bot{x:lastName}}}".to_owned(),
            "{user(id:101){...on Expert{x:email} ...on Bot{x:lastName}}}".to_owned(),
            "{user(id:101){...on Expert{x:roles} ...on Bot{x:lastName}}}".to_owned(),
            "{user(id:101){...on Expert{x:availability{y:chat{status}}} ...on Bot{x:presence{y:isConnected}}}}"
                .to_owned(),
            format!(
                "{{a:connectedUsersIndicator(groupIds:[2]){{{count}}} ...F}}
                fragment F on Query{{a:connectedUsersIndicator(groupIds:[1]){{{count}}}}}"
            ),
            format!(
                "query($v:[LegacyId!] $w:[LegacyId!]){{connectedUsersIndicator(groupIds:$v){{{count}}}
                ...{{connectedUsersIndicator(groupIds:$w){{{count}}}}}}}"
            ),
            format!("{{connectedUsersIndicator{{{count}}} ...{{connectedUsersIndicator(groupIds:[]){{{count}}}}}}}"),
            "query A{__typename} query B{u:user(id:1){id} ...{u:user(id:2){id}}}".to_owned(),
            "{__schema{types{name}} ...{__schema{types{name:kind}}}}".to_owned(),
        ] {
            assert!(checked(&text).is_err(), "{text}");
        }
        let message = checked("{u:user(id:101){id}\n...F} fragment F on Query{u:user(id:102){lastName}}").unwrap_err();
        let expected = "the fields named u in the answer conflict: user at line 1 column 2 and user at line 2 column \
                        27 have different arguments";
        assert_eq!(message, expected);
        let message = checked("{user(id:1){x:id} ...{user(id:1){x:lastName}}}").unwrap_err();
        assert!(
            message.ends_with(
                "id at line 1 column 13 and lastName at line 1 column 34 have the types LegacyId! and \
                                   String!"
            ),
            "{message}"
        );
        let message = checked("{user(id:1){x:email} ...{user(id:1){x:firstName}}}").unwrap_err();
        assert!(message.ends_with("are different fields"), "{message}");
    }

    #[test]
    fn fields_that_merge_are_allowed() {
        for text in [
            "{user(id:101){id} user(id:101){lastName id} ...F} fragment F on Query{user(id:101){firstName}}",
            "{user(id:101){id} ...on Query{user(id:101){id}} u:user(id:102){id}}",
            "{user(id:101){...on Expert{x:email} ...on Bot{x:firstName}}}",
            "{user(id:101){...on Expert{x:projects(first:1){edges{cursor}}} ...on Bot{x:projects(first:2){edges{cursor}}}}}",
            "{users(first:1 after:\"x\"){edges{cursor}} ...{users(after:\"x\" first:1){edges{node{id}}}}}",
            "query($v:LegacyId!){user(id:$v){id} ...{user(id:$v){lastName}}}",
            "{user(id:1){id @skip(if:true)} ...{user(id:1){id}}}",
            "query A{u:user(id:1){id}} query B{u:user(id:2){id}}",
            "{nothing(a:1){b} ...{nothing(a:1){b}}}",
        ] {
            assert_eq!(checked(text), Ok(()), "{text}");
        }
    }

    /// A schema whose interface leads back to itself, on which each level of a document could double the work.
    #[test]
    fn hostile_documents_end_at_the_limit_of_visits() {
        let schema =
            "type Query{n:N} interface N{n:N a:Int} type A implements N{n:N a:Int} type B implements N{n:N a:Int}";
        let level = "...on A{n{a}} ...on B{n{a}} n{";
        let doubling = |levels: usize| format!("{{n{{{}a{}}}}}", level.repeat(levels), "}".repeat(levels));
        assert_eq!(checked_in(schema, &doubling(5)), Ok(()));
        let text = doubling(50);
        guard::count(&parse_query(&text).unwrap()).unwrap();
        assert_eq!(checked_in(schema, &text), Err(String::from("the document's fields overlap too often")));
    }

    #[test]
    fn accepted_documents_stay_far_below_the_limit_of_visits() {
        let each = |inside: &str| {
            let on = |name: &str| format!("...on {name}{{{inside}}} ");
            format!("{inside} {}{}{}{}", on("Expert"), on("Bot"), on("Professional"), on("Developer"))
        };
        let user = each("id email availability{chat{status maxSlots} call{status}} projects(first:1){edges{cursor}}");
        let message = format!("...on SystemMessage{{toUser{{{user}}}}} ...on TextMessage{{fromUser{{{user}}}}}");
        let text =
            format!("{{closedConversations{{edges{{node{{messages{{edges{{node{{{message} {message}}}}}}}}}}}}}}}");
        let document = parse_query(&text).unwrap();
        let signatures = Signatures::read(&sdl());
        let mut merger = Merger { document: &document, signatures: &signatures, visits: 0 };
        let mut level = Level::default();
        let (_, operation) = document.operations.iter().next().unwrap();
        merger.collect(&operation.node.selection_set.node, "Query", &mut level);
        merger.check_shapes(&level.fields).unwrap();
        merger.check_fields(&level.fields).unwrap();
        assert!(merger.visits < 2_000, "{}", merger.visits);
    }
}
