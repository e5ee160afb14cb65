//! The integration tests, in one binary. `support/mod.rs` shows how a test is written.

mod agreement;
mod cli;
mod conformance;
mod descriptions;
mod desks;
mod drain;
mod durability;
mod engine;
mod following;
mod graphql;
mod hazards;
mod isolation;
mod limits;
mod live;
mod model;
mod parameters;
mod scopes;
mod shared;
mod store_faults;
mod support;
mod tenants;
mod tidy;
mod tokens;
mod vectors;
mod wallboards;
