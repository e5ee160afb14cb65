//! Every command on every state of a store: what it refuses, with which words, and that it then changes nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use rollcall::store::sqlite::DATABASE_FILE;
use rollcall::store::{Location, Store};
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use super::{on, stderr, stdout};
use crate::on_both_stores;
use crate::support::process::{Process, program, store_flags};
use crate::support::raw::RawStore;
use crate::support::{ADMIN, Backend, Home};

on_both_stores!(refused_stores_are_left_as_they_are);
on_both_stores!(commands_that_only_read_change_nothing);
on_both_stores!(commands_that_write_upgrade_an_older_store);
on_both_stores!(commands_work_on_tables_that_a_newer_release_expanded);
on_both_stores!(commands_work_beside_a_running_server);

/// What a command does to a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Reads,
    /// Reads a store that is stopped.
    Verifies,
    /// Writes to a store that is stopped.
    Settles,
    Writes,
    Migrates,
    Serves,
    /// Makes a store in an empty folder.
    Restores,
}

/// A command, without the flags of the store. `FILE` is a path at which nothing is.
type Row = (Kind, &'static [&'static str]);

const TENANT: &str = "00000000-0000-4000-8000-00000000000a";
const KEY: &str = "00000000-0000-4000-8000-00000000000b";

const COMMANDS: [Row; 13] = [
    (Kind::Reads, &["tenant", "list"]),
    (Kind::Reads, &["tenant", "show", "A"]),
    (Kind::Reads, &["key", "list", "A"]),
    (Kind::Verifies, &["verify"]),
    (Kind::Settles, &["settle"]),
    (Kind::Writes, &["tenant", "create", "B"]),
    (Kind::Writes, &["tenant", "set", "A", "--conversation-text", "on"]),
    (Kind::Writes, &["tenant", "delete", "A", "--yes"]),
    (Kind::Writes, &["key", "create", "A", "--scope", "*"]),
    (Kind::Writes, &["key", "revoke", "A", KEY]),
    (Kind::Migrates, &["migrate"]),
    (Kind::Serves, &["serve", "--listen", "127.0.0.1:0", "--admin-token", ADMIN]),
    // Embedded only, as is `restore`.
    (Kind::Reads, &["backup", "FILE"]),
];
const RESTORE: Row = (Kind::Restores, &["restore", "FILE"]);

fn commands(backend: Backend) -> Vec<Row> {
    match backend {
        Backend::Embedded => COMMANDS.into_iter().chain([RESTORE]).collect(),
        Backend::Postgres => COMMANDS.into_iter().filter(|(_, arguments)| arguments[0] != "backup").collect(),
    }
}

/// A state of the place that a command is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Missing,
    /// A database of another program.
    Foreign,
    /// One of another program that uses the same library for its migrations.
    ForeignMigrations,
    /// One whose tables have names of ours.
    Clashing,
    /// A file that is no database.
    Garbage,
    /// Without the newest migration.
    Older,
    /// Of a newer release, whose tables this one cannot use.
    Newer,
    /// Of a newer release, whose tables this one can use.
    Expanded,
    Current,
}

const STATES: [State; 7] = [
    State::Missing,
    State::Foreign,
    State::ForeignMigrations,
    State::Clashing,
    State::Garbage,
    State::Older,
    State::Newer,
];

/// The newest migration's number.
const NEWEST: i64 = 20;
/// How a message names a store of the migration before.
const OLDER: &str = "(schema version 19)";

/// Returns parts of the message with which a command is refused; `None` if it does its work.
fn refusal(kind: Kind, state: State, backend: Backend) -> Option<&'static [&'static str]> {
    let is_embedded = backend == Backend::Embedded;
    match (state, kind) {
        (State::Missing, Kind::Serves | Kind::Restores) => None,
        (State::Missing, Kind::Migrates) if !is_embedded => None,
        (State::Missing, _) => Some(&["there is no store", "rollcall serve"]),
        (_, Kind::Restores) => Some(&["empty folder only"]),
        (State::Foreign, _) => Some(&["has the tables of another program: baskets, orders", "nothing was changed"]),
        (State::ForeignMigrations, _) => {
            Some(&["has the tables of another program: _sqlx_migrations, orders", "nothing was changed"])
        }
        (State::Clashing, _) => Some(&["has the tables of another program: journal, tenant", "nothing was changed"]),
        (State::Garbage, _) => Some(&["no whole store", "not a database"]),
        (State::Newer, _) => Some(&[
            "not of this release",
            "only releases with migration 99999 can use them",
            "rollcall 0.",
            "whose newest is",
        ]),
        (State::Older, Kind::Reads | Kind::Verifies) => Some(&[
            "are older than this program (rollcall 0.",
            OLDER,
            "rollcall migrate upgrades",
            "nothing was changed",
        ]),
        (State::Older | State::Current | State::Expanded, _) => None,
    }
}

/// Makes a place in this state.
async fn made(state: State, backend: Backend) -> Home {
    let home = Home::new(backend).await;
    if let (Location::Folder(folder), true) = (&home.location, state != State::Missing) {
        std::fs::create_dir(folder).expect("a folder");
    }
    let orders = tempfile::tempdir().expect("a folder");
    std::fs::write(orders.path().join("1_orders.sql"), "CREATE TABLE orders (id int)").expect("a file");
    match state {
        State::Missing => {}
        State::Foreign => {
            run(&home.location, "CREATE TABLE orders (id int); CREATE VIEW baskets AS SELECT id FROM orders").await;
        }
        State::Clashing => run(&home.location, "CREATE TABLE tenant (id int); CREATE TABLE journal (id int)").await,
        State::ForeignMigrations => migrate(&home.location, orders.path()).await,
        State::Garbage => {
            let Location::Folder(folder) = &home.location else { panic!("an embedded store") };
            std::fs::write(folder.join(DATABASE_FILE), "some text, of more bytes than a header has").expect("a file");
        }
        State::Older => older(&home.location, backend).await,
        State::Newer | State::Expanded | State::Current => {
            older(&home.location, backend).await;
            Store::open(&home.location).await.expect("it is upgraded").0.disconnect().await;
        }
    }
    if matches!(state, State::Newer | State::Expanded) {
        let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                     SELECT 99999, 'later', success, checksum, 1 FROM _sqlx_migrations WHERE version = 1";
        run(&home.location, later).await;
    }
    if state == State::Newer {
        run(&home.location, "UPDATE compatibility SET oldest = 99999").await;
    }
    home
}

/// Makes a store with a tenant and a key, as the release before the newest migration left it.
async fn older(location: &Location, backend: Backend) {
    let name = if backend == Backend::Embedded { "sqlite" } else { "postgres" };
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(name);
    let all = std::fs::read_dir(&ours).expect("the folder").map(|file| file.expect("a file").path());
    let mut all: Vec<_> = all.collect();
    all.sort();
    let newest = all.pop().expect("a migration");
    let newest = newest.file_name().and_then(|name| name.to_str()).expect("a name");
    assert!(newest.starts_with(&format!("{NEWEST:04}_")), "the newest migration and the one before are named above");
    let folder = tempfile::tempdir().expect("a folder");
    for file in &all {
        std::fs::copy(file, folder.path().join(file.file_name().expect("a name"))).expect("a copy");
    }
    migrate(location, folder.path()).await;
    let digits = "00".repeat(32);
    let hash = if backend == Backend::Embedded { format!("X'{digits}'") } else { format!("'\\x{digits}'") };
    let rows = format!(
        "INSERT INTO tenant (id, name, created) VALUES ('{TENANT}', 'A', 1);
         INSERT INTO head (tenant) VALUES ('{TENANT}');
         INSERT INTO api_key (id, tenant, name, prefix, hash, scopes, created)
         VALUES ('{KEY}', '{TENANT}', 'key', 'rk_0', {hash}, '[]', 1)"
    );
    run(location, &rows).await;
}

fn file(folder: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(folder.join(DATABASE_FILE)).create_if_missing(true)
}

async fn migrate(location: &Location, folder: &Path) {
    let migrator = Migrator::new(folder).await.expect("migrations");
    match location {
        Location::Folder(data) => {
            let mut connection = file(data).connect().await.expect("a file");
            migrator.run(&mut connection).await.expect("they run");
            connection.close().await.expect("it closes");
        }
        Location::Postgres(options) => {
            let mut connection = PgConnection::connect_with(options).await.expect("a database");
            migrator.run(&mut connection).await.expect("they run");
            connection.close().await.expect("it closes");
        }
    }
}

/// Runs statements on a file, which is made if it is missing, or a database.
async fn run(location: &Location, sql: &str) {
    match location {
        Location::Folder(folder) => {
            let mut connection = file(folder).connect().await.expect("a file");
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.expect("the statements run");
            connection.close().await.expect("it closes");
        }
        Location::Postgres(_) => RawStore::open(location).await.run(sql).await,
    }
}

/// Returns everything that is at a place: each file with its permissions, or each relation with its rows.
async fn contents(location: &Location) -> BTreeMap<String, String> {
    match location {
        Location::Folder(folder) => {
            let files = std::fs::read_dir(folder).into_iter().flatten().map(|file| file.expect("a file").path());
            let read = |path: &Path| {
                let mode = std::fs::metadata(path).expect("a file").permissions();
                format!("{mode:?} {:?}", std::fs::read(path).expect("a file"))
            };
            files.map(|path| (path.display().to_string(), read(&path))).collect()
        }
        Location::Postgres(_) => {
            let mut raw = RawStore::open(location).await;
            let all =
                "SELECT count(*) FROM pg_class WHERE relnamespace >= 16384 OR relnamespace = 'public'::regnamespace";
            let mut found = BTreeMap::from([(String::from("relations"), raw.number(all).await.to_string())]);
            for table in raw.tables().await {
                let mut rows = raw.rows(&table).await;
                rows.sort();
                found.insert(table, rows.join("\n"));
            }
            found
        }
    }
}

/// Returns the arguments of a command, with a path in the folder.
fn arguments(row: Row, folder: &Path) -> Vec<String> {
    let path = folder.join("file").display().to_string();
    row.1.iter().map(|argument| argument.replace("FILE", &path)).collect()
}

fn ended(home: &Home, arguments: &[String]) -> assert_cmd::assert::Assert {
    on(home, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

async fn refused_stores_are_left_as_they_are(backend: Backend) {
    let scratch = tempfile::tempdir().expect("a folder");
    for state in STATES {
        if (state, backend) == (State::Garbage, Backend::Postgres) {
            continue;
        }
        let home = made(state, backend).await;
        let setting = if backend == Backend::Embedded { "--data-dir" } else { "--database-url" };
        let before = contents(&home.location).await;
        for row in commands(backend) {
            let Some(why) = refusal(row.0, state, backend) else { continue };
            let arguments = arguments(row, scratch.path());
            if row.0 == Kind::Restores {
                std::fs::write(scratch.path().join("file"), "").expect("a file");
            }
            let ended = ended(&home, &arguments).code(2);
            let message = stderr(&ended);
            let is_said = why.iter().all(|part| message.contains(part)) && message.contains(setting);
            assert!(is_said && message.contains(&home.location.to_string()), "{arguments:?}, {state:?}: {message}");
            assert_eq!(stdout(&ended), "", "{arguments:?}, {state:?}");
            assert!(contents(&home.location).await == before, "{arguments:?} changed what is {state:?}");
            let _missing = std::fs::remove_file(scratch.path().join("file"));
        }
        assert!(state != State::Missing || backend == Backend::Postgres || before.is_empty());
    }
}

async fn commands_that_only_read_change_nothing(backend: Backend) {
    let home = made(State::Current, backend).await;
    // As a server and the commands that write leave it.
    let scratch = tempfile::tempdir().expect("a folder");
    on(&home, &["tenant", "set", "A", "--conversation-text", "on"]).code(0);
    let before = contents(&home.location).await;
    let reads = commands(backend).into_iter().filter(|(kind, _)| matches!(kind, Kind::Reads | Kind::Verifies));
    for row in reads {
        let arguments = arguments(row, scratch.path());
        ended(&home, &arguments).code(0);
        assert!(contents(&home.location).await == before, "{arguments:?} changed the store");
    }
    // Nor does it become a store of another mode, which the file of a backup is not.
    let Location::Folder(folder) = &home.location else { return };
    std::fs::copy(scratch.path().join("file"), folder.join(DATABASE_FILE)).expect("a copy");
    let before = contents(&home.location).await;
    on(&home, &["tenant", "list"]).code(0);
    assert!(contents(&home.location).await == before);
}

async fn commands_that_write_upgrade_an_older_store(backend: Backend) {
    let scratch = tempfile::tempdir().expect("a folder");
    for row in commands(backend).into_iter().filter(|(kind, _)| refusal(*kind, State::Older, backend).is_none()) {
        let home = made(State::Older, backend).await;
        let arguments = arguments(row, scratch.path());
        if row.0 == Kind::Serves {
            let mut command = program();
            command.arg("serve").args(store_flags(&home.location)).args(["--admin-token", ADMIN]);
            assert!(Process::start_with(command).await.terminate().await.0.success());
        } else {
            ended(&home, &arguments).code(0);
        }
        let newest = RawStore::open(&home.location).await.number("SELECT max(version) FROM _sqlx_migrations").await;
        assert_eq!(newest, NEWEST, "{arguments:?}");
    }
}

/// A newer release has migrated the store, and its migrations have only added something: this one works as before.
async fn commands_work_on_tables_that_a_newer_release_expanded(backend: Backend) {
    let scratch = tempfile::tempdir().expect("a folder");
    let home = made(State::Expanded, backend).await;
    let process = Process::start(&home.location, &[]).await;
    assert_eq!(process.api.tenant("of a server").await.len(), 36);
    assert!(process.terminate().await.0.success());
    let rows = commands(backend).into_iter().filter(|(kind, _)| !matches!(kind, Kind::Serves | Kind::Restores));
    // The deletion comes last.
    let (deletes, others): (Vec<Row>, Vec<Row>) = rows.partition(|(_, arguments)| arguments[1..].contains(&"delete"));
    for row in others.into_iter().chain(deletes) {
        ended(&home, &arguments(row, scratch.path())).code(0);
    }
}

/// `verify` and a second server wait for the lock, and are refused: tests of their own have that.
async fn commands_work_beside_a_running_server(backend: Backend) {
    let home = made(State::Current, backend).await;
    let scratch = tempfile::tempdir().expect("a folder");
    let process = Process::start(&home.location, &[]).await;
    let rows = commands(backend).into_iter();
    // The deletion comes last.
    let (deletes, others): (Vec<Row>, Vec<Row>) = rows.partition(|(_, arguments)| arguments[1..].contains(&"delete"));
    for row in others.into_iter().chain(deletes) {
        if matches!(row.0, Kind::Reads | Kind::Writes | Kind::Migrates) {
            ended(&home, &arguments(row, scratch.path())).code(0);
        }
    }
    assert!(process.terminate().await.0.success());
}

/// What a caller over HTTP is not to see, a command prints.
#[tokio::test]
async fn a_failure_of_the_store_is_printed_with_its_cause() {
    let home = made(State::Current, Backend::Embedded).await;
    run(&home.location, "CREATE TRIGGER full BEFORE INSERT ON tenant BEGIN SELECT RAISE(ABORT, 'no room'); END").await;
    let message = stderr(&on(&home, &["tenant", "create", "B"]).code(1));
    assert!(message.contains("no room") && message.contains("rollcall: the store is unavailable"), "{message}");
}

/// A schema of its own is enough: what other programs have in the others does not matter, nor their migrations.
#[tokio::test]
async fn a_database_can_be_shared_by_schemas() {
    let home = made(State::ForeignMigrations, Backend::Postgres).await;
    run(&home.location, "CREATE TABLE tenant (id int); CREATE SCHEMA rollcall").await;
    let before = contents(&home.location).await.remove("orders");
    let Location::Postgres(options) = &home.location else { panic!("a database") };
    for path in ["rollcall", "rollcall,public"] {
        let own = Location::Postgres(Box::new(options.clone().options([("search_path", path)])));
        for _ in 0..2 {
            let (store, _) = Store::open(&own).await.expect("a store in a schema of its own");
            assert!(store.tenants().await.expect("no tenants").is_empty());
        }
    }
    // As the guide has it.
    let url = store_flags(&home.location)[1].clone();
    let url = format!("{url}{}options=-csearch_path%3Drollcall", if url.contains('?') { '&' } else { '?' });
    super::run(&["tenant", "create", "A", "--database-url", &url], &[]).code(0);
    let nowhere = Location::Postgres(Box::new(options.clone().options([("search_path", "nowhere")])));
    let refused = Store::open(&nowhere).await.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused.contains("search_path"), "{refused}");
    assert_eq!(contents(&home.location).await.remove("orders"), before);
    // What an extension has made is not another program's.
    let extended = Home::new(Backend::Postgres).await;
    run(&extended.location, "CREATE EXTENSION pg_stat_statements").await;
    on(&extended, &["migrate"]).code(0);
}

/// A role that may neither make tables nor read them.
#[tokio::test]
async fn missing_rights_on_a_database_are_named() {
    let current = made(State::Current, Backend::Postgres).await;
    let empty = Home::new(Backend::Postgres).await;
    let role = format!("role_of_{}", std::process::id());
    run(&current.location, &format!("DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN")).await;
    run(&empty.location, "REVOKE CREATE ON SCHEMA public FROM PUBLIC").await;
    for (home, rows) in [(&current, &COMMANDS[..12]), (&empty, &COMMANDS[10..12])] {
        let Location::Postgres(options) = &home.location else { panic!("a database") };
        let theirs = Home::at(Location::Postgres(Box::new(options.as_ref().clone().username(&role))));
        let before = contents(&home.location).await;
        for row in rows {
            let message = stderr(&ended(&theirs, &arguments(*row, Path::new("."))).code(2));
            let is_said = message.contains("permission denied for") && message.contains("--database-url");
            assert!(is_said && message.contains(&home.location.to_string()), "{row:?}: {message}");
        }
        assert!(contents(&home.location).await == before);
    }
    run(&current.location, &format!("DROP ROLE {role}")).await;
}

/// Runs a command as a user that has no rights beyond those of all.
#[cfg(unix)]
fn as_others(arguments: &[String], home: &Home) -> std::io::Result<std::process::Output> {
    use std::os::unix::process::CommandExt;
    let mut command: Command = program();
    command.args(arguments).args(store_flags(&home.location)).stdin(std::process::Stdio::null());
    if rustix::process::geteuid().is_root() {
        command.uid(65_534).gid(65_534);
    }
    command.output()
}

#[cfg(unix)]
#[tokio::test]
async fn missing_rights_on_a_file_are_named() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    let home = made(State::Current, Backend::Embedded).await;
    let Location::Folder(folder) = &home.location else { panic!("a folder") };
    let file = folder.join(DATABASE_FILE);
    let mode = |path: &Path, mode: u32| set_permissions(path, Permissions::from_mode(mode)).expect("its owner");
    mode(folder.parent().expect("a folder"), 0o755);
    let is_root = rustix::process::geteuid().is_root();
    if is_root && as_others(&[String::from("--version")], &home).is_err() {
        // The program is where only this user may read it.
        return;
    }
    // Where the test's own user is no superuser, the modes have to keep out that one.
    for (folder_mode, file_mode, is_readable) in [(0o555, 0o000, false), (0o000, 0o444, false), (0o555, 0o444, true)] {
        mode(&file, file_mode);
        mode(folder, folder_mode);
        for row in COMMANDS {
            let scratch = tempfile::tempdir().expect("a folder");
            mode(scratch.path(), 0o777);
            let arguments = arguments(row, scratch.path());
            let ended = as_others(&arguments, &home).expect("it runs");
            let message = String::from_utf8_lossy(&ended.stderr).into_owned();
            let (expected, why) = match row.0 {
                Kind::Reads if is_readable => (0, ""),
                _ => (2, "Permission denied"),
            };
            assert_eq!(ended.status.code(), Some(expected), "{arguments:?}, {file_mode:o}: {message}");
            assert!(message.contains(why), "{arguments:?}, {file_mode:o}: {message}");
        }
        mode(folder, 0o755);
    }
}
