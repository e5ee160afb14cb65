//! The schema changes by additions only: what a client could send since 0.2 stays valid and is answered in the same
//! types. The released schema is `tests/schema.graphql`, without its descriptions.

use std::collections::BTreeMap;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, FieldDefinition, InputValueDefinition, Type, TypeKind, TypeSystemDefinition,
};
use rollcall::http::graphql::sdl;

use crate::support::routes::source;

/// A part of a schema that clients can name.
#[derive(Debug, PartialEq)]
enum Part {
    /// A type of this kind, or a member of a type that has none itself.
    Named(&'static str),
    /// A field.
    Output(Type),
    /// An argument or a member of an input, with its default.
    Input(Type, Option<String>),
}

/// The parts of a schema by their names: `User`, `User.id`, `Query.users.first`.
type Parts = BTreeMap<String, Part>;

fn parts(text: &str) -> Parts {
    let mut parts = Parts::new();
    for definition in parse_schema(text).expect("SDL").definitions {
        match definition {
            TypeSystemDefinition::Schema(_) => {}
            TypeSystemDefinition::Directive(directive) => {
                let name = format!("@{}", directive.node.name.node);
                add_inputs(&mut parts, &name, directive.node.arguments.into_iter().map(|of| of.node));
                parts.insert(name, Part::Named("directive"));
            }
            TypeSystemDefinition::Type(of) => {
                let name = of.node.name.node.to_string();
                let kind = add_type(&mut parts, &name, of.node.kind);
                parts.insert(name, Part::Named(kind));
            }
        }
    }
    parts
}

fn add_type(parts: &mut Parts, name: &str, kind: TypeKind) -> &'static str {
    let mut add = |member: &str, what| drop(parts.insert(format!("{name}.{member}"), Part::Named(what)));
    match kind {
        TypeKind::Scalar => "scalar",
        TypeKind::Object(of) => {
            of.implements.iter().for_each(|interface| add(&interface.node, "interface of the type"));
            add_fields(parts, name, of.fields.into_iter().map(|field| field.node));
            "object"
        }
        TypeKind::Interface(of) => {
            add_fields(parts, name, of.fields.into_iter().map(|field| field.node));
            "interface"
        }
        TypeKind::Union(of) => {
            of.members.iter().for_each(|member| add(&member.node, "member of the union"));
            "union"
        }
        TypeKind::Enum(of) => {
            of.values.iter().for_each(|value| add(&value.node.value.node, "value"));
            "enum"
        }
        TypeKind::InputObject(of) => {
            add_inputs(parts, name, of.fields.into_iter().map(|member| member.node));
            "input"
        }
    }
}

fn add_fields(parts: &mut Parts, owner: &str, fields: impl Iterator<Item = FieldDefinition>) {
    for field in fields {
        let name = format!("{owner}.{}", field.name.node);
        add_inputs(parts, &name, field.arguments.into_iter().map(|argument| argument.node));
        parts.insert(name, Part::Output(field.ty.node));
    }
}

fn add_inputs(parts: &mut Parts, owner: &str, inputs: impl Iterator<Item = InputValueDefinition>) {
    for input in inputs {
        let default = input.default_value.map(|value| value.node.to_string());
        parts.insert(format!("{owner}.{}", input.name.node), Part::Input(input.ty.node, default));
    }
}

/// Returns true if every value of `one` is a value of `other`: a null is not one of a non-null type.
fn is_within(one: &Type, other: &Type) -> bool {
    let is_base = match (&one.base, &other.base) {
        (BaseType::Named(one), BaseType::Named(other)) => one == other,
        (BaseType::List(one), BaseType::List(other)) => is_within(one, other),
        _ => false,
    };
    is_base && (other.nullable || !one.nullable)
}

/// Returns the changes that can break a client.
fn breaking(old: &Parts, new: &Parts) -> Vec<String> {
    let mut found = Vec::new();
    for (name, before) in old {
        let fits = match (before, new.get(name)) {
            (_, None) => {
                found.push(format!("{name} is gone"));
                continue;
            }
            (Part::Output(before), Some(Part::Output(after))) => is_within(after, before),
            (Part::Input(before, was), Some(Part::Input(after, is))) => is_within(before, after) && was == is,
            (before, Some(after)) => before == after,
        };
        if !fits {
            found.push(format!("{name} was {before:?} and is {:?}", new[name]));
        }
    }
    for (name, part) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
        let is_required = matches!(part, Part::Input(of, default) if !of.nullable && default.is_none());
        // A new field or input may have required members: no client names it yet.
        if is_required && name.rsplit_once('.').is_some_and(|(owner, _)| old.contains_key(owner)) {
            found.push(format!("{name} is required"));
        }
    }
    found
}

#[test]
fn the_schema_changes_by_additions_only() {
    let found = breaking(&parts(&source("tests/schema.graphql")), &parts(&sdl()));
    assert!(found.is_empty(), "deprecate instead (docs/testing.md, \"The schema\"): {found:#?}");
}

#[test]
fn changes_that_break_a_client_are_found() {
    let before = "
        interface Named { name: String! }
        type Query implements Named { name: String! all(first: Int, of: Kind! = A): [Query!]! other: Query any: Any }
        union Any = Query | More
        type More { id: Int }
        enum Kind { A B }
        input Filter { id: Int kind: Kind! }
        scalar Url";
    let old = parts(before);
    let after = |from: &str, to: &str| {
        assert!(before.contains(from), "{from}");
        breaking(&old, &parts(&before.replacen(from, to, 1)))
    };
    for (from, to) in [
        ("scalar Url", ""),
        ("scalar Url", "enum Url { A }"),
        ("other: Query", ""),
        ("other: Query", "other: More"),
        ("other: Query", "other: [Query]"),
        ("[Query!]!", "[Query!]"),
        ("[Query!]!", "[Query]!"),
        ("first: Int, ", ""),
        ("first: Int", "first: Int!"),
        ("first: Int", "first: Float"),
        ("first: Int", "first: Int, last: Int!"),
        ("= A", "= B"),
        ("= A", ""),
        ("A B", "A"),
        ("Query | More", "Query"),
        ("implements Named", ""),
        ("id: Int kind", "kind"),
        ("kind: Kind!", "kind: Kind! more: Int!"),
    ] {
        assert_eq!(after(from, to).len(), 1, "{from} → {to}: {:?}", after(from, to));
    }
    for (from, to) in [
        ("scalar Url", "scalar Url type New { id: Int! of(id: Int!): Int }"),
        ("other: Query", "other: Query! more(id: Int!): Int"),
        ("first: Int", "first: Int, last: Int"),
        ("first: Int", "first: Int, last: Int! = 1"),
        ("A B", "A B C"),
        ("Query | More", "Query | More | New"),
        ("kind: Kind!", "kind: Kind"),
        ("kind: Kind!", "kind: Kind! more: Int"),
    ] {
        assert_eq!(after(from, to), [""; 0], "{from} → {to}");
    }
}
