//! Conversations that are open now, in the order in which they began.

use std::ops::Bound;

use super::{AskedFor, Part};
use crate::domain::Fault;
use crate::domain::conversation::Span;
use crate::live::{Listed, View};

/// A part of the open conversations.
pub fn open_conversations(view: &View, asked: AskedFor, span: &Span) -> Result<Part, Fault> {
    let criteria = asked.criteria(view)?;
    let from = span.after.map_or(Bound::Unbounded, Bound::Excluded);
    let to = span.before.map_or(Bound::Unbounded, Bound::Excluded);
    let all = view.conversations().open(from, to).map(|(_, conversation)| conversation);
    let meets = |conversation: &&_| Listed::of(conversation, view.directory()).meets(&criteria);
    // One more than is asked for tells whether the list goes on.
    let found = match span.forward {
        true => all.filter(meets).take(span.limit + 1).cloned().collect(),
        false => all.rev().filter(meets).take(span.limit + 1).cloned().collect(),
    };
    Ok(Part::of(found, span.limit, false))
}
