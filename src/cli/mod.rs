//! The command line: one file a command.

mod demo;
mod healthcheck;
mod ingest;
mod key;
mod migrate;
mod openapi;
mod schema;
mod serve;
mod tenant;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::{ServeArgs, unknown_variables};

/// Who is here, and who can take work now: live presence for contact centres, in four API dialects.
#[derive(Parser, Debug)]
#[command(version, about, args_conflicts_with_subcommands = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Runs the service (the default).
    Serve(Box<ServeArgs>),
    /// Runs the service with a demo tenant whose simulated desks are at work.
    Demo(demo::DemoArgs),
    /// Posts a file of events, one a line, to a running service.
    Ingest(ingest::IngestArgs),
    /// Tenants.
    #[command(subcommand)]
    Tenant(tenant::TenantCommand),
    /// Keys of tenants.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Brings the store's tables up to date.
    Migrate(migrate::MigrateArgs),
    /// Checks that a stopped store comes up as its journal says; exits 1 if not.
    Verify(verify::VerifyArgs),
    /// Asks a running service whether it is ready; exits 1 if not.
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Prints the description of the REST API (OpenAPI 3.1).
    Openapi,
    /// Prints the GraphQL schema.
    Schema,
}

/// Why a command failed, and with which exit status.
#[derive(Debug)]
pub struct Failure {
    status: u8,
    message: String,
}

impl Failure {
    /// A setting that cannot be used, or a store that another server has: exit status 2.
    pub fn setting(message: impl std::fmt::Display) -> Self {
        Failure { status: 2, message: message.to_string() }
    }

    /// Anything else: exit status 1.
    pub fn other(message: impl std::fmt::Display) -> Self {
        Failure { status: 1, message: message.to_string() }
    }
}

/// Runs the command that the arguments name.
pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    let unknown = unknown_variables(&variables(&Cli::command()));
    let result = if let Some(name) = unknown.first() {
        Err(Failure::setting(format!("unknown variable {name}: see rollcall --help for those there are")))
    } else {
        match cli.command {
            None => serve::run(cli.serve).await,
            Some(Command::Serve(args)) => serve::run(*args).await,
            Some(Command::Demo(args)) => demo::run(args).await,
            Some(Command::Ingest(args)) => ingest::run(args).await,
            Some(Command::Tenant(command)) => tenant::run(command).await,
            Some(Command::Key(command)) => key::run(command).await,
            Some(Command::Migrate(args)) => migrate::run(args).await,
            Some(Command::Verify(args)) => verify::run(args).await,
            Some(Command::Healthcheck(args)) => healthcheck::run(args).await,
            Some(Command::Openapi) => {
                openapi::run();
                Ok(())
            }
            Some(Command::Schema) => {
                schema::run();
                Ok(())
            }
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("rollcall: {}", failure.message);
            ExitCode::from(failure.status)
        }
    }
}

/// The variables that some command reads.
fn variables(command: &clap::Command) -> Vec<&str> {
    let own = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str());
    own.chain(command.get_subcommands().flat_map(variables)).collect()
}
