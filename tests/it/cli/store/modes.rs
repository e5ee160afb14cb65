//! Permissions of the embedded store, and the one file that holds it when nothing uses it.

use std::collections::BTreeMap;
use std::fs::{Permissions, metadata, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rollcall::store::Location;
use rollcall::store::sqlite::DATABASE_FILE;

use super::{on, stdout};
use crate::support::process::{Process, program, store_flags};
use crate::support::{ADMIN, Backend, Home};

/// Returns a command that runs the service, in which files are made with all permissions unless it says otherwise.
fn permissive(home: &Home) -> Command {
    let mut command = Command::new("sh");
    command.env_clear().args(["-c", "umask 0 && exec \"$0\" \"$@\""]).arg(program().get_program());
    command.arg("serve").args(store_flags(&home.location)).args(["--admin-token", ADMIN]);
    command
}

fn mode(path: &Path) -> u32 {
    metadata(path).expect("it is there").permissions().mode() & 0o7777
}

/// Returns the permissions of every file of a folder, by name.
fn modes(folder: &Path) -> BTreeMap<String, u32> {
    let files = std::fs::read_dir(folder).expect("the folder").map(|file| file.expect("a file"));
    files.map(|file| (file.file_name().to_string_lossy().into_owned(), mode(&file.path()))).collect()
}

fn folder(home: &Home) -> PathBuf {
    let Location::Folder(folder) = &home.location else { panic!("a folder") };
    folder.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_is_private_whatever_the_umask() {
    let home = Home::new(Backend::Embedded).await;
    let folder = folder(&home);
    for start in ["first", "second"] {
        let process = Process::start_with(permissive(&home)).await;
        process.api.persona(start).await;
        let running = modes(&folder);
        assert!(running.contains_key("rollcall.db-wal") && running.contains_key("rollcall.db-shm"), "{running:?}");
        assert!(running.values().all(|mode| *mode == 0o600) && mode(&folder) == 0o700, "{running:?}");
        let (status, output) = process.terminate().await;
        assert!(status.success() && !output.contains("open to others"), "{output}");
        let stopped = modes(&folder);
        assert!(stopped.values().all(|mode| *mode == 0o600) && mode(&folder) == 0o700, "{stopped:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_open_to_others_is_reported_and_its_files_are_closed() {
    let home = Home::new(Backend::Embedded).await;
    let folder = folder(&home);
    Process::start_with(permissive(&home)).await.terminate().await;
    // As an older release left it.
    set_permissions(&folder, Permissions::from_mode(0o755)).expect("its owner");
    for name in modes(&folder).keys() {
        set_permissions(folder.join(name), Permissions::from_mode(0o644)).expect("its owner");
    }
    let process = Process::start_with(permissive(&home)).await;
    let running = modes(&folder);
    assert!(running.values().all(|mode| *mode == 0o600), "{running:?}");
    assert_eq!(mode(&folder), 0o755, "the folder is its user's");
    let (_, output) = process.terminate().await;
    let line = output.lines().find(|line| line.contains("the store's folder is open to others")).expect("a line");
    assert!(line.contains("0755") && line.contains(&folder.display().to_string()), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_leave_the_store_in_its_one_file() {
    let home = Home::new(Backend::Embedded).await;
    let folder = folder(&home);
    Process::start_with(permissive(&home)).await.terminate().await;
    let log = folder.join("rollcall.db-wal");
    let log_size = || metadata(&log).map_or(0, |about| about.len());
    let commands: [&[&str]; 4] = [
        &["migrate"],
        &["tenant", "create", "A"],
        &["key", "create", "A", "--scope", "*"],
        &["tenant", "show", "none"],
    ];
    for arguments in commands {
        on(&home, arguments);
        assert_eq!(log_size(), 0, "{arguments:?}");
    }
    // A copy of the file is complete.
    let copy = Home::new(Backend::Embedded).await;
    let Location::Folder(copied) = &copy.location else { panic!("a folder") };
    std::fs::create_dir(copied).expect("a folder");
    std::fs::copy(folder.join(DATABASE_FILE), copied.join(DATABASE_FILE)).expect("a copy");
    assert!(stdout(&on(&copy, &["tenant", "list"]).code(0)).contains("  A\n"));
    assert!(stdout(&on(&copy, &["key", "list", "A"]).code(0)).contains("valid"));
    // Beside a server the log is the server's, and stays.
    let process = Process::start_with(permissive(&home)).await;
    process.api.persona("B").await;
    on(&home, &["tenant", "create", "C"]).code(0);
    assert!(log_size() > 0);
    assert_eq!(process.api.tenant("D").await.len(), 36);
    process.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backups_and_restored_stores_are_private() {
    let home = Home::new(Backend::Embedded).await;
    Process::start_with(permissive(&home)).await.terminate().await;
    let place = tempfile::tempdir().expect("a folder");
    let file = place.path().join("backup");
    on(&home, &["backup", &file.display().to_string()]).code(0);
    assert_eq!(mode(&file), 0o600);
    // As another tool may have copied it.
    set_permissions(&file, Permissions::from_mode(0o644)).expect("its owner");
    let restored = Home::new(Backend::Embedded).await;
    on(&restored, &["restore", &file.display().to_string()]).code(0);
    let made = modes(&folder(&restored));
    assert!(made.contains_key(DATABASE_FILE) && made.values().all(|mode| *mode == 0o600), "{made:?}");
    assert_eq!(mode(&folder(&restored)), 0o700);
}
