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

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use self::print::{completions, configuration, manual, openapi, schema, settings};
use self::serve::Signals;
use self::store::{backup, migrate, restore, verify};
use crate::config::{FileArgs, ServeArgs, SettingsFile, unknown_variables, unless_empty};
use crate::domain::text::printable;

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
    /// Checks that a running service is ready; exits with 1 if not.
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Prints the OpenAPI 3.1 description of the REST API.
    Openapi,
    /// Prints the GraphQL schema.
    Schema,
    /// Prints the settings that serve would use, as a settings file without secrets.
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

/// Runs the command that the arguments name, on a runtime of its own.
// The runtime is built here and not in `main`: the futures of every command would be compiled in the crate that polls
// them first, which can begin only when the library is done.
#[tokio::main]
pub async fn run() -> ExitCode {
    // First of all: until then a signal ends the process at once, with another exit status.
    let signals = if starts_service() { Some(Signals::new()) } else { None };
    let result = match parse() {
        Ok(Ok(parsed)) => run_command(parsed, signals).await,
        // With its own exit status, after its message on standard error.
        Ok(Err(error)) if error.use_stderr() => error.exit(),
        // Help or the version.
        Ok(Err(text)) => output::accepted(text.print()),
        Err(failure) => Err(failure),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // A message may contain a stored text, or one of a server.
            let lines: Vec<_> = failure.message.lines().map(printable).collect();
            output::complain(&lines.join("\n"));
            ExitCode::from(failure.status)
        }
    }
}

/// A command line that was parsed.
struct Parsed {
    cli: Cli,
    matches: ArgMatches,
    /// The settings file, whose values are in `cli` as defaults.
    file: Option<SettingsFile>,
}

/// Parses the command line, with the settings of the file that it or the environment names.
fn parse() -> Result<Result<Parsed, clap::Error>, Failure> {
    let root = Cli::command().mut_arg("settings", unless_empty);
    // Whatever else is wrong is found below, with the file's settings.
    let first = root.clone().ignore_errors(true).try_get_matches().ok();
    let path = first.and_then(|matches| FileArgs::from_arg_matches(&matches).ok()?.settings);
    let file = path.map(|path| SettingsFile::read(&path, &root)).transpose().map_err(Failure::setting)?;
    let command = match &file {
        Some(file) => file.applied(root),
        None => root,
    };
    let matches = command.try_get_matches();
    Ok(matches.and_then(|matches| Ok(Parsed { cli: Cli::from_arg_matches(&matches)?, matches, file })))
}

async fn run_command(parsed: Parsed, signals: Option<Result<Signals, Failure>>) -> Result<(), Failure> {
    let Parsed { cli, matches, file } = parsed;
    let unknown = unknown_variables(&variables(&Cli::command()));
    if let Some(name) = unknown.first() {
        let message = format!("unknown environment variable {name}; rollcall serve --help lists those of the service");
        return Err(Failure::setting(message));
    }
    match cli.command {
        Command::Serve(args) => run_with(signals, |signals| serve::run(*args, file, signals)).await,
        Command::Demo(args) => run_with(signals, |signals| demo::run(*args, file, signals)).await,
        Command::Ingest(args) => ingest::run(args).await,
        Command::Tenant(command) => tenant::run(command).await,
        Command::Key(command) => key::run(command).await,
        Command::Migrate(args) => migrate::run(args).await,
        Command::Backup(args) => backup::run(args).await,
        Command::Restore(args) => restore::run(args).await,
        Command::Verify(args) => verify::run(args).await,
        Command::Healthcheck(args) => healthcheck::run(args).await,
        Command::Openapi => openapi::run(),
        Command::Schema => schema::run(),
        Command::Settings(_) => {
            let (root, used) = (Cli::command(), matches.subcommand());
            let command = used.and_then(|(name, matches)| Some((root.find_subcommand(name)?, matches)));
            command.map_or(Ok(()), |(command, matches)| settings::run(command, matches, file.as_ref()))
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
