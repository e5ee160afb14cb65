//! Starting and stopping the program.

use std::time::Duration;

use reqwest::Method;
use rollcall::boot::lock_store;
use rollcall::clock::Clock;
use rollcall::journal::LockMode;
use rollcall::live::state::APPLY_VERSION;
use rollcall::store::Purpose;

use super::{run, stderr};
use crate::on_both_stores;
use crate::support::api::send;
use crate::support::desks::{connected, directory};
use crate::support::process::{Process, program, store_flags};
use crate::support::raw::RawStore;
use crate::support::tasks::{Stopwatch, eventually, spawn};
use crate::support::{Backend, Home, tenant_id};

on_both_stores!(what_needs_a_store_alone_is_rejected_beside_a_server);
on_both_stores!(sigterm_stops_the_service_without_losing_events);
on_both_stores!(sigterm_ends_a_start_that_waits_for_the_store);

/// A second server of an embedded store, and `verify`, which servers that share a database do not let in either.
async fn what_needs_a_store_alone_is_rejected_beside_a_server(backend: Backend) {
    let home = Home::new(backend).await;
    let mut first = Process::start(&home.location, &[]).await;
    let store = store_flags(&home.location);
    let command = match backend {
        Backend::Embedded => ["serve", "--listen", "127.0.0.1:0"].as_slice(),
        Backend::Postgres => &["verify"],
    };
    let watch = Stopwatch::start();
    let message = stderr(&run(&[command, &[store[0].as_str(), store[1].as_str()]].concat(), &[]).code(2));
    assert!(message.contains("another server is running on this store"), "{message}");
    assert!(watch.elapsed() < Duration::from_secs(25), "{:?}", watch.elapsed());
    // An address in use is rejected as well.
    let other = Home::new(Backend::Embedded).await;
    let store = store_flags(&other.location);
    let taken = first.api.url("").replace("http://", "");
    let message = stderr(&run(&["serve", "--listen", &taken, &store[0], &store[1]], &[]).code(2));
    assert!(message.contains("--listen") && message.contains(&taken), "{message}");
    assert!(first.is_running() && first.api.is_ready().await, "the first server keeps running");
}

async fn sigterm_stops_the_service_without_losing_events(backend: Backend) {
    let home = Home::new(backend).await;
    let process = Process::start(&home.location, &[]).await;
    let persona = process.api.persona("tenant").await;
    process.api.put_directory(&persona.key, &directory(10)).await;
    // Requests are in flight when the signal is sent.
    let writers: Vec<_> = (1..=4)
        .map(|user| {
            let (api, key) = (process.api.clone(), persona.key.clone());
            spawn(async move {
                let mut acknowledged = Vec::new();
                for n in 0.. {
                    let event = connected(format!("{user}-{n}"), user, rollcall::clock::Clock::system().now());
                    match api.events(&key, &[event]).await {
                        Ok(answer) if answer.status == 200 => acknowledged.push(format!("{user}-{n}")),
                        Ok(answer) => assert!(answer.is_unavailable(), "{} {}", answer.status, answer.text),
                        Err(_) => break,
                    }
                }
                acknowledged
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (status, output) = process.terminate().await;
    assert!(status.success(), "{status} {output}");
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.expect("a writer does not panic"));
    }
    assert!(acknowledged.len() > 10, "only {}", acknowledged.len());
    let mut raw = RawStore::open(&home.location).await;
    let journal = raw.journal().await;
    let lost = acknowledged.iter().find(|id| !journal.iter().any(|line| *line.id.id == ***id));
    assert_eq!(lost, None);
    // The last checkpoint covers the whole journal, so that the next start has nothing to replay.
    let tenant = tenant_id(&persona.tenant);
    let position = raw.number(&format!("SELECT position FROM checkpoint WHERE tenant = '{tenant}'")).await;
    assert_eq!(position as usize, journal.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_service_accepts_no_connections() {
    let home = Home::new(Backend::Embedded).await;
    let process = Process::start(&home.location, &[]).await;
    let api = process.api.clone();
    let (status, _) = process.terminate().await;
    assert!(status.success());
    eventually("connections are refused", async || send(api.request(Method::GET, "/livez")).await.is_err()).await;
}

async fn sigterm_ends_a_start_that_waits_for_the_store(backend: Backend) {
    let home = Home::new(backend).await;
    // On PostgreSQL a start waits for what has the store alone. The demo runs on an embedded store only.
    let (mut first, mut held, mut commands) = (None, None, ["serve"].as_slice());
    if backend == Backend::Embedded {
        first = Some(Process::start(&home.location, &[]).await);
        commands = &["serve", "demo"];
    } else {
        let alone =
            lock_store(&home.location, &Clock::system(), Purpose::Make, LockMode::Exclusive, APPLY_VERSION).await;
        held = Some(alone.expect("the store is free"));
    }
    for name in commands {
        let mut command = program();
        command.arg(name).args(store_flags(&home.location));
        let (status, output) = Process::terminate_start(command).await;
        assert!(status.success(), "{name}: {status} {output}");
    }
    drop(held);
    if let Some(mut first) = first {
        assert!(first.is_running() && first.api.is_ready().await, "the first server keeps running");
    }
}
