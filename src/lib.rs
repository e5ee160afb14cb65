//! rollcall answers one question for many tenants, exactly and at once: who is here, and who can take work now?
//!
//! The rooms of the house, in the order of a request's journey; `docs/ARCHITECTURE.md` is the map.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod app;
pub mod boot;
pub mod cli;

pub mod clock;
pub mod config;
pub mod lifecycle;
pub mod telemetry;

pub mod http;

pub mod auth;
pub mod command;
pub mod limits;
pub mod query;

pub mod domain;
pub mod live;

pub mod engine;
pub mod journal;
pub mod store;

pub mod projection;
