//! Commands about a store as a whole, and what they leave in its folder.

mod backup;
mod copies;
mod database;
mod deletion;
#[cfg(unix)]
mod modes;
mod settle;
mod states;
mod verify;

use super::{on, run, stderr, stdout};
