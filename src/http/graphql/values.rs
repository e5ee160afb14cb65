//! Counts argument values: those of a request's variables before they are built, and all that its operation uses, a
//! variable's for each use.
//!
//! Each use of a variable is copied, checked and coerced separately, so a variable costs its size times its uses. A
//! value counts 1; a list or an object counts 1 in addition to its content, and a text 1 more per 64 bytes.

use std::collections::HashMap;
use std::fmt;

use async_graphql::Name;
use async_graphql_value::{ConstValue, Value};
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Most values of all variables of a request together. One filter takes up to 500.
pub const MAX_GIVEN: usize = 10_000;
/// Most values that an operation uses, each counted as often as it is used.
pub const MAX_USED: usize = 50_000;
/// Bytes of a text that count as one value.
const TEXT_UNIT_BYTES: usize = 64;
/// Most characters of a variable's name in an error message.
const MAX_NAME_SHOWN: usize = 64;

/// The sizes of a request's variables.
#[derive(Default)]
pub struct Sizes<'v> {
    known: HashMap<&'v str, usize>,
}

impl<'v> Sizes<'v> {
    /// Measures each variable once.
    pub fn of(variables: impl Iterator<Item = (&'v Name, &'v ConstValue)>) -> Self {
        Sizes { known: variables.map(|(name, value)| (name.as_str(), constant(value))).collect() }
    }

    /// Counts the values of an argument; a variable counts its size, an unknown one 1.
    pub fn argument(&self, argument: &Value) -> usize {
        match argument {
            Value::Variable(name) => self.known.get(name.as_str()).copied().unwrap_or(1),
            Value::List(all) => all.iter().fold(1, |sum, value| sum.saturating_add(self.argument(value))),
            Value::Object(all) => all.values().fold(1, |sum, value| sum.saturating_add(self.argument(value))),
            Value::String(text) => 1 + text.len() / TEXT_UNIT_BYTES,
            _ => 1,
        }
    }

    /// Returns the error message for more than [`MAX_USED`] values, which names the largest variable.
    pub fn too_many_used(&self) -> String {
        let largest = self.known.iter().max_by_key(|(name, size)| (**size, std::cmp::Reverse(**name)));
        let largest = largest.map(|(name, size)| format!("; the largest variable is ${name} with {size}"));
        format!(
            "the operation uses more than {MAX_USED} values, counting those of a variable for each use{}",
            largest.unwrap_or_default()
        )
    }
}

fn constant(value: &ConstValue) -> usize {
    match value {
        ConstValue::List(all) => all.iter().fold(1, |sum, value| sum.saturating_add(constant(value))),
        ConstValue::Object(all) => all.values().fold(1, |sum, value| sum.saturating_add(constant(value))),
        ConstValue::String(text) => 1 + text.len() / TEXT_UNIT_BYTES,
        _ => 1,
    }
}

/// Rejects a body with more than [`MAX_GIVEN`] values in its variables or its extensions, before they are built: in
/// memory a value takes dozens of times its two bytes of text. A body that is not a request passes, since its parser
/// rejects it.
pub fn check_given(body: &[u8]) -> Result<(), String> {
    let Ok(outline) = serde_json::from_slice::<Outline>(body) else { return Ok(()) };
    for (what, sigil, members) in [("variables", "$", outline.variables), ("extensions", "", outline.extensions)] {
        let Some(Members { total, largest: (name, size) }) = members else { continue };
        if total > MAX_GIVEN {
            let name: String = name.chars().take(MAX_NAME_SHOWN).collect();
            return Err(format!("the {what} have more than {MAX_GIVEN} values: {sigil}{name} has {size}"));
        }
    }
    Ok(())
}

/// The parts of a request that can hold many values.
#[derive(Deserialize)]
struct Outline {
    #[serde(default)]
    variables: Option<Members>,
    #[serde(default)]
    extensions: Option<Members>,
}

/// The number of values in an object, and its largest member. A repeated name counts each time.
#[derive(Default)]
struct Members {
    total: usize,
    largest: (String, usize),
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Members::default();
        while let Some((name, Counted(size))) = map.next_entry::<String, _>()? {
            members.total = members.total.saturating_add(size);
            if size > members.largest.1 {
                members.largest = (name, size);
            }
        }
        Ok(members)
    }
}

/// The number of values in a JSON value, counted without keeping them.
struct Counted(usize);

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountedVisitor)
    }
}

struct CountedVisitor;

impl<'de> Visitor<'de> for CountedVisitor {
    type Value = Counted;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Counted, E> {
        Ok(Counted(1))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Counted, E> {
        Ok(Counted(1))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Counted, E> {
        Ok(Counted(1))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Counted, E> {
        Ok(Counted(1))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Counted, E> {
        Ok(Counted(1))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Counted, E> {
        Ok(Counted(1 + text.len() / TEXT_UNIT_BYTES))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Counted, A::Error> {
        let mut sum = 1_usize;
        while let Some(Counted(size)) = list.next_element()? {
            sum = sum.saturating_add(size);
        }
        Ok(Counted(sum))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Counted, A::Error> {
        let mut sum = 1_usize;
        while let Some((IgnoredAny, Counted(size))) = map.next_entry()? {
            sum = sum.saturating_add(size);
        }
        Ok(Counted(sum))
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::Variables;
    use async_graphql::parser::parse_query;
    use serde_json::{Value as Json, json};

    use super::*;

    fn given(variables: &Json) -> Result<(), String> {
        check_given(json!({ "query": "{a}", "variables": variables }).to_string().as_bytes())
    }

    #[test]
    fn values_of_all_variables_are_counted_at_any_depth() {
        let list = |count: usize| vec![1; count];
        assert_eq!(given(&json!({ "a": list(MAX_GIVEN - 1) })), Ok(()));
        let refused = format!("the variables have more than 10000 values: $b has {MAX_GIVEN}");
        assert_eq!(given(&json!({ "a": 1, "b": list(MAX_GIVEN - 1) })), Err(refused));
        assert!(given(&json!({ "a": list(6_000), "b": list(6_000) })).is_err());
        assert!(given(&json!({ "a": { "b": [list(6_000), list(6_000)] } })).is_err());
        assert!(given(&json!({ "a": vec![json!({}); MAX_GIVEN] })).is_err());
        assert!(given(&json!({ "a": "x".repeat(MAX_GIVEN * 64) })).is_err());
        let many: serde_json::Map<_, _> = (0..=MAX_GIVEN).map(|n| (format!("v{n}"), Json::Null)).collect();
        assert!(given(&Json::from(many)).is_err());
        let body = json!({ "query": "{a}", "extensions": { "a": list(MAX_GIVEN) } }).to_string();
        assert_eq!(
            check_given(body.as_bytes()),
            Err(String::from("the extensions have more than 10000 values: a has 10001"))
        );
        let repeated = format!("{{\"variables\":{{\"a\":{0:?},\"a\":{0:?}}}}}", list(6_000));
        assert!(check_given(repeated.as_bytes()).is_err());
    }

    #[test]
    fn bodies_that_are_not_requests_pass() {
        for body in ["", "[]", "{", "{\"variables\":[1]}", "{\"variables\":null}", "{\"variables\":\"\"}", "1"] {
            assert_eq!(check_given(body.as_bytes()), Ok(()), "{body}");
        }
    }

    #[test]
    fn an_argument_counts_its_variables_at_their_size() {
        let text = "query($a:[Int] $b:A $n:Int){f(x:$a y:[$a, 1, {z:$b}] z:$n)}";
        let document = parse_query(text).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        let async_graphql::parser::types::Selection::Field(field) = &operation.node.selection_set.node.items[0].node
        else {
            panic!("a field")
        };
        let variables = Variables::from_json(json!({ "a": [1, 2, 3], "b": { "c": [1] } }));
        let sizes = Sizes::of(variables.iter());
        let counted: Vec<usize> = field.node.arguments.iter().map(|(_, value)| sizes.argument(&value.node)).collect();
        // A list counts itself and its items, an object itself and its members, a variable without a value 1.
        assert_eq!(counted, [4, 1 + 4 + 1 + 1 + 3, 1]);
        assert!(sizes.too_many_used().ends_with("the largest variable is $a with 4"), "{}", sizes.too_many_used());
    }
}
