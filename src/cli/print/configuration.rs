//! `rollcall configuration`: prints every command with its settings as a page. It is made from the definitions that the
//! command line is parsed with. `docs/configuration.md` is its output.

use std::error::Error;

use clap::{Arg, Command};

use super::super::{Failure, output};

/// The beginning of the page.
const HEAD: &str = "# Configuration

Every command with its settings. This page is the output of `rollcall configuration`.

A flag takes precedence over its variable, and both over the settings file. The same order decides between the two settings
that exclude each other: of `data-dir` and `database-url` the one from the command line is used, then that of a variable, then that of the
file, and of two variables or two lines of the file the database. Both on the command line are an error.

A value that cannot be used, or an unknown variable whose name begins with `ROLLCALL_`, ends the program with exit status 2
and a message that names the setting, and the variable or the line of the file that sets it. `DATABASE_URL`,
`ROLLCALL_DATA_DIR`, `ROLLCALL_METRICS_TOKEN` and `ROLLCALL_SETTINGS` count as unset when they are empty. `rollcall` without
a command prints its help, also with exit status 2.

## The settings file

Every command takes it:
";

/// What a settings file looks like.
const FILE: &str = "\
It is TOML, without tables. Its keys are the names of the flags that have a variable, so that one file can hold the
settings of all commands:

```toml
data-dir = \"/var/lib/rollcall\"
listen = \"0.0.0.0:8080\"
cors-origin = [\"https://desk.example.com\"]
journal-days = 90
```

Numbers are integers, lists are arrays of strings, everything else is a string. An unknown key, or a value of another type
or out of range, an empty secret or a key given twice ends the program with exit status 2 and a message with the file, the
line, the key and what fits. Where the file sets a value, an empty variable counts as unset. `rollcall settings` prints the
settings in this form, with where each value comes from and without secrets. Then it checks them as `rollcall serve` does,
and ends with the same error; files, the port and the store only `rollcall serve` looks at.

A file that holds a secret (`admin-token`, `metrics-token`, `database-url`, `key`) should be readable by its user only;
`serve` logs a warning where others may read it. The file is read once, at the start.
";

/// The head of a table of settings.
const TABLE: &str = "\n| flag | variable | default | values | |\n| --- | --- | --- | --- | --- |\n";

/// A number outside of every setting's range.
const OUT_OF_RANGE: i64 = i64::MAX;

/// Prints the page.
pub fn run(root: &Command) -> Result<(), Failure> {
    output::print(&page(root))
}

/// Returns the page for a program.
pub fn page(root: &Command) -> String {
    let every: String = [TABLE.to_owned()].into_iter().chain(shown(root).map(|argument| row(root, argument))).collect();
    let mut sections = vec![HEAD.to_owned(), every.trim_start().to_owned(), FILE.to_owned()];
    describe(root, root.get_name(), root.find_subcommand("serve"), &mut sections);
    sections.join("\n")
}

/// Adds a section for each command that is not hidden, in the order of `--help`. `usual` is the command whose settings
/// are not repeated.
fn describe(parent: &Command, name: &str, usual: Option<&Command>, sections: &mut Vec<String>) {
    for command in parent.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = format!("{name} {}", command.get_name());
        if command.has_subcommands() {
            describe(command, &name, usual, sections);
        } else {
            sections.push(section(command, &name, usual));
        }
    }
}

/// Returns the section of one command.
fn section(command: &Command, name: &str, usual: Option<&Command>) -> String {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let mut text = format!("## `{name}`\n\n{about}.\n");
    let mut listed: Vec<&Arg> = shown(command).collect();
    if let Some(usual) = usual.filter(|usual| includes(command, usual)) {
        let is_usual = |argument: &Arg| shown(usual).any(|other| is_same(argument, other));
        listed.retain(|argument| !is_usual(argument));
        let except = if listed.is_empty() { "" } else { ", except for these" };
        text.push_str(&format!("\nIt has the settings of `rollcall {}`{except}", usual.get_name()));
        let absent = shown(usual).filter(|other| !shown(command).any(|own| own.get_id() == other.get_id()));
        let absent: Vec<String> = absent.map(|argument| format!("`{}`", flag(argument))).collect();
        let absent = if absent.is_empty() { String::new() } else { format!(", and without {}", absent.join(", ")) };
        text.push_str(&format!("{absent}.\n"));
    }
    if !listed.is_empty() {
        text.push_str(TABLE);
    }
    for argument in listed {
        text.push_str(&row(command, argument));
    }
    text
}

/// Returns the arguments of a command that are not hidden.
fn shown(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|argument| !argument.is_hide_set())
}

/// Returns true if another command takes everything that `usual` takes.
fn includes(command: &Command, usual: &Command) -> bool {
    let has = |id| command.get_arguments().any(|argument| argument.get_id() == id);
    command.get_name() != usual.get_name() && shown(usual).all(|argument| has(argument.get_id()))
}

/// Returns true if two arguments have the same name, variable and default.
fn is_same(a: &Arg, b: &Arg) -> bool {
    a.get_id() == b.get_id() && a.get_env() == b.get_env() && a.get_default_values() == b.get_default_values()
}

/// Returns the table's row for an argument.
fn row(command: &Command, argument: &Arg) -> String {
    let code = |text: &str| if text.is_empty() { String::new() } else { format!("`{}`", text.replace('|', "\\|")) };
    let variable = argument.get_env().and_then(|name| name.to_str()).unwrap_or_default();
    let defaults: Vec<_> = argument.get_default_values().iter().filter_map(|value| value.to_str()).collect();
    let default = if argument.is_required_set() { String::from("required") } else { code(&defaults.join(",")) };
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default().replace('|', "\\|");
    format!("| {} | {} | {default} | {} | {help} |\n", code(&flag(argument)), code(variable), values(command, argument))
}

/// Returns an argument as it is written: `--listen <ADDRESS>`, `<FILE>` for one without a flag, or `--yes` for a flag
/// without a value.
fn flag(argument: &Arg) -> String {
    let names = argument.get_value_names().filter(|_| argument.get_action().takes_values());
    let value = names.and_then(|names| names.first()).map(|name| format!("<{name}>"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    [long, value].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// Returns the values that an argument takes, if they are a choice or a range; otherwise nothing.
fn values(command: &Command, argument: &Arg) -> String {
    if !argument.get_action().takes_values() {
        return String::new();
    }
    let choices = argument.get_possible_values();
    if !choices.is_empty() {
        return choices.iter().map(|choice| format!("`{}`", choice.get_name())).collect::<Vec<_>>().join(", ");
    }
    let Some(long) = argument.get_long() else { return String::new() };
    // The parser of a value does not show its range, but its error does.
    let probe = [command.get_name().to_owned(), format!("--{long}={OUT_OF_RANGE}")];
    let Err(error) = command.clone().try_get_matches_from(probe) else { return String::new() };
    let reason = error.source().map(ToString::to_string).unwrap_or_default();
    let range = reason.split_once(" is not in ").and_then(|(_, range)| range.split_once("..="));
    match (range, reason.strip_prefix("must be ")) {
        (Some((least, most)), _) => format!("{least} to {most}"),
        (None, Some(wanted)) => wanted.strip_prefix("from ").unwrap_or(wanted).to_owned(),
        (None, None) => String::new(),
    }
}
