//! A folder and files that only the service's own user may read, whatever the umask. On other systems than Unix they are
//! made with the system's defaults.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Makes the folder, unless it is there. A folder that is there is left as it is: it may be open to others on purpose.
/// Parents that are missing are made with the umask's permissions.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match folder_builder().create(folder) {
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        made => made,
    }
}

/// Opens a file for writing, without truncating it. One that is missing is made private.
pub fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    for_owner(&mut options);
    options.open(path)
}

/// Makes an empty private file, unless there is one. That is not even opened: closing it again would release the locks
/// that SQLite holds on it elsewhere in this process.
pub fn make_file(path: &Path) -> io::Result<()> {
    match create_file(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Writes a private file, in place of one that is there.
pub fn write_file(path: &Path, text: &str) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = create_file(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Creates a private file. An error if there is one.
pub fn create_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create_new(true).write(true);
    for_owner(&mut options);
    options.open(path)
}

/// Creates a private folder. An error if there is one, or if its parent is missing.
pub fn create_folder(folder: &Path) -> io::Result<()> {
    folder_builder().create(folder)
}

/// Makes the name of a file durable, by a sync of the folder that it is in.
#[cfg(unix)]
pub fn sync_parent(file: &Path) -> io::Result<()> {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all())
}

/// Makes a file private that an older release made, or a backup. Nothing happens if it is missing.
#[cfg(unix)]
pub fn close_to_others(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    match std::fs::metadata(path) {
        Ok(about) if about.permissions().mode() & OTHERS == 0 => Ok(()),
        Ok(_) => std::fs::set_permissions(path, PermissionsExt::from_mode(FILE_MODE)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Returns the permissions of a folder or a file in octal, if others than its owner have any.
#[cfg(unix)]
pub fn open_to_others(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & OTHERS != 0).then(|| format!("{:04o}", mode & 0o7777))
}

/// The bits of group and others.
#[cfg(unix)]
const OTHERS: u32 = 0o077;
/// The permissions of a file.
#[cfg(unix)]
const FILE_MODE: u32 = 0o600;
/// The permissions of a folder.
#[cfg(unix)]
const FOLDER_MODE: u32 = 0o700;

#[cfg(unix)]
fn folder_builder() -> std::fs::DirBuilder {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = std::fs::DirBuilder::new();
    builder.mode(FOLDER_MODE);
    builder
}

#[cfg(unix)]
fn for_owner(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(FILE_MODE);
}

/// Other systems do not open folders as files.
#[cfg(not(unix))]
pub fn sync_parent(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Other systems have no such permissions.
#[cfg(not(unix))]
pub fn close_to_others(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Other systems have no such permissions.
#[cfg(not(unix))]
pub fn open_to_others(_: &Path) -> Option<String> {
    None
}

#[cfg(not(unix))]
fn folder_builder() -> std::fs::DirBuilder {
    std::fs::DirBuilder::new()
}

#[cfg(not(unix))]
fn for_owner(_: &mut OpenOptions) {}
