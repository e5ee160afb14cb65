//! `rollcall migrate`: brings the store's tables up to date, as `serve` does at its start.

use clap::Args;

use super::super::{Failure, output};
use super::failure;
use crate::config::StoreArgs;
use crate::store::{Location, Purpose, Store};

/// The arguments of `migrate`.
#[derive(Args, Debug)]
pub struct MigrateArgs {
    #[command(flatten)]
    store: StoreArgs,
}

/// Brings the tables up to date. An empty PostgreSQL database gets them, so that a deployment can prepare it before the
/// first start; an embedded store is made by its server only.
pub async fn run(args: MigrateArgs) -> Result<(), Failure> {
    let location = args.store.location().map_err(Failure::setting)?;
    let purpose = match location {
        Location::Folder(_) => Purpose::Write,
        Location::Postgres(_) => Purpose::Make,
    };
    let opened = Store::open_for(&location, purpose).await;
    opened.map_err(|error| failure(&location, error))?.disconnect().await;
    output::print("the store is up to date\n")
}
