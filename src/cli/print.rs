//! The commands that print what the program is made of.

pub mod completions;
pub mod configuration;
pub mod manual;
pub mod openapi;
pub mod schema;
pub mod settings;
