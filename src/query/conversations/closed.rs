//! Lists the closed conversations, in the order of their closing. They come from the archive, as of the view's
//! position, and from the view, which has the newer version of each while late events may still amend it.

use std::ops::Bound;
use std::sync::Arc;

use uuid::Uuid;

use super::{Archive, ConversationFilter, PART_BYTES, Part, first};
use crate::domain::conversation::{Criteria, Key, Span, millis};
use crate::domain::{Conversation, Fault};
use crate::live::View;
use crate::store::ArchivePart;

impl Archive {
    /// Returns a part of the closed conversations. Each conversation that closed before the view is in exactly one part
    /// of a list, however its parts are requested.
    ///
    /// [`Fault::Invalid`] for a bad interval, [`Fault::Unavailable`] if the archive cannot be read.
    pub async fn closed(&self, filter: ConversationFilter, span: &Span) -> Result<Part, Fault> {
        let view = &self.view;
        let criteria = Arc::new(filter.criteria(view)?);
        // One more than requested, to find out if the list goes on.
        let wanted = span.limit + 1;
        let mut rest = Span { limit: wanted, ..*span };
        let mut found: Vec<Arc<Conversation>> = Vec::new();
        let mut search = self.reads.search(self.tenant, view.position(), criteria.clone());
        loop {
            // The archive's part covers the list up to `end`; without an end it covers the rest.
            let ArchivePart { conversations, end } = search.next_part(rest).await?;
            // The view's own version replaces the archive's.
            let is_old = |conversation: &Arc<Conversation>| view.conversations().get(conversation.id()).is_none();
            let is_meant = |conversation: &Arc<Conversation>| is_old(conversation) && criteria.took_part(conversation);
            let mut next: Vec<_> = conversations.into_iter().filter(is_meant).collect();
            next.extend(remembered(view, &criteria, &rest, end));
            next.sort_by_key(|conversation| Key::of_listed(conversation));
            if !span.forward {
                next.reverse();
            }
            found.append(&mut next);
            let bytes: usize = found.iter().map(|conversation| conversation.weight()).sum();
            match end {
                // A part may have few matches, and the view may replace many of its rows.
                Some(_) if found.len() < wanted && bytes < PART_BYTES => rest = rest.beyond(end),
                end => return Ok(Part::of(found, span.limit, end.is_some())),
            }
        }
    }
}

/// Returns the view's closed conversations of a span, up to a place if given.
fn remembered(view: &View, criteria: &Criteria, span: &Span, end: Option<Key>) -> Vec<Arc<Conversation>> {
    let (mut from, mut to) = (span.after.map(Bound::Excluded), span.before.map(Bound::Excluded));
    if let Some(end) = end {
        *(if span.forward { &mut to } else { &mut from }) = Some(Bound::Included(end));
    }
    let (earliest, latest) = criteria.closed.map_or((i64::MIN, i64::MAX), |(from, to)| (millis(from), millis(to)));
    let from = from.unwrap_or(Bound::Included(Key { millis: earliest, id: Uuid::nil() }));
    let to = to.unwrap_or(Bound::Included(Key { millis: latest, id: Uuid::max() }));
    if is_empty(from, to) {
        return Vec::new();
    }
    first(view, view.conversations().closed(from, to), criteria, span)
}

/// Returns true if no place lies between the bounds. That happens if a cursor is from a list with another interval.
fn is_empty(from: Bound<Key>, to: Bound<Key>) -> bool {
    match (from, to) {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => from >= to,
        _ => false,
    }
}
