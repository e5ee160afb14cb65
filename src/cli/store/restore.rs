//! `rollcall restore`: makes an embedded store from a backup, in an empty folder.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use super::super::{Failure, output};
use super::{embedded, failure, place, verify};
use crate::config::StoreArgs;
use crate::store::sqlite::DATABASE_FILE;
use crate::store::{Purpose, ServerLock, Store, UnfinishedStore};

/// Names that an empty folder may have: what commands lock in it, and what some file systems make.
const EMPTY: [&str; 3] = ["rollcall.lock", "migrate.lock", "lost+found"];

/// The arguments of `restore`.
#[derive(Args, Debug)]
pub struct RestoreArgs {
    /// File that rollcall backup made, of this release or an older one.
    file: PathBuf,

    /// Makes the store without a check that it loads the state that its journal produces.
    #[arg(long)]
    no_verify: bool,

    #[command(flatten)]
    store: StoreArgs,
}

/// Makes the store: its tables are brought up to date, and it is verified as by `rollcall verify`. Tokens are not
/// restored, since some of them may have been revoked after the backup.
pub async fn run(args: RestoreArgs) -> Result<(), Failure> {
    let location = args.store.location().map_err(Failure::setting)?;
    let folder = embedded(&location, "restore")?;
    refuse_occupied(folder, &place(&location))?;
    let file = args.file.display();
    // Before anything is made. A pipe would be waited for without end.
    refuse_no_file(&args.file)?;
    let lock = ServerLock::try_take(&location, Purpose::Make).await.map_err(|error| failure(&location, error))?;
    let Some(_held) = lock else {
        return Err(Failure::setting(format!("{}: another process is using the folder", place(&location))));
    };
    // Again, since a server may have come and gone before the lock was taken.
    refuse_occupied(folder, &place(&location))?;
    let copy = UnfinishedStore::beside(&folder.join(DATABASE_FILE)).map_err(|error| failure(&location, error))?;
    let of_file = |error| Failure::of_store(&file, error);
    copy.copy_file(&args.file).await.map_err(of_file)?;
    if args.no_verify {
        Store::open_for(&copy.location(), Purpose::Write).await.map_err(of_file)?.disconnect().await;
    } else {
        verify::check(&copy.location(), Purpose::Write, |error| Failure::of_boot(&file, error)).await?;
    }
    copy.forget().await.map_err(of_file)?;
    copy.finish().await.map_err(|error| failure(&location, error))?;
    output::print(&format!("the store in {location} is that of {file}\n"))
}

/// Rejects what cannot be a backup: something that cannot be read, or is no regular file.
fn refuse_no_file(file: &Path) -> Result<(), Failure> {
    let unusable = |error: io::Error| Failure::setting(format!("{} cannot be read: {error}", file.display()));
    let about = std::fs::metadata(file).map_err(unusable)?;
    if !about.is_file() {
        let kind = if about.is_dir() { "a folder" } else { "a pipe or a device" };
        let file = file.display();
        return Err(Failure::setting(format!("{file} is {kind}: rollcall restore reads a regular file only")));
    }
    std::fs::File::open(file).map(drop).map_err(unusable)
}

/// Rejects a folder that has anything in it. One that is missing is empty.
fn refuse_occupied(folder: &Path, place: &str) -> Result<(), Failure> {
    let unusable = |error: io::Error| Failure::setting(format!("{place}: the folder cannot be read: {error}"));
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(unusable)?,
    };
    for entry in entries {
        let name = entry.map_err(unusable)?.file_name();
        if !EMPTY.iter().any(|known| name == *known) {
            let name = name.to_string_lossy();
            return Err(Failure::setting(format!(
                "{place}: the folder has {name} in it, and rollcall restore fills an empty folder only"
            )));
        }
    }
    Ok(())
}
