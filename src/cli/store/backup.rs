//! `rollcall backup`: copies an embedded store into a file, while a server may be running on it.

use std::path::PathBuf;

use clap::Args;

use super::super::{Failure, output};
use super::{embedded, failure, place, verify};
use crate::config::StoreArgs;
use crate::store::{Purpose, StoreError, UnfinishedStore};

/// The arguments of `backup`.
#[derive(Args, Debug)]
pub struct BackupArgs {
    /// File to be made; one that is there is never replaced. While it is made, the copy is in the folder FILE.partial.
    file: PathBuf,

    /// Makes the file without a check that the copy loads the state that its journal produces.
    #[arg(long)]
    no_verify: bool,

    #[command(flatten)]
    store: StoreArgs,
}

/// Makes the file: a copy as of one instant, which is verified as by `rollcall verify` and durable when this ends.
pub async fn run(args: BackupArgs) -> Result<(), Failure> {
    let location = args.store.location().map_err(Failure::setting)?;
    let folder = embedded(&location, "backup")?;
    location.inspect(Purpose::Read).await.map_err(|error| failure(&location, error))?;
    let file = args.file.display();
    if args.file.symlink_metadata().is_ok() {
        return Err(Failure::setting(format!("{file}: there is such a file, and a backup replaces none")));
    }
    let copy = UnfinishedStore::beside(&args.file).map_err(|error| Failure::of_store(&file, error))?;
    let source = |error| Failure::of_store(format!("{}, copied to {file}", place(&location)), error);
    copy.copy_store(folder).await.map_err(source)?;
    if !args.no_verify {
        verify::check(&copy.location(), Purpose::Read, |error| Failure::of_boot(format!("the copy for {file}"), error))
            .await?;
    }
    copy.finish().await.map_err(|error: StoreError| Failure::of_store(&file, error))?;
    output::print(&format!("{file} has the store in {location}\n"))
}
