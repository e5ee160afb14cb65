//! The rule "All Variable Usages Are Allowed" (GraphQL specification of October 2021, 5.8.5), in the arguments of fields
//! and of directives: the type of a variable must fit where it is used. Also the rule that an enum's value is written
//! without quotes (3.9), which only a document can violate: in JSON it is a string.

use std::collections::{BTreeMap, HashMap, HashSet};

use async_graphql::parser::types::{
    BaseType, Directive, ExecutableDocument, OperationDefinition, Selection, SelectionSet, Type, VariableDefinition,
};
use async_graphql::{Name, Pos, Positioned};
use async_graphql_value::{ConstValue, Value};

use super::Violation;
use super::signatures::{Input, Inputs, NamedType, Signatures, base};

/// Most characters of a name in an error message.
const MAX_NAME_SHOWN: usize = 64;

/// A nullable variable of an operation that is used in a place with a default, or with a default of its own in a place
/// that must not be null.
#[derive(Clone, Debug, PartialEq)]
pub struct NullableVariable {
    /// The operation's position.
    pub operation: Pos,
    /// The variable.
    pub name: Name,
    /// True if it must not be null, although it need not be given.
    pub must_not_be_null: bool,
    /// The default that holds wherever it is used, if it is not given and has none of its own.
    pub place_default: Option<ConstValue>,
}

/// Checks every use of a variable that an operation reaches. Returns the nullable variables for which defaults
/// of places matter.
pub fn check(document: &ExecutableDocument, signatures: &Signatures) -> Result<Vec<NullableVariable>, Violation> {
    let mut fragments = HashMap::new();
    for (name, fragment) in &document.fragments {
        let mut scope = Scope::new(signatures);
        scope.directives(&fragment.node.directives);
        scope.set(&fragment.node.selection_set.node, Some(&fragment.node.type_condition.node.on.node));
        fragments.insert(name, scope);
    }
    let mut operations: Vec<_> = document.operations.iter().map(|(_, operation)| operation).collect();
    // In the order of the text, since the map has none.
    operations.sort_by_key(|operation| operation.pos);
    let mut nullable = Vec::new();
    for operation in operations {
        let node = &operation.node;
        let mut scope = Scope::new(signatures);
        scope.directives(&node.directives);
        scope.set(&node.selection_set.node, signatures.root(node.ty));
        for definition in &node.variable_definitions {
            scope.default(&definition.node);
        }
        nullable.extend(check_operation(operation, &scope, &fragments)?);
    }
    // Kept as long as the document.
    nullable.shrink_to_fit();
    Ok(nullable)
}

/// Checks the uses in an operation and in the fragments that it reaches.
fn check_operation<'d>(
    operation: &'d Positioned<OperationDefinition>,
    scope: &Scope<'d>,
    fragments: &HashMap<&'d Name, Scope<'d>>,
) -> Result<Vec<NullableVariable>, Violation> {
    let definitions =
        operation.node.variable_definitions.iter().map(|definition| (&definition.node.name.node, definition));
    let definitions: HashMap<&Name, &Positioned<VariableDefinition>> = definitions.collect();
    let (mut waiting, mut reached) = (vec![scope], HashSet::new());
    let mut nullable: BTreeMap<&Name, NullableVariable> = BTreeMap::new();
    while let Some(scope) = waiting.pop() {
        if let Some(quoted) = &scope.quoted {
            return Err(Violation::at(quoted.0.clone(), [quoted.1]));
        }
        for used in &scope.uses {
            // The validator reports variables that are not declared.
            let Some(definition) = definitions.get(used.variable) else { continue };
            if !is_allowed(&definition.node, used) {
                return Err(misplaced(definition, used));
            }
            if !definition.node.var_type.node.nullable {
                continue;
            }
            let place_default = used.default.filter(|_| definition.node.default_value.is_none());
            let known = nullable.entry(used.variable).or_insert_with(|| NullableVariable {
                operation: operation.pos,
                name: used.variable.clone(),
                must_not_be_null: false,
                place_default: place_default.cloned(),
            });
            known.must_not_be_null |= !used.of.nullable;
            // A variable has one value for all places, so their defaults count only if they agree.
            if known.place_default.as_ref() != place_default {
                known.place_default = None;
            }
        }
        let further = scope.spreads.iter().filter(|name| reached.insert(**name));
        waiting.extend(further.filter_map(|name| fragments.get(name)));
    }
    nullable.retain(|_, variable| variable.must_not_be_null || variable.place_default.is_some());
    Ok(nullable.into_values().collect())
}

/// Returns true if a variable may be used in a place: its type fits there, or it is nullable and a default holds in
/// place of a missing value.
fn is_allowed(definition: &VariableDefinition, used: &Use<'_>) -> bool {
    let declared = &definition.var_type.node;
    let has_default = definition.default_value.as_ref().is_some_and(|value| value.node != ConstValue::Null);
    if !used.of.nullable && declared.nullable {
        return (has_default || used.default.is_some()) && is_base_allowed(&declared.base, &used.of.base);
    }
    is_type_allowed(declared, used.of)
}

fn is_type_allowed(declared: &Type, used: &Type) -> bool {
    (used.nullable || !declared.nullable) && is_base_allowed(&declared.base, &used.base)
}

fn is_base_allowed(declared: &BaseType, used: &BaseType) -> bool {
    match (declared, used) {
        (BaseType::Named(declared), BaseType::Named(used)) => declared == used,
        (BaseType::List(declared), BaseType::List(used)) => is_type_allowed(declared, used),
        _ => false,
    }
}

fn misplaced(definition: &Positioned<VariableDefinition>, used: &Use<'_>) -> Violation {
    let name: String = used.variable.chars().take(MAX_NAME_SHOWN).collect();
    let declared: String = definition.node.var_type.node.to_string().chars().take(MAX_NAME_SHOWN).collect();
    let message = format!(
        "the variable ${name} has the type {declared} and is used at line {} column {}, where the type is {}",
        used.pos.line, used.pos.column, used.of
    );
    Violation::at(message, [definition.pos, used.pos])
}

/// A use of a variable.
struct Use<'d> {
    variable: &'d Name,
    pos: Pos,
    /// The type of the place.
    of: &'d Type,
    /// The default of the place, which holds if no value is given.
    default: Option<&'d ConstValue>,
}

/// The place of a value.
#[derive(Clone, Copy)]
struct Place<'d> {
    of: &'d Type,
    default: Option<&'d ConstValue>,
    pos: Pos,
}

/// The uses and spreads of an operation or a fragment.
struct Scope<'d> {
    signatures: &'d Signatures,
    uses: Vec<Use<'d>>,
    spreads: Vec<&'d Name>,
    /// The error message for the first enum value in quotes, and its place.
    quoted: Option<(String, Pos)>,
}

impl<'d> Scope<'d> {
    const fn new(signatures: &'d Signatures) -> Self {
        Scope { signatures, uses: Vec::new(), spreads: Vec::new(), quoted: None }
    }

    /// Collects from a selection set on a type, or on an unknown one, which the validator reports.
    fn set(&mut self, set: &'d SelectionSet, parent: Option<&'d str>) {
        for selection in &set.items {
            self.directives(selection.node.directives());
            match &selection.node {
                Selection::Field(field) => {
                    let (name, set) = (&field.node.name.node, &field.node.selection_set.node);
                    let known = parent.and_then(|parent| self.signatures.field(parent, name));
                    if let Some(known) = known {
                        self.arguments(&field.node.arguments, &known.arguments);
                    }
                    self.set(set, known.map(|known| base(&known.of)));
                }
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    let parent = condition.map_or(parent, |condition| Some(&condition.node.on.node));
                    self.set(&fragment.node.selection_set.node, parent);
                }
                Selection::FragmentSpread(spread) => self.spreads.push(&spread.node.fragment_name.node),
            }
        }
    }

    fn directives(&mut self, all: &'d [Positioned<Directive>]) {
        for directive in all {
            if let Some(known) = self.signatures.directive(&directive.node.name.node) {
                self.arguments(&directive.node.arguments, known);
            }
        }
    }

    fn arguments(&mut self, given: &'d [(Positioned<Name>, Positioned<Value>)], known: &'d Inputs) {
        for (name, value) in given {
            if let Some(Input { of, default }) = known.get(&name.node) {
                self.value(&value.node, Place { of, default: default.as_ref(), pos: value.pos });
            }
        }
    }

    fn value(&mut self, value: &'d Value, place: Place<'d>) {
        let Place { of, default, pos } = place;
        match value {
            Value::Variable(variable) => self.uses.push(Use { variable, pos, of, default }),
            Value::List(items) => {
                // The validator reports a list where none is expected.
                if let BaseType::List(item) = &of.base {
                    for value in items {
                        self.value(value, Place { of: item, default: None, pos });
                    }
                }
            }
            // A single value where a list is expected is a list of one, so only the name of the type counts.
            Value::Object(members) => {
                if let Some(NamedType::InputObject(known)) = self.signatures.named(base(of)) {
                    for (name, value) in members {
                        if let Some(Input { of, default }) = known.get(name) {
                            self.value(value, Place { of, default: default.as_ref(), pos });
                        }
                    }
                }
            }
            Value::String(_) => self.text(of, pos),
            _ => {}
        }
    }

    /// Rejects a text in a place of an enum.
    fn text(&mut self, of: &Type, pos: Pos) {
        let name = base(of);
        if matches!(self.signatures.named(name), Some(NamedType::Enum)) && self.quoted.is_none() {
            let place = format!("line {} column {}", pos.line, pos.column);
            let message = format!("a value of {name} is written without quotes, unlike the one at {place}");
            self.quoted = Some((message, pos));
        }
    }

    /// Checks the default of a variable.
    fn default(&mut self, definition: &'d VariableDefinition) {
        if let Some(default) = &definition.default_value {
            self.constant(&default.node, &definition.var_type.node, default.pos);
        }
    }

    fn constant(&mut self, value: &ConstValue, of: &'d Type, pos: Pos) {
        match (value, &of.base) {
            (ConstValue::List(items), BaseType::List(item)) => {
                for value in items {
                    self.constant(value, item, pos);
                }
            }
            (ConstValue::Object(members), _) => {
                if let Some(NamedType::InputObject(known)) = self.signatures.named(base(of)) {
                    for (name, value) in members {
                        if let Some(input) = known.get(name) {
                            self.constant(value, &input.of, pos);
                        }
                    }
                }
            }
            (ConstValue::String(_), _) => self.text(of, pos),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;
    use crate::http::graphql::sdl;

    fn checked(text: &str) -> Result<Vec<NullableVariable>, String> {
        let document = parse_query(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        check(&document, &Signatures::read(&sdl())).map_err(|found| found.message)
    }

    #[test]
    fn a_variable_fits_by_its_type_or_by_a_default() {
        let field = |declared: &str, used: &str| format!("query($v:{declared}){{{used}}}");
        let users = "users(groupIds:$v){edges{cursor}}";
        let within = "users(groupIds:[$v]){edges{cursor}}";
        let unit = "connectedUsersIndicator{usersInProductionChatOccupancy{occupancyRate(unit:$v)}}";
        let update = "...f} fragment f on Mutation{userAvailabilityStatusUpdate(input:{userId:$v}){user{id}}";
        for (declared, used, is_allowed) in [
            ("[LegacyId!]", users, true),
            ("[LegacyId!]!", users, true),
            ("[LegacyId]", users, false),
            ("LegacyId!", users, false),
            ("[[LegacyId!]]", users, false),
            ("[ID!]", users, false),
            ("LegacyId!", within, true),
            ("LegacyId", within, false),
            ("LegacyId=1", within, true),
            ("LegacyId=null", within, false),
            ("Int!", "user(id:$v){id}", false),
            ("ID", "user(id:$v){id}", false),
            ("LegacyId", "user(id:$v){id}", false),
            ("LegacyId=1", "user(id:$v){id}", true),
            ("LegacyId!", "user(id:$v){id}", true),
            ("RateUnit", unit, true),
            ("RateUnit!", unit, true),
            ("[RateUnit]", unit, false),
            ("Boolean", "__typename @skip(if:$v)", false),
            ("Boolean=true", "__typename @skip(if:$v)", true),
            ("Boolean!", "...@include(if:$v){__typename}", true),
            ("String!", "...@include(if:$v){__typename}", false),
            ("LegacyId!", update, true),
            ("LegacyId", update, false),
            ("ConnectedUsersFilters", "connectedUsersIndicator(filters:$v){connectedUsersCount}", true),
            ("[UserRole!]", "connectedUsersIndicator(filters:{roles:$v}){connectedUsersCount}", true),
            ("[UserRole]", "connectedUsersIndicator(filters:{roles:$v}){connectedUsersCount}", false),
            ("Boolean", "__type(name:\"User\"){fields(includeDeprecated:$v){name}}", true),
            ("Int", "__type(name:\"User\"){fields(includeDeprecated:$v){name}}", false),
            ("String", "__type(name:$v){name}", false),
            ("Int", "nothing(a:$v){b}", true),
        ] {
            let text = field(declared, used);
            let text = if used == update { text.replace("query", "mutation") } else { text };
            assert_eq!(checked(&text).is_ok(), is_allowed, "{text}: {:?}", checked(&text));
        }
        let message = checked("query($v:ID){user(id:$v){id}}").unwrap_err();
        let expected = "the variable $v has the type ID and is used at line 1 column 22, where the type is LegacyId!";
        assert_eq!(message, expected);
    }

    #[test]
    fn defaults_of_places_hold_for_variables_that_are_not_given() {
        let found = |text: &str| -> Vec<_> {
            let all = checked(text).unwrap().into_iter();
            all.map(|found| (found.must_not_be_null, found.place_default.map(|value| value.to_string()))).collect()
        };
        assert_eq!(found("query($v:Boolean=true){__typename @skip(if:$v)}"), [(true, None)]);
        assert_eq!(found("query($v:Boolean=true){users(isConnected:$v){edges{cursor}}}"), []);
        assert_eq!(found("query($v:Boolean!=true){__typename @skip(if:$v)}"), []);
        let unit = "connectedUsersIndicator{usersInProductionChatOccupancy{occupancyRate(unit:$v)}}";
        assert_eq!(found(&format!("query($v:RateUnit){{{unit} ...{{{unit}}}}}")), [(true, Some("PERCENT".to_owned()))]);
        assert_eq!(found(&format!("query($v:RateUnit=RATIO){{{unit}}}")), [(true, None)]);
        assert_eq!(found(&format!("query($v:RateUnit!){{{unit}}}")), []);
        let both = "__schema{types{fields(includeDeprecated:$v){name}}} users(isConnected:$v){edges{cursor}}";
        assert_eq!(found(&format!("query($v:Boolean){{{both}}}")), [(true, None)]);
    }

    #[test]
    fn each_operation_has_its_own_variables() {
        let fragment = "fragment f on Query{user(id:$v){id}}";
        assert!(checked(&format!("query a($v:LegacyId!){{...f}} query b($v:LegacyId=1){{...f}} {fragment}")).is_ok());
        assert!(checked(&format!("query a($v:LegacyId!){{...f}} query b($v:ID!){{...f}} {fragment}")).is_err());
    }

    #[test]
    fn enums_are_written_without_quotes() {
        let field = |value: &str| format!("{{connectedUsersIndicator({value}){{connectedUsersCount}}}}");
        for (value, is_allowed) in [
            ("roles:[ADMIN]", true),
            ("roles:[\"ADMIN\"]", false),
            ("roles:\"ADMIN\"", false),
            ("filters:{roles:[\"ADMIN\"]}", false),
            ("groupIds:[\"1\"]", true),
        ] {
            assert_eq!(checked(&field(value)).is_ok(), is_allowed, "{value}");
        }
        let with_default = |default: &str| format!("query($v:[UserRole!]={default}){}", field("roles:$v"));
        assert!(checked(&with_default("[ADMIN]")).is_ok());
        assert!(checked(&with_default("[\"ADMIN\"]")).is_err());
        assert!(checked(&with_default("\"ADMIN\"")).is_err());
    }
}
