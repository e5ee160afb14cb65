//! Settings: all are documented, and invalid ones are rejected with their name.

use std::process::Stdio;

use super::{run, stderr, stdout};
use crate::support::process::program;
use crate::support::routes::source;

/// Every setting of the service.
const SETTINGS: [(&str, &str); 27] = [
    ("--listen", "ROLLCALL_LISTEN"),
    ("--data-dir", "ROLLCALL_DATA_DIR"),
    ("--database-url", "DATABASE_URL"),
    ("--admin-token", "ROLLCALL_ADMIN_TOKEN"),
    ("--metrics-token", "ROLLCALL_METRICS_TOKEN"),
    ("--log", "ROLLCALL_LOG"),
    ("--log-format", "ROLLCALL_LOG_FORMAT"),
    ("--max-connections", "ROLLCALL_MAX_CONNECTIONS"),
    ("--tls-cert", "ROLLCALL_TLS_CERT"),
    ("--tls-key", "ROLLCALL_TLS_KEY"),
    ("--cors-origin", "ROLLCALL_CORS_ORIGIN"),
    ("--frame-ancestors", "ROLLCALL_FRAME_ANCESTORS"),
    ("--base-path", "ROLLCALL_BASE_PATH"),
    ("--trusted-proxy", "ROLLCALL_TRUSTED_PROXY"),
    ("--client-address", "ROLLCALL_CLIENT_ADDRESS"),
    ("--tenant-rate", "ROLLCALL_TENANT_RATE"),
    ("--tenant-concurrency", "ROLLCALL_TENANT_CONCURRENCY"),
    ("--tenant-events", "ROLLCALL_TENANT_EVENTS"),
    ("--memory-budget", "ROLLCALL_MEMORY_BUDGET"),
    ("--queue", "ROLLCALL_QUEUE"),
    ("--max-staleness", "ROLLCALL_MAX_STALENESS"),
    ("--checkpoint-seconds", "ROLLCALL_CHECKPOINT_SECONDS"),
    ("--dedupe-days", "ROLLCALL_DEDUPE_DAYS"),
    ("--journal-days", "ROLLCALL_JOURNAL_DAYS"),
    ("--desk-lease-seconds", "ROLLCALL_DESK_LEASE_SECONDS"),
    ("--desk-heartbeat-seconds", "ROLLCALL_DESK_HEARTBEAT_SECONDS"),
    ("--drain-seconds", "ROLLCALL_DRAIN_SECONDS"),
];

/// Returns the environment variables that a source file declares.
fn declared(file: &str) -> Vec<String> {
    let text = source(file);
    text.split("env = \"").skip(1).map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn every_setting_is_in_help_and_on_its_page() {
    let known: Vec<&str> = SETTINGS.iter().map(|(_, variable)| *variable).collect();
    for variable in declared("src/config/mod.rs") {
        assert!(known.contains(&variable.as_str()), "{variable} is not in SETTINGS");
    }
    let page = source("docs/configuration.md");
    for arguments in [["serve", "--help"], ["help", "serve"]] {
        let help = stdout(&run(&arguments, &[]).code(0));
        for (flag, variable) in SETTINGS {
            assert!(help.contains(&format!("{flag} <")), "{flag} in {arguments:?}:\n{help}");
            assert!(help.contains(&format!("[env: {variable}")), "{variable} in {arguments:?}:\n{help}");
            assert!(page.contains(flag) && page.contains(variable), "{flag} in docs/configuration.md");
        }
    }
}

#[test]
fn every_command_has_help() {
    let all = stdout(&run(&["--help"], &[]).code(0));
    let commands =
        "serve demo ingest tenant key migrate backup restore verify settle healthcheck settings completions manual";
    for command in commands.split(' ').chain(["openapi", "schema"]) {
        assert!(all.contains(&format!("  {command} ")), "{all}");
        let help = stdout(&run(&[command, "--help"], &[]).code(0));
        assert!(help.lines().next().is_some_and(|line| line.len() > 5), "{command}: {help}");
    }
    for command in [["tenant", "create"], ["tenant", "list"], ["key", "create"], ["key", "list"], ["key", "revoke"]] {
        stdout(&run(&[command[0], command[1], "--help"], &[]).code(0));
    }
    assert!(stdout(&run(&["--version"], &[]).code(0)).starts_with("rollcall "));
}

/// A command that was forgotten must not make a store and open a port.
#[test]
fn the_bare_program_prints_its_help() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = program();
    command.current_dir(folder.path()).stdin(Stdio::null());
    let bare = command.output().expect("the program ends");
    assert_eq!((bare.status.code(), bare.stdout.len()), (Some(2), 0));
    let help = String::from_utf8_lossy(&bare.stderr).into_owned();
    assert!(help.contains("Usage: rollcall [OPTIONS] <COMMAND>") && help.contains("  serve "), "{help}");
    let made: Vec<_> = std::fs::read_dir(folder.path()).expect("the folder").collect();
    assert!(made.is_empty(), "{made:?}");
    let message = stderr(&run(&["--listen", "127.0.0.1:0"], &[]).code(2));
    assert!(message.contains("--listen"), "{message}");
}

/// Values that are wrong on this machine only, which `rollcall settings` does not look at.
const MACHINE: [&str; 1] = ["203.0.113.7:80"];

#[test]
fn invalid_values_are_rejected_with_setting_and_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("a file");
    let inside_a_file = file.join("data").display().to_string();
    let cases = [
        ("--listen", "ROLLCALL_LISTEN", "localhost", "address"),
        ("--listen", "ROLLCALL_LISTEN", "", "address"),
        ("--listen", "ROLLCALL_LISTEN", "127.0.0.1:70000", "address"),
        ("--listen", "ROLLCALL_LISTEN", "203.0.113.7:80", "cannot"),
        ("--data-dir", "ROLLCALL_DATA_DIR", &inside_a_file, "cannot be made"),
        ("--database-url", "DATABASE_URL", "mysql://host/database", "must begin with postgres://"),
        ("--database-url", "DATABASE_URL", "postgres://host:port/database", "port"),
        ("--log", "ROLLCALL_LOG", "loud=quiet=louder", "cannot be read"),
        ("--log-format", "ROLLCALL_LOG_FORMAT", "xml", "pretty, json"),
        ("--max-connections", "ROLLCALL_MAX_CONNECTIONS", "0", "1..="),
        ("--max-connections", "ROLLCALL_MAX_CONNECTIONS", "many", "invalid"),
        ("--tls-cert", "ROLLCALL_TLS_CERT", "certificate.pem", "--tls-key"),
        ("--tls-key", "ROLLCALL_TLS_KEY", "key.pem", "--tls-cert"),
        ("--cors-origin", "ROLLCALL_CORS_ORIGIN", "*", "wildcards are not supported"),
        ("--cors-origin", "ROLLCALL_CORS_ORIGIN", "https://desk.example.com/", "nothing else"),
        ("--frame-ancestors", "ROLLCALL_FRAME_ANCESTORS", "intranet.example.com", "an origin is http"),
        ("--base-path", "ROLLCALL_BASE_PATH", "presence", "begins with a slash"),
        ("--base-path", "ROLLCALL_BASE_PATH", "/presence/", "does not end with one"),
        ("--base-path", "ROLLCALL_BASE_PATH", "/v1/presence", "routes of the service begin with it"),
        ("--trusted-proxy", "ROLLCALL_TRUSTED_PROXY", "10.0.0.1/8", "no bits behind it"),
        ("--trusted-proxy", "ROLLCALL_TRUSTED_PROXY", "proxy.example", "a network is an address"),
        ("--trusted-proxy", "ROLLCALL_TRUSTED_PROXY", "10.0.0.0/8", "--client-address"),
        ("--client-address", "ROLLCALL_CLIENT_ADDRESS", "forwarded", "--trusted-proxy"),
        ("--client-address", "ROLLCALL_CLIENT_ADDRESS", "x-real-ip", "x-forwarded-for, forwarded"),
        ("--tenant-rate", "ROLLCALL_TENANT_RATE", "-1", "-1"),
        ("--tenant-rate", "ROLLCALL_TENANT_RATE", "1000001", "0..="),
        ("--tenant-concurrency", "ROLLCALL_TENANT_CONCURRENCY", "many", "invalid"),
        ("--tenant-events", "ROLLCALL_TENANT_EVENTS", "100000001", "0..="),
        ("--memory-budget", "ROLLCALL_MEMORY_BUDGET", "511", "512..="),
        ("--queue", "ROLLCALL_QUEUE", "0", "1..="),
        ("--queue", "ROLLCALL_QUEUE", "-1", "-1"),
        ("--queue", "ROLLCALL_QUEUE", "99999999999999999999", "too large"),
        ("--max-staleness", "ROLLCALL_MAX_STALENESS", "1", "2..="),
        ("--checkpoint-seconds", "ROLLCALL_CHECKPOINT_SECONDS", "0", "1..="),
        ("--dedupe-days", "ROLLCALL_DEDUPE_DAYS", "366", "365"),
        ("--journal-days", "ROLLCALL_JOURNAL_DAYS", "1.5", "invalid"),
        ("--drain-seconds", "ROLLCALL_DRAIN_SECONDS", "3601", "0..=3600"),
        ("--desk-lease-seconds", "ROLLCALL_DESK_LEASE_SECONDS", "4", "5..="),
        ("--desk-lease-seconds", "ROLLCALL_DESK_LEASE_SECONDS", "29", "of 15 does not fit"),
        ("--desk-heartbeat-seconds", "ROLLCALL_DESK_HEARTBEAT_SECONDS", "1801", "1..="),
        ("--desk-heartbeat-seconds", "ROLLCALL_DESK_HEARTBEAT_SECONDS", "23", "at most half of the lease"),
        ("--admin-token", "ROLLCALL_ADMIN_TOKEN", "", "at least 16"),
        ("--admin-token", "ROLLCALL_ADMIN_TOKEN", "short", "at least 16"),
        ("--admin-token", "ROLLCALL_ADMIN_TOKEN", "long enough but with spaces", "without spaces"),
        ("--admin-token", "ROLLCALL_ADMIN_TOKEN", "long-enough-but-nöt-plain", "ASCII"),
        ("--metrics-token", "ROLLCALL_METRICS_TOKEN", "short", "at least 16"),
    ];
    // The store of the cases that get as far as opening one.
    let data = folder.path().join("data").display().to_string();
    for (flag, variable, value, why) in cases {
        let mut variables = vec![(variable, value)];
        if variable != "ROLLCALL_DATA_DIR" {
            variables.push(("ROLLCALL_DATA_DIR", data.as_str()));
        }
        let by_variable = run(&["serve"], &variables).code(2);
        let flag_value = format!("{flag}={value}");
        let by_flag = run(&["serve", &flag_value], &variables[1..]).code(2);
        for message in [stderr(&by_variable), stderr(&by_flag)] {
            assert!(message.contains(flag) && message.contains(why), "{variable}={value:?}: {message}");
        }
        assert!(stderr(&by_variable).contains(variable), "{}", stderr(&by_variable));
        if MACHINE.contains(&value) || value == inside_a_file {
            continue;
        }
        // What the settings alone show is found without a start, in the same words.
        for (arguments, variables, served) in [
            (vec!["settings"], &variables[..], &by_variable),
            (vec!["settings", &flag_value], &variables[1..], &by_flag),
        ] {
            let checked = run(&arguments, variables).code(2);
            assert_eq!(stderr(&checked), stderr(served), "{variable}={value:?}");
            let printed = stdout(&checked);
            assert!(printed.is_empty() || printed.contains(&flag[2..]), "{printed}");
        }
    }
}

#[test]
fn the_metrics_token_is_not_the_administrators() {
    let variables = [
        ("ROLLCALL_ADMIN_TOKEN", "one-token-for-both-of-them"),
        ("ROLLCALL_METRICS_TOKEN", "one-token-for-both-of-them"),
    ];
    let message = stderr(&run(&["serve"], &variables).code(2));
    assert!(message.contains("--metrics-token") && !message.contains("one-token"), "{message}");
}

#[test]
fn unusable_certificates_are_rejected_with_their_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let made = || rcgen::generate_simple_self_signed([String::from("localhost")]).expect("a certificate");
    let (one, other) = (made(), made());
    let (certificate, key, data) = (path("certificate.pem"), path("key.pem"), path("data"));
    std::fs::write(&certificate, one.cert.pem()).expect("a file");
    std::fs::write(&key, one.signing_key.serialize_pem()).expect("a file");
    std::fs::write(path("other.pem"), other.signing_key.serialize_pem()).expect("a file");
    std::fs::write(path("empty.pem"), "").expect("a file");
    std::fs::write(path("broken.pem"), "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n").expect("a file");
    let cases = [
        (path("nothing.pem"), key.clone(), ["--tls-cert", "nothing.pem", "cannot be read"]),
        (path("empty.pem"), key.clone(), ["--tls-cert", "empty.pem", "no certificate"]),
        (path("broken.pem"), key.clone(), ["--tls-cert", "broken.pem", "not PEM"]),
        (certificate.clone(), path("nothing.pem"), ["--tls-key", "nothing.pem", "cannot be read"]),
        (certificate.clone(), certificate.clone(), ["--tls-key", "certificate.pem", "no private key"]),
        (certificate.clone(), path("other.pem"), ["--tls-cert", "--tls-key", "cannot be used together"]),
    ];
    for (certificate, key, why) in cases {
        let arguments = ["serve", "--listen=127.0.0.1:0", "--data-dir", &data, "--tls-cert", &certificate];
        let message = stderr(&run(&[&arguments[..], &["--tls-key", &key]].concat(), &[]).code(2));
        assert!(why.iter().all(|part| message.contains(part)), "{why:?}: {message}");
    }
}

#[test]
fn unknown_settings_are_rejected_by_name() {
    let message = stderr(&run(&["serve"], &[("ROLLCALL_LISTNE", "127.0.0.1:0")]).code(2));
    assert!(message.contains("ROLLCALL_LISTNE") && !message.contains("127.0.0.1"), "{message}");
    let message = stderr(&run(&["tenant", "list"], &[("ROLLCALL_", "")]).code(2));
    assert!(message.contains("ROLLCALL_"), "{message}");
    let message = stderr(&run(&["serve", "--lisen", "127.0.0.1:0"], &[]).code(2));
    assert!(message.contains("--lisen"), "{message}");
    stderr(&run(&["serev"], &[]).code(2));
}
