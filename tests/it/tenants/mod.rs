//! Tenants over HTTP: lists, and deletion with everything that belongs to the tenant.

mod deletion;
mod leftovers;
mod lists;
mod self_check;
