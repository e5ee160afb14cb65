//! The bytes of one answer, counted while its values are produced.
//!
//! The estimates before the execution cannot bound an answer: a list has up to a thousand items, a field is repeated
//! under up to a hundred aliases, and a text takes up to six times its bytes once it is escaped. So an extension of the
//! schema counts every object and every list when it is complete. One place thus covers all fields, now and later.
//! The execution ends early when the count exceeds [`MAX_ANSWER`], or what the caller may hold.

use std::sync::OnceLock;

use async_graphql::{PathSegment, Pos, QueryPathNode, QueryPathSegment, Response, ServerError, ServerResult, Value};
use parking_lot::Mutex;

use crate::domain::Fault;
use crate::http::graphql::fault::of_field;
use crate::limits::{ByteBudget, BytePermit, Owner};

/// Most bytes of one answer: its values in memory and its text. A quarter of what one tenant may hold with the default
/// memory budget and half of it with the least, and several times a full page with every field of usual lengths.
pub const MAX_ANSWER: usize = 32 * 1024 * 1024;
/// Bytes of a value in memory: an entry in the hash map of an object, some of which are unused, or an item of a list
/// with the map of the object in it.
const VALUE_BYTES: usize = 200;
/// Bytes of an error, without its message and its path.
const ERROR_BYTES: usize = 1024;
/// Bytes that are charged at once. An answer with less is counted when it is complete, like every other.
const STEP_BYTES: usize = 64 * 1024;

/// The count of one answer. Shared by the extension and the endpoint.
pub struct AnswerMeter {
    budget: ByteBudget,
    owner: Owner,
    counted: Mutex<Counted>,
    end: OnceLock<End>,
}

#[derive(Default)]
struct Counted {
    bytes: usize,
    charged: usize,
    permit: Option<BytePermit>,
}

/// The reason for which an execution ended early.
enum End {
    /// The answer is too large: the error of the field that exceeded the limit.
    TooLarge(ServerError),
    /// The caller or others hold too much already.
    Refused(Fault),
}

impl AnswerMeter {
    /// Starts the count of an answer that is charged to `owner` while it is built.
    pub fn new(budget: ByteBudget, owner: Owner) -> Self {
        AnswerMeter { budget, owner, counted: Mutex::default(), end: OnceLock::new() }
    }

    /// Returns the response of a complete execution. For one that ended early, a response with no data and the error, or
    /// [`Fault::TooMany`] or [`Fault::Unavailable`] if the bytes could not be charged.
    pub fn finish(&self, response: Response) -> Result<Response, Fault> {
        match self.end.get() {
            None => Ok(response),
            Some(End::TooLarge(error)) => Ok(Response::from_errors(vec![error.clone()])),
            Some(End::Refused(fault)) => Err(fault.clone()),
        }
    }

    /// Returns true once the execution has ended early: nothing more is needed of it.
    pub fn has_ended(&self) -> bool {
        self.end.get().is_some()
    }

    /// Counts what a field or an item of a list produced. Returns false if the execution ends here; `pos` is the place
    /// of the field in the text.
    pub fn has_counted(&self, node: &QueryPathNode<'_>, pos: Pos, produced: &ServerResult<Option<Value>>) -> bool {
        let bytes = match produced {
            Ok(value) => value.as_ref().map_or(0, complete),
            Err(error) => ERROR_BYTES + text_bytes(&error.message) + path_bytes(node),
        };
        bytes == 0 || self.count(bytes, || too_large().into_server_error(pos).with_path(path(node)))
    }

    /// Adds bytes to the count and charges them. Returns false if the execution ends here.
    fn count(&self, bytes: usize, error: impl FnOnce() -> ServerError) -> bool {
        let mut counted = self.counted.lock();
        counted.bytes = counted.bytes.saturating_add(bytes);
        let end = if counted.bytes > MAX_ANSWER {
            End::TooLarge(error())
        } else {
            match self.charge(&mut counted) {
                Ok(()) => return true,
                Err(fault) => End::Refused(fault),
            }
        };
        let _first = self.end.set(end);
        // The values are dropped by the executor as it ends.
        false
    }

    fn charge(&self, counted: &mut Counted) -> Result<(), Fault> {
        let due = counted.bytes / STEP_BYTES * STEP_BYTES;
        let Some(more) = due.checked_sub(counted.charged).filter(|more| *more > 0) else { return Ok(()) };
        match &mut counted.permit {
            Some(permit) => permit.grow(more)?,
            None => counted.permit = Some(self.budget.take(self.owner, more)?),
        }
        counted.charged = due;
        Ok(())
    }
}

fn too_large() -> async_graphql::Error {
    of_field(&Fault::Malformed(format!(
        "the answer takes more than {} MiB: select fewer fields or a smaller page",
        MAX_ANSWER / 1024 / 1024
    )))
}

/// Returns the bytes of the members of a complete object, or the items of a complete list. A single value counts with
/// the object or the list that it is in: so does `__typename`, which extensions do not see. An object in an object or a
/// list was counted when it was complete.
fn complete(value: &Value) -> usize {
    match value {
        Value::Object(members) => {
            members.iter().map(|(name, value)| VALUE_BYTES + name.len() + single(value)).sum::<usize>()
        }
        Value::List(items) => items.iter().map(|value| VALUE_BYTES + single(value)).sum::<usize>(),
        _ => 0,
    }
}

fn single(value: &Value) -> usize {
    match value {
        Value::String(text) => text_bytes(text),
        Value::Enum(name) => text_bytes(name),
        _ => 0,
    }
}

/// Returns the bytes of a text: once in memory and once escaped.
fn text_bytes(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        0..0x20 => 6,
        b'"' | b'\\' => 2,
        _ => 1,
    };
    text.len() + text.bytes().map(escaped).sum::<usize>()
}

/// Returns the path to a field or an item.
pub fn path(node: &QueryPathNode<'_>) -> Vec<PathSegment> {
    let segment = |node: &QueryPathNode<'_>| match &node.segment {
        QueryPathSegment::Name(name) => PathSegment::Field((*name).to_owned()),
        QueryPathSegment::Index(index) => PathSegment::Index(*index),
    };
    let mut path: Vec<_> = std::iter::successors(Some(node), |node| node.parent).map(segment).collect();
    path.reverse();
    path
}

fn path_bytes(node: &QueryPathNode<'_>) -> usize {
    let bytes = |node: &QueryPathNode<'_>| match node.segment {
        QueryPathSegment::Name(name) => 2 * name.len(),
        QueryPathSegment::Index(_) => 0,
    };
    std::iter::successors(Some(node), |node| node.parent).map(bytes).sum()
}

#[cfg(test)]
mod tests {
    use async_graphql::indexmap::IndexMap;
    use async_graphql::{Name, value};
    use uuid::Uuid;

    use super::*;
    use crate::domain::TenantId;

    const OWNER: Owner = Owner::Tenant(TenantId(Uuid::nil()));

    fn error() -> ServerError {
        ServerError::new("too large", None)
    }

    #[test]
    fn texts_count_once_in_memory_and_once_escaped() {
        for text in ["", "abc", "é€𝄞", "\u{1}\u{1f}\"\\/\u{7f}", "a\tb\nc"] {
            let written = serde_json::to_string(text).unwrap().len() - 2;
            assert!(text_bytes(text) >= text.len() + written, "{text:?}");
        }
        assert_eq!(text_bytes("\u{1}\"a"), 3 + 6 + 2 + 1);
    }

    #[test]
    fn objects_and_lists_count_their_members_once() {
        assert_eq!(complete(&value!({ "a": 1, "bc": "x" })), 2 * VALUE_BYTES + 3 + 2);
        assert_eq!(complete(&value!([1, null, "x"])), 3 * VALUE_BYTES + 2);
        let inner: IndexMap<Name, Value> = IndexMap::from([(Name::new("a"), value!([1, 2, 3]))]);
        assert_eq!(complete(&Value::Object(inner)), VALUE_BYTES + 1, "the list was counted when it was complete");
        assert_eq!(complete(&value!("text")), 0, "it is counted with its object");
    }

    #[test]
    fn the_count_ends_at_the_limit_and_at_the_callers_share() {
        let budget = ByteBudget::new(4 * MAX_ANSWER);
        let meter = AnswerMeter::new(budget.clone(), OWNER);
        assert!(meter.count(STEP_BYTES - 1, error) && budget.held() == 0);
        assert!(meter.count(MAX_ANSWER - STEP_BYTES, error) && !meter.has_ended());
        assert_eq!(budget.held(), MAX_ANSWER - STEP_BYTES, "in whole steps");
        assert!(!meter.count(2, error) && meter.has_ended());
        let response = meter.finish(Response::new(value!(1))).unwrap();
        assert_eq!((response.data, response.errors.len()), (Value::Null, 1));
        let second = AnswerMeter::new(budget.clone(), OWNER);
        assert!(second.count(MAX_ANSWER, error));
        let third = AnswerMeter::new(budget.clone(), OWNER);
        assert!(!third.count(2 * STEP_BYTES, error), "the two others hold the caller's share");
        assert_eq!(third.finish(Response::new(value!(1))).unwrap_err(), Fault::TooMany { seconds: 1 });
        drop((meter, second, third));
        assert_eq!(budget.held(), 0);
    }
}
