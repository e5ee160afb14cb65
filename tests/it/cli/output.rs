//! Commands whose output cannot be written: a reader that has closed its end, as `head` does, and a full disk.

use std::fs::File;
use std::process::{Command, Output, Stdio};

use super::{on, stdout};
use crate::support::desks::{connected, directory};
use crate::support::process::{Process, program, store_flags};
use crate::support::tasks::eventually;
use crate::support::{Backend, Home};

/// Returns a standard output whose reader has closed its end.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

/// Returns a stream that fails as on a full disk.
fn full() -> Stdio {
    File::options().write(true).open("/dev/full").expect("/dev/full").into()
}

/// Runs a command with this standard output.
fn run_into(stdout: Stdio, arguments: &[&str]) -> Output {
    let mut command = program();
    command.args(arguments).stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped());
    command.spawn().and_then(std::process::Child::wait_with_output).expect("a command")
}

/// Asserts the exit status of a command, and returns its standard error.
fn ended(output: &Output, status: i32, arguments: &[&str]) -> String {
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {message}");
    assert!(!message.contains("panicked"), "{arguments:?}: {message}");
    message
}

/// Runs a command with each of the two, and asserts the end that a command which only prints must have.
fn ends_honestly(arguments: &[&str]) {
    let message = ended(&run_into(closed(), arguments), 0, arguments);
    assert_eq!(message, "", "{arguments:?}");
    let message = ended(&run_into(full(), arguments), 1, arguments);
    assert!(message.starts_with("rollcall: standard output cannot be written"), "{arguments:?}: {message}");
}

#[test]
fn descriptions_end_with_their_reader_and_report_a_full_disk() {
    let commands: [&[&str]; 7] = [
        &["openapi"],
        &["schema"],
        &["configuration"],
        &["--help"],
        &["--version"],
        &["serve", "--help"],
        &["key", "create", "--help"],
    ];
    for arguments in commands {
        ends_honestly(arguments);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_on_a_store_end_with_their_reader_and_report_a_full_disk() {
    let home = Home::new(Backend::Embedded).await;
    let process = Process::start(&home.location, &[]).await;
    let persona = process.api.persona("A").await;
    process.api.put_directory(&persona.key, &directory(1)).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("events.ndjson");
    std::fs::write(&file, connected(1, 1, rollcall::clock::Clock::system().now()).to_string()).expect("a file");
    let (file, url) = (file.display().to_string(), process.api.url(""));
    ends_honestly(&["ingest", &file, "--url", &url, "--key", &persona.key]);

    let store = store_flags(&home.location);
    let on_store = |arguments: &[&str]| ends_honestly(&[arguments, &[&store[0], &store[1]]].concat());
    on_store(&["tenant", "list"]);
    on_store(&["tenant", "show", "A"]);
    on_store(&["tenant", "set", "A", "--conversation-days", "30"]);
    on_store(&["key", "list", "A"]);
    on_store(&["migrate"]);
    let created = ["tenant", "create", "B", &store[0], &store[1]];
    ended(&run_into(closed(), &created), 0, &created);
    let listed = stdout(&on(&home, &["key", "list", "A"]).code(0));
    let id = listed.split_whitespace().next().expect("an id");
    // It is revoked the first time.
    let revoke = ["key", "revoke", "A", id, &store[0], &store[1]];
    ended(&run_into(closed(), &revoke), 0, &revoke);
    process.terminate().await;
    on_store(&["verify"]);
}

/// A standard output that was closed, or opened for reading only, takes nothing, although the standard library reports
/// success.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_that_is_lost_is_reported() {
    let home = Home::new(Backend::Embedded).await;
    let process = Process::start(&home.location, &[]).await;
    process.api.tenant("A").await;
    process.terminate().await;
    let [flag, place] = store_flags(&home.location);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("backup").display().to_string();
    let commands: [&[&str]; 14] = [
        &["openapi"],
        &["schema"],
        &["settings"],
        &["--help"],
        &["--version"],
        &["completions", "bash"],
        &["manual"],
        &["tenant", "list", &flag, &place],
        &["tenant", "show", "A", &flag, &place],
        &["tenant", "set", "A", "--conversation-days", "30", &flag, &place],
        &["verify", &flag, &place],
        &["settle", &flag, &place],
        &["migrate", &flag, &place],
        &["backup", &file, &flag, &place],
    ];
    for arguments in commands {
        let message = ended(&redirected_to("1</dev/null", arguments), 1, arguments);
        let wanted = "rollcall: standard output cannot be written: Bad file descriptor";
        assert!(message.starts_with(wanted), "{arguments:?}: {message}");
        let _missing = std::fs::remove_file(&file);
        // A script may not want to see it, and a closed output is the same to the program.
        for redirected in [">/dev/null", "1<>/dev/null", ">&-"] {
            ended(&redirected_to(redirected, arguments), 0, arguments);
            let _missing = std::fs::remove_file(&file);
        }
    }
}

/// Runs a command with a redirection of the shell.
fn redirected_to(redirection: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new("sh");
    command.env_clear().args(["-c", &format!("exec \"$0\" \"$@\" {redirection}")]).arg(program().get_program());
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::piped()).output().expect("a command")
}

/// A key is shown once. Where it is known that nothing will read it, none is created.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_cannot_be_shown_is_not_created() {
    let home = Home::new(Backend::Embedded).await;
    let process = Process::start(&home.location, &[]).await;
    process.api.tenant("A").await;
    let [flag, place] = store_flags(&home.location);
    let create = ["key", "create", "A", "--scope", "*", &flag, &place];
    let mut ends = vec![run_into(closed(), &create), run_into(full(), &create)];
    ends.extend([">&-", ">/dev/null", "1<>/dev/null", "1</dev/null"].map(|to| redirected_to(to, &create)));
    for output in ends {
        let message = ended(&output, 1, &create);
        assert!(message.starts_with("rollcall: standard output cannot be written: "), "{message}");
        assert!(message.contains("; no key was created"), "{message}");
    }
    assert_eq!(stdout(&on(&home, &["key", "list", "A"]).code(0)), "");
    process.terminate().await;
}

/// Where the write fails later, as on a file that cannot grow, the key is revoked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_not_shown_is_revoked() {
    /// The most bytes of a file of the command. That of its output has as many.
    const LIMIT: u64 = 64 * 1024 * 1024;
    let home = Home::new(Backend::Embedded).await;
    let process = Process::start(&home.location, &[]).await;
    process.api.tenant("A").await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = File::options().append(true).create(true).open(folder.path().join("output")).expect("a file");
    file.set_len(LIMIT).expect("a sparse file");
    let mut command = Command::new("prlimit");
    command.arg(format!("--fsize={LIMIT}")).arg(program().get_program());
    command.args(["key", "create", "A", "--scope", "*"]).args(store_flags(&home.location)).env_clear();
    let output = command.env("PATH", "/usr/bin:/bin").stdin(Stdio::null()).stdout(file).output().expect("a command");
    let message = ended(&output, 1, &["key", "create"]);
    assert!(message.contains("cannot be written: File too large") && message.contains("and is revoked"), "{message}");
    let listed = stdout(&on(&home, &["key", "list", "A"]).code(0));
    let id = listed.split_whitespace().next().expect("an id");
    assert!(listed.contains("revoked") && message.contains(id), "{listed}");
    process.terminate().await;
}

#[test]
fn the_exit_status_does_not_need_standard_error() {
    for (arguments, status) in [(["tenant", "show"], 2), (["healthcheck", "--listen=127.0.0.1:1"], 1)] {
        let mut command: Command = program();
        command.args(arguments).stdin(Stdio::null()).stdout(full()).stderr(full());
        assert_eq!(command.status().expect("a command").code(), Some(status), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_runs_without_its_standard_output() {
    for (stdout, is_logged) in [(closed(), false), (full(), true)] {
        let home = Home::new(Backend::Embedded).await;
        let mut command = program();
        command.arg("serve").args(store_flags(&home.location)).args(["--admin-token", crate::support::ADMIN]);
        let process = Process::start_into(command, stdout).await;
        eventually("the service is ready", || process.api.is_ready()).await;
        let (status, output) = process.terminate().await;
        assert!(status.success(), "{output}");
        assert_eq!(output.contains("standard output cannot be written"), is_logged, "{output}");
    }
}
