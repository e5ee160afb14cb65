//! Deletion of tenants: complete in every table, in slices, and beside appends, checkpoints and starts.

use rollcall::boot::{LoadedTenants, load};
use rollcall::domain::{Scope, Settings, TenantId};
use rollcall::journal::{Draft, Placement};
use rollcall::live::State;
use rollcall::live::state::APPLY_VERSION;
use rollcall::registry::Registry;
use rollcall::store::sqlite::DATABASE_FILE;
use rollcall::store::{
    CheckpointId, Chore, KeyRecord, Location, Store, StoreError, TenantRecord, TokenHolder, TokenRecord,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Bench, at, draft, drafts, new_tenant};
use crate::on_both_stores;
use crate::support::Backend;
use crate::support::raw::RawStore;
use crate::support::tasks::Stopwatch;

on_both_stores!(every_table_with_rows_of_tenants_is_cleared);
on_both_stores!(rows_of_a_deleted_tenant_are_deleted_in_slices);
on_both_stores!(a_tenant_is_deleted_once_and_its_name_is_free);
on_both_stores!(appends_to_a_deleted_tenant_are_rejected_apart_from_lost_heads);
on_both_stores!(a_deleted_tenant_is_neither_loaded_nor_quarantined);
on_both_stores!(a_checkpoint_under_way_leaves_no_rows);
on_both_stores!(the_registry_reports_deleted_tenants);

/// Tables without rows of tenants.
const OTHERS: [&str; 6] = ["_sqlx_migrations", "compatibility", "duty", "log_in_attempt", "registry", "replica"];

impl Bench {
    /// Adds a key and a token of it.
    async fn credentials(&self, tenant: TenantId, byte: u8) -> KeyRecord {
        let key = KeyRecord {
            id: self.clock.new_id(),
            tenant,
            name: String::from("key"),
            prefix: String::from("rk_0123abcd"),
            hash: [byte; 32],
            scopes: vec![Scope::All],
            created: at(0),
            revoked: None,
        };
        assert!(self.store.create_key(&key).await.unwrap());
        let (created, expires, holder) = (at(0), at(1_000_000_000), TokenHolder::Key(key.id));
        let token = TokenRecord { hash: [byte; 32], tenant, holder, scopes: vec![Scope::All], created, expires };
        self.store.create_token(&token).await.unwrap();
        key
    }

    /// Writes a checkpoint of a tenant at the end of its journal; returns the digest of the state.
    async fn checkpoint_of(&mut self, tenant: TenantId) -> String {
        let mut state = State::new(tenant);
        for entry in self.journal.read(tenant, 0, u32::MAX).await.unwrap() {
            state.apply(&entry.entry).expect("no gap");
        }
        self.store.write_checkpoint(tenant, APPLY_VERSION, &state.checkpoint()).await.unwrap();
        state.digest()
    }

    /// Deletes the rows of a deleted tenant; returns the number of each slice.
    async fn delete_rows(&self, tenant: TenantId, limit: u32) -> Vec<u64> {
        let (chore, mut slices) = (Chore::Deleted(tenant), Vec::new());
        loop {
            let rows = self.store.forget(chore, limit).await.expect("the store answers");
            if !chore.is_left(rows, limit) {
                return slices;
            }
            slices.push(rows);
            assert!(slices.len() < 10_000, "the deletion does not end");
        }
    }
}

/// Returns the tables with a text, or with the id of a tenant in one of its forms.
async fn tables_with(raw: &mut RawStore, tenant: TenantId) -> Vec<String> {
    let forms = [tenant.0.hyphenated().to_string(), tenant.0.simple().to_string()];
    let mut found = Vec::new();
    for table in raw.tables().await {
        let rows = raw.rows(&table).await.join("\n").to_lowercase();
        if forms.iter().any(|form| rows.contains(form)) {
            found.push(table);
        }
    }
    found
}

/// Returns the tables that a deletion does not clear, and that are not known to have no rows of tenants.
async fn uncovered(bench: &Bench, raw: &mut RawStore) -> Vec<String> {
    let covered = bench.store.tables_of_tenants();
    let tables = raw.tables().await.into_iter();
    tables.filter(|table| !covered.contains(&table.as_str()) && !OTHERS.contains(&table.as_str())).collect()
}

async fn every_table_with_rows_of_tenants_is_cleared(backend: Backend) {
    let bench = Bench::new(backend).await;
    let mut raw = RawStore::open(&bench.home.location).await;
    assert_eq!(uncovered(&bench, &mut raw).await, [""; 0], "add the table to the steps of the deletion, or to OTHERS");
    let kind = if backend == Backend::Embedded { "TEXT" } else { "uuid" };
    raw.run(&format!("CREATE TABLE later (tenant {kind} REFERENCES tenant (id))")).await;
    assert_eq!(uncovered(&bench, &mut raw).await, ["later"], "the control");
}

async fn rows_of_a_deleted_tenant_are_deleted_in_slices(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let (ours, theirs) = (bench.ours, bench.theirs);
    bench.credentials(ours, 1).await;
    bench.credentials(theirs, 2).await;
    for n in 0..3 {
        bench.append(at(n), &drafts(ours, n as usize * 1_000, 1_000)).await;
        bench.append(at(n), &drafts(theirs, n as usize * 100, 100)).await;
    }
    bench.checkpoint_of(ours).await;
    let digest = bench.checkpoint_of(theirs).await;
    let mut raw = RawStore::open(&bench.home.location).await;
    let kept = raw.number("SELECT (SELECT count(*) FROM journal) + (SELECT count(*) FROM seen) - 6000").await;
    assert!(bench.store.delete_tenant(ours, at(9)).await.unwrap());
    assert_eq!(bench.store.deleted_tenants().await.unwrap(), [ours]);
    assert_eq!(bench.delete_rows(theirs, 500).await, [0; 0], "a tenant that exists is not touched");
    let found = tables_with(&mut raw, ours).await;
    assert!(
        ["api_key", "journal", "registry_change", "tenant", "token"]
            .iter()
            .all(|table| found.contains(&(*table).into()))
    );
    let slices = bench.delete_rows(ours, 500).await;
    assert!(slices.iter().all(|rows| *rows <= 500) && slices.iter().sum::<u64>() > 6_000, "{slices:?}");
    assert_eq!(tables_with(&mut raw, ours).await, [""; 0]);
    assert!(bench.store.deleted_tenants().await.unwrap().is_empty());
    let left = raw.number("SELECT (SELECT count(*) FROM journal) + (SELECT count(*) FROM seen)").await;
    assert_eq!((left, kept), (600, 600));
    assert_eq!(bench.checkpoint_of(theirs).await, digest);
    assert_eq!(bench.store.valid_keys().await.unwrap().len(), 1);
    assert_eq!(bench.store.tokens(at(1)).await.unwrap().len(), 1);
}

async fn a_tenant_is_deleted_once_and_its_name_is_free(backend: Backend) {
    let bench = Bench::new(backend).await;
    let key = bench.credentials(bench.ours, 1).await;
    let secret = rollcall::domain::settings::WebhookSecret::new("a secret of some length");
    let settings = Settings { conversation_days: Some(3), iadvize_secret: secret, ..Settings::default() };
    bench.set_settings(bench.ours, &settings).await;
    assert!(!bench.store.delete_tenant(TenantId(bench.clock.new_id()), at(1)).await.unwrap(), "it is unknown");
    assert!(bench.store.delete_tenant(bench.ours, at(1)).await.unwrap());
    assert!(!bench.store.delete_tenant(bench.ours, at(2)).await.unwrap(), "it is deleted");
    assert!(!bench.set_settings(bench.ours, &settings).await);
    let other = KeyRecord { id: bench.clock.new_id(), hash: [7; 32], ..key };
    assert!(!bench.store.create_key(&other).await.unwrap(), "no key can be added");
    assert!(bench.store.valid_keys().await.unwrap().is_empty());
    let listed = bench.store.tenants().await.unwrap();
    assert_eq!(listed.iter().map(|tenant| tenant.id).collect::<Vec<_>>(), [bench.theirs]);
    let mut raw = RawStore::open(&bench.home.location).await;
    let rows = raw.rows("tenant").await.join(" ");
    assert!(!rows.contains("ours") && !rows.contains("a secret of"), "{rows}");
    let again = TenantRecord { id: TenantId(bench.clock.new_id()), name: "ours".into(), created: at(0), settings };
    assert!(bench.store.create_tenant(&again).await.unwrap(), "the name is free");
    let taken = TenantRecord { id: bench.ours, name: "another".into(), ..again };
    assert!(!bench.store.create_tenant(&taken).await.unwrap(), "the id is not");
    // Two deleted tenants at a time, and a name of the greatest length.
    let long = new_tenant(&bench.store, &bench.clock, &"x".repeat(256)).await;
    assert!(bench.store.delete_tenant(long, at(3)).await.unwrap());
    assert_eq!(bench.store.deleted_tenants().await.unwrap().len(), 2);
}

async fn appends_to_a_deleted_tenant_are_rejected_apart_from_lost_heads(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let lost = new_tenant(&bench.store, &bench.clock, "lost").await;
    bench.append(at(0), &[draft(bench.ours, "0"), draft(lost, "0")]).await;
    RawStore::open(&bench.home.location).await.run(&format!("DELETE FROM head WHERE tenant = '{lost}'")).await;
    assert!(bench.store.delete_tenant(bench.ours, at(1)).await.unwrap());
    let unknown = TenantId(bench.clock.new_id());
    let drafts: Vec<Draft> =
        [bench.ours, bench.theirs, lost, unknown].into_iter().map(|tenant| draft(tenant, "1")).collect();
    let placed = async |bench: &mut Bench| {
        let batch = bench.batch(at(2), &drafts);
        let appended = bench.journal.append(batch).await.expect("the append succeeds");
        assert!(!appended.heads.contains_key(&bench.ours));
        appended.placements
    };
    let first = placed(&mut bench).await;
    assert_eq!(first, [Placement::Deleted, Placement::Placed(1), Placement::Missing, Placement::Deleted]);
    bench.delete_rows(bench.ours, 100).await;
    assert_eq!(placed(&mut bench).await[0], Placement::Deleted, "its rows are gone as well");
    assert_eq!(tables_with(&mut RawStore::open(&bench.home.location).await, bench.ours).await, [""; 0]);
}

async fn a_deleted_tenant_is_neither_loaded_nor_quarantined(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let (ours, theirs) = (bench.ours, bench.theirs);
    bench.append(at(0), &drafts(ours, 0, 300)).await;
    bench.append(at(0), &drafts(theirs, 0, 3)).await;
    bench.checkpoint_of(ours).await;
    assert!(bench.store.delete_tenant(ours, at(1)).await.unwrap());
    // As a kill leaves it: before any row was deleted, and in between.
    for _ in 0..3 {
        let LoadedTenants { loaded, quarantined, .. } = load(&bench.store, &mut bench.journal).await.expect("it loads");
        assert!(quarantined.is_empty(), "{quarantined:?}");
        assert_eq!(loaded.states.keys().copied().collect::<Vec<_>>(), [theirs]);
        bench.store.forget(Chore::Deleted(ours), 200).await.expect("the store answers");
        bench = bench.reopen().await;
        assert_eq!(bench.store.deletions().await.unwrap(), [Chore::Deleted(ours)]);
    }
    bench.delete_rows(ours, 200).await;
    assert_eq!(bench.store.deletions().await.unwrap(), []);
}

async fn a_checkpoint_under_way_leaves_no_rows(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let ours = bench.ours;
    bench.append(at(0), &drafts(ours, 0, 10)).await;
    let mut state = State::new(ours);
    for entry in bench.journal.read(ours, 0, u32::MAX).await.unwrap() {
        state.apply(&entry.entry).expect("no gap");
    }
    let whole = state.checkpoint();
    let mark = CheckpointId { tenant: ours, position: 10, apply_version: APPLY_VERSION, batch: None, since: 0 };
    let mut writer = bench.store.begin_checkpoint(mark).await.unwrap().expect("it is newer");
    writer.write(&whole, false).await.unwrap();
    let watch = Stopwatch::start();
    assert!(bench.store.delete_tenant(ours, at(1)).await.unwrap());
    // A statement that waits for the checkpoint's transaction ends by its time limit of ten seconds.
    assert!(watch.elapsed().as_secs() < 5, "a deletion does not wait for a checkpoint: {:?}", watch.elapsed());
    let written = writer.write(&whole, true).await;
    match backend {
        Backend::Embedded => assert!(matches!(written, Err(StoreError::NoTenant(tenant)) if tenant == ours)),
        Backend::Postgres => written.unwrap(),
    }
    drop(writer);
    bench.delete_rows(ours, 100).await;
    assert_eq!(tables_with(&mut RawStore::open(&bench.home.location).await, ours).await, [""; 0]);
    let again = bench.store.begin_checkpoint(mark).await;
    let written = match again {
        Ok(Some(mut writer)) => writer.write(&whole, true).await,
        Ok(None) => panic!("no newer one is stored"),
        Err(error) => Err(error),
    };
    assert!(written.is_err(), "no row can be added afterwards");
    assert_eq!(tables_with(&mut RawStore::open(&bench.home.location).await, ours).await, [""; 0]);
}

async fn the_registry_reports_deleted_tenants(backend: Backend) {
    let bench = Bench::new(backend).await;
    let keys = [bench.credentials(bench.ours, 1).await, bench.credentials(bench.theirs, 2).await];
    let load = async || {
        let registry = Registry::load(bench.store.clone()).await.unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        registry.on_deleted({
            let (calls, ours) = (calls.clone(), bench.ours);
            move |tenant| {
                assert_eq!(tenant, ours);
                calls.fetch_add(1, Ordering::Relaxed);
            }
        });
        (registry, calls)
    };
    let ((prompt, prompt_calls), (late, late_calls)) = (load().await, load().await);
    let since = bench.store.registry_version().await.unwrap();
    assert!(bench.store.delete_tenant(bench.ours, at(1)).await.unwrap());
    let changes = bench.store.registry_changes(since).await.unwrap().expect("the version is recent");
    assert_eq!((changes.deleted, changes.tenants.len()), (vec![bench.ours], 0));
    prompt.refresh().await.unwrap();
    bench.delete_rows(bench.ours, 100).await;
    assert!(bench.store.registry_changes(since).await.unwrap().is_none(), "the change names nothing any more");
    late.refresh().await.unwrap();
    for (registry, calls) in [(&prompt, &prompt_calls), (&late, &late_calls)] {
        registry.refresh().await.unwrap();
        let contents = registry.current();
        assert_eq!((contents.keys(), calls.load(Ordering::Relaxed)), (1, 1));
        assert!(!contents.has_key(keys[0].id) && contents.has_key(keys[1].id));
        assert!(!contents.has_tenant(bench.ours) && contents.has_tenant(bench.theirs));
    }
}

/// Freed pages are overwritten, and the file is rewritten at the next stop, once.
#[tokio::test]
async fn the_file_is_rewritten_at_the_stop_after_a_deletion() {
    let bench = Bench::new(Backend::Embedded).await;
    let Store::Sqlite(store) = &bench.store else { panic!("another store") };
    let mut writer = store.writer().acquire().await.expect("the writer");
    let mode: i64 = sqlx::query_scalar("PRAGMA secure_delete").fetch_one(&mut *writer).await.expect("a mode");
    writer.release();
    assert_eq!(mode, 1);
    let mut raw = RawStore::open(&bench.home.location).await;
    // Rows that are deleted without being overwritten stand for the copies that SQLite leaves.
    raw.run("PRAGMA secure_delete = OFF; CREATE TABLE remains (word TEXT)").await;
    let row = format!("('{}')", "melpomene ".repeat(100));
    raw.run(&format!("INSERT INTO remains VALUES {}", vec![row; 50].join(","))).await;
    raw.run("DROP TABLE remains").await;
    drop(raw);
    let Location::Folder(folder) = &bench.home.location else { panic!("another place") };
    let file = folder.join(DATABASE_FILE);
    let has_remains = || {
        let bytes = std::fs::read(&file).expect("the file");
        bytes.windows(9).any(|window| window == b"melpomene")
    };
    let bench = bench.stopped().await;
    assert!(has_remains(), "no tenant was deleted");
    assert!(bench.store.delete_tenant(bench.ours, at(1)).await.unwrap());
    let bench = bench.stopped().await;
    assert!(has_remains(), "the deletion was not completed");
    bench.delete_rows(bench.ours, 100).await;
    let bench = bench.stopped().await;
    assert!(!has_remains());
    let mut raw = RawStore::open(&bench.home.location).await;
    assert_eq!(raw.number("PRAGMA user_version").await, 0, "once");
    assert_eq!(raw.number("SELECT count(*) FROM tenant").await, 1);
}

impl Bench {
    /// Closes the store as the end of a server does, and opens it again.
    async fn stopped(self) -> Self {
        self.store.close().await;
        self.reopen().await
    }
}
