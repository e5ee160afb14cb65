//! iAdvize's GraphQL dialect (CONTRACTS.md 2): one endpoint, one view a request.

pub mod connected_users_indicator;
pub mod documents;
pub mod endpoint;
pub mod fault;
pub mod graphiql;
pub mod guard;
pub mod object;
pub mod scalar;

use async_graphql::{EmptyMutation, EmptySubscription, Schema, ValidationMode};

use connected_users_indicator::Query;
use documents::Documents;

/// How deeply selections may nest; the usual introspection query needs 15.
pub const MAX_DEPTH: usize = 20;
/// How many fields a request may ask for in all.
pub const MAX_COMPLEXITY: usize = 1_000;
/// Directives on one field.
pub const MAX_DIRECTIVES: usize = 10;

/// The schema.
pub type RollcallSchema = Schema<Query, EmptyMutation, EmptySubscription>;

/// The schema, ready to run: once with every check, and once without those that a known document has passed.
pub struct Executor {
    strict: RollcallSchema,
    fast: RollcallSchema,
    documents: Documents,
}

impl Executor {
    pub(super) fn new() -> Self {
        let schema = |mode| {
            Schema::build(Query, EmptyMutation, EmptySubscription)
                .limit_depth(MAX_DEPTH)
                .limit_complexity(MAX_COMPLEXITY)
                .limit_directives(MAX_DIRECTIVES)
                .validation_mode(mode)
                .finish()
        };
        Executor {
            strict: schema(ValidationMode::Strict),
            fast: schema(ValidationMode::Fast),
            documents: Documents::new(),
        }
    }
}
