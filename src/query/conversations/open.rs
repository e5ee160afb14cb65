//! Lists the open conversations, in the order of their beginning.

use std::ops::Bound;

use super::{ConversationFilter, Part, first};
use crate::domain::Fault;
use crate::domain::conversation::Span;
use crate::live::View;

/// Returns a part of the open conversations. [`Fault::Invalid`] for a bad interval of closing times.
pub fn open_conversations(view: &View, filter: ConversationFilter, span: &Span) -> Result<Part, Fault> {
    let criteria = filter.criteria(view)?;
    let from = span.after.map_or(Bound::Unbounded, Bound::Excluded);
    let to = span.before.map_or(Bound::Unbounded, Bound::Excluded);
    // One more than requested, to find out if the list goes on.
    let wanted = Span { limit: span.limit + 1, ..*span };
    let found = first(view, view.conversations().open(from, to), &criteria, &wanted);
    Ok(Part::of(found, span.limit, false))
}
