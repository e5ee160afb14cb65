//! The settings file: its keys, values and precedence, and what is wrong in it by line.

use std::path::Path;

use super::{run, stderr, stdout};
use crate::support::process::{Process, program};
use crate::support::routes::source;
use crate::support::{ADMIN, Api};

/// A value for every setting of `serve`, other than its default.
const EVERY: &str = r#"
listen = "127.0.0.1:8765"
tls-cert = "/etc/rollcall/certificate.pem"
tls-key = "/etc/rollcall/key.pem"
cors-origin = ["https://desk.example.com", "https://other.example.com"]
trusted-proxy = ["10.0.0.0/8"]
client-address = "forwarded"
base-path = "/presence"
data-dir = "/var/lib/rollcall"
database-url = "postgres://user:canary-1@host/database"
admin-token = "canary-2-of-the-administrator"
metrics-token = "canary-3-of-the-metrics"
log = "debug"
log-format = "json"
max-connections = 11
tenant-rate = 12
tenant-events = 13
tenant-concurrency = 14
memory-budget = 1_515
queue = 16
max-staleness = 17
checkpoint-seconds = 18
dedupe-days = 19
journal-days = 20
desk-lease-seconds = 121
desk-heartbeat-seconds = 22
"#;

/// Writes a settings file, and returns its path.
fn written(folder: &Path, text: &str) -> String {
    let path = folder.join("rollcall.toml");
    std::fs::write(&path, text).expect("a file");
    path.display().to_string()
}

/// Returns the value and the source of a setting in the output of `rollcall settings`.
fn shown<'o>(output: &'o str, name: &str) -> (&'o str, &'o str) {
    let line = output.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")));
    line.unwrap_or_else(|| panic!("{name} in {output}")).rsplit_once(" # ").expect("a source")
}

/// Returns the flags and variables in the tables of docs/configuration.md.
fn documented() -> Vec<(String, String)> {
    let page = source("docs/configuration.md").replace("\\|", "/");
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect::<Vec<_>>();
    let rows =
        page.lines().map(cells).filter(|cells| cells.len() > 3 && cells[1].starts_with("--") && cells[1] != "---");
    let rows = rows.map(|cells| (cells[1][2..].split(' ').next().unwrap_or_default().to_owned(), cells[2].clone()));
    let mut rows: Vec<_> = rows.filter(|(flag, variable)| !variable.is_empty() && flag != "settings").collect();
    rows.sort();
    rows.dedup();
    rows
}

#[test]
fn every_documented_setting_has_a_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let documented = documented();
    assert!(documented.len() > 24, "{documented:?}");
    for (flag, variable) in documented {
        // No setting takes a boolean, so that a known key is one of the wrong type.
        let file = written(folder.path(), &format!("\n{flag} = true\n"));
        for command in [&["migrate"][..], &["tenant", "list"]] {
            let message = stderr(&run(&[command, &["--settings", &file]].concat(), &[]).code(2));
            let wanted = format!("--settings (ROLLCALL_SETTINGS) {file}, line 2: {flag} must be ");
            assert!(message.contains(&wanted) && message.contains("boolean"), "{variable}: {message}");
        }
    }
}

#[test]
fn the_file_sets_everything_and_no_secret_is_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = written(folder.path(), EVERY);
    let output = stdout(&run(&["settings"], &[("ROLLCALL_SETTINGS", &file)]).code(0));
    assert!(!output.contains("canary"), "{output}");
    for line in EVERY.lines().filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(" = ").expect("a line");
        if value.contains("canary") {
            assert!(output.contains(&format!("# {name} is set, and not shown: file\n")), "{name} in {output}");
        } else if name == "data-dir" {
            assert_eq!(shown(&output, name), (value, "file, not used: database-url comes first"));
        } else {
            assert_eq!(shown(&output, name), (value.replace('_', "").as_str(), "file"), "{name}");
        }
    }
    // The output is a settings file.
    let again = written(folder.path(), &output);
    let output = stdout(&run(&["settings", "--settings", &again], &[]).code(0));
    assert_eq!(
        shown(&output, "cors-origin").0,
        r#"["https://desk.example.com","https://other.example.com"]"#.replace(",", ", ")
    );
    assert!(output.contains("# admin-token is not set\n"), "{output}");
}

#[test]
fn flags_come_before_variables_and_variables_before_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = written(folder.path(), "queue = 3\nlog = \"trace\"\ncors-origin = [\"https://file.example.com\"]\n");
    let settings = |arguments: &[&str], variables: &[(&str, &str)]| {
        stdout(&run(&[&["settings", "--settings", &file], arguments].concat(), variables).code(0))
    };
    assert_eq!(shown(&settings(&[], &[]), "queue"), ("3", "file"));
    assert_eq!(shown(&settings(&[], &[]), "max-staleness"), ("10", "default"));
    let variables = [("ROLLCALL_QUEUE", "2"), ("ROLLCALL_CORS_ORIGIN", "https://variable.example.com")];
    let output = settings(&[], &variables);
    assert_eq!(shown(&output, "queue"), ("2", "ROLLCALL_QUEUE"));
    assert_eq!(shown(&output, "cors-origin"), (r#"["https://variable.example.com"]"#, "ROLLCALL_CORS_ORIGIN"));
    assert_eq!(shown(&output, "log"), (r#""trace""#, "file"));
    assert_eq!(shown(&settings(&["--queue", "1"], &variables), "queue"), ("1", "command line"));
    // A template may leave a variable without a value.
    let empty = [("ROLLCALL_QUEUE", ""), ("ROLLCALL_METRICS_TOKEN", "")];
    assert_eq!(shown(&settings(&[], &empty), "queue"), ("3", "file"));
    let output = stdout(&run(&["settings"], &[("ROLLCALL_SETTINGS", "")]).code(0));
    assert_eq!(shown(&output, "data-dir"), (r#""./data""#, "default"));
    // The flag that names the file comes before its variable, and may be in front of the command.
    let missing = [("ROLLCALL_SETTINGS", "/nowhere")];
    assert_eq!(shown(&settings(&[], &missing), "queue"), ("3", "file"));
    let output = stdout(&run(&["--settings", &file, "settings"], &[]).code(0));
    assert_eq!(shown(&output, "queue"), ("3", "file"));
}

#[test]
fn what_is_wrong_in_a_file_is_named_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let cases = [
        ("queue = 1\nlisen = \"127.0.0.1:0\"\n", 2, r#"there is no setting "lisen"; is listen meant?"#),
        ("tls_cert = \"file\"\n", 1, "is tls-cert meant?"),
        ("Queue = 1\n", 1, "is queue meant?"),
        ("\n\n[serve]\nqueue = 1\n", 3, r#"there is no setting "serve""#),
        ("port = 80\n", 1, "docs/configuration.md lists them"),
        ("settings = \"other.toml\"\n", 1, "there is no setting"),
        ("yes = true\n", 1, "there is no setting"),
        ("# many\nqueue = \"8192\"\n", 2, "queue must be an integer, and is of the type string"),
        ("queue = 1.5\n", 1, "queue must be an integer, and is of the type float"),
        ("listen = 8080\n", 1, "listen must be a string, and is of the type integer"),
        ("[listen]\n", 1, "listen must be a string, and is of the type table"),
        ("cors-origin = \"https://one.example.com\"\n", 1, "cors-origin must be an array of strings"),
        ("cors-origin = [1]\n", 1, "cors-origin must be an array of strings"),
        ("log = \"info\"\nqueue = 0\n", 2, "queue: 0 is not in 1..="),
        ("queue = -1\n", 1, "queue: "),
        ("log-format = \"xml\"\n", 1, "log-format: must be one of pretty, json"),
        ("cors-origin = [\n  \"*\",\n]\n", 1, "wildcards are not supported"),
        ("listen = \"nowhere\"\n", 1, "listen: not an address and port"),
        ("queue = 1\nqueue = 2\n", 2, "duplicate key queue"),
        ("admin-token = \"\"\n", 1, "admin-token: must not be empty"),
        ("\nmetrics-token = \"\"\n", 2, "metrics-token: must not be empty"),
        ("database-url = \"\"\n", 1, "database-url: must not be empty"),
        ("admin-token = 1\n", 1, "admin-token must be a string, and is of the type integer"),
        ("data-dir = \"\"\n", 1, "data-dir: "),
        ("queue = \n", 1, ""),
        ("admin-token = \"canary\nqueue = 1\n", 1, ""),
    ];
    for (text, line, why) in cases {
        let file = written(folder.path(), text);
        let message = stderr(&run(&["serve", "--settings", &file], &[]).code(2));
        let place = format!("rollcall: --settings (ROLLCALL_SETTINGS) {file}, line {line}: ");
        assert!(message.starts_with(&place) && message.contains(why), "{text:?}: {message}");
        assert!(!message.contains("canary"), "{message}");
    }
    // What only shows when all settings are read is named with the line as well, by `rollcall settings` too.
    for (text, why) in [
        ("tls-cert = \"certificate.pem\"\n", ["--tls-cert", "--tls-key"]),
        ("trusted-proxy = [\"10.0.0.0/8\"]\n", ["--trusted-proxy", "--client-address"]),
        ("client-address = \"forwarded\"\n", ["--client-address", "--trusted-proxy"]),
        ("admin-token = \"canary\"\n", ["--admin-token", "at least 16"]),
        ("metrics-token = \"canary\"\n", ["--metrics-token", "at least 16"]),
        ("log = \"canary=loud=quiet\"\n", ["--log", "cannot be read"]),
        ("base-path = \"/v1\"\n", ["--base-path", "routes of the service"]),
        ("desk-lease-seconds = 5\n", ["--desk-heartbeat-seconds", "of 15 does not fit"]),
    ] {
        let file = written(folder.path(), text);
        let data = folder.path().join("data").display().to_string();
        let message = stderr(&run(&["serve", "--settings", &file, "--data-dir", &data], &[]).code(2));
        assert!(why.iter().all(|part| message.contains(part)) && !message.contains("canary"), "{message}");
        let (name, _) = text.split_once(" = ").expect("a key");
        assert!(message.contains(&format!("; {name} is set in line 1 of {file}")), "{message}");
        let checked = run(&["settings", "--settings", &file, "--data-dir", &data], &[]).code(2);
        assert_eq!(stderr(&checked), message);
        assert!(stdout(&checked).contains(&format!("{name} ")), "{}", stdout(&checked));
    }
    let missing = folder.path().join("missing").display().to_string();
    let message = stderr(&run(&["schema", "--settings", &missing], &[]).code(2));
    assert!(message.contains(&missing) && message.contains("cannot be read"), "{message}");
}

/// The demo's store is never that of a service, and the file cannot make it so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_takes_no_store_from_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "data-dir = \"service\"\ndatabase-url = \"postgres://host/service\"\nqueue = 100\n";
    let file = written(folder.path(), text);
    let mut command = program();
    command.current_dir(folder.path()).args(["demo", "--settings", &file]);
    let process = Process::start_with(command).await;
    assert!(folder.path().join("demo-data").is_dir() && !folder.path().join("service").exists());
    process.terminate().await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_runs_on_a_file_and_warns_of_secrets_that_others_may_read() {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data").display().to_string();
    let file = written(folder.path(), &format!("data-dir = {data:?}\nadmin-token = {ADMIN:?}\n"));
    for (mode, warned) in [(0o644, true), (0o600, false)] {
        std::fs::set_permissions(&file, Permissions::from_mode(mode)).expect("its owner");
        let mut command = program();
        command.args(["serve", "--settings", &file]);
        let process = Process::start_with(command).await;
        let name = format!("made with {mode:o}");
        let tenant = Api::at(process.address).tenant(&name).await;
        // Commands read the same file.
        let listed = stdout(&run(&["tenant", "list"], &[("ROLLCALL_SETTINGS", &file)]).code(0));
        assert!(listed.contains(&tenant), "{listed}");
        let (status, output) = process.terminate().await;
        let line = output.lines().find(|line| line.contains("the settings file holds a secret and is open to others"));
        assert!(status.success() && line.is_some() == warned && !output.contains(ADMIN), "{output}");
        assert!(line.is_none_or(|line| line.contains("0644") && line.contains("admin-token")), "{line:?}");
    }
}
