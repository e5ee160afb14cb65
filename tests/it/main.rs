//! The integration tests, in one binary.

mod agreement;
mod cli;
mod conformance;
mod descriptions;
mod desks;
mod durability;
mod engine;
mod graphql;
mod hazards;
mod isolation;
mod limits;
mod model;
mod scopes;
mod store_faults;
mod support;
mod tidy;
mod tokens;
mod vectors;
