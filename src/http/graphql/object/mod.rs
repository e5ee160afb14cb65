//! Output types of the schema: each wraps an object of the domain or the result of a query.

pub mod availability;
pub mod breakdown;
pub mod conversation;
pub mod indicators;
pub mod reference;
pub mod routing;
pub mod user;
