//! `rollcall settings`: prints the settings that `serve` would use, in the form of a settings file.

use std::ffi::OsStr;

use clap::{Arg, ArgMatches, Command};

use super::super::serve::Checked;
use super::super::{Failure, output};
use crate::config::{Excluded, Form, Origins, ServeArgs, setting_name};

/// Prints one line for each setting of the command, with where its value comes from. Secrets are not printed. Then checks
/// them as `serve` does, and fails as that would. `matches` are those of the command.
pub fn run(args: &ServeArgs, command: &Command, matches: &ArgMatches, origins: &Origins) -> Result<(), Failure> {
    let mut text = String::new();
    for argument in command.get_arguments() {
        let Some(name) = setting_name(argument) else { continue };
        let mut source = origins.origin(name).to_string();
        if let Some(Excluded { by, .. }) = args.store.excluded().filter(|excluded| excluded.name == name) {
            source.push_str(&format!(", not used: {by} comes first"));
        }
        text.push_str(&match value(argument, matches) {
            None => format!("# {name} is not set\n"),
            Some(_) if argument.is_hide_env_values_set() => format!("# {name} is set, and not shown: {source}\n"),
            Some(value) => format!("{name} = {value} # {source}\n"),
        });
    }
    output::print(&text)?;
    Checked::new(args).map(drop)
}

/// Returns the value of an argument as TOML; `None` if it has none.
fn value(argument: &Arg, matches: &ArgMatches) -> Option<String> {
    let mut values = matches.get_raw(argument.get_id().as_str())?;
    // What JSON escapes, TOML escapes the same way. Serialising a text cannot fail.
    let quoted = |text: &OsStr| serde_json::to_string(&text.to_string_lossy()).unwrap_or_default();
    match Form::of(argument) {
        Form::Number => values.next_back().map(|text| text.to_string_lossy().into_owned()),
        Form::Text => values.next_back().map(quoted),
        Form::List => Some(format!("[{}]", values.map(quoted).collect::<Vec<_>>().join(", "))),
    }
}
