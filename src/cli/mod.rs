//! The command line, with one file per command.

mod demo;
mod healthcheck;
mod ingest;
mod key;
mod output;
mod print;
mod serve;
mod store;
mod tenant;

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use self::print::{completions, configuration, manual, openapi, schema, settings};
use self::serve::Signals;
use self::store::{backup, migrate, restore, settle, verify};
use crate::config::{FileArgs, Origins, ServeArgs, SettingsFile, unknown_variables, unless_empty};
use crate::domain::text::printable;
use crate::telemetry;

/// Live presence for contact centres, in four API dialects: who is here, and who can take work now.
#[derive(Parser, Debug)]
#[command(version, about, subcommand_required = true, arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    file: FileArgs,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Runs the service.
    Serve(Box<ServeArgs>),
    /// Runs the service on a store of its own, with a demo tenant and simulated desks.
    Demo(Box<demo::DemoArgs>),
    /// Posts a file of events, one per line, to a running service; exits with 1 if any is rejected.
    Ingest(ingest::IngestArgs),
    /// Creates, lists, shows, configures and deletes tenants.
    #[command(subcommand)]
    Tenant(tenant::TenantCommand),
    /// Creates, lists and revokes the keys of a tenant.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Brings the store's tables up to date, as serve does at its start.
    Migrate(migrate::MigrateArgs),
    /// Copies the embedded store into a file, beside a running service or without one, and verifies the copy.
    Backup(backup::BackupArgs),
    /// Makes an embedded store from a backup, in an empty folder, and verifies it.
    Restore(restore::RestoreArgs),
    /// Checks that a stopped store loads the state that its journal produces; exits with 1 if not.
    Verify(verify::VerifyArgs),
    /// Writes a checkpoint at the end of each tenant's journal, for a newer release; exits with 1 if one cannot be written.
    Settle(settle::SettleArgs),
    /// Checks that a running service is ready; exits with 1 if not.
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Prints the OpenAPI 3.1 description of the REST API.
    Openapi,
    /// Prints the GraphQL schema.
    Schema,
    /// Prints the settings that serve would use, as a settings file without secrets, and exits with 2 if it rejects them.
    Settings(Box<ServeArgs>),
    /// Prints the script by which a shell completes commands and flags.
    Completions(completions::CompletionsArgs),
    /// Writes the manual pages of the program and its commands into a folder, or prints the first.
    Manual(manual::ManualArgs),
    /// Prints every command with its settings, as a page.
    #[command(hide = true)]
    Configuration,
}

/// The failure of a command: its message and exit status.
#[derive(Debug)]
pub struct Failure {
    status: u8,
    message: String,
}

impl Failure {
    /// A failure with exit status 2: an invalid setting, or a store that another server has locked.
    pub fn setting(message: impl std::fmt::Display) -> Self {
        Failure { status: 2, message: message.to_string() }
    }

    /// A failure with exit status 1: anything else.
    pub fn other(message: impl std::fmt::Display) -> Self {
        Failure { status: 1, message: message.to_string() }
    }

    /// Adds what follows from the failure to its message.
    fn and(mut self, consequence: impl std::fmt::Display) -> Self {
        self.message = format!("{}; {consequence}", self.message);
        self
    }
}

/// Settings whose variable counts as unset when it is empty, as a template leaves it. Of others that is an error, unless
/// the settings file has a value.
const MAY_BE_EMPTY: [&str; 4] = ["settings", "data_dir", "database_url", "metrics_token"];

/// Runs the command that the arguments name, on a runtime of its own.
// The runtime is built here and not in `main`: the futures of every command would be compiled in the crate that polls
// them first, which can begin only when the library is done.
#[tokio::main]
pub async fn run() -> ExitCode {
    // First of all: until then a signal ends the process at once, with another exit status.
    let signals = if starts_service() { Some(Signals::new()) } else { None };
    let result = match serve::outlive_large_files() {
        Ok(()) => parse(),
        Err(failure) => Err(failure),
    };
    let (result, origins) = match result {
        Ok(Ok(parsed)) => {
            let Parsed { cli, matches, origins, file } = parsed;
            (run_command(cli.command, &matches, &origins, file, signals).await, origins)
        }
        Ok(Err(error)) if error.use_stderr() => return rejected(&error),
        // Help or the version.
        Ok(Err(text)) => (output::accepted(text.print()), Origins::default()),
        Err(failure) => (Err(failure), Origins::default()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let message = format!("{}{}", failure.message, origins.explain(&failure.message));
            // A message may contain a stored text, or one of a server.
            let lines: Vec<_> = message.lines().map(printable).collect();
            output::complain(&lines.join("\n"));
            ExitCode::from(failure.status)
        }
    }
}

/// A command line that was parsed.
struct Parsed {
    cli: Cli,
    matches: ArgMatches,
    /// Where the values of the command's settings come from.
    origins: Origins,
    /// The settings file, whose values are in `cli` as defaults.
    file: Option<SettingsFile>,
}

/// Parses the command line, with the settings of the file that it or the environment names.
fn parse() -> Result<Result<Parsed, clap::Error>, Failure> {
    let root = Cli::command();
    // Whatever else is wrong is found below, with the file's settings.
    let first = without_empty(root.clone()).ignore_errors(true).try_get_matches().ok();
    let path = first.and_then(|matches| FileArgs::from_arg_matches(&matches).ok()?.settings);
    let file = path.map(|path| SettingsFile::read(&path, &root)).transpose().map_err(Failure::setting)?;
    let command = match &file {
        Some(file) => file.applied(root.clone()),
        None => root.clone(),
    };
    let matches = without_empty(command).try_get_matches();
    Ok(matches.and_then(|matches| {
        let origins = Origins::of(&root, &matches, file.as_ref());
        Ok(Parsed { cli: Cli::from_arg_matches(&matches)?, matches, origins, file })
    }))
}

/// Returns the command line without the variables of [`MAY_BE_EMPTY`] that are empty.
fn without_empty(command: clap::Command) -> clap::Command {
    let may_be_empty = |argument: &clap::Arg| MAY_BE_EMPTY.contains(&argument.get_id().as_str());
    let command = command.mut_args(|argument| if may_be_empty(&argument) { unless_empty(argument) } else { argument });
    command.mut_subcommands(without_empty)
}

/// Prints the error of a command line that cannot be parsed, and the variable that a rejected value comes from.
fn rejected(error: &clap::Error) -> ExitCode {
    // Where it cannot be printed, only the exit status is left.
    let _printed = error.print();
    let is_value = matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue);
    if let Some(ContextValue::String(named)) = error.get(ContextKind::InvalidArg)
        && is_value
        && let Some(variable) = variable_behind(named)
    {
        output::complain(&format!("the value is that of the variable {variable}"));
    }
    ExitCode::from(2)
}

/// Returns the variable of a setting, as an error names that (`--queue <N>`), whose flag is not on the command line: its
/// value comes from the variable, since that of a settings file is checked when it is read.
fn variable_behind(named: &str) -> Option<String> {
    let flag = named.split(' ').next()?;
    let is_flag =
        |argument: &str| argument.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='));
    if std::env::args_os().any(|argument| argument.to_str().is_some_and(is_flag)) {
        return None;
    }
    let name = flag.strip_prefix("--")?;
    fn of(command: &clap::Command, name: &str) -> Option<String> {
        let argument = command.get_arguments().find(|argument| argument.get_long() == Some(name));
        let own = argument.and_then(|argument| Some(argument.get_env()?.to_string_lossy().into_owned()));
        own.or_else(|| command.get_subcommands().find_map(|below| of(below, name)))
    }
    of(&Cli::command(), name)
}

/// Rejects a variable with our prefix that no command reads.
fn refuse_unknown_variables() -> Result<(), Failure> {
    let unknown = unknown_variables(&variables(&Cli::command()));
    let Some(name) = unknown.first() else { return Ok(()) };
    let message = format!("unknown environment variable {name}; rollcall serve --help lists those of the service");
    Err(Failure::setting(message))
}

async fn run_command(
    command: Command,
    matches: &ArgMatches,
    origins: &Origins,
    file: Option<SettingsFile>,
    signals: Option<Result<Signals, Failure>>,
) -> Result<(), Failure> {
    refuse_unknown_variables()?;
    if !matches!(command, Command::Serve(_) | Command::Demo(_)) {
        telemetry::report_causes().map_err(Failure::other)?;
    }
    match command {
        Command::Serve(args) => run_with(signals, |signals| serve::run(*args, file, signals)).await,
        Command::Demo(args) => run_with(signals, |signals| demo::run(*args, file, signals)).await,
        Command::Ingest(args) => ingest::run(args).await,
        Command::Tenant(command) => tenant::run(command).await,
        Command::Key(command) => key::run(command).await,
        Command::Migrate(args) => migrate::run(args).await,
        Command::Backup(args) => backup::run(args).await,
        Command::Restore(args) => restore::run(args).await,
        Command::Verify(args) => verify::run(args).await,
        Command::Settle(args) => settle::run(args).await,
        Command::Healthcheck(args) => healthcheck::run(args).await,
        Command::Openapi => openapi::run(),
        Command::Schema => schema::run(),
        Command::Settings(args) => {
            let (root, used) = (Cli::command(), matches.subcommand());
            let command = used.and_then(|(name, matches)| Some((root.find_subcommand(name)?, matches)));
            command.map_or(Ok(()), |(command, matches)| settings::run(&args, command, matches, origins))
        }
        Command::Completions(args) => completions::run(&args, &Cli::command()),
        Command::Manual(args) => manual::run(&args, Cli::command()),
        Command::Configuration => configuration::run(&Cli::command()),
    }
}

/// Returns true if the arguments name a command that runs the service. The others end at a signal.
fn starts_service() -> bool {
    std::env::args_os().nth(1).is_some_and(|first| first == "serve" || first == "demo")
}

/// Runs a command with the handlers of signals, which are installed now if they were not before.
async fn run_with<F: Future<Output = Result<(), Failure>>>(
    signals: Option<Result<Signals, Failure>>,
    command: impl FnOnce(Signals) -> F,
) -> Result<(), Failure> {
    command(signals.unwrap_or_else(Signals::new)?).await
}

/// Returns the page that lists every command with its settings.
pub fn configuration_page() -> String {
    configuration::page(&Cli::command())
}

/// Returns the environment variables that any of the commands reads.
fn variables(command: &clap::Command) -> Vec<&str> {
    let own = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str());
    own.chain(command.get_subcommands().flat_map(variables)).collect()
}
