//! Where the values of a command's settings come from.

use std::fmt;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use super::SettingsFile;
use super::settings_file::setting_name;

/// The source of one setting's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag.
    CommandLine,
    /// The variable of this name.
    Variable(String),
    /// This line of the settings file.
    File(PathBuf, usize),
    /// The program.
    Default,
}

/// As `rollcall settings` shows it.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::CommandLine => f.write_str("command line"),
            Origin::Variable(name) => f.write_str(name),
            Origin::File(..) => f.write_str("file"),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// The source of each setting of a command.
#[derive(Debug, Default)]
pub struct Origins(Vec<Setting>);

#[derive(Debug)]
struct Setting {
    name: String,
    variable: String,
    origin: Origin,
}

impl Origins {
    /// Finds the sources of the command that the matches name, or of one below it. `file` is the settings file that was
    /// applied to it.
    pub fn of(command: &Command, matches: &ArgMatches, file: Option<&SettingsFile>) -> Self {
        if let Some((name, below)) = matches.subcommand()
            && let Some(command) = command.find_subcommand(name)
        {
            return Origins::of(command, below, file);
        }
        let setting = |argument: &Arg| {
            let (name, variable) =
                (setting_name(argument)?.to_owned(), argument.get_env()?.to_string_lossy().into_owned());
            let origin = match matches.value_source(argument.get_id().as_str()) {
                Some(ValueSource::CommandLine) => Origin::CommandLine,
                Some(ValueSource::EnvVariable) => Origin::Variable(variable.clone()),
                _ => match file.and_then(|file| Some((file, file.line(argument)?))) {
                    Some((file, line)) => Origin::File(file.path().to_owned(), line),
                    None => Origin::Default,
                },
            };
            Some(Setting { name, variable, origin })
        };
        Origins(command.get_arguments().filter_map(setting).collect())
    }

    /// Returns the source of a setting's value.
    pub fn origin(&self, name: &str) -> Origin {
        self.0.iter().find(|setting| setting.name == name).map_or(Origin::Default, |setting| setting.origin.clone())
    }

    /// Returns, for each setting that an error names as `--name (VARIABLE)`, the line of the file or the variable that it
    /// is set by: `; queue is set in line 3 of rollcall.toml`. What comes from a flag stands before the reader.
    pub fn explain(&self, error: &str) -> String {
        let named = self.0.iter().filter(|one| error.contains(&format!("--{} ({})", one.name, one.variable)));
        let notes = named.filter_map(|Setting { name, origin, .. }| match origin {
            Origin::File(path, line) => Some(format!("; {name} is set in line {line} of {}", path.display())),
            Origin::Variable(variable) => Some(format!("; {name} is set by {variable}")),
            Origin::CommandLine | Origin::Default => None,
        });
        notes.collect()
    }
}
