//! The store of a command, failures that name its place and its setting, and the commands that are about a store as a
//! whole.

pub mod backup;
pub mod migrate;
pub mod restore;
pub mod settle;
pub mod verify;

use std::fmt::Display;
use std::path::Path;

use super::Failure;
use crate::boot::BootError;
use crate::clock::Clock;
use crate::config::StoreArgs;
use crate::registry::APPLIED_WITHIN;
use crate::store::{Location, Purpose, Store, StoreError};

/// Opens the store that the settings name for a purpose, and runs a command's work on it. A store that is not there is
/// not made: a mistyped place would look like an empty store.
pub async fn on_store<T>(
    args: &StoreArgs,
    purpose: Purpose,
    work: impl AsyncFnOnce(&Store, &Location) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let location = args.location().map_err(Failure::setting)?;
    let store = Store::open_for(&location, purpose).await.map_err(|error| failure(&location, error))?;
    let worked = work(&store, &location).await;
    store.disconnect().await;
    worked
}

/// Waits until a running server has applied a change to keys or settings, so that the next command may rely on it.
/// Without a server there is nothing to wait for.
pub async fn applied(store: &Store) {
    // Where that is unknown, waiting is harmless.
    if store.is_served().await.unwrap_or(true) {
        Clock::system().sleep(APPLIED_WITHIN).await;
    }
}

/// Returns the failure of a command or a start by an error of its store.
pub fn failure(location: &Location, error: StoreError) -> Failure {
    Failure::of_store(place(location), error)
}

impl Failure {
    /// The failure of a command by an error of a store, with the name of the store.
    fn of_store(name: impl Display, error: StoreError) -> Self {
        let message = format!("{name}: {error}");
        if error.is_setting() { Failure::setting(message) } else { Failure::other(message) }
    }

    /// Works as [`Failure::of_store`] for an error of a start.
    fn of_boot(name: impl Display, error: BootError) -> Self {
        match error {
            BootError::Store(error) => Failure::of_store(name, error),
            BootError::Taken(_) => Failure::setting(format!("{name}: {error}")),
            other => Failure::other(format!("{name}: {other}")),
        }
    }
}

/// Works as [`failure`] for an error of a start.
pub fn boot_failure(location: &Location, error: BootError) -> Failure {
    Failure::of_boot(place(location), error)
}

/// Returns the folder of an embedded store. A database is rejected with the tools that PostgreSQL has for it.
fn embedded<'a>(location: &'a Location, command: &str) -> Result<&'a Path, Failure> {
    match location {
        Location::Folder(folder) => Ok(folder),
        Location::Postgres(_) => Err(Failure::setting(format!(
            "{}: rollcall {command} is for embedded stores; use pg_dump and pg_restore, as docs/operations.md shows \
             under \"Backup and restore\"",
            place(location)
        ))),
    }
}

/// Returns the setting that names the store, and the store's place.
fn place(location: &Location) -> String {
    match location {
        Location::Folder(_) => format!("--data-dir (ROLLCALL_DATA_DIR) {location}"),
        Location::Postgres(_) => format!("--database-url (DATABASE_URL), {location}"),
    }
}
