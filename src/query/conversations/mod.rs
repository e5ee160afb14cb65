//! Conversations: open ones from the view, closed ones from the archive and the view, one by its id.

mod asked;
mod by_id;
mod closed;
mod open;

use std::sync::Arc;

use crate::auth::Caller;
use crate::domain::Conversation;
use crate::domain::conversation::{Criteria, Key};
use crate::live::{Listed, View};
use crate::store::Store;

pub use asked::{AskedFor, MAX_DAYS};
pub use by_id::remembered;
pub use open::open_conversations;

/// Bytes of a part, but for its first conversation, roughly: one that would be larger ends early.
const PART_BYTES: usize = 4 * 1024 * 1024;

/// Closed conversations of one tenant, as one view has them.
#[derive(Clone, Debug)]
pub struct Archive {
    store: Store,
    caller: Caller,
    view: Arc<View>,
}

impl Archive {
    /// The caller's.
    pub fn new(store: Store, caller: Caller, view: Arc<View>) -> Self {
        Archive { store, caller, view }
    }
}

/// Part of a list, in the order asked for.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// The conversations.
    pub conversations: Vec<Arc<Conversation>>,
    /// Whether the list goes on after them.
    pub has_more: bool,
}

/// The first so many of a list of the view that meet the criteria, in the order asked for.
fn first<'v>(
    view: &View,
    list: impl DoubleEndedIterator<Item = (&'v Key, &'v Arc<Conversation>)>,
    criteria: &Criteria,
    (forward, limit): (bool, usize),
) -> Vec<Arc<Conversation>> {
    let meets = |(_, conversation): &(&Key, &Arc<_>)| Listed::of(conversation, view.directory()).meets(criteria);
    let found = list.filter(meets).map(|(_, conversation)| conversation.clone());
    if forward { found.take(limit).collect() } else { found.rev().take(limit).collect() }
}

impl Part {
    /// The first `limit` of what was found, or fewer if they are large.
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
