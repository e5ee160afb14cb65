//! The object that a selection is on, as far as the names of its fields do not decide their cost.

use async_graphql::parser::types::Field;
use async_graphql_value::Value;

/// The kind of object that a selection is on. It follows from the enclosing field alone, without the schema: inside a
/// list, `edges` and `node` lead to the same kind of object as the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The root of the operation.
    Root,
    /// A conversation, whose `users` are the few that took part.
    Conversation,
    /// A routing rule, whose `groups` are routing groups.
    Rule,
    /// A breakdown, whose `rows` are as many as it is given to return.
    Breakdown,
    /// A wallboard, or a part of it.
    Board,
    /// The rows of a tile of a wallboard.
    BoardRows,
    /// The people of a tile of a wallboard.
    BoardPeople,
    /// Any other.
    Other,
}

impl Owner {
    /// Returns the kind of object inside of a field.
    pub const fn within(self, field: &str) -> Self {
        match (self, field.as_bytes()) {
            (Owner::Board, b"rows") => Owner::BoardRows,
            (Owner::Board, b"people") => Owner::BoardPeople,
            (Owner::Board | Owner::BoardRows | Owner::BoardPeople, _) | (Owner::Root, b"board") => Owner::Board,
            (_, b"edges" | b"node") => self,
            // Its fields are those of the root.
            (_, b"now" | b"live") => Owner::Root,
            (_, b"breakdown" | b"rows") => Owner::Breakdown,
            (_, b"conversation" | b"conversations" | b"closedConversations") => Owner::Conversation,
            (_, b"routingRule" | b"routingRules" | b"toRoutingRule") => Owner::Rule,
            _ => Owner::Other,
        }
    }
}

/// Returns true for an availability of one language. Any argument but null counts, since the value of a variable may be
/// one.
pub fn is_by_language(field: &Field) -> bool {
    field.name.node.as_str() == "availability"
        && field.get_argument("lang").is_some_and(|lang| lang.node != Value::Null)
}
