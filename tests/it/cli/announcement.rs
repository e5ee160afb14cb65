//! What a service announces at its start, and where the generated administrator's token is.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc;

use rollcall::store::Location;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};

use crate::support::process::{Process, program, store_flags};
use crate::support::requests::PUBLIC;
use crate::support::tasks::eventually;
use crate::support::{ADMIN, Backend, Home};

/// Returns the commands that make an embedded store, with a name.
fn commands(home: &Home) -> [Command; 2] {
    ["serve", "demo"].map(|name| {
        let mut command = program();
        command.arg(name).args(store_flags(&home.location));
        command
    })
}

fn token_file(home: &Home) -> PathBuf {
    let Location::Folder(folder) = &home.location else { panic!("a folder") };
    folder.join("admin-token")
}

fn token_in(output: &str) -> Option<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    output.split(|c| !is_part(c)).find(|word| word.starts_with("ra_") && word.len() > 20).map(str::to_owned)
}

/// Adds a tenant with this token; returns the status.
async fn add(process: &Process, token: &str, name: &str) -> u16 {
    process.api.post(token, "/v1/tenants", &json!({ "name": name })).await.expect("an answer").status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generated_token_is_written_to_a_private_file() {
    for n in 0..2 {
        let home = Home::new(Backend::Embedded).await;
        let command = || commands(&home).into_iter().nth(n).expect("a command");
        let process = Process::start_with(command()).await;
        let file = token_file(&home);
        assert_eq!(std::fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o600);
        let token = std::fs::read_to_string(&file).expect("the token").trim().to_owned();
        assert_eq!(token_in(&token).as_ref(), Some(&token));
        assert_eq!(add(&process, &token, "one").await, 201);
        assert_eq!(add(&process, "ra_0000000000000000", "two").await, 401);
        let (_, output) = process.terminate().await;
        assert_eq!(token_in(&output), None, "{output}");
        let named = file.display().to_string();
        let line = output.lines().find(|line| line.contains("token was generated")).expect("a line of the log");
        assert!(line.contains(&named), "{line}");
        // Later runs name the file, and leave it as it is.
        let process = Process::start_with(command()).await;
        assert_eq!(add(&process, &token, "three").await, 201);
        let (_, output) = process.terminate().await;
        assert!(output.contains(&format!("  admin     in {named}\n")), "{output}");
        assert!(!output.contains("was generated") && token_in(&output).is_none(), "{output}");
        // Without the file they say what became of the token.
        std::fs::remove_file(&file).expect("its owner");
        let (_, output) = Process::start_with(command()).await.terminate().await;
        assert!(output.contains("was shown when the store was made"), "{output}");
        // A token in the settings replaces the stored one while it is set.
        let mut given = command();
        given.env("ROLLCALL_ADMIN_TOKEN", "another-administrator");
        let process = Process::start_with(given).await;
        assert_eq!(add(&process, &token, "four").await, 401);
        assert_eq!(add(&process, "another-administrator", "five").await, 201);
        let (_, output) = process.terminate().await;
        assert!(output.contains("the token of --admin-token") && !output.contains("another-administrator"), "{output}");
    }
}

/// The token is in no other file of the store, which has its hash alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_has_only_the_hash_of_the_token() {
    let home = Home::new(Backend::Embedded).await;
    let [serve, _] = commands(&home);
    Process::start_with(serve).await.terminate().await;
    let file = token_file(&home);
    let token = std::fs::read_to_string(&file).expect("the token").trim().to_owned();
    for other in std::fs::read_dir(file.parent().expect("a folder")).expect("the folder") {
        let path = other.expect("a file").path();
        let bytes = std::fs::read(&path).expect("its bytes");
        let has = bytes.windows(token.len()).any(|window| window == token.as_bytes());
        assert_eq!(has, path == file, "{}", path.display());
    }
}

/// Every page and every route of operation is named, and answers there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_banner_names_every_page() {
    let apart = ["/oauth2/", "/Auth/", "/echo", "{file}"];
    let pages = PUBLIC.iter().map(|(path, _)| *path).filter(|path| !apart.iter().any(|part| path.contains(part)));
    // A path without its slash redirects.
    let pages: Vec<&str> = pages.filter(|path| *path != "/docs").chain(["/metrics"]).collect();
    assert!(pages.len() >= 6, "{pages:?}");
    for (n, address) in ["127.0.0.1:0", "0.0.0.0:0"].into_iter().enumerate() {
        let home = Home::new(Backend::Embedded).await;
        let mut command = commands(&home).into_iter().nth(n).expect("a command");
        command.args(["--admin-token", ADMIN]);
        let process = Process::start_listening(command, address).await;
        let output = process.output();
        let urls: Vec<&str> = output
            .split_whitespace()
            .map(|word| word.trim_end_matches(','))
            .filter(|word| word.starts_with("http://127.0.0.1:"))
            .collect();
        for page in &pages {
            let url = process.api.url(page);
            assert!(urls.contains(&url.as_str()), "{url} in {output}");
            assert_eq!(process.api.get(ADMIN, page).await.expect("an answer").status, 200, "{page}");
        }
        process.terminate().await;
    }
}

/// What collects both streams of a container gets JSON alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_announcement_is_json_where_the_log_is() {
    let home = Home::new(Backend::Embedded).await;
    let [mut serve, _] = commands(&home);
    // An empty variable, as a template leaves it, counts as unset.
    serve.args(["--log-format", "json"]).env("ROLLCALL_METRICS_TOKEN", "");
    let process = Process::start_with(serve).await;
    let url = process.api.url("");
    let (status, output) = process.terminate().await;
    assert!(status.success(), "{output}");
    let lines: Vec<Value> = output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let serving = lines.iter().find(|line| line["message"] == "serving").expect("the announcement");
    assert_eq!(serving["url"], url, "{serving}");
    let file = token_file(&home).display().to_string();
    assert!(serving["admin"].as_str().is_some_and(|admin| admin.contains(&file)), "{serving}");
    assert!(lines.iter().any(|line| line["file"] == file), "{output}");
    assert_eq!(token_in(&output), None, "{output}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generated_token_is_shown_on_a_terminal_alone() {
    let home = Home::new(Backend::Embedded).await;
    let [serve, _] = commands(&home);
    let (process, shown) = on_a_terminal(serve).await;
    let mut text = String::new();
    eventually("the token is shown", async || {
        text.extend(shown.try_iter());
        text.contains("keep it")
    })
    .await;
    let token = token_in(&text).expect("a token");
    assert_eq!(add(&process, &token, "one").await, 201);
    let (_, output) = process.terminate().await;
    assert!(token_in(&output).is_none() && !token_file(&home).exists(), "{output}");
}

/// Starts a program on a terminal. Returns it once it is ready, and what it shows.
async fn on_a_terminal(command: Command) -> (Process, mpsc::Receiver<String>) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&terminal).and_then(|()| unlockpt(&terminal)).expect("its other end");
    let path = ptsname(&terminal, Vec::new()).expect("its name");
    let shell = File::options().read(true).write(true).open(path.to_str().expect("a path")).expect("its other end");
    let process = Process::start_into(command, shell.into()).await;
    let shown = read_lines(terminal.into());
    eventually("the service is ready", || process.api.is_ready()).await;
    (process, shown)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_link_of_the_demo_is_shown_first_and_on_a_terminal_alone() {
    let home = Home::new(Backend::Embedded).await;
    let [_, demo] = commands(&home);
    let (_, output) = Process::start_with(demo).await.terminate().await;
    assert!(output.contains("with all scopes") && !output.contains("wl_"), "{output}");
    let [_, demo] = commands(&home);
    let (process, shown) = on_a_terminal(demo).await;
    let mut text = String::new();
    eventually("the key is shown", async || {
        text.extend(shown.try_iter());
        text.contains("with all scopes")
    })
    .await;
    let first = text.lines().next().unwrap_or_default().to_owned();
    let page = process.api.url("/wallboard#wl_");
    assert!(first.starts_with("wallboard ") && first.contains(&page), "{first}");
    process.terminate().await;
}

/// Reads a terminal on a thread of its own, since a read waits for the program.
#[expect(clippy::disallowed_methods, reason = "a test's own thread")]
fn read_lines(mut terminal: File) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = terminal.read(&mut buffer) {
            if sender.send(String::from_utf8_lossy(&buffer[..read]).into_owned()).is_err() {
                return;
            }
        }
    });
    receiver
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_makes_no_administrator_token() {
    let home = Home::new(Backend::Postgres).await;
    let mut command = program();
    command.arg("serve").args(store_flags(&home.location));
    let process = Process::start_with(command).await;
    let output = process.output();
    assert!(token_in(&output).is_none() && output.contains("ROLLCALL_ADMIN_TOKEN"), "{output}");
    let answer = process.api.post("", "/v1/tenants", &json!({ "name": "x" })).await.unwrap();
    assert_eq!(answer.status, 401);
    process.terminate().await;
}
