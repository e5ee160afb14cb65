//! The answer of the breakdown in JSON.

use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use super::row::{Counts, DescribedRow, FlatRow};
use crate::domain::filter::Dimension;
use crate::domain::{EntityRef, Fault, Time};
use crate::engine::Snapshot;
use crate::http::describe;
use crate::query::breakdown::{Breakdown, Key, Question, Row, breakdown, is_deleted};

/// The name of the first member that does not change by itself.
const TOTAL: &[u8] = b"\"total\":";

/// Users by reason and their slots.
#[derive(Serialize, ToSchema)]
#[schema(as = Breakdown)]
pub struct Answer {
    /// Position of the newest journal entry that is counted.
    position: u64,
    /// Time of the answer.
    #[schema(value_type = String, format = DateTime)]
    time: Time,
    /// Milliseconds since the store last confirmed that nothing newer was recorded elsewhere.
    staleness_ms: u64,
    /// All selected users, each counted once.
    total: Counts,
    /// The number of rows, with those that are not returned.
    row_count: u64,
    /// True if there are more rows than are returned.
    truncated: bool,
    /// The people of all rows, per channel, less those of the total.
    overlap: u64,
    /// The users of the parameter `user` who were deleted, as they were given; they match no user.
    #[schema(value_type = Vec<Value>)]
    unknown_ids: Vec<EntityRef>,
    /// The rows, ascending by the first key, then by the others. Each has two members for every key but `channel` and
    /// `presence`, which have one; they are `null` for users without a value.
    #[schema(value_type = Vec<DescribedRow>)]
    rows: Vec<FlatRow>,
}

impl Answer {
    /// Returns the answer without its rows, and the rows. `users` are those of the parameter `user`.
    pub fn of(snapshot: &Snapshot, now: Time, users: &[EntityRef], found: Breakdown) -> (Self, Vec<Row>) {
        let truncated = found.is_truncated();
        let Breakdown { total, rows, row_count, overlap } = found;
        let view = &snapshot.view;
        let head = Answer {
            position: view.position(),
            time: snapshot.time(now),
            staleness_ms: snapshot.staleness_ms,
            total: Counts::of(&total),
            row_count,
            truncated,
            overlap,
            unknown_ids: users.iter().copied().filter(|user| is_deleted(view, *user) == Some(true)).collect(),
            rows: Vec::new(),
        };
        (head, rows)
    }

    /// Returns the text of the answer to a question, and the place in it from which on nothing changes by itself.
    pub fn text(
        snapshot: &Snapshot,
        now: Time,
        users: &[EntityRef],
        question: &Question,
    ) -> Result<(Bytes, usize), Fault> {
        let (head, rows) = Answer::of(snapshot, now, users, breakdown(&snapshot.view, question)?);
        let rows = rows.into_iter().map(|row| FlatRow::new(question.keys(), row)).collect();
        // Serialising our own plain types cannot fail.
        let text = serde_json::to_vec(&Answer { rows, ..head }).unwrap_or_default();
        // The first member after the instant, which has no text with this name.
        let lasting = text.windows(TOTAL.len()).position(|part| part == TOTAL).unwrap_or_default();
        Ok((text.into(), lasting))
    }

    /// Returns the answer of the description's example.
    pub fn example() -> Self {
        Answer {
            position: 19,
            time: describe::EXAMPLE_TIME,
            staleness_ms: 40,
            total: Counts::example(),
            row_count: 1,
            truncated: false,
            overlap: 0,
            unknown_ids: Vec::new(),
            rows: vec![FlatRow::example(&[Key::Channel, Key::Of(Dimension::Skill)])],
        }
    }
}
