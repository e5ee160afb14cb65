//! iAdvize's GraphQL dialect: one endpoint, one view a query.

mod archive;
pub mod cost;
mod documents;
pub mod endpoint;
mod executor;
pub mod fault;
pub mod graphiql;
pub mod guard;
mod introspection;
pub mod mutation;
pub mod object;
pub mod paging;
pub mod query;
mod request;
pub mod scalar;
mod values;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_graphql::{EmptySubscription, Result, SDLExportOptions, Schema, SchemaBuilder};

use crate::domain::Fault;
use crate::engine::Snapshot;
use archive::Reading;
pub use executor::Executor;
use mutation::Mutation;
use query::Query;

/// How deeply selections may nest; the usual introspection query needs 15.
pub const MAX_DEPTH: usize = 20;
/// Items of all lists without pages in one answer: a full page of users with 500 groups each.
pub const MAX_ITEMS: usize = 50_000;
/// Directives on one field.
pub const MAX_DIRECTIVES: usize = 10;

/// The schema.
pub type RollcallSchema = Schema<Query, Mutation, EmptySubscription>;

/// What a request is answered from: its one view, and the archive as that view has it.
#[derive(Clone)]
pub struct Asked {
    /// The view, and how old it is.
    pub snapshot: Snapshot,
    /// Conversations that are no longer in memory.
    pub reading: Arc<Reading>,
    /// From how many milliseconds on routers are told nothing rather than something wrong.
    pub max_staleness_ms: u64,
    /// Items of lists without pages that were put into the answer so far.
    pub items: Arc<AtomicUsize>,
}

impl Asked {
    /// Counts items of a list without pages. Their number is known only when they are read, so it is bounded then.
    fn count(&self, items: usize) -> Result<()> {
        let before = self.items.fetch_add(items, Ordering::Relaxed);
        if before.saturating_add(items) > MAX_ITEMS {
            let why = format!("the lists of the answer have more than {MAX_ITEMS} items");
            return Err(fault::of_field(&Fault::Malformed(why)));
        }
        Ok(())
    }

    /// The view for an answer that routers act on.
    fn current(&self) -> Result<&Snapshot> {
        if self.snapshot.staleness_ms > self.max_staleness_ms {
            return Err(fault::of_field(&Fault::Unavailable("the state is too old to be relied on")));
        }
        Ok(&self.snapshot)
    }
}

/// The schema in its own language, sorted.
pub fn sdl() -> String {
    let options = SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items();
    schema().finish().sdl_with_options(options)
}

/// The schema with the limits that hold for every document.
pub fn schema() -> SchemaBuilder<Query, Mutation, EmptySubscription> {
    Schema::build(Query::default(), Mutation::default(), EmptySubscription)
        .limit_depth(MAX_DEPTH)
        .limit_directives(MAX_DIRECTIVES)
}
