//! rollcall keeps the live presence of a contact centre's users: who is here, and who can take work now, for many
//! tenants and in four API dialects.
//!
//! The modules are listed from the outside in; `docs/ARCHITECTURE.md` describes them.

#![forbid(unsafe_code)]
#![warn(missing_docs)]
// They panic where nothing can be written: src/cli/output.rs is used instead.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod app;
pub mod boot;
pub mod cli;

pub mod clock;
pub mod config;
pub mod lifecycle;
pub mod self_check;
pub mod telemetry;

pub mod http;

pub mod auth;
pub mod command;
pub mod limits;
pub mod query;
pub mod registry;

pub mod domain;
pub mod live;

pub mod engine;
pub mod journal;
pub mod store;

pub mod projection;
