//! `rollcall manual`: the manual pages of the program and its commands.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_mangen::{Man, generate_to};

use super::super::{Failure, output};

/// The arguments of `manual`.
#[derive(Args, Debug)]
pub struct ManualArgs {
    /// Folder in which a page is written for the program, rollcall.1, and one for each command, such as rollcall-serve.1.
    /// Without it the program's page is printed.
    directory: Option<PathBuf>,
}

/// Prints the page of a program, or writes those of the program and its commands.
pub fn run(args: &ManualArgs, root: Command) -> Result<(), Failure> {
    let root = root.disable_help_subcommand(true);
    let Some(directory) = &args.directory else {
        let mut page = Vec::new();
        Man::new(root).render(&mut page).map_err(Failure::other)?;
        return output::print(&String::from_utf8_lossy(&page));
    };
    let unusable = |error| Failure::setting(format!("{}: no page can be written: {error}", directory.display()));
    generate_to(root, directory).map_err(unusable)
}
