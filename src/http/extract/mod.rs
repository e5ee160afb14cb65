//! Reading requests and building responses, shared by the dialects. Nothing here depends on a dialect.

pub mod accept;
pub mod body;
pub mod caller;
pub mod credential;
pub mod form;
pub mod freshness;
pub mod json;
pub mod long_answer;
pub mod params;
pub mod path;
pub mod peer;
pub mod query;
pub mod reply;

pub use body::{MediaType, media_type, read_body};
pub use caller::{Authenticated, Credential};
pub use form::form;
pub use params::Params;
pub use path::{PathId, PathIds};
pub use peer::Peer;
pub use query::{Query, query};
