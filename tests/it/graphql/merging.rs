//! The rule for fields with one response name: documents made at random, against the words of the specification.

use std::collections::BTreeMap;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{BaseType, ExecutableDocument, Field, Selection, SelectionSet, Type};
use proptest::collection::vec;
use proptest::prelude::*;
use rollcall::http::graphql::sdl;
use rollcall::http::graphql::validation::check;
use rollcall::http::graphql::validation::signatures::{Signatures, base};

/// The fields that are selected at random, by type, with the type inside.
const FIELDS: [(&str, &[(&str, &str)]); 5] = [
    ("Query", &[("user(id:1)", "User"), ("user(id:2)", "User"), ("users(first:1)", "UserConnection")]),
    ("UserConnection", &[("pageInfo", "PageInfo")]),
    ("PageInfo", &[("startCursor", ""), ("endCursor", ""), ("hasNextPage", "")]),
    (
        "User",
        &[
            ("id", ""),
            ("email", ""),
            ("lastName", ""),
            ("roles", ""),
            ("projects(first:1)", "ProjectConnection"),
            ("projects(first:2)", "ProjectConnection"),
        ],
    ),
    ("ProjectConnection", &[("pageInfo", "PageInfo"), ("pageInfo", "PageInfo")]),
];

/// Makes a document from bytes, each of which is one choice.
struct Writer<'b> {
    choices: std::slice::Iter<'b, u8>,
}

impl Writer<'_> {
    fn choose(&mut self, below: usize) -> usize {
        usize::from(*self.choices.next().unwrap_or(&0)) % below
    }

    /// Writes a selection set on a type. `spreads` are fragments on `User` and on `Query`.
    fn set(&mut self, of: &str, depth: usize, spreads: bool) -> String {
        let items: Vec<String> = (0..=self.choose(3)).map(|_| self.item(of, depth, spreads)).collect();
        format!("{{{}}}", items.join(" "))
    }

    fn item(&mut self, of: &str, depth: usize, spreads: bool) -> String {
        let family = if matches!(of, "Expert" | "Bot") { "User" } else { of };
        match self.choose(5) {
            0 if depth > 0 && family == "User" => {
                let on = ["User", "Expert", "Bot"][self.choose(3)];
                format!("...on {on}{}", self.set(on, depth - 1, spreads))
            }
            0 if depth > 0 => format!("...{}", self.set(of, depth - 1, spreads)),
            1 if spreads && matches!(family, "User" | "Query") => format!("...{family}{}", self.choose(2)),
            _ => {
                let (_, fields) = FIELDS.iter().find(|(name, _)| *name == family).expect("a known type");
                let (field, inside) = fields[self.choose(fields.len())];
                let alias = ["", "", "x:", "y:"][self.choose(4)];
                let set = if inside.is_empty() { String::new() } else { self.set(inside, depth.max(1) - 1, spreads) };
                format!("{alias}{field}{set}")
            }
        }
    }

    fn document(&mut self) -> String {
        let mut text = self.set("Query", 3, true);
        for fragment in ["User0", "User1", "Query0", "Query1"] {
            let on = fragment.trim_end_matches(['0', '1']);
            text.push_str(&format!(" fragment {fragment} on {on}{}", self.set(on, 2, false)));
        }
        text
    }
}

/// The specification's algorithm, which compares every pair.
struct Reference<'d> {
    document: &'d ExecutableDocument,
    signatures: &'d Signatures,
}

#[derive(Clone, Copy)]
struct Selected<'d> {
    parent: &'d str,
    field: &'d Field,
    of: &'d Type,
}

impl<'d> Reference<'d> {
    fn collect(&self, set: &'d SelectionSet, parent: &'d str) -> Vec<Selected<'d>> {
        let mut found = Vec::new();
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    let of = self.signatures.type_of(parent, &field.node.name.node).expect("a known field");
                    found.push(Selected { parent, field: &field.node, of });
                }
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    let parent = condition.map_or(parent, |condition| condition.node.on.node.as_str());
                    found.extend(self.collect(&fragment.node.selection_set.node, parent));
                }
                Selection::FragmentSpread(spread) => {
                    let fragment = &self.document.fragments[&spread.node.fragment_name.node].node;
                    found.extend(self.collect(&fragment.selection_set.node, &fragment.type_condition.node.on.node));
                }
            }
        }
        found
    }

    fn below(&self, selected: Selected<'d>) -> Vec<Selected<'d>> {
        self.collect(&selected.field.selection_set.node, base(selected.of))
    }

    fn merged(&self, one: Selected<'d>, other: Selected<'d>) -> Vec<Selected<'d>> {
        [self.below(one), self.below(other)].concat()
    }

    fn pairs(set: &[Selected<'d>]) -> Vec<(Selected<'d>, Selected<'d>)> {
        let pairs = set.iter().enumerate().flat_map(|(at, one)| set[at + 1..].iter().map(|other| (*one, *other)));
        pairs.filter(|(one, other)| one.field.response_key().node == other.field.response_key().node).collect()
    }

    fn can_merge(&self, set: &[Selected<'d>]) -> bool {
        let is_object = |selected: Selected<'_>| self.signatures.is_object(selected.parent);
        Self::pairs(set).into_iter().all(|(one, other)| {
            let can_meet = one.parent == other.parent || !is_object(one) || !is_object(other);
            let arguments = |field: &Field| -> BTreeMap<String, String> {
                field.arguments.iter().map(|(name, value)| (name.node.to_string(), value.node.to_string())).collect()
            };
            let is_same = || {
                one.field.name.node == other.field.name.node
                    && arguments(one.field) == arguments(other.field)
                    && self.can_merge(&self.merged(one, other))
            };
            self.has_same_shape(one, other) && (!can_meet || is_same())
        })
    }

    fn has_same_shape(&self, one: Selected<'d>, other: Selected<'d>) -> bool {
        let (mut left, mut right) = (one.of, other.of);
        loop {
            if left.nullable != right.nullable {
                return false;
            }
            match (&left.base, &right.base) {
                (BaseType::List(inner), BaseType::List(other)) => (left, right) = (&**inner, &**other),
                (BaseType::Named(name), BaseType::Named(other)) => {
                    let is_composite = |name: &str| self.signatures.is_composite(name);
                    if !(is_composite(name) && is_composite(other)) {
                        return name == other;
                    }
                    break;
                }
                _ => return false,
            }
        }
        Self::pairs(&self.merged(one, other)).into_iter().all(|(one, other)| self.has_same_shape(one, other))
    }

    /// Checks every selection set, from the operation inwards.
    fn allows(&self, set: &[Selected<'d>]) -> bool {
        self.can_merge(set) && set.iter().all(|selected| self.allows(&self.below(*selected)))
    }
}

fn agree(text: &str, signatures: &Signatures) -> bool {
    let document = parse_query(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let reference = Reference { document: &document, signatures };
    let (_, operation) = document.operations.iter().next().expect("an operation");
    let expected = reference.allows(&reference.collect(&operation.node.selection_set.node, "Query"));
    let found = check(text, &document, signatures);
    assert_eq!(found.is_ok(), expected, "{text}: {found:?}");
    expected
}

proptest! {
    #[test]
    fn conflicts_are_those_of_the_specification(choices in vec(any::<u8>(), 0..150)) {
        let text = Writer { choices: choices.iter() }.document();
        agree(&text, &Signatures::read(&sdl()));
    }
}

/// The control: the random documents have both conflicts and none.
#[test]
fn control_both_outcomes_are_made() {
    let signatures = Signatures::read(&sdl());
    let (mut allowed, mut state) = (0, 1_u64);
    let count = 400;
    for _ in 0..count {
        let choices: Vec<u8> = (0..150)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        allowed += usize::from(agree(&Writer { choices: choices.iter() }.document(), &signatures));
    }
    assert!(allowed > count / 10 && allowed < count * 9 / 10, "{allowed} of {count}");
}
