//! `rollcall migrate`: brings the store's tables up to date, as `serve` does at its start.

use clap::Args;

use super::{Failure, output};
use crate::config::StoreArgs;
use crate::store::Store;

/// The arguments of `migrate`.
#[derive(Args, Debug)]
pub struct MigrateArgs {
    #[command(flatten)]
    store: StoreArgs,
}

/// Brings the tables up to date.
pub async fn run(args: MigrateArgs) -> Result<(), Failure> {
    open(&args.store).await?;
    output::print("the store is up to date\n")
}

/// Opens the store at the given location and brings its tables up to date.
pub async fn open(args: &StoreArgs) -> Result<Store, Failure> {
    let location = args.location().map_err(Failure::setting)?;
    let (store, _) = Store::open(&location).await.map_err(Failure::other)?;
    Ok(store)
}
