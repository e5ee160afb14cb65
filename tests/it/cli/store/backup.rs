//! `rollcall backup` and `rollcall restore`: what they refuse, what they leave behind, and the permissions of what they
//! make.

use std::path::{Path, PathBuf};

use rollcall::store::Location;
use rollcall::store::sqlite::DATABASE_FILE;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use super::{on, run, stderr, stdout};
use crate::support::api::send;
use crate::support::desks::{connected, directory};
use crate::support::process::{Process, program, store_flags};
use crate::support::raw::RawStore;
use crate::support::{Backend, Home};

/// Returns the names in a folder, except for those of lock files.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.ends_with(".lock"));
    names.sort();
    names
}

fn folder(home: &Home) -> PathBuf {
    let Location::Folder(folder) = &home.location else { panic!("a folder") };
    folder.clone()
}

/// Makes a store with one connected user, that no service runs on; returns the tenant's key.
async fn filled(home: &Home) -> String {
    let process = Process::start(&home.location, &[]).await;
    let persona = process.api.persona("one").await;
    process.api.put_directory(&persona.key, &directory(2)).await;
    process.api.apply(&persona.key, &[connected("1", 1, rollcall::clock::Clock::system().now())]).await;
    process.terminate().await;
    persona.key
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_replaces_nothing_and_leaves_nothing_when_it_fails() {
    let home = Home::new(Backend::Embedded).await;
    let place = tempfile::tempdir().expect("a folder");
    let file = place.path().join("backup").display().to_string();
    let missing = stderr(&on(&home, &["backup", &file]).code(2));
    assert!(missing.contains("--data-dir") && missing.contains("there is no store"), "{missing}");
    filled(&home).await;
    let before = names(&folder(&home));

    std::fs::write(&file, "precious").expect("a file");
    let occupied = stderr(&on(&home, &["backup", &file]).code(2));
    assert!(occupied.contains(&file) && occupied.contains("replaces none"), "{occupied}");
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), "precious");
    std::fs::remove_file(&file).expect("its owner");
    let nowhere = place.path().join("nowhere/backup").display().to_string();
    let message = stderr(&on(&home, &["backup", &nowhere]).code(2));
    assert!(message.contains(&nowhere) && message.contains("cannot be made"), "{message}");
    let partial = place.path().join("backup.partial");
    std::fs::create_dir(&partial).expect("a folder");
    let message = stderr(&on(&home, &["backup", &file]).code(2));
    assert!(message.contains("backup.partial"), "{message}");
    assert!(partial.exists(), "it may be of another backup");
    std::fs::remove_dir(&partial).expect("its owner");

    // A store that does not load what its journal produces is not taken for a good backup.
    let mut raw = RawStore::open(&home.location).await;
    raw.run(r#"UPDATE state_row SET body = replace(body, '"name":"', '"name":"x') WHERE kind = 'user'"#).await;
    let differs = on(&home, &["backup", &file]).code(1);
    assert!(stdout(&differs).contains("DIFFERENT") && stderr(&differs).contains("1 of 1 tenants"), "{differs}");
    assert_eq!(names(place.path()), [""; 0]);
    assert!(stdout(&on(&home, &["backup", &file, "--no-verify"]).code(0)).contains(&file));
    assert_eq!(names(place.path()), ["backup"]);
    let restored = Home::new(Backend::Embedded).await;
    on(&restored, &["restore", &file]).code(1);
    on(&restored, &["restore", &file, "--no-verify"]).code(0);

    // Older tables are left as they are, for the release that made them.
    raw.run("DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)").await;
    let applied = raw.number("SELECT count(*) FROM _sqlx_migrations").await;
    std::fs::remove_file(&file).expect("its owner");
    let older = stderr(&on(&home, &["backup", &file, "--no-verify"]).code(2));
    assert!(older.contains("older than this program"), "{older}");
    assert_eq!(raw.number("SELECT count(*) FROM _sqlx_migrations").await, applied);
    assert_eq!(names(place.path()), [""; 0]);
    drop(raw);
    assert_eq!(names(&folder(&home))[0], before[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_is_restored_into_an_empty_folder_only() {
    let home = Home::new(Backend::Embedded).await;
    let key = filled(&home).await;
    let place = tempfile::tempdir().expect("a folder");
    let path = |name: &str| place.path().join(name).display().to_string();
    let file = path("backup");
    on(&home, &["backup", &file]).code(0);

    // Neither over a store that is stopped, nor under a running server.
    let original = std::fs::read(folder(&home).join(DATABASE_FILE)).expect("the file");
    let message = stderr(&on(&home, &["restore", &file]).code(2));
    assert!(message.contains("--data-dir") && message.contains("rollcall.db in it"), "{message}");
    assert!(std::fs::read(folder(&home).join(DATABASE_FILE)).expect("the file") == original);
    let process = Process::start(&home.location, &[]).await;
    assert!(stderr(&on(&home, &["restore", &file]).code(2)).contains("empty folder only"));
    process.terminate().await;

    // What is no whole store is refused, and leaves nothing.
    let empty = Home::new(Backend::Embedded).await;
    let whole = std::fs::read(&file).expect("the file");
    std::fs::write(path("text"), "no database at all, but some text of more than sixteen bytes").expect("a file");
    std::fs::write(path("empty"), "").expect("a file");
    std::fs::write(path("half"), &whole[..whole.len() / 2]).expect("a file");
    std::fs::write(path("used"), &whole).expect("a file");
    std::fs::write(path("used-wal"), "the newest entries").expect("a file");
    let other = SqliteConnectOptions::new().filename(path("other")).create_if_missing(true);
    let mut other = other.connect().await.expect("a database");
    sqlx::raw_sql("CREATE TABLE other (one)").execute(&mut other).await.expect("a table");
    other.close().await.expect("it closes");
    let cases = [
        ("text", "not a database"),
        ("empty", "it is empty"),
        ("half", "no whole store"),
        ("other", "no tables of rollcall"),
        ("missing", "cannot be read"),
        ("used", "no copy of it"),
    ];
    for (name, why) in cases {
        let message = stderr(&on(&empty, &["restore", &path(name)]).code(2));
        assert!(message.contains(&path(name)) && message.contains(why), "{name}: {message}");
        assert!(!folder(&empty).exists() || names(&folder(&empty)).is_empty(), "{name}");
    }
    // What a killed restore leaves is in the way of a new store as well.
    let partial = folder(&empty).join("rollcall.db.partial");
    std::fs::create_dir(&partial).expect("a folder");
    let left = stderr(&on(&empty, &["serve", "--listen", "127.0.0.1:0"]).code(2));
    assert!(left.contains("rollcall.db.partial") && left.contains("restore again"), "{left}");
    std::fs::remove_dir(&partial).expect("its owner");
    // The folder is still an empty one, also where a file system has put something into it.
    std::fs::create_dir(folder(&empty).join("lost+found")).expect("a folder");
    let printed = stdout(&on(&empty, &["restore", &file]).code(0));
    assert!(printed.contains("  equal\n") && printed.contains(&file), "{printed}");
    assert_eq!(names(&folder(&empty)), ["lost+found", "rollcall.db"]);
    let process = Process::start(&empty.location, &[]).await;
    assert_eq!(process.api.connected(&key).await, (1, 2));
    process.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_store_has_no_tokens_and_no_server() {
    let home = Home::new(Backend::Embedded).await;
    let process = Process::start(&home.location, &[]).await;
    let persona = process.api.persona("one").await;
    let (id, secret) = process.api.key(&persona.tenant, &["*"]).await;
    let form = [("grant_type", "client_credentials"), ("client_id", &id), ("client_secret", &secret)];
    let token = send(process.api.form("/Auth/connect/token", &form)).await.expect("an answer").ok().json();
    let token = token["access_token"].as_str().expect("a token").to_owned();
    let status = async |process: &Process, key: &str| process.api.get(key, "/v1/directory").await.unwrap().status;
    assert_eq!(status(&process, &token).await, 200);
    let place = tempfile::tempdir().expect("a folder");
    let file = place.path().join("backup").display().to_string();
    on(&home, &["backup", &file]).code(0);
    let restored = Home::new(Backend::Embedded).await;
    on(&restored, &["restore", &file]).code(0);
    let mut raw = RawStore::open(&home.location).await;
    let mut copied = RawStore::open(&restored.location).await;
    for table in ["replica", "token"] {
        let sql = format!("SELECT count(*) FROM {table}");
        assert_eq!((raw.number(&sql).await, copied.number(&sql).await), (1, 0), "{table}");
    }
    drop((raw, copied));
    process.terminate().await;
    let process = Process::start(&restored.location, &[]).await;
    assert_eq!((status(&process, &token).await, status(&process, &persona.key).await), (401, 200));
    process.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_have_tools_of_their_own() {
    let home = Home::new(Backend::Postgres).await;
    let url = &store_flags(&home.location)[1];
    let place = tempfile::tempdir().expect("a folder");
    let file = place.path().join("backup").display().to_string();
    for command in ["backup", "restore"] {
        let message = stderr(&run(&[command, &file, "--database-url", url], &[]).code(2));
        let wanted = ["--database-url (DATABASE_URL)", "pg_dump", "pg_restore", "docs/operations.md"];
        assert!(wanted.iter().all(|part| message.contains(part)), "{message}");
    }
    assert_eq!(names(place.path()), [""; 0]);
}

/// Without a handler the process would be ended by a signal, and leave what it had begun.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_finds_no_room_says_why() {
    let home = Home::new(Backend::Embedded).await;
    filled(&home).await;
    let place = tempfile::tempdir().expect("a folder");
    let file = place.path().join("backup").display().to_string();
    let limited = |arguments: &[&str], home: &Home| {
        let mut command = std::process::Command::new("prlimit");
        command.env_clear().env("PATH", "/usr/bin:/bin").arg("--fsize=65536").arg(program().get_program());
        let ended = command.args(arguments).args(store_flags(&home.location)).output().expect("a command");
        (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
    };
    let (status, message) = limited(&["backup", &file], &home);
    assert!(message.contains(&file) && message.contains("limited to 65536 bytes (ulimit -f)"), "{message}");
    assert_eq!((status, names(place.path())), (Some(1), vec![]));
    on(&home, &["backup", &file]).code(0);
    let restored = Home::new(Backend::Embedded).await;
    let (status, message) = limited(&["restore", &file], &restored);
    assert!(status == Some(2) && message.contains("File too large"), "{status:?} {message}");
    assert_eq!(names(&folder(&restored)), [""; 0]);
}

/// A pipe would be waited for without end.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_regular_file_is_restored() {
    let home = Home::new(Backend::Embedded).await;
    let place = tempfile::tempdir().expect("a folder");
    let pipe = place.path().join("pipe").display().to_string();
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    let here = place.path().display().to_string();
    for (path, why) in [(&pipe, "a pipe or a device"), (&here, "a folder"), (&"/dev/zero".to_owned(), "a device")] {
        let message = stderr(&on(&home, &["restore", path]).code(2));
        let wanted = "rollcall restore reads a regular file only";
        assert!(message.contains(path) && message.contains(why) && message.contains(wanted), "{message}");
        assert!(!folder(&home).exists());
    }
    // Nor is anything but a file taken for a store.
    std::fs::create_dir_all(folder(&home).join(DATABASE_FILE)).expect("a folder");
    for arguments in [&["tenant", "list"][..], &["verify"], &["serve", "--listen", "127.0.0.1:0"]] {
        let message = stderr(&on(&home, arguments).code(2));
        assert!(message.contains("rollcall.db is no regular file"), "{message}");
    }
}
