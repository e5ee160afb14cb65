//! The command line: settings, commands, start and stop, and secrets that must not be printed.

#[cfg(unix)]
mod announcement;
mod commands;
mod demo;
mod leaks;
mod life;
mod logs;
mod output;
mod precedence;
mod printed;
mod rejections;
mod secrets;
mod settings;
mod settings_file;
mod store;

use std::time::Duration;

use assert_cmd::Command;
use assert_cmd::assert::Assert;

use crate::support::Home;
use crate::support::captured_output;
use crate::support::process::{program, store_flags};

/// The timeout of a command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs the program until it exits, with these environment variables and no others.
fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Assert {
    let mut command = Command::from_std(program());
    let ended = command.args(arguments).envs(variables.iter().copied()).timeout(COMMAND_TIMEOUT).assert();
    captured_output::record(&stderr(&ended));
    ended
}

/// Runs a command on a store.
fn on(home: &Home, arguments: &[&str]) -> Assert {
    let store = store_flags(&home.location);
    run(&[arguments, &[store[0].as_str(), store[1].as_str()]].concat(), &[])
}

/// Returns the standard output of a command.
fn stdout(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
}

/// Returns the standard error of a command.
fn stderr(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}
