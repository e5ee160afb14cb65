//! The iAdvize GraphQL dialect: one endpoint; every query is answered from a single view.

mod archive;
pub mod completion;
pub mod cost;
mod documents;
pub mod endpoint;
mod executor;
pub mod fault;
pub mod guard;
mod introspection;
pub mod mutation;
pub mod object;
pub mod paging;
pub mod query;
mod request;
pub mod scalar;
mod state;
mod transport;
pub mod validation;
mod values;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_graphql::{EmptySubscription, Result, SDLExportOptions, Schema, SchemaBuilder};

use crate::domain::{Fault, Time};
use crate::engine::Snapshot;
use archive::ArchiveLoader;
use completion::Completion;
pub use executor::Executor;
use mutation::Mutation;
use query::Query;
pub use state::GraphqlState;

/// Greatest nesting of selections; the usual introspection query needs 15.
pub const MAX_DEPTH: usize = 20;
/// Most items of all unpaged lists in one answer: a full page of 100 users with 500 groups each.
pub const MAX_ITEMS: usize = 50_000;
/// Most directives on one field.
pub const MAX_DIRECTIVES: usize = 10;

/// The executable schema: queries and mutations, no subscriptions.
pub type RollcallSchema = Schema<Query, Mutation, EmptySubscription>;

/// The context of a query: the one view that the whole request is answered from, and the archive as of that view.
#[derive(Clone)]
pub struct QueryContext {
    /// The view, and the milliseconds since the store last confirmed it.
    pub snapshot: Snapshot,
    /// The service's time at the beginning of the request.
    pub time: Time,
    /// Loads conversations that are no longer in memory.
    pub archive: Arc<ArchiveLoader>,
    /// Staleness in milliseconds above which answers for routers fail with `SERVICE_UNAVAILABLE`: a wrong answer would
    /// be worse for a router than none.
    pub max_staleness_ms: u64,
    /// Items of unpaged lists counted into the answer so far.
    pub items: Arc<AtomicUsize>,
}

impl QueryContext {
    /// Adds the items of an unpaged list to the answer's total; fails with `INVALID_REQUEST` above [`MAX_ITEMS`]. The
    /// length is known only once the list is read, so the cost of the document cannot bound it.
    fn count(&self, items: usize) -> Result<()> {
        let before = self.items.fetch_add(items, Ordering::Relaxed);
        if before.saturating_add(items) > MAX_ITEMS {
            let why = format!("the lists of the answer have more than {MAX_ITEMS} items");
            return Err(fault::of_field(&Fault::Malformed(why)));
        }
        Ok(())
    }

    /// Returns the view for an answer that routers act on; fails with `SERVICE_UNAVAILABLE` if it is too stale.
    fn current(&self) -> Result<&Snapshot> {
        if !self.snapshot.is_current(self.max_staleness_ms) {
            return Err(fault::of_field(&Fault::Unavailable("the state is too old to be relied on")));
        }
        Ok(&self.snapshot)
    }
}

/// Returns the schema in SDL, with fields, arguments and enum values sorted by name.
pub fn sdl() -> String {
    let options = SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items();
    schema().finish().sdl_with_options(options)
}

/// Builds the schema with the limits that hold for every document, and the extension that completes and counts
/// answers.
pub fn schema() -> SchemaBuilder<Query, Mutation, EmptySubscription> {
    Schema::build(Query::default(), Mutation::default(), EmptySubscription)
        .extension(Completion)
        .limit_depth(MAX_DEPTH)
        // The root of a document can be put one level deeper before it is executed (`completion`).
        .limit_recursive_depth(guard::MAX_NESTING + 1)
        .limit_directives(MAX_DIRECTIVES)
}
