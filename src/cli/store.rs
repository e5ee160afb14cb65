//! The store of a command, and failures that name its place and its setting.

use super::Failure;
use crate::boot::BootError;
use crate::clock::Clock;
use crate::config::StoreArgs;
use crate::registry::APPLIED_WITHIN;
use crate::store::{Location, Store, StoreError};

/// Opens the store that the settings name, and runs a command's work on it. Its tables are brought up to date. A store
/// that is not there is not made: a mistyped place would look like an empty store.
pub async fn on_store<T>(
    args: &StoreArgs,
    work: impl AsyncFnOnce(&Store, &Location) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let location = args.location().map_err(Failure::setting)?;
    let store = Store::open_existing(&location).await.map_err(|error| failure(&location, error))?;
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
    let message = format!("{}: {error}", place(location));
    if error.is_setting() { Failure::setting(message) } else { Failure::other(message) }
}

/// Works as [`failure`] for an error of a start.
pub fn boot_failure(location: &Location, error: BootError) -> Failure {
    match error {
        BootError::Store(error) => failure(location, error),
        BootError::Taken(_) => Failure::setting(format!("{}: {error}", place(location))),
        other => Failure::other(format!("{}: {other}", place(location))),
    }
}

/// Returns the setting that names the store, and the store's place.
fn place(location: &Location) -> String {
    match location {
        Location::Folder(_) => format!("--data-dir (ROLLCALL_DATA_DIR) {location}"),
        Location::Postgres(_) => format!("--database-url (DATABASE_URL), {location}"),
    }
}
