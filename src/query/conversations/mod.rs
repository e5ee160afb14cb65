//! Queries over conversations: open ones from the view, closed ones from the archive and the view, and some by their
//! ids.

mod by_id;
mod closed;
mod filter;
mod open;

use std::sync::Arc;

use crate::auth::Authorized;
use crate::domain::conversation::{Criteria, Key, Span};
use crate::domain::{Conversation, TenantId};
use crate::live::{Listed, View};
use crate::store::TenantReads;

pub use by_id::remembered;
pub use filter::{ConversationFilter, MAX_DAYS};
pub use open::open_conversations;

/// Approximate bytes after which a part ends early. The conversation that crosses the limit is still included.
const PART_BYTES: usize = 4 * 1024 * 1024;

/// The closed conversations of the caller's tenant, as of one view.
#[derive(Clone, Debug)]
pub struct Archive {
    reads: TenantReads,
    tenant: TenantId,
    view: Arc<View>,
}

impl Archive {
    /// Makes a reader of the caller's tenant as of `view`.
    pub fn new<P>(reads: TenantReads, caller: &Authorized<P>, view: Arc<View>) -> Self {
        Archive { reads, tenant: caller.tenant(), view }
    }
}

/// A part of a list.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// The conversations, in the requested order.
    pub conversations: Vec<Arc<Conversation>>,
    /// True if the list goes on after them.
    pub has_more: bool,
}

/// Returns the conversations of a list that meet the criteria, at most `span.limit`, from its start (`span.forward`) or
/// its end. The list must lie between the span's keys already.
fn first<'v>(
    view: &View,
    list: impl DoubleEndedIterator<Item = (&'v Key, &'v Arc<Conversation>)>,
    criteria: &Criteria,
    span: &Span,
) -> Vec<Arc<Conversation>> {
    let meets = |(_, conversation): &(&Key, &Arc<_>)| Listed::of(conversation, view.directory()).meets(criteria);
    let found = list.filter(meets).map(|(_, conversation)| conversation.clone());
    if span.forward { found.take(span.limit).collect() } else { found.rev().take(span.limit).collect() }
}

impl Part {
    /// Makes a part of the first `limit` conversations found, or of fewer if they are large.
    fn of(found: Vec<Arc<Conversation>>, limit: usize, has_more: bool) -> Self {
        let mut bytes = 0;
        let fits = |conversation: &Arc<Conversation>| {
            let is_room = bytes < PART_BYTES;
            bytes += conversation.weight();
            is_room
        };
        let count = found.len();
        let conversations: Vec<_> = found.into_iter().take(limit).take_while(fits).collect();
        let has_more = has_more || conversations.len() < count;
        Part { conversations, has_more }
    }
}
