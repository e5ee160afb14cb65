//! Questions about people: who they are, what they show, and what they can take.

pub mod operators;
pub mod operators_live;
pub mod presences;
pub mod users;
