//! A copy of an embedded store that is not in its place yet: a backup that is being made, or a store that is being made
//! from one.

use std::io;
use std::path::{Path, PathBuf};

use super::{Location, StoreError, private, sqlite};

/// A folder with a copy of a store, beside the place that the copy is for. Dropping it deletes the folder.
#[derive(Debug)]
pub struct UnfinishedStore {
    folder: PathBuf,
    place: PathBuf,
}

impl UnfinishedStore {
    /// Makes the private folder `PLACE.partial`. [`StoreError::Folder`] if there is one, which another process uses, or
    /// left when it was killed; [`StoreError::File`] if there is something at the place.
    pub fn beside(place: &Path) -> Result<Self, StoreError> {
        let unusable = |error| StoreError::File(place.to_owned(), error);
        if place.symlink_metadata().is_ok() {
            return Err(unusable(io::ErrorKind::AlreadyExists.into()));
        }
        if place.file_name().is_none() {
            return Err(unusable(io::ErrorKind::InvalidFilename.into()));
        }
        let folder = sqlite::unfinished_folder(place);
        private::create_folder(&folder).map_err(|error| StoreError::Folder(folder.clone(), error))?;
        Ok(UnfinishedStore { folder, place: place.to_owned() })
    }

    /// Returns where the copy is now.
    pub fn location(&self) -> Location {
        Location::Folder(self.folder.clone())
    }

    /// Copies the store of a folder, on which a server may be running, as of one instant.
    pub async fn copy_store(&self, folder: &Path) -> Result<(), StoreError> {
        let file = self.make_file()?;
        sqlite::backup::copy(folder, &file).await
    }

    /// Copies a file, and checks that the copy is a whole store. [`StoreError::BesideLog`] for the file of a store that is
    /// in use or was killed: its newest entries are in the log.
    pub async fn copy_file(&self, source: &Path) -> Result<(), StoreError> {
        let log = sqlite::beside(source, "-wal");
        if std::fs::metadata(&log).is_ok_and(|about| about.len() > 0) {
            return Err(StoreError::BesideLog(log));
        }
        let file = self.make_file()?;
        // The permissions of the source, which this also copies, may be wider.
        let copied = std::fs::copy(source, &file).and_then(|_| private::close_to_others(&file));
        copied.map_err(|error| StoreError::File(file.clone(), error))?;
        sqlite::backup::check(&file).await
    }

    /// Deletes what a store that goes on from a copy must not have: the row of the server, and all tokens. The tables
    /// must be up to date.
    pub async fn forget(&self) -> Result<(), StoreError> {
        sqlite::backup::forget(&self.file()).await
    }

    /// Moves the copy to its place, where it is durable when this returns. Every [`super::Store`] that was opened on it
    /// must be closed. [`StoreError::File`] if something is there meanwhile, which stays.
    pub async fn finish(self) -> Result<(), StoreError> {
        let unusable = |error| StoreError::File(self.place.clone(), error);
        sqlite::backup::settle(&self.file()).await?;
        // Takes the name, which renaming alone would take from another file.
        private::create_file(&self.place).map_err(unusable)?;
        if let Err(error) = std::fs::rename(self.file(), &self.place) {
            let _removed = std::fs::remove_file(&self.place);
            return Err(unusable(error));
        }
        private::sync_parent(&self.place).map_err(unusable)
    }

    fn file(&self) -> PathBuf {
        self.folder.join(sqlite::DATABASE_FILE)
    }

    fn make_file(&self) -> Result<PathBuf, StoreError> {
        let file = self.file();
        private::create_file(&file).map_err(|error| StoreError::File(file.clone(), error))?;
        Ok(file)
    }
}

impl Drop for UnfinishedStore {
    fn drop(&mut self) {
        // What cannot be deleted is in the way of the next attempt, whose error names it.
        let _deleted = std::fs::remove_dir_all(&self.folder);
    }
}
