//! iAdvize's GraphQL dialect (CONTRACTS.md 2): one endpoint, one view a query.

mod archive;
pub mod cost;
pub mod documents;
pub mod endpoint;
pub mod fault;
pub mod graphiql;
pub mod guard;
pub mod mutation;
pub mod object;
pub mod paging;
pub mod query;
pub mod scalar;

use std::sync::Arc;

use async_graphql::{EmptySubscription, Result, SDLExportOptions, Schema, SchemaBuilder, ValidationMode};

use crate::domain::Fault;
use crate::engine::Snapshot;
use archive::Reading;
use documents::Documents;
use mutation::Mutation;
use query::Query;

/// How deeply selections may nest; the usual introspection query needs 15.
pub const MAX_DEPTH: usize = 20;
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
}

impl Asked {
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

fn schema() -> SchemaBuilder<Query, Mutation, EmptySubscription> {
    Schema::build(Query::default(), Mutation::default(), EmptySubscription)
        .limit_depth(MAX_DEPTH)
        .limit_directives(MAX_DIRECTIVES)
}

/// The schema, ready to run: once with every check, and once without those that a known document has passed.
pub struct Executor {
    strict: RollcallSchema,
    fast: RollcallSchema,
    documents: Documents,
}

impl Executor {
    pub(super) fn new() -> Self {
        let schema = |mode| schema().validation_mode(mode).finish();
        Executor {
            strict: schema(ValidationMode::Strict),
            fast: schema(ValidationMode::Fast),
            documents: Documents::new(),
        }
    }
}
