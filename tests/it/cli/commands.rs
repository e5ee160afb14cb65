//! Commands for tenants, keys and stores beside a running server, and `ingest`.

use std::time::Duration;

use reqwest::Method;
use rollcall::domain::text::printable;
use rollcall::store::{Location, Store};
use serde_json::json;

use super::{COMMAND_TIMEOUT, on, run, stderr, stdout};
use crate::on_both_stores;
use crate::support::api::send;
use crate::support::desks::{connected, directory, event};
use crate::support::process::Process;
use crate::support::raw::RawStore;
use crate::support::signing::signed;
use crate::support::tasks::eventually_within;
use crate::support::{ADMIN, Backend, Home};

on_both_stores!(tenant_and_key_changes_are_in_effect_when_their_commands_end);
on_both_stores!(setting_changes_are_in_effect_when_their_commands_end);
on_both_stores!(invalid_settings_are_rejected_by_name);
on_both_stores!(a_tenants_heartbeat_is_at_most_half_of_its_lease);
on_both_stores!(commands_print_bare_values);
on_both_stores!(impossible_commands_fail_with_a_reason);
on_both_stores!(control_characters_are_not_printed);
on_both_stores!(ingest_posts_a_file_of_events);
on_both_stores!(commands_refuse_a_store_that_is_not_there);

/// The time after its command within which a change has taken effect: none, and some for a busy machine.
const EFFECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Waits for a change, whose command has ended, to be in effect.
async fn soon(what: &str, is_so: impl AsyncFnMut() -> bool) {
    eventually_within(EFFECT_TIMEOUT, what, is_so).await;
}

async fn tenant_and_key_changes_are_in_effect_when_their_commands_end(backend: Backend) {
    let home = Home::new(backend).await;
    let process = Process::start(&home.location, &[]).await;
    let tenant = stdout(&on(&home, &["tenant", "create", "Ännex \"B\""]).code(0)).trim().to_owned();
    assert!(stdout(&on(&home, &["tenant", "list"]).code(0)).contains(&format!("{tenant}  ")));
    // A name may be another tenant's id: that one is meant.
    on(&home, &["tenant", "create", &tenant]).code(0);
    assert!(stdout(&on(&home, &["tenant", "show", &tenant]).code(0)).contains("Ännex"));
    let create =
        ["key", "create", "Ännex \"B\"", "--name", "desk", "--scope", "operators:read", "--scope", "graphql:read"];
    let key = stdout(&on(&home, &create).code(0)).trim().to_owned();
    assert!(key.starts_with("rk_"), "{key}");
    let status = async || process.api.get(&key, "/operator/live").await.expect("an answer").status;
    soon("the key works", async || status().await == 200).await;
    assert_eq!(process.api.get(&key, "/v1/directory").await.unwrap().status, 403, "the key has only its scopes");

    let listed = stdout(&on(&home, &["key", "list", &tenant]).code(0));
    assert!(!listed.contains(&key) && listed.contains(&key[..11]), "{listed}");
    assert!(listed.contains("valid") && listed.contains("operators:read") && listed.contains("desk"), "{listed}");
    let id = listed.split_whitespace().next().expect("an id").to_owned();
    on(&home, &["key", "revoke", &tenant, &id]).code(0);
    soon("the key no longer works", async || status().await == 403).await;
    assert!(stdout(&on(&home, &["key", "list", &tenant]).code(0)).contains("revoked"));

    // The commands see at once what the server adds.
    let made = process.api.tenant("by the server").await;
    assert!(stdout(&on(&home, &["tenant", "list"]).code(0)).contains(&made));
    let (status, output) = process.terminate().await;
    assert!(status.success() && !output.contains(&key), "{output}");
}

async fn setting_changes_are_in_effect_when_their_commands_end(backend: Backend) {
    let home = Home::new(backend).await;
    let process = Process::start(&home.location, &[]).await;
    let persona = process.api.persona("Ännex").await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("secret");
    let path = file.display().to_string();
    let shown = |arguments: &[&str]| {
        let stdout = stdout(&on(&home, arguments).code(0));
        assert!(!stdout.contains("of some length"), "{stdout}");
        // Three lines describe the tenant; the last two are the desks' settings, which have a test of their own.
        stdout
            .lines()
            .skip(3)
            .take(3)
            .map(|line| line.rsplit("  ").next().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(shown(&["tenant", "show", "Ännex"]), ["off", "forever", "off"]);
    assert_eq!(shown(&["tenant", "set", "Ännex", "--conversation-text", "on"]), ["on", "forever", "off"]);
    assert_eq!(shown(&["tenant", "set", &persona.tenant, "--conversation-days", "30"]), ["on", "30", "off"]);
    let webhook = async |secret: &str| {
        let request = process.api.request(Method::POST, "/v1/webhooks/iadvize").bearer_auth(&persona.key);
        send(signed(request, secret, r#"{"eventType":"user.created"}"#)).await.expect("an answer").status
    };
    for secret in ["one secret of some length", "another one of some length"] {
        std::fs::write(&file, format!("{secret}\r\n")).expect("a file");
        assert_eq!(shown(&["tenant", "set", "Ännex", "--iadvize-secret-file", &path]), ["on", "30", "on"]);
        soon("the new secret is accepted", async || webhook(secret).await == 200).await;
    }
    assert_eq!(webhook("one secret of some length").await, 401);
    let seen = process.api.get(ADMIN, &format!("/v1/tenants/{}", persona.tenant)).await.unwrap().ok().json();
    assert_eq!((&seen["conversation_days"], &seen["iadvize_webhooks"]), (&json!(30), &json!(true)), "{seen}");

    let none = ["tenant", "set", "Ännex", "--conversation-days", "forever", "--iadvize-secret-file", "none"];
    assert_eq!(shown(&none), ["on", "forever", "off"]);
    soon("no secret is accepted", async || webhook("another one of some length").await == 401).await;
    // The commands see at once what the server changes.
    let path = format!("/v1/tenants/{}", persona.tenant);
    let patch =
        process.api.request(Method::PATCH, &path).bearer_auth(ADMIN).json(&json!({ "conversation_text": null }));
    send(patch).await.expect("an answer").ok();
    assert_eq!(shown(&["tenant", "show", &persona.tenant]), ["off", "forever", "off"]);
}

async fn a_tenants_heartbeat_is_at_most_half_of_its_lease(backend: Backend) {
    let home = Home::new(backend).await;
    made(&home).await;
    on(&home, &["tenant", "create", "A"]).code(0);
    let set = |lease: &str, heartbeat: &str| {
        let flags = ["--desk-lease-seconds", lease, "--desk-heartbeat-seconds", heartbeat];
        on(&home, &[&["tenant", "set", "A"], &flags[..]].concat())
    };
    for (lease, heartbeat, shown) in [("20", "10", ["20 s", "10 s"]), ("default", "22", ["default", "22 s"])] {
        let shown_now = stdout(&set(lease, heartbeat).code(0));
        let lines = shown_now.lines().skip(6).map(|line| line.rsplit("  ").next().unwrap_or_default());
        assert_eq!(lines.collect::<Vec<_>>(), shown);
    }
    for (lease, heartbeat, why) in [
        ("20", "11", "at most half of the lease"),
        ("default", "1800", "at most half of the lease"),
        ("4", "1", "--desk-lease-seconds"),
        ("3600", "1801", "--desk-heartbeat-seconds"),
        ("45", "never", "--desk-heartbeat-seconds"),
    ] {
        let message = stderr(&set(lease, heartbeat).code(2));
        assert!(message.contains(why), "{message}");
    }
    // The check includes settings of earlier commands.
    let message = stderr(&on(&home, &["tenant", "set", "A", "--desk-lease-seconds", "43"]).code(2));
    assert!(message.contains("at most half of the lease"), "{message}");
}

async fn invalid_settings_are_rejected_by_name(backend: Backend) {
    let home = Home::new(backend).await;
    made(&home).await;
    on(&home, &["tenant", "create", "A"]).code(0);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("canary");
    let path = file.display().to_string();
    let error = |arguments: &[&str], code: i32| {
        let message = stderr(&on(&home, &[&["tenant"], arguments].concat()).code(code));
        assert!(!message.contains("canary"), "{message}");
        message
    };
    assert!(error(&["show", "nobody"], 1).contains("nobody"));
    assert!(error(&["set", "nobody", "--conversation-text", "on"], 1).contains("nobody"));
    assert!(error(&["set", "A"], 2).contains("--conversation-days"), "at least one setting is required");
    for (flag, value) in [
        ("--conversation-text", "yes"),
        ("--conversation-days", "0"),
        ("--conversation-days", "36501"),
        ("--conversation-days", "never"),
        ("--iadvize-secret-file", &path),
    ] {
        assert!(error(&["set", "A", flag, value], 2).contains(flag), "{flag} {value}");
    }
    for wrong in [&b"a short canary\n"[..], &[b'x'; 257], b"canary canary \0 canary", b"canary canary \xff canary"] {
        std::fs::write(&file, wrong).expect("a file");
        assert!(error(&["set", "A", "--conversation-text", "on", "--iadvize-secret-file", &path], 2).contains("file"));
    }
    let stdout = stdout(&on(&home, &["tenant", "show", "A"]).code(0));
    assert!(!stdout.contains(" on"), "no setting was changed: {stdout}");
}

/// What a script stores in a variable is the value alone, also the second time.
async fn commands_print_bare_values(backend: Backend) {
    let home = Home::new(backend).await;
    made(&home).await;
    let value = |arguments: &[&str]| {
        let ended = on(&home, arguments).code(0);
        assert_eq!(stderr(&ended), "", "{arguments:?}");
        let printed = stdout(&ended);
        let line = printed.strip_suffix('\n').expect("a line").to_owned();
        assert!(!line.is_empty() && !line.contains(char::is_whitespace), "{arguments:?}: {printed:?}");
        line
    };
    let id = value(&["tenant", "create", "A", "--if-missing"]);
    assert_eq!(value(&["tenant", "create", "A", "--if-missing"]), id);
    assert_eq!(stdout(&on(&home, &["tenant", "list"]).code(0)).lines().count(), 1);
    let create = ["key", "create", "A", "--scope", "*"];
    let keys = [value(&create), value(&create)];
    assert!(keys[0] != keys[1] && keys.iter().all(|key| key.starts_with("rk_")));
}

async fn impossible_commands_fail_with_a_reason(backend: Backend) {
    let home = Home::new(backend).await;
    made(&home).await;
    on(&home, &["tenant", "create", "A"]).code(0);
    let error = |arguments: &[&str], code: i32| stderr(&on(&home, arguments).code(code));
    assert!(error(&["tenant", "create", "A"], 1).contains("exists"));
    assert!(!error(&["tenant", "create", "", "--if-missing"], 1).is_empty());
    assert!(!error(&["tenant", "create", ""], 1).is_empty());
    assert!(error(&["key", "list", "nobody"], 1).contains("nobody"));
    assert!(error(&["key", "create", "nobody", "--scope", "*"], 1).contains("nobody"));
    assert!(error(&["key", "create", "A", "--scope", "everything"], 2).contains("everything"));
    assert!(error(&["key", "create", "A"], 2).contains("--scope"));
    assert!(error(&["key", "revoke", "A", "1"], 2).contains("'1'"));
    let unknown = "00000000-0000-4000-8000-000000000000";
    assert!(error(&["key", "revoke", "A", unknown], 1).contains("no such key"));
    assert!(stdout(&on(&home, &["key", "list", "A"]).code(0)).is_empty());
}

async fn control_characters_are_not_printed(backend: Backend) {
    let home = Home::new(backend).await;
    made(&home).await;
    on(&home, &["tenant", "create", "A"]).code(0);
    on(&home, &["key", "create", "A", "--scope", "*"]).code(0);
    for name in ["a\u{1b}[2J", "a\nb", "a\u{7f}", "a\u{9b}2J", "a\u{202e}b"] {
        let message = stderr(&on(&home, &["tenant", "create", name]).code(1));
        assert!(message.contains("/name: must be 1 to 256 bytes without control characters"), "{message}");
        let message = stderr(&on(&home, &["key", "create", "A", "--name", name, "--scope", "*"]).code(1));
        assert!(message.contains("/name: must be 1 to 256 bytes without control characters"), "{message}");
        let message = stderr(&on(&home, &["tenant", "show", name]).code(1));
        assert!(message.contains(&format!("there is no tenant {}", printable(name))), "{message}");
    }
    // Names that an earlier release took.
    let code = if backend == Backend::Embedded { "char" } else { "chr" };
    let mut raw = RawStore::open(&home.location).await;
    for table in ["tenant", "api_key"] {
        raw.run(&format!("UPDATE {table} SET name = 'A' || {code}(27) || '[2J' || {code}(10) || 'b'")).await;
    }
    let id = stdout(&on(&home, &["tenant", "list"]).code(0)).split_whitespace().next().expect("an id").to_owned();
    for arguments in [&["tenant", "list"][..], &["tenant", "show", &id], &["key", "list", &id]] {
        let printed = stdout(&on(&home, arguments).code(0));
        assert!(printed.contains("A\\u{1b}[2J\\u{a}b\n"), "{arguments:?}: {printed:?}");
        assert!(!printed.chars().any(|c| c.is_control() && c != '\n'), "{arguments:?}: {printed:?}");
    }
}

async fn ingest_posts_a_file_of_events(backend: Backend) {
    let home = Home::new(backend).await;
    let process = Process::start(&home.location, &[]).await;
    let persona = process.api.persona("tenant").await;
    process.api.put_directory(&persona.key, &directory(40)).await;
    let now = rollcall::clock::Clock::system().now();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("events.ndjson");
    let lines: String = (1..=40).map(|n| format!("{}\n", connected(n, n, now))).collect();
    std::fs::write(&file, &lines).expect("a file");
    let file = file.display().to_string();
    let url = process.api.url("");
    let variables = [("ROLLCALL_KEY", persona.key.as_str())];
    let ingest = |expected: &str| {
        let stdout = stdout(&run(&["ingest", &file, "--url", &url, "--batch", "7"], &variables).code(0));
        assert!(stdout.contains(expected), "{stdout}");
    };
    ingest("40");
    assert_eq!(process.api.connected(&persona.key).await, (40, 41));
    ingest("duplicate");
    assert_eq!(process.api.connected(&persona.key).await, (40, 41), "every event is a duplicate");
    let message = stderr(&run(&["ingest", &file, "--url", &url, "--key", "rk_nobody"], &[]).code(1));
    assert!(message.contains("401") && !message.contains("rk_nobody"), "{message}");
    let misspelt = event("41", "desk.connected", Some(1), now, json!({ "sesion": "s" }));
    let wrong = folder.path().join("wrong.ndjson").display().to_string();
    std::fs::write(&wrong, misspelt.to_string()).expect("a file");
    let listed = stdout(&run(&["ingest", &wrong, "--url", &url], &variables).code(1));
    assert!(listed.contains("(data.session is missing: \"sesion\" is given, did you mean \"session\"?)"), "{listed}");
    let message = stderr(&run(&["ingest", "/nowhere", "--url", &url], &variables).code(2));
    assert!(message.contains("/nowhere"), "{message}");
}

/// Makes the store, as a server does at its start.
async fn made(home: &Home) {
    drop(Store::open(&home.location).await.expect("the store is made"));
}

async fn commands_refuse_a_store_that_is_not_there(backend: Backend) {
    let home = Home::new(backend).await;
    let setting = match &home.location {
        Location::Folder(folder) => format!("--data-dir (ROLLCALL_DATA_DIR) {}: there is no store", folder.display()),
        Location::Postgres(options) => {
            let name = options.get_database().expect("a name");
            let place = format!("database {name} at {}:{}", options.get_host(), options.get_port());
            format!("--database-url (DATABASE_URL), {place}: there is no store")
        }
    };
    let id = "00000000-0000-4000-8000-000000000000";
    let commands: [&[&str]; 10] = [
        &["tenant", "create", "A"],
        &["tenant", "list"],
        &["tenant", "show", "A"],
        &["tenant", "set", "A", "--conversation-text", "on"],
        &["key", "create", "A", "--scope", "*"],
        &["key", "list", "A"],
        &["key", "revoke", "A", id],
        &["verify"],
        &["settle"],
        &["migrate"],
    ];
    // On PostgreSQL `migrate` prepares an empty database.
    let refused = if backend == Backend::Embedded { &commands[..] } else { &commands[..9] };
    for arguments in refused {
        let message = stderr(&on(&home, arguments).code(2));
        assert!(message.contains(&setting) && message.contains("rollcall serve"), "{arguments:?}: {message}");
    }
    match &home.location {
        Location::Folder(folder) => assert!(!folder.exists(), "nothing was made"),
        Location::Postgres(_) => {
            let mut raw = RawStore::open(&home.location).await;
            let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
            assert_eq!(raw.number(tables).await, 0, "nothing was made");
        }
    }
    // A folder that is there, but has no store.
    if let Location::Folder(folder) = &home.location {
        std::fs::create_dir(folder).expect("a folder");
        stderr(&on(&home, &["tenant", "list"]).code(2));
        assert_eq!(std::fs::read_dir(folder).expect("the folder").count(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrate_prepares_an_empty_database_before_the_first_start() {
    let home = Home::new(Backend::Postgres).await;
    for _ in 0..2 {
        on(&home, &["migrate"]).code(0);
    }
    early_tenants_are_served(&home).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_work_on_a_stopped_store() {
    let home = Home::new(Backend::Embedded).await;
    made(&home).await;
    on(&home, &["migrate"]).code(0);
    early_tenants_are_served(&home).await;
}

/// Creates a tenant and a key without a server, and then starts one.
async fn early_tenants_are_served(home: &Home) {
    let tenant = stdout(&on(home, &["tenant", "create", "early"]).code(0)).trim().to_owned();
    let key = stdout(&on(home, &["key", "create", &tenant, "--scope", "*"]).code(0)).trim().to_owned();
    let process = Process::start(&home.location, &[]).await;
    let again = process.api.post(ADMIN, "/v1/tenants", &json!({ "name": "early" })).await.unwrap();
    assert_eq!(again.status, 409, "{}", again.text);
    assert_eq!(process.api.get(&key, "/v1/directory").await.unwrap().status, 200);
    let listen = process.api.url("").replace("http://", "");
    run(&["healthcheck", "--listen", &listen], &[]).code(0);
    let (status, _) = process.terminate().await;
    assert!(status.success());
    let message = stderr(&run(&["healthcheck", "--listen", &listen], &[]).code(1));
    assert!(message.contains(&listen), "{message}");
    assert!(COMMAND_TIMEOUT > EFFECT_TIMEOUT);
}
