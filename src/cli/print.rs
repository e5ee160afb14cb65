//! The commands that print what the program is made of.

pub mod configuration;
pub mod openapi;
pub mod schema;
pub mod settings;
