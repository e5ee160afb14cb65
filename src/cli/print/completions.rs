//! `rollcall completions`: prints the script that completes commands, flags and their choices in a shell.

use clap::{Args, Command, ValueEnum};
use clap_complete::{Shell, generate};

use super::super::{Failure, output};

/// The arguments of `completions`.
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// Shell that loads the script.
    #[arg(value_enum)]
    shell: CompletedShell,
}

/// A shell for which there is a script: those in which the guides are checked.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum CompletedShell {
    /// bash 4 or newer.
    Bash,
    /// zsh with its completion system loaded.
    Zsh,
    /// fish 3 or newer.
    Fish,
}

/// Prints the script for a program.
pub fn run(args: &CompletionsArgs, root: &Command) -> Result<(), Failure> {
    let shell = match args.shell {
        CompletedShell::Bash => Shell::Bash,
        CompletedShell::Zsh => Shell::Zsh,
        CompletedShell::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    generate(shell, &mut visible(root), root.get_name(), &mut script);
    output::print(&String::from_utf8_lossy(&script))
}

/// Returns a command without what help does not show, which the generator would offer all the same.
fn visible(command: &Command) -> Command {
    let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set()).cloned();
    let below = command.get_subcommands().filter(|command| !command.is_hide_set()).map(visible);
    let shown = Command::new(command.get_name().to_owned()).args(arguments).subcommands(below);
    let shown = shown.about(command.get_about().cloned().unwrap_or_default());
    match command.get_version() {
        Some(version) => shown.version(version.to_owned()),
        None => shown,
    }
}
