//! Copies of a store that are made while events are acknowledged: each is of one instant, and has everything that was
//! acknowledged before.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use rollcall::clock::Clock;
use rollcall::domain::Time;
use rollcall::store::Location;
use rollcall::store::sqlite::DATABASE_FILE;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{on, stdout};
use crate::on_both_stores;
use crate::support::api::send;
use crate::support::desks::{directory, event};
use crate::support::postgres::new_database;
use crate::support::process::{Process, store_flags};
use crate::support::tasks::eventually_within;
use crate::support::{Api, Backend, Home};

on_both_stores!(a_copy_has_everything_that_was_acknowledged_before);

/// Events of a request.
const EVENTS: u64 = 5;
/// Requests after which every user was connected or disconnected once.
const ROUND: u64 = 10;
/// The longest wait for further requests to be acknowledged.
const WRITING_TIMEOUT: Duration = Duration::from_secs(60);

/// A tenant for which one request after the other is posted. Its numbers follow from how many were taken.
struct Tenant {
    key: String,
    /// The position before the first request.
    base: u64,
    /// The number of acknowledged requests.
    acknowledged: Arc<AtomicU64>,
}

impl Tenant {
    async fn new(api: &Api, name: &str) -> Self {
        let persona = api.persona(name).await;
        let base = api.put_directory(&persona.key, &directory((EVENTS * ROUND) as i64)).await.position();
        Tenant { key: persona.key, base, acknowledged: Arc::default() }
    }

    fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Posts requests until `stop`.
    #[expect(clippy::disallowed_methods, reason = "a task of the test's own, which it waits for")]
    fn write(&self, api: &Api, stop: &Arc<AtomicBool>) -> JoinHandle<()> {
        let (client, url) = (api.client(), api.url("/v1/events"));
        let (key, acknowledged, stop) = (self.key.clone(), self.acknowledged.clone(), stop.clone());
        tokio::spawn(async move {
            let mut request = acknowledged.load(Ordering::SeqCst);
            while !stop.load(Ordering::SeqCst) {
                request += 1;
                let outcomes = posted(client.post(&url).bearer_auth(&key), request).await;
                assert!(outcomes.iter().all(|outcome| outcome == "applied" || outcome == "duplicate"), "{outcomes:?}");
                acknowledged.store(request, Ordering::SeqCst);
            }
        })
    }

    /// Compares what a service on a copy answers with the requests, of which at least `least` were acknowledged before
    /// the copy was begun. Returns how many are in it.
    async fn audit(&self, api: &Api, least: u64) -> Result<u64, String> {
        let query = "{connectedUsersIndicator{connectedUsersCount}}";
        let answer = api.graphql(&self.key, query).await.map_err(|error| error.to_string())?;
        if answer.status != 200 {
            return Err(format!("the tenant is lost: {} {}", answer.status, answer.text));
        }
        let count = answer.json()["data"]["connectedUsersIndicator"]["connectedUsersCount"].as_u64();
        let entries = answer.position().checked_sub(self.base).ok_or("the directory is lost")?;
        let requests = entries / EVENTS;
        if entries % EVENTS != 0 {
            return Err(format!("{entries} events: a part of a request"));
        }
        if requests < least {
            return Err(format!("{requests} of {least} acknowledged requests"));
        }
        if count != Some(connected_after(requests)) {
            return Err(format!("{count:?} users are connected after {requests} requests"));
        }
        // What is in the copy is a repeat, and what is not is taken.
        for (request, wanted) in [(requests, "duplicate"), (requests + 1, "applied")] {
            let post = api.request(Method::POST, "/v1/events").bearer_auth(&self.key);
            let outcomes = posted(post, request).await;
            if request > 0 && outcomes != vec![wanted; EVENTS as usize] {
                return Err(format!("request {request}: {outcomes:?}"));
            }
        }
        Ok(requests)
    }
}

/// Posts a request, again for as long as the store of a busy machine does not answer in time; returns the outcomes.
async fn posted(post: RequestBuilder, request: u64) -> Vec<String> {
    let body = Value::from(events(request, Clock::system().now()));
    loop {
        let answer = send(post.try_clone().expect("no stream").json(&body)).await.expect("an answer");
        if answer.status != 503 {
            return answer.ok().outcomes();
        }
    }
}

/// Returns the events of a request, numbered from 1. The requests of a round connect all users, those of the next one
/// disconnect them.
fn events(request: u64, now: Time) -> Vec<Value> {
    let (round, part) = (request.saturating_sub(1) / ROUND, request.saturating_sub(1) % ROUND);
    let kind = if round.is_multiple_of(2) { "desk.connected" } else { "desk.disconnected" };
    let one = |number: u64| {
        let user = (part * EVENTS + number) as i64;
        let data = json!({ "session": format!("{}-{user}", round / 2) });
        event(format!("{request}-{number}"), kind, Some(user), now, data)
    };
    (1..=EVENTS).map(one).collect()
}

/// Returns the number of connected users after so many requests.
fn connected_after(requests: u64) -> u64 {
    let (round, part) = (requests / ROUND, requests % ROUND);
    if round.is_multiple_of(2) { part * EVENTS } else { (ROUND - part) * EVENTS }
}

/// Starts a service on a copy, and audits every tenant. Returns the least number of requests that one of them has.
async fn audit(copy: &Home, tenants: &[(&Tenant, u64)]) -> Result<u64, String> {
    let process = Process::start(&copy.location, &[]).await;
    let mut found = Vec::new();
    for (tenant, least) in tenants {
        found.push(tenant.audit(&process.api, *least).await?);
    }
    let (status, output) = process.terminate().await;
    assert!(status.success(), "{output}");
    Ok(found.into_iter().min().unwrap_or_default())
}

async fn a_copy_has_everything_that_was_acknowledged_before(backend: Backend) {
    let home = Home::new(backend).await;
    let process = Process::start(&home.location, &["--checkpoint-seconds", "1"]).await;
    let tenants = [Tenant::new(&process.api, "one").await, Tenant::new(&process.api, "other").await];
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = tenants.iter().map(|tenant| tenant.write(&process.api, &stop)).collect();
    let written = || tenants.iter().map(Tenant::acknowledged).collect::<Vec<_>>();
    let folder = tempfile::tempdir().expect("a folder");
    for round in 1..=3 {
        let beyond = written();
        eventually_within(WRITING_TIMEOUT, "requests are acknowledged", async || {
            written().iter().zip(&beyond).all(|(now, then)| now - then > 2 * ROUND)
        })
        .await;
        let file = folder.path().join(format!("{round}.backup"));
        let before = written();
        back_up(&home, &file);
        let after = written();
        assert!(after.iter().zip(&before).all(|(after, before)| after > before), "nothing was written meanwhile");

        let copy = Home::new(backend).await;
        let copy = restore(copy, &file).await;
        stdout(&on(&copy, &["verify"]).code(0));
        let least: Vec<_> = tenants.iter().zip(before).collect();
        let found = audit(&copy, &least).await;
        assert!(found.as_ref().is_ok_and(|found| *found > 0), "{found:?}");
    }
    stop.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.expect("every request is taken");
    }
    if let Location::Folder(source) = &home.location {
        control(source, &process.api, &tenants[0]).await;
    }
    let (status, output) = process.terminate().await;
    assert!(status.success() && !output.contains("ERROR"), "{output}");
}

/// A plain copy of the file lacks what is in the write-ahead log, which the audit must find.
async fn control(source: &Path, api: &Api, tenant: &Tenant) {
    for _ in 0..3 {
        let request = tenant.acknowledged() + 1;
        posted(api.request(Method::POST, "/v1/events").bearer_auth(&tenant.key), request).await;
        tenant.acknowledged.store(request, Ordering::SeqCst);
        let copy = Home::new(Backend::Embedded).await;
        let Location::Folder(target) = &copy.location else { panic!("a folder") };
        std::fs::create_dir(target).expect("a folder");
        std::fs::copy(source.join(DATABASE_FILE), target.join(DATABASE_FILE)).expect("a copy");
        if audit(&copy, &[(tenant, request)]).await.is_err() {
            return;
        }
        // SQLite moved the log into the file just then, which it does not do twice in a row.
    }
    panic!("a copy without the write-ahead log was not found to be incomplete");
}

/// Copies a store into a file by the means that are documented for it.
fn back_up(home: &Home, file: &Path) {
    match &home.location {
        Location::Folder(_) => {
            let printed = stdout(&on(home, &["backup", &file.display().to_string()]).code(0));
            assert_eq!(printed.matches("  equal\n").count(), 2, "{printed}");
        }
        Location::Postgres(_) => {
            let url = url(&home.location);
            let mut dump = Command::new("pg_dump");
            dump.args(["--format=custom", "--exclude-table-data=token", "--exclude-table-data=replica", "--file"]);
            succeed(dump.arg(file).args(["--dbname", &url]));
        }
    }
}

/// Makes a store from such a file.
async fn restore(empty: Home, file: &Path) -> Home {
    if let Location::Folder(_) = &empty.location {
        on(&empty, &["restore", &file.display().to_string()]).code(0);
        return empty;
    }
    let home = Home::at(Location::Postgres(Box::new(new_database().await)));
    let url = url(&home.location);
    let mut restore = Command::new("pg_restore");
    restore.args(["--exit-on-error", "--single-transaction", "--no-owner", "--dbname", &url]);
    succeed(restore.arg(file));
    home
}

/// Returns the URL of a database without sqlx's own parameters, which PostgreSQL's tools refuse.
fn url(location: &Location) -> String {
    let [_, url] = store_flags(location);
    url.split('?').next().unwrap_or_default().to_owned()
}

fn succeed(command: &mut Command) {
    let ended = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(ended.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ended.stderr));
}
