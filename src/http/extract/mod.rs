//! What the dialects share in reading a request and putting an answer together. None of it knows a dialect.

pub mod body;
pub mod brackets;
pub mod credential;
pub mod freshness;
pub mod json;
pub mod long_answer;
pub mod params;
pub mod peer;
pub mod reply;

pub use body::{MediaType, media_type, read_body};
pub use params::Params;
pub use peer::Peer;
