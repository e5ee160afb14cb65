//! The place of the store: two settings that exclude each other.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::database_url;
use crate::store::Location;

/// The two settings, as they are given.
#[derive(Args, Clone, Debug)]
struct Given {
    /// Folder of the embedded store. Only serve, demo and restore make one that is missing. It excludes a database: of the
    /// two the one from the command line is used, then that of a variable, then that of the file, and of two from one
    /// place the database.
    #[arg(long, env = "ROLLCALL_DATA_DIR", default_value = "./data", value_name = "DIR")]
    data_dir: PathBuf,

    /// PostgreSQL database (14 or newer) to use instead of the embedded store: postgres://user:password@host/database.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
}

/// The one of the two settings that is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Used {
    Folder,
    Database,
    /// Both are on the command line, where neither comes before the other.
    Unclear,
}

/// The location of the store.
#[derive(Clone, Debug)]
pub struct StoreArgs {
    given: Given,
    used: Used,
}

impl StoreArgs {
    /// Returns the location. An error explains the problem of the setting, without showing a password.
    pub fn location(&self) -> Result<Location, String> {
        match (self.used, &self.given.database_url) {
            (Used::Unclear, _) => Err(String::from(
                "--data-dir (ROLLCALL_DATA_DIR) and --database-url (DATABASE_URL) exclude each other: give one of them",
            )),
            (Used::Database, Some(url)) => Ok(Location::Postgres(Box::new(database_url::parse(url)?))),
            (Used::Database, None) | (Used::Folder, _) => Ok(Location::Folder(self.given.data_dir.clone())),
        }
    }

    /// Returns true if a database was given, whether or not it is used.
    pub const fn has_database(&self) -> bool {
        self.given.database_url.is_some()
    }

    /// Returns the name of the setting that the other one excludes, and that of the other; `None` if only one is given, or
    /// if neither comes first.
    pub const fn excluded(&self) -> Option<Excluded> {
        match self.used {
            Used::Database => Some(Excluded { name: "data-dir", by: "database-url" }),
            Used::Folder if self.has_database() => Some(Excluded { name: "database-url", by: "data-dir" }),
            Used::Folder | Used::Unclear => None,
        }
    }
}

/// A setting that is not used, since another one comes before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excluded {
    /// Name of the setting.
    pub name: &'static str,
    /// Name of the other one.
    pub by: &'static str,
}

impl FromArgMatches for StoreArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = Given::from_arg_matches(matches)?;
        // The values of the settings file are defaults as well. A folder by default comes after any database, and one of
        // the file after a database of the file, so that both are compared in the same way.
        let folder = matches.value_source("data_dir").unwrap_or(ValueSource::DefaultValue);
        let database = matches.value_source("database_url").filter(|_| given.database_url.is_some());
        let used = match database {
            None => Used::Folder,
            Some(ValueSource::CommandLine) if folder == ValueSource::CommandLine => Used::Unclear,
            Some(database) if folder > database => Used::Folder,
            Some(_) => Used::Database,
        };
        Ok(StoreArgs { given, used })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for StoreArgs {
    fn augment_args(command: Command) -> Command {
        Given::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Given::augment_args_for_update(command)
    }
}
