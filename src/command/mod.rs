//! The write use cases, one per file. Each takes its caller with proof of the scope, makes
//! events and commits them, or changes the store.

pub mod change_availability;
pub mod change_presence;
mod context;
pub mod create_operator;
pub mod delete_operator;
pub mod desk;
pub mod end_log_ins;
pub mod issue_token;
pub mod log_in;
pub mod post_events;
pub mod revoke_token;
pub mod tenants;
pub mod update_operator;
pub mod upsert_directory;
pub mod wallboards;

pub use context::Context;
