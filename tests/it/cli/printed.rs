//! Completions and manual pages: every command and setting is in them.

use std::collections::BTreeSet;

use super::{run, stderr, stdout};

/// Returns the commands that help lists, and below them theirs, with a hyphen in between.
fn commands(prefix: &[&str]) -> BTreeSet<String> {
    let help = stdout(&run(&[prefix, &["--help"]].concat(), &[]).code(0));
    let listed = help.split("Commands:\n").nth(1).unwrap_or_default().lines();
    let listed = listed.take_while(|line| !line.is_empty()).filter(|line| line.starts_with("  "));
    let names = listed.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    let mut found = BTreeSet::new();
    for name in names.filter(|name| *name != "help") {
        found.insert([prefix, &[name]].concat().join("-"));
        found.extend(commands(&[prefix, &[name]].concat()));
    }
    found
}

#[test]
fn every_shell_completes_every_command() {
    let commands = commands(&[]);
    assert!(commands.contains("tenant-create") && commands.contains("backup"), "{commands:?}");
    for (shell, mark) in
        [("bash", "complete -F _rollcall"), ("zsh", "#compdef rollcall"), ("fish", "complete -c rollcall")]
    {
        let script = stdout(&run(&["completions", shell], &[]).code(0));
        assert!(script.contains(mark), "{shell}");
        let words = commands.iter().flat_map(|command| command.split('-'));
        for word in words.chain(["memory-budget", "settings", "no-verify", "x-forwarded-for"]) {
            assert!(script.contains(word), "{word} in {shell}");
        }
        for hidden in ["bench-echo", "without-budget", "configuration"] {
            assert!(!script.contains(hidden), "{hidden} in {shell}");
        }
    }
    let message = stderr(&run(&["completions", "tcsh"], &[]).code(2));
    assert!(message.contains("bash, zsh, fish"), "{message}");
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().display().to_string();
    assert_eq!(stdout(&run(&["manual", &path], &[]).code(0)), "");
    let pages = std::fs::read_dir(folder.path()).expect("the folder").map(|page| page.expect("a page").file_name());
    let pages: BTreeSet<String> = pages.map(|name| name.to_string_lossy().into_owned()).collect();
    let mut wanted: BTreeSet<String> = commands(&[]).iter().map(|name| format!("rollcall-{name}.1")).collect();
    wanted.insert(String::from("rollcall.1"));
    assert_eq!(pages, wanted);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("a page").replace("\\-", "-");
    let serve = read("rollcall-serve.1");
    for part in [".TH rollcall-serve 1", "--memory-budget", "ROLLCALL_MEMORY_BUDGET", "--settings"] {
        assert!(serve.contains(part), "{part} in {serve}");
    }
    let first = stdout(&run(&["manual"], &[]).code(0));
    assert_eq!(first.replace("\\-", "-"), read("rollcall.1"));
    let nowhere = folder.path().join("nowhere").display().to_string();
    let message = stderr(&run(&["manual", &nowhere], &[]).code(2));
    assert!(message.contains(&nowhere), "{message}");
}
