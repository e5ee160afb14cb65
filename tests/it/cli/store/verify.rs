//! `rollcall verify` detects a store that does not load as a replay of its journal.

use rollcall::store::Location;
use rollcall::store::sqlite::DATABASE_FILE;

use super::{run, stderr, stdout};
use crate::on_both_stores;
use crate::support::desks::{connected, directory, toggled};
use crate::support::process::{Process, store_flags};
use crate::support::raw::RawStore;
use crate::support::{ADMIN, Backend, Home};

on_both_stores!(verify_compares_a_store_with_its_journal);

async fn verify_compares_a_store_with_its_journal(backend: Backend) {
    let home = Home::new(backend).await;
    let store = store_flags(&home.location);
    let verify = || run(&["verify", &store[0], &store[1]], &[]);
    let process = Process::start(&home.location, &[]).await;
    let persona = process.api.persona("one").await;
    process.api.put_directory(&persona.key, &directory(3)).await;
    let now = rollcall::clock::Clock::system().now();
    let events = [connected("1", 1, now), toggled("2", 2, now, false)];
    process.api.events(&persona.key, &events).await.expect("an answer").ok();
    assert!(stderr(&verify().code(2)).contains("another server is running"));
    let digest = digest(&process, &persona.key).await;
    process.api.events(&persona.key, &[toggled("4", 3, now, false)]).await.expect("an answer").ok();
    assert_ne!(self::digest(&process, &persona.key).await, digest, "it covers what the entry changed");
    process.api.events(&persona.key, &[toggled("5", 3, now, true)]).await.expect("an answer").ok();
    let digest = self::digest(&process, &persona.key).await;
    let (status, output) = process.terminate().await;
    assert!(status.success(), "{output}");

    let output = stdout(&verify().code(0));
    assert!(output.contains(&digest), "the running service had another state: {digest}, {output}");
    assert!(output.contains(&persona.tenant) && output.contains("  5  5-") && output.contains("equal"), "{output}");
    let mut raw = RawStore::open(&home.location).await;
    let renamed = match backend {
        Backend::Embedded => r#"replace(body, '"name":"', '"name":"x')"#,
        Backend::Postgres => r#"replace(body::text, '"name":"', '"name":"x')::json"#,
    };
    raw.run(&format!("UPDATE state_row SET body = {renamed} WHERE kind = 'user' AND key = '2'")).await;
    let broken = verify().code(1);
    assert!(stdout(&broken).contains("DIFFERENT"), "{}", stdout(&broken));
    assert!(stderr(&broken).contains("1 of 1 tenants"), "{}", stderr(&broken));

    // Entries that a checkpoint covers need not be readable, so they are a finding of their own line.
    raw.run("UPDATE journal SET apply_version = 0 WHERE seq = 2").await;
    let other_rules = stdout(&verify().code(0));
    assert!(other_rules.contains("not compared: entry 2 was written by apply version 0"), "{other_rules}");
    raw.run(
        "UPDATE journal SET seq = 9, apply_version = (SELECT apply_version FROM journal WHERE seq = 1) WHERE seq = 2",
    )
    .await;
    let gap = verify().code(1);
    assert!(stdout(&gap).contains("BROKEN: the journal jumps"), "{}", stdout(&gap));
    raw.run("UPDATE journal SET seq = 2 WHERE seq = 9").await;

    // Without the beginning of the journal, as after retention, there is nothing to compare with.
    raw.run("DELETE FROM journal WHERE seq = 1").await;
    let shortened = stdout(&verify().code(0));
    assert!(shortened.contains("the journal begins at 2"), "{shortened}");

    // A journal that ends before its checkpoint has lost entries, so the tenant cannot be loaded.
    raw.run("DELETE FROM journal WHERE seq > 2").await;
    raw.run("UPDATE head SET seq = 2").await;
    let lost = verify().code(1);
    assert!(stdout(&lost).contains("NOT LOADED: the journal of tenant"), "{}", stdout(&lost));
    assert!(stdout(&lost).contains("ends at 2, before its checkpoint at 5"), "{}", stdout(&lost));
    assert!(stderr(&lost).contains("1 of 1 tenants cannot be loaded"), "{}", stderr(&lost));
    // A server starts nevertheless, and answers requests of that tenant with 503.
    let process = Process::start(&home.location, &[]).await;
    let events = [connected("3", 3, now)];
    let refused = process.api.events(&persona.key, &events).await.expect("an answer");
    assert_eq!(refused.status, 503, "{}", refused.text);
    let other = process.api.persona("another").await;
    process.api.put_directory(&other.key, &directory(3)).await;
    process.api.events(&other.key, &events).await.expect("an answer").ok();
    let metrics = process.api.client().get(process.api.url("/metrics")).bearer_auth(ADMIN).send().await;
    let metrics = metrics.expect("an answer").text().await.expect("a text");
    assert!(metrics.contains("rollcall_quarantined_tenants 1"), "{metrics}");
    let (status, output) = process.terminate().await;
    assert!(status.success(), "{output}");
    assert!(output.contains("a tenant cannot be loaded"), "{output}");
}

#[tokio::test]
async fn an_empty_file_beside_its_log_is_rejected() {
    let home = Home::new(Backend::Embedded).await;
    let process = Process::start(&home.location, &[]).await;
    process.api.persona("one").await;
    let Location::Folder(folder) = &home.location else { panic!("an embedded store") };
    let file = folder.join(DATABASE_FILE);
    process.terminate().await;
    // An orderly stop leaves everything in the one file.
    assert!(std::fs::metadata(&file).expect("a file").len() > 100_000);
    let log = folder.join(format!("{DATABASE_FILE}-wal"));
    assert_eq!(std::fs::metadata(&log).map_or(0, |metadata| metadata.len()), 0);
    std::fs::copy(&file, &log).expect("a log with content");
    std::fs::write(&file, "").expect("an empty file");
    let store = store_flags(&home.location);
    let rejected = run(&["verify", &store[0], &store[1]], &[]).code(1);
    assert!(stderr(&rejected).contains("is empty beside its write-ahead log"), "{}", stderr(&rejected));
    assert!(std::fs::metadata(&log).expect("the log").len() > 100_000, "the log is left as it is");
}

/// The digest of a tenant's state in a running service.
async fn digest(process: &Process, key: &str) -> String {
    let state = process.api.get(key, "/v1/state?digest=true").await.expect("an answer").ok().json();
    state["digest"].as_str().expect("a digest").to_owned()
}
