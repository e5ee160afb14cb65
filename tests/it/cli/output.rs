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

/// A key that was not shown is lost, so that its command must not seem to succeed.
#[tokio::test]
async fn a_key_that_is_not_shown_is_named_to_be_revoked() {
    let home = Home::new(Backend::Embedded).await;
    let process = Process::start(&home.location, &[]).await;
    process.api.tenant("A").await;
    let store = store_flags(&home.location);
    for stdout in [closed(), full()] {
        let create = ["key", "create", "A", "--scope", "*", &store[0], &store[1]];
        let message = ended(&run_into(stdout, &create), 1, &create);
        let id = message.trim().rsplit(' ').next().expect("an id").to_owned();
        assert!(message.contains("was created, but not shown"), "{message}");
        on(&home, &["key", "revoke", "A", &id]).code(0);
    }
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
