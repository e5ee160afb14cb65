//! The known hazards of the libraries (PROMISES.md): each has a guard, and here is what shows that it guards.

mod bodies;
mod connections;
mod graphql;
mod notify;
mod pools;
