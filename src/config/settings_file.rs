//! The settings file: TOML with one key for each setting that has a variable, by the name of its flag.
//!
//! The values become the defaults of the command line's arguments, so that flags and variables take precedence, and
//! every value is parsed as one of a flag is (docs/decisions/0087-settings-file.md).

use std::any::TypeId;
use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsStr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::builder::Resettable;
use clap::{Arg, ArgAction, Args, Command};
use toml_edit::{Document, Item, Key, Value};

use crate::domain::event::nearest;

/// The setting that names the file, in messages.
const SETTING: &str = "--settings (ROLLCALL_SETTINGS)";

/// The place of the settings file.
#[derive(Args, Clone, Debug, Default)]
pub struct FileArgs {
    /// TOML file with settings: queue = 8192 for --queue, and so on. An unknown key is an error. A flag or a variable
    /// takes precedence over the file. Relative paths in it begin where the command runs.
    #[arg(long, env = "ROLLCALL_SETTINGS", value_name = "FILE", global = true)]
    pub settings: Option<PathBuf>,
}

/// A settings file whose keys are known, and whose values are of their settings' types and ranges.
#[derive(Debug)]
pub struct SettingsFile {
    path: PathBuf,
    /// The values by the settings' names.
    values: BTreeMap<String, FileValue>,
    /// The first setting in it that is a secret.
    secret: Option<String>,
}

/// A value of a settings file.
#[derive(Debug)]
struct FileValue {
    /// As the command line takes it.
    text: String,
    /// The line of its key, from 1.
    line: usize,
}

impl SettingsFile {
    /// Reads a file for the settings of a command line. An error names the file, the line, the key and what fits, and
    /// repeats no secret.
    pub fn read(path: &Path, root: &Command) -> Result<Self, String> {
        let name = format!("{SETTING} {}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| format!("{name} cannot be read: {error}"))?;
        let line = |span: Option<Range<usize>>| {
            let before = text.get(..span.unwrap_or_default().start).unwrap_or_default();
            before.matches('\n').count() + 1
        };
        let at = |span, problem: &str| format!("{name}, line {}: {problem}", line(span));
        let known = settings(root);
        let document = Document::parse(text.as_str()).map_err(|error| {
            // Of a key that is given twice the place is that of the key; another may be that of a secret.
            let key = error.span().and_then(|span| text.get(span)).filter(|key| known.contains_key(key));
            let key = key.map(|key| format!(" {key}")).unwrap_or_default();
            at(error.span(), &format!("{}{key}", error.message()))
        })?;
        let mut file = SettingsFile { path: path.to_owned(), values: BTreeMap::new(), secret: None };
        for (key, item) in document.iter() {
            let span = document.key(key).and_then(Key::span);
            let argument = known.get(key).ok_or_else(|| at(span.clone(), &unknown(key, &known)))?;
            let value = text_of(argument, item).map_err(|problem| at(span.clone(), &format!("{key} {problem}")))?;
            check(argument, &value).map_err(|problem| at(span.clone(), &format!("{key}: {problem}")))?;
            if argument.is_hide_env_values_set() {
                file.secret.get_or_insert_with(|| key.to_owned());
            }
            file.values.insert(key.to_owned(), FileValue { text: value, line: line(span) });
        }
        Ok(file)
    }

    /// Returns the command line with the file's values as the defaults of its settings, those of all of its commands
    /// included. They are not shown in help, which may be asked for with another file.
    pub fn applied(&self, command: Command) -> Command {
        let command = command.mut_args(|argument| {
            let Some(value) = self.value(&argument) else { return argument };
            unless_empty(argument.default_value(value.text.clone()).required(false).hide_default_value(true))
        });
        command.mut_subcommands(|command| self.applied(command))
    }

    /// Returns the file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the name of a secret that the file holds, if it holds any.
    pub fn secret(&self) -> Option<&str> {
        self.secret.as_deref()
    }

    /// Returns the line in which the file sets this argument, from 1; `None` if it does not.
    pub fn line(&self, argument: &Arg) -> Option<usize> {
        self.value(argument).map(|value| value.line)
    }

    fn value(&self, argument: &Arg) -> Option<&FileValue> {
        self.values.get(setting_name(argument)?)
    }
}

/// Returns the argument without its variable, if that is there without a value, as a template leaves it.
pub fn unless_empty(argument: Arg) -> Arg {
    if argument.get_env().is_some_and(is_empty) { argument.env(Resettable::Reset) } else { argument }
}

/// Returns true if a variable is there without a value.
#[expect(clippy::disallowed_methods, reason = "clap does not tell an empty variable from one with a value")]
fn is_empty(variable: &OsStr) -> bool {
    std::env::var_os(variable).is_some_and(|value| value.is_empty())
}

/// Returns the name of a setting in a settings file: that of its flag. `None` for arguments that no variable sets, such
/// as `--yes`, which are not settings but parts of one command.
pub fn setting_name(argument: &Arg) -> Option<&str> {
    argument.get_env()?;
    argument.get_long().filter(|_| argument.get_id() != "settings")
}

/// The form of a setting's value in a settings file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An integer.
    Number,
    /// A string.
    Text,
    /// An array of strings.
    List,
}

impl Form {
    /// Returns the form of an argument's value.
    pub fn of(argument: &Arg) -> Self {
        let of = argument.get_value_parser().type_id();
        if of == TypeId::of::<u64>() || of == TypeId::of::<u32>() {
            Form::Number
        } else if matches!(argument.get_action(), ArgAction::Append) {
            Form::List
        } else {
            Form::Text
        }
    }

    const fn wanted(self) -> &'static str {
        match self {
            Form::Number => "an integer",
            Form::Text => "a string",
            Form::List => "an array of strings",
        }
    }
}

/// Returns every setting of a command and of those below it, by name.
fn settings(command: &Command) -> BTreeMap<&str, &Arg> {
    let below = command.get_subcommands().flat_map(settings);
    let own = command.get_arguments().filter_map(|argument| Some((setting_name(argument)?, argument)));
    // Commands share their settings: those of one name have the same type.
    below.chain(own).collect()
}

fn unknown(key: &str, known: &BTreeMap<&str, &Arg>) -> String {
    match nearest(key, known.keys().copied()) {
        Some(meant) => format!("there is no setting {key:?}; is {meant} meant?"),
        None => format!("there is no setting {key:?}; docs/configuration.md lists them"),
    }
}

/// Returns the value as the text that a flag would have. An error says which type the setting has, and which was found.
fn text_of(argument: &Arg, item: &Item) -> Result<String, String> {
    let form = Form::of(argument);
    let text = match (form, item.as_value()) {
        (Form::Number, Some(Value::Integer(number))) => Some(number.value().to_string()),
        (Form::Text, Some(Value::String(text))) => Some(text.value().clone()),
        (Form::List, Some(Value::Array(items))) => {
            let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            let delimiter = argument.get_value_delimiter().unwrap_or(',').to_string();
            texts.map(|texts| texts.join(&delimiter))
        }
        _ => None,
    };
    text.ok_or_else(|| format!("must be {}, and is of the type {}", form.wanted(), item.type_name()))
}

/// Parses a value as the command line does. The error has no part of a secret in it, since secrets are plain texts
/// here, of which each is accepted that is not empty.
fn check(argument: &Arg, value: &str) -> Result<(), String> {
    if argument.is_hide_env_values_set() && value.is_empty() {
        return Err(String::from("must not be empty"));
    }
    let Some(flag) = argument.get_long() else { return Ok(()) };
    let alone = Command::new("check").no_binary_name(true).arg(argument.clone().required(false).global(false));
    let Err(error) = alone.try_get_matches_from([format!("--{flag}={value}")]) else { return Ok(()) };
    let choices: Vec<String> =
        argument.get_possible_values().iter().map(|choice| choice.get_name().to_owned()).collect();
    Err(match error.source() {
        Some(reason) => reason.to_string(),
        None if choices.is_empty() => format!("{value:?} cannot be used"),
        None => format!("must be one of {}", choices.join(", ")),
    })
}
