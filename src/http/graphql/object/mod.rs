//! What is answered: mirrors of what the domain and its questions know.

pub mod availability;
pub mod conversation;
pub mod indicators;
pub mod reference;
pub mod user;
