//! The known hazards of the libraries (docs/promises.md, "Hazards"), and that of two who change the same: each has a
//! guard, and here is what shows that it guards.

mod bodies;
mod connections;
mod graphql;
mod notify;
mod pools;
mod settings;
