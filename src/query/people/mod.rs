//! Queries over people: their profiles, presences and availability.

pub mod operators;
pub mod operators_live;
pub mod presences;
pub mod users;
