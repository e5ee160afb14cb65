//! The registry: tenants with their settings, keys and tokens.

use rollcall::auth::{Credentials, OperatorHashes};
use rollcall::domain::settings::{Settings, WebhookSecret};
use rollcall::domain::{Scope, TenantId};
use rollcall::registry::Registry;
use rollcall::store::{KeyRecord, TenantRecord, TokenHolder, TokenRecord};

use super::{Bench, at};
use crate::on_both_stores;
use crate::support::Backend;
use crate::support::raw::RawStore;

on_both_stores!(tenant_names_are_unique);
on_both_stores!(settings_are_stored_unchanged);
on_both_stores!(keys_are_stored_unchanged);
on_both_stores!(keys_are_revoked_once_and_within_their_tenant);
on_both_stores!(only_changes_raise_the_version);
on_both_stores!(only_changes_since_a_version_are_read);
on_both_stores!(a_registry_that_lost_changes_is_reloaded);
on_both_stores!(tokens_are_stored_unchanged);
on_both_stores!(tokens_are_deleted_by_hash);
on_both_stores!(the_administrators_hash_is_stored);

fn key(bench: &Bench, tenant: TenantId, byte: u8) -> KeyRecord {
    KeyRecord {
        id: bench.clock.new_id(),
        tenant,
        name: format!("key \"{byte}\" ü"),
        prefix: String::from("rk_0123abcd"),
        hash: [byte; 32],
        scopes: vec![Scope::EventsWrite, Scope::All],
        // Times are stored in whole microseconds.
        created: at(i64::from(byte)),
        revoked: None,
    }
}

async fn tenant_names_are_unique(backend: Backend) {
    let bench = Bench::new(backend).await;
    let (id, settings) = (TenantId(bench.clock.new_id()), some_settings());
    let again = TenantRecord { id, name: "ours".into(), created: at(0), settings };
    assert!(!bench.store.create_tenant(&again).await.unwrap(), "the name is taken");
    let other = TenantRecord { name: "Ours".into(), created: at(7), ..again };
    assert!(bench.store.create_tenant(&other).await.unwrap(), "names are case-sensitive");
    let tenants = bench.store.tenants().await.unwrap();
    assert_eq!(tenants.len(), 3);
    assert!(tenants.contains(&other));
    let bench = bench.reopen().await;
    assert_eq!(bench.store.tenants().await.unwrap(), tenants);
}

/// Returns settings that differ from the default in every member.
fn some_settings() -> Settings {
    let iadvize_secret = WebhookSecret::new("a secret \"é\" of 'ours'");
    Settings {
        conversation_text: true,
        conversation_days: Some(36_500),
        iadvize_secret,
        desk_lease_seconds: Some(3_600),
        desk_heartbeat_seconds: Some(1_800),
    }
}

async fn settings_are_stored_unchanged(backend: Backend) {
    let bench = Bench::new(backend).await;
    let before = bench.store.tenants().await.unwrap();
    assert!(before.iter().all(|tenant| tenant.settings == Settings::default()));
    let unknown = TenantId(bench.clock.new_id());
    assert!(!bench.set_settings(unknown, &some_settings()).await, "there is no such tenant");
    assert_eq!(bench.store.tenants().await.unwrap(), before);
    assert!(bench.set_settings(bench.ours, &some_settings()).await);
    let bench = bench.reopen().await;
    for tenant in bench.store.tenants().await.unwrap() {
        let was = before.iter().find(|other| other.id == tenant.id).expect("no tenant is new");
        let settings = if tenant.id == bench.ours { some_settings() } else { Settings::default() };
        assert_eq!(tenant, TenantRecord { settings, ..was.clone() }, "the other tenant's settings are unchanged");
    }
    let some = Settings { conversation_days: Some(1), ..Settings::default() };
    for settings in [some, Settings::default()] {
        assert!(bench.set_settings(bench.ours, &settings).await);
        let tenants = bench.store.tenants().await.unwrap();
        assert!(tenants.iter().any(|tenant| tenant.id == bench.ours && tenant.settings == settings));
    }
}

async fn keys_are_stored_unchanged(backend: Backend) {
    let bench = Bench::new(backend).await;
    let (first, second) = (key(&bench, bench.ours, 1), key(&bench, bench.theirs, 2));
    for key in [&second, &first] {
        assert!(bench.store.create_key(key).await.unwrap());
    }
    assert_eq!(bench.store.keys().await.unwrap(), [first.clone(), second.clone()], "the oldest first");
    let unknown = TenantId(bench.clock.new_id());
    assert!(!bench.store.create_key(&key(&bench, unknown, 3)).await.unwrap(), "there is no such tenant");
    let twice = KeyRecord { id: bench.clock.new_id(), ..first.clone() };
    assert!(bench.store.create_key(&twice).await.is_err(), "two keys cannot have the same secret");
    let bench = bench.reopen().await;
    assert_eq!(bench.store.keys().await.unwrap(), [first, second]);
}

async fn keys_are_revoked_once_and_within_their_tenant(backend: Backend) {
    let bench = Bench::new(backend).await;
    let record = key(&bench, bench.ours, 1);
    bench.store.create_key(&record).await.unwrap();
    let revoke = async |tenant, id, now| bench.store.revoke_key(tenant, id, now).await.unwrap();
    assert!(!revoke(bench.theirs, record.id, at(50)).await, "the key is another tenant's");
    assert!(!revoke(bench.ours, bench.clock.new_id(), at(51)).await, "there is no such key");
    assert!(revoke(bench.ours, record.id, at(52)).await);
    assert!(!revoke(bench.ours, record.id, at(53)).await, "the key is revoked already");
    let revoked = KeyRecord { revoked: Some(at(52)), ..record };
    assert_eq!(bench.store.keys().await.unwrap(), [revoked]);
}

async fn only_changes_raise_the_version(backend: Backend) {
    let bench = Bench::new(backend).await;
    let version = async || bench.store.registry_version().await.unwrap();
    let mut last = version().await;
    let mut changed = async |expected: bool, what: &str| {
        let now = version().await;
        assert_eq!(now > last, expected, "{what}");
        assert!(now >= last);
        last = now;
    };
    let record = key(&bench, bench.ours, 1);
    let (id, settings) = (TenantId(bench.clock.new_id()), Settings::default());
    let tenant = TenantRecord { id, name: "new".into(), created: at(0), settings };
    bench.store.create_tenant(&tenant).await.unwrap();
    changed(true, "a tenant is added").await;
    bench.store.create_tenant(&tenant).await.unwrap();
    changed(false, "a tenant's name is taken").await;
    bench.set_settings(bench.ours, &some_settings()).await;
    changed(true, "settings are changed").await;
    bench.set_settings(TenantId(bench.clock.new_id()), &some_settings()).await;
    changed(false, "an unknown tenant has no settings").await;
    bench.store.create_key(&record).await.unwrap();
    changed(true, "a key is added").await;
    bench.store.create_key(&key(&bench, TenantId(bench.clock.new_id()), 2)).await.unwrap();
    changed(false, "no key is added to an unknown tenant").await;
    bench.store.revoke_key(bench.theirs, record.id, at(0)).await.unwrap();
    changed(false, "another tenant's key is not revoked").await;
    bench.store.revoke_key(bench.ours, record.id, at(0)).await.unwrap();
    changed(true, "a key is revoked").await;
    bench.store.revoke_key(bench.ours, record.id, at(0)).await.unwrap();
    changed(false, "a key is not revoked twice").await;
    bench.store.keys().await.unwrap();
    changed(false, "reading changes nothing").await;
}

fn token(tenant: TenantId, holder: TokenHolder, byte: u8) -> TokenRecord {
    let scopes = vec![Scope::OperatorsRead, Scope::All];
    let (created, expires) = (at(i64::from(byte)), at(100 + i64::from(byte)));
    TokenRecord { hash: [byte; 32], tenant, holder, scopes, created, expires }
}

async fn tokens_are_stored_unchanged(backend: Backend) {
    let bench = Bench::new(backend).await;
    let version = bench.store.registry_version().await.unwrap();
    let known = key(&bench, bench.ours, 1);
    bench.store.create_key(&known).await.unwrap();
    let (guid, password) = (bench.clock.new_id(), i64::MAX as u64);
    let first = token(bench.theirs, TokenHolder::User { guid, password }, 1);
    let second = token(bench.ours, TokenHolder::Key(known.id), 2);
    for token in [&second, &first] {
        bench.store.create_token(token).await.unwrap();
    }
    assert_eq!(bench.store.tokens(at(0)).await.unwrap(), [first.clone(), second.clone()], "the oldest first");
    assert!(bench.store.create_token(&first).await.is_err(), "two tokens cannot have the same secret");
    let unknown = TenantId(bench.clock.new_id());
    assert!(bench.store.create_token(&token(unknown, first.holder, 3)).await.is_err(), "there is no such tenant");
    let no_key = token(bench.ours, TokenHolder::Key(bench.clock.new_id()), 4);
    assert!(bench.store.create_token(&no_key).await.is_err(), "there is no such key");
    assert_eq!(
        bench.store.registry_version().await.unwrap().number,
        version.number + 1,
        "tokens do not raise the version"
    );
    let bench = bench.reopen().await;
    assert_eq!(bench.store.tokens(at(100)).await.unwrap(), [first, second.clone()]);
    assert_eq!(bench.store.tokens(at(101)).await.unwrap(), [second], "the other token has just expired");
    assert_eq!(bench.store.tokens(at(102)).await.unwrap(), []);
}

async fn tokens_are_deleted_by_hash(backend: Backend) {
    let bench = Bench::new(backend).await;
    let holder = TokenHolder::User { guid: bench.clock.new_id(), password: 7 };
    let (first, second) = (token(bench.ours, holder, 1), token(bench.ours, holder, 2));
    for token in [&first, &second] {
        bench.store.create_token(token).await.unwrap();
    }
    for hash in [[1; 32], [1; 32], [9; 32]] {
        bench.store.delete_tokens(&[hash]).await.unwrap();
        assert_eq!(bench.store.tokens(at(0)).await.unwrap(), std::slice::from_ref(&second));
    }
    let more: Vec<_> = (10..=250).map(|byte| token(bench.ours, holder, byte)).collect();
    for token in &more {
        bench.store.create_token(token).await.unwrap();
    }
    bench.store.delete_tokens(&[]).await.unwrap();
    let hashes: Vec<_> = more.iter().map(|token| token.hash).chain([[9; 32]]).collect();
    bench.store.delete_tokens(&hashes).await.unwrap();
    assert_eq!(bench.store.tokens(at(0)).await.unwrap(), [second]);
}

async fn the_administrators_hash_is_stored(backend: Backend) {
    let bench = Bench::new(backend).await;
    assert_eq!(bench.store.admin_hash().await.unwrap(), None);
    bench.store.set_admin_hash(&[7; 32]).await.unwrap();
    let bench = bench.reopen().await;
    assert_eq!(bench.store.admin_hash().await.unwrap(), Some(vec![7; 32]));
    bench.store.set_admin_hash(&[8; 32]).await.unwrap();
    assert_eq!(bench.store.admin_hash().await.unwrap(), Some(vec![8; 32]));
}

async fn only_changes_since_a_version_are_read(backend: Backend) {
    let bench = Bench::new(backend).await;
    let (first, second) = (key(&bench, bench.ours, 1), key(&bench, bench.theirs, 2));
    bench.store.create_key(&first).await.unwrap();
    let since = bench.store.registry_version().await.unwrap();
    let none = bench.store.registry_changes(since).await.unwrap().expect("the version is current");
    assert!(none.keys.is_empty() && none.tenants.is_empty(), "{none:?}");
    bench.store.create_key(&second).await.unwrap();
    bench.store.revoke_key(bench.ours, first.id, at(5)).await.unwrap();
    bench.set_settings(bench.theirs, &some_settings()).await;
    let changes = bench.store.registry_changes(since).await.unwrap().expect("the version is recent");
    let mut keys = changes.keys;
    keys.sort_by_key(|key| key.hash);
    assert_eq!(keys, [KeyRecord { revoked: Some(at(5)), ..first.clone() }, second.clone()]);
    assert_eq!(changes.tenants.iter().map(|tenant| tenant.id).collect::<Vec<_>>(), [bench.theirs]);
    assert_eq!(bench.store.valid_keys().await.unwrap(), std::slice::from_ref(&second));
    assert_eq!(bench.store.keys_of(bench.ours).await.unwrap().len(), 1, "the revoked key");
    // Only the last thousand changes are kept.
    for n in 0..1_001 {
        let days = Some(n % 9 + 1);
        let settings = Settings { conversation_days: days, ..Settings::default() };
        bench.set_settings(bench.ours, &settings).await;
    }
    assert!(bench.store.registry_changes(since).await.unwrap().is_none());
}

async fn a_registry_that_lost_changes_is_reloaded(backend: Backend) {
    let bench = Bench::new(backend).await;
    let (lost, kept) = (key(&bench, bench.ours, 1), key(&bench, bench.ours, 2));
    let mut raw = RawStore::open(&bench.home.location).await;
    bench.store.create_key(&lost).await.unwrap();
    let registry = Registry::load(bench.store.clone()).await.unwrap();
    let credentials = Credentials::load(registry, OperatorHashes::default(), bench.clock.clone()).await.unwrap();
    let since = bench.store.registry_version().await.unwrap();
    // A promoted standby never had the newest change, and has reached the same number by another change.
    raw.run("DELETE FROM api_key").await;
    raw.run("DELETE FROM registry_change WHERE version = (SELECT version FROM registry)").await;
    raw.run("UPDATE registry SET version = version - 1").await;
    bench.store.create_key(&kept).await.unwrap();
    let now = bench.store.registry_version().await.unwrap();
    assert!(now.number == since.number && now != since, "{since:?} {now:?}");
    assert!(bench.store.registry_changes(since).await.unwrap().is_none(), "the version is unknown to this store");
    credentials.refresh().await.unwrap();
    credentials.refresh().await.unwrap();
    assert_eq!(credentials.keys(), 1);
    assert!(credentials.has_key(kept.id) && !credentials.has_key(lost.id));
}
