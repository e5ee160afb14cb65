//! The list that a cursor is of (docs/decisions/0092-cursors-of-one-list.md).

use std::fmt::{self, Display};

use async_graphql::{Context, Name, Result, Value};
use sha2::{Digest, Sha256};

use crate::domain::Time;

/// The arguments that select a page of a list: they are no part of it.
const PAGE: [&str; 4] = ["first", "after", "last", "before"];

/// Identifies a list: its field, the object that it belongs to, and its filters. A cursor carries it, so that one of
/// another list is not taken for a place in this one.
///
/// Computed from the request alone: it is the same in every process, release and tenant. Four bytes of a digest suffice
/// against mistakes. One that is forged gives away nothing: it names a place in a list that its sender may read anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListId([u8; 4]);

impl ListId {
    /// Returns the list of the root's field that is being resolved, with its filters.
    pub fn of(ctx: &Context<'_>) -> Result<Self> {
        let (field, arguments) = (ctx.field().name(), ctx.field().arguments()?);
        Ok(ListId::new("", field, arguments.iter().map(|(name, value)| (name, value))))
    }

    /// Returns the list of a field that has no filters, of an object that `owner` names.
    pub fn whole(owner: impl Display, field: &str) -> Self {
        ListId::new(owner, field, std::iter::empty())
    }

    /// Returns the list of a field with these arguments. Other spellings of the same filters give the same list: the order
    /// of arguments and of values, a number in a string, leading zeros, the offset of an instant, capitals, one value in place of a list of it, null.
    fn new<'v>(owner: impl Display, field: &str, arguments: impl Iterator<Item = (&'v Name, &'v Value)>) -> Self {
        let filters = arguments.filter(|(name, _)| !PAGE.contains(&name.as_str()));
        let text = format!("{owner}.{field}{}", members(filters));
        let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(text));
        ListId([a, b, c, d])
    }

    /// Parses what [`Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let number = u32::from_str_radix(text, 16).ok()?;
        let list = ListId(number.to_be_bytes());
        (list.to_string() == text).then_some(list)
    }
}

impl Display for ListId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

/// Writes arguments or members in the order of their names, without those that restrict nothing.
fn members<'v>(all: impl Iterator<Item = (&'v Name, &'v Value)>) -> String {
    let written = all.map(|(name, value)| (name, written(value))).filter(|(_, value)| !value.is_empty());
    let mut written: Vec<String> = written.map(|(name, value)| format!("{name}:{value}")).collect();
    written.sort_unstable();
    format!("{{{}}}", written.join(","))
}

/// Writes a value; nothing for null and for an empty list.
fn written(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::List(items) => {
            let mut items: Vec<String> = items.iter().map(written).collect();
            items.sort_unstable();
            items.dedup();
            items.join(" ")
        }
        Value::Object(all) => members(all.iter()),
        Value::Enum(name) => quoted(name),
        Value::String(text) => quoted(text),
        Value::Number(number) => quoted(&number.to_string()),
        Value::Boolean(is_true) => quoted(if *is_true { "true" } else { "false" }),
        Value::Binary(bytes) => quoted(&String::from_utf8_lossy(bytes)),
    }
}

/// Quotes a text, so that no text is like several. An instant and an id have several spellings.
fn quoted(text: &str) -> String {
    let whole = || text.parse::<i64>().ok().map(|number| number.to_string());
    let instant = || Time::parse(text).ok().map(|time| time.micros().to_string());
    format!("{:?}", whole().or_else(instant).unwrap_or_else(|| text.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use async_graphql::value;

    use super::*;

    fn list(owner: &str, field: &str, arguments: Value) -> ListId {
        let Value::Object(arguments) = arguments else { panic!("an object") };
        ListId::new(owner, field, arguments.iter())
    }

    #[test]
    fn spellings_of_instants_and_ids_make_one_list() {
        let of = |from: &str, id: &str| list("", "closed", value!({ "from": from, "ids": [id] }));
        let same = [("2021-03-01T02:00:00+02:00", "1001"), ("2021-03-01T00:00:00.000Z", "01001")];
        assert!(same.iter().all(|(from, id)| of(from, id) == of("2021-03-01T00:00:00Z", "1001")));
        assert_ne!(of("2021-03-01T00:00:01Z", "1001"), of("2021-03-01T00:00:00Z", "1001"));
    }

    #[test]
    fn fields_owners_and_filters_make_another_list() {
        let known = [
            list("", "users", value!({})),
            list("", "conversations", value!({})),
            list("", "projects", value!({})),
            list("user 1", "projects", value!({})),
            list("user 2", "projects", value!({})),
            list("", "users", value!({ "ids": [1, 2] })),
            list("", "users", value!({ "ids": [1] })),
            list("", "users", value!({ "ids": ["1\" \"2"] })),
            list("", "users", value!({ "ids": [12] })),
            list("", "users", value!({ "groupIds": [1, 2] })),
            list("", "users", value!({ "ids": [1], "groupIds": [2] })),
            list("", "users", value!({ "isConnected": true })),
            list("", "users", value!({ "isConnected": false })),
            list("", "users", value!({ "interval": { "from": "1", "to": "2" } })),
            list("", "users", value!({ "interval": { "from": "2", "to": "1" } })),
        ];
        for (place, one) in known.iter().enumerate() {
            assert!(!known[..place].contains(one), "{place}");
        }
        assert_eq!(list("", "users", value!({})).to_string(), "25a037dd", "in every release");
    }

    #[test]
    fn other_spellings_are_the_same_list() {
        let of = |arguments| list("", "users", arguments);
        for other in
            [value!({ "ids": null }), value!({ "ids": [], "first": 3, "after": "x", "last": 4, "before": "y" })]
        {
            assert_eq!(of(other), of(value!({})));
        }
        let filtered = of(value!({ "ids": [1, 2], "roles": ["EXPERT"] }));
        for other in [
            value!({ "roles": ["EXPERT"], "ids": [2, 1] }),
            value!({ "roles": "expert", "ids": ["1", "2", 1], "groupIds": null, "first": 1 }),
        ] {
            assert_eq!(of(other), filtered);
        }
    }

    #[test]
    fn a_list_is_written_in_one_way() {
        assert_eq!(ListId::parse("0001abff"), Some(ListId([0, 1, 0xab, 0xff])));
        for wrong in ["", "1abff", "+001abff", "0001ABFF", "0001abff0", "0001abfg"] {
            assert_eq!(ListId::parse(wrong), None, "{wrong}");
        }
    }
}
