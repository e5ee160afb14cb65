//! The program as its operators meet it: settings, commands, its end, and what it never says.

mod commands;
mod leaks;
mod life;
mod secrets;
mod settings;
mod verify;

use std::time::Duration;

use assert_cmd::Command;
use assert_cmd::assert::Assert;

use crate::support::captured_output;
use crate::support::process::program;

/// Longer than any command takes that comes to an end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the program to its end, with these variables and no others.
fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Assert {
    let mut command = Command::from_std(program());
    let ended = command.args(arguments).envs(variables.iter().copied()).timeout(PATIENCE).assert();
    captured_output::record(&complained(&ended));
    ended
}

/// What a command that ended wrote to its standard output.
fn printed(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
}

/// What it complained of.
fn complained(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}
