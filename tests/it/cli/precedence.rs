//! Settings that exclude each other: the command line comes before the environment, that before the settings file, and
//! that before the program's default.

use std::path::Path;

use super::{stderr, stdout};
use crate::support::captured_output;
use crate::support::process::program;

/// Where a setting is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Nowhere,
    File,
    Variable,
    Flag,
}
use Place::{File, Flag, Nowhere, Variable};

/// The setting that is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Used {
    Folder,
    Database,
    Neither,
}
use Used::{Database, Folder, Neither};

/// Where `--data-dir` is given, where `--database-url` is, and which of them is used. It is the only pair of settings that
/// exclude each other.
const TABLE: [(Place, Place, Used); 16] = [
    (Nowhere, Nowhere, Folder),
    (Nowhere, File, Database),
    (Nowhere, Variable, Database),
    (Nowhere, Flag, Database),
    (File, Nowhere, Folder),
    (File, File, Database),
    (File, Variable, Database),
    (File, Flag, Database),
    (Variable, Nowhere, Folder),
    (Variable, File, Folder),
    (Variable, Variable, Database),
    (Variable, Flag, Database),
    (Flag, Nowhere, Folder),
    (Flag, File, Folder),
    (Flag, Variable, Folder),
    (Flag, Flag, Neither),
];

/// Commands with both settings. None of them makes a store at places that are not there.
const COMMANDS: [&[&str]; 11] = [
    &["serve", "--listen", "127.0.0.1:0"],
    &["tenant", "create", "A"],
    &["tenant", "list"],
    &["tenant", "delete", "A", "--yes"],
    &["key", "list", "A"],
    &["key", "revoke", "A", "00000000-0000-4000-8000-000000000000"],
    &["migrate"],
    &["verify"],
    &["settle"],
    &["backup", "backup"],
    &["restore", "backup"],
];

/// Runs a command in a folder with the two settings given at these places; returns its status and both streams.
fn run(folder: &Path, arguments: &[&str], (data, database): (Place, Place)) -> (i32, String, String) {
    // Inside a file, so that nothing is made there; the default is made such a place by the test.
    let data_dir = |place: Place| format!("occupied/{place:?}");
    let url = |place: Place| format!("postgres://user:canary@127.0.0.1:1/{place:?}");
    let mut command = program();
    command.current_dir(folder).args(arguments);
    let mut file = String::new();
    match data {
        Nowhere => {}
        File => file += &format!("data-dir = {:?}\n", data_dir(data)),
        Variable => drop(command.env("ROLLCALL_DATA_DIR", data_dir(data))),
        Flag => drop(command.args(["--data-dir", &data_dir(data)])),
    }
    match database {
        Nowhere => {}
        File => file += &format!("database-url = {:?}\n", url(database)),
        Variable => drop(command.env("DATABASE_URL", url(database))),
        Flag => drop(command.args(["--database-url", &url(database)])),
    }
    std::fs::write(folder.join("rollcall.toml"), file).expect("a file");
    command.args(["--settings", "rollcall.toml"]);
    let ended = assert_cmd::Command::from_std(command).timeout(super::COMMAND_TIMEOUT).assert();
    captured_output::record(&stderr(&ended));
    (ended.get_output().status.code().expect("a status"), stdout(&ended), stderr(&ended))
}

#[test]
fn the_command_line_comes_before_the_environment_and_that_before_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["occupied", "data", "backup"] {
        std::fs::write(folder.path().join(name), "a file").expect("a file");
    }
    for (data, database, used) in TABLE {
        for arguments in COMMANDS {
            let (status, _, message) = run(folder.path(), arguments, (data, database));
            let row = format!("{arguments:?} {data:?} {database:?}: {message}");
            assert!(status != 0 && !message.contains("canary"), "{row}");
            let at = match data {
                Nowhere => String::from("./data"),
                place => format!("occupied/{place:?}"),
            };
            let wanted = match used {
                Folder => format!("--data-dir (ROLLCALL_DATA_DIR) {at}"),
                Database => format!("--database-url (DATABASE_URL), database {database:?} at 127.0.0.1:1"),
                Neither => {
                    String::from("--data-dir (ROLLCALL_DATA_DIR) and --database-url (DATABASE_URL) exclude each other")
                }
            };
            assert!(message.contains(&wanted), "{wanted} in {row}");
        }
        let (status, output, message) = run(folder.path(), &["settings"], (data, database));
        assert_eq!(status, if used == Neither { 2 } else { 0 }, "{message}");
        let line = |name: &str| {
            let mut lines = output.lines().map(|line| line.trim_start_matches("# "));
            lines.find(|line| line.starts_with(&format!("{name} "))).expect("a line")
        };
        let is_unused = |name: &str| line(name).contains(", not used: ");
        let expected = (used == Database, used == Folder && database != Nowhere);
        assert_eq!((is_unused("data-dir"), is_unused("database-url")), expected, "{data:?} {database:?}: {output}");
        for (name, place) in [("data-dir", data), ("database-url", database)] {
            let shown = line(name);
            let origin = match (place, name) {
                (Nowhere, "data-dir") => "# default",
                (Nowhere, _) => "is not set",
                (File, _) => " file",
                (Variable, "data-dir") => " ROLLCALL_DATA_DIR",
                (Variable, _) => " DATABASE_URL",
                (Flag, _) => " command line",
            };
            assert!(shown.contains(origin), "{data:?} {database:?}: {shown}");
        }
    }
}

/// A template leaves variables without a value.
#[test]
fn empty_variables_of_the_two_count_as_unset() {
    let folder = tempfile::tempdir().expect("a folder");
    let empty = |variable: &str| {
        let mut command = program();
        command.current_dir(folder.path()).args(["settings"]).env(variable, "");
        stdout(&assert_cmd::Command::from_std(command).assert().code(0))
    };
    assert!(empty("DATABASE_URL").contains("# database-url is not set\n"));
    assert!(empty("ROLLCALL_DATA_DIR").contains("data-dir = \"./data\" # default\n"));
    assert!(empty("ROLLCALL_METRICS_TOKEN").contains("# metrics-token is not set\n"));
    let mut command = program();
    command.current_dir(folder.path()).args(["tenant", "list", "--database-url", ""]);
    let message = stderr(&assert_cmd::Command::from_std(command).assert().code(2));
    assert!(message.contains("must begin with postgres://"), "{message}");
}
