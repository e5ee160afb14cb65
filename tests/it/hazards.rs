//! The known hazards of the libraries (docs/promises.md, "Hazards") and of concurrent changes, each with a test of its
//! guard.

mod bodies;
mod connections;
mod graphql;
mod headers;
mod http2;
mod notify;
mod pools;
mod settings;
