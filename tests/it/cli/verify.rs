//! `rollcall verify` tells a store that comes up as its journal says from one that does not.

use super::{complained, printed, run};
use crate::on_both_stores;
use crate::support::desks::{connected, directory, toggled};
use crate::support::process::{Process, store_flags};
use crate::support::raw::Raw;
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
    assert!(complained(&verify().code(2)).contains("another server is running"));
    let (status, said) = process.terminate().await;
    assert!(status.success(), "{said}");

    let said = printed(&verify().code(0));
    assert!(said.contains(&persona.tenant) && said.contains("  3  3-") && said.contains("equal"), "{said}");
    let mut raw = Raw::open(&home.location).await;
    raw.run("DELETE FROM state_row WHERE kind = 'user' AND key = '2'").await;
    let broken = verify().code(1);
    assert!(printed(&broken).contains("DIFFERENT"), "{}", printed(&broken));
    assert!(complained(&broken).contains("1 of 1 tenants"), "{}", complained(&broken));

    // Once retention took the beginning, there is nothing to compare with, and that is said.
    raw.run("DELETE FROM journal WHERE seq = 1").await;
    let shortened = printed(&verify().code(0));
    assert!(shortened.contains("the journal begins at 2"), "{shortened}");

    // A journal that ends before its checkpoint lost its end: the tenant cannot be loaded from there.
    raw.run("DELETE FROM journal WHERE seq = 3").await;
    raw.run("UPDATE head SET seq = 2").await;
    let lost = verify().code(1);
    assert!(printed(&lost).contains("NOT LOADED: the journal of tenant"), "{}", printed(&lost));
    assert!(printed(&lost).contains("ends at 2, before its checkpoint at 3"), "{}", printed(&lost));
    assert!(complained(&lost).contains("1 of 1 tenants cannot be loaded"), "{}", complained(&lost));
    // A server starts without it, and answers with 503 for it.
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
    let (status, said) = process.terminate().await;
    assert!(status.success(), "{said}");
    assert!(said.contains("a tenant cannot be loaded"), "{said}");
}

#[test]
fn verify_creates_no_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("none");
    let path = path.to_str().expect("a plain path");
    assert!(complained(&run(&["verify", "--data-dir", path], &[]).code(2)).contains("there is no store"));
    assert!(!std::path::Path::new(path).exists());
}
