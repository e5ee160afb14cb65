//! Quarantine: a tenant that cannot be loaded does not affect the others.

use rollcall::boot::{GivenTokens, LoadedTenants, boot, load};
use rollcall::domain::TenantId;
use rollcall::live::State;
use rollcall::live::state::APPLY_VERSION;

use super::{Bench, at, drafts, new_tenant};
use crate::on_both_stores;
use crate::support::Backend;
use crate::support::raw::RawStore;

on_both_stores!(only_unloadable_tenants_are_quarantined);
on_both_stores!(many_tenants_are_loaded);

/// Appends some entries, writes a checkpoint of them, and appends more.
async fn live(bench: &mut Bench, tenant: TenantId) {
    bench.append(at(0), &drafts(tenant, 0, 5)).await;
    let mut state = State::new(tenant);
    for entry in bench.journal.read(tenant, 0, u32::MAX).await.unwrap() {
        state.apply(&entry.entry).expect("no gap");
        state.set_batch(entry.batch);
    }
    bench.store.write_checkpoint(tenant, APPLY_VERSION, &state.checkpoint()).await.unwrap();
    bench.append(at(1), &drafts(tenant, 5, 5)).await;
}

async fn only_unloadable_tenants_are_quarantined(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let names = ["gap", "body", "key", "entry", "lost", "head", "row", "rows", "own", "history", "end"];
    let mut broken = Vec::new();
    for name in names {
        let tenant = new_tenant(&bench.store, &bench.clock, name).await;
        live(&mut bench, tenant).await;
        broken.push(tenant);
    }
    let ours = bench.ours;
    live(&mut bench, ours).await;
    let mut raw = RawStore::open(&bench.home.location).await;
    let [gap, body, key, entry, lost, head, row, rows, own, history, end] = broken[..] else { panic!("{broken:?}") };
    let batch = "018f2f6e-0000-7000-8000-00000000beef";
    let object = if backend == Backend::Embedded { "'{}'" } else { "'{}'::json" };
    for sql in [
        format!("DELETE FROM journal WHERE tenant = '{gap}' AND seq = 7"),
        format!("UPDATE state_row SET body = {object} WHERE tenant = '{body}'"),
        format!("UPDATE state_row SET kind = 'nonsense' WHERE tenant = '{key}'"),
        format!("UPDATE journal SET event = {object} WHERE tenant = '{entry}' AND seq = 9"),
        format!("UPDATE head SET seq = 3 WHERE tenant = '{lost}'"),
        format!("DELETE FROM head WHERE tenant = '{head}'"),
        format!(
            "DELETE FROM state_row WHERE tenant = '{row}' AND kind <> 'tenant'
             AND key = (SELECT min(key) FROM state_row WHERE tenant = '{row}' AND kind <> 'tenant')"
        ),
        format!("DELETE FROM state_row WHERE tenant = '{rows}'"),
        format!("DELETE FROM state_row WHERE tenant = '{own}' AND kind = 'tenant'"),
        format!("UPDATE journal SET batch = '{batch}' WHERE tenant = '{history}' AND seq = 5"),
        format!("UPDATE head SET seq = 5, tail = '{batch}' WHERE tenant = '{end}'"),
    ] {
        raw.run(&sql).await;
    }
    let LoadedTenants { loaded, quarantined, .. } =
        load(&bench.store, &mut bench.journal).await.expect("the store answers");
    let mut found: Vec<_> = quarantined.keys().copied().collect();
    found.sort_unstable();
    broken.sort_unstable();
    assert_eq!(found, broken, "{quarantined:?}");
    assert!(quarantined[&gap].contains("jumps from position 6"), "{}", quarantined[&gap]);
    assert!(quarantined[&lost].contains("before its checkpoint"), "{}", quarantined[&lost]);
    assert!(quarantined[&head].contains("position is missing"), "{}", quarantined[&head]);
    assert!(quarantined[&row].contains("rows instead of"), "{}", quarantined[&row]);
    assert!(quarantined[&own].contains("no row of the tenant itself"), "{}", quarantined[&own]);
    for tenant in [history, end] {
        assert!(quarantined[&tenant].contains("the entry at 5 is not the one"), "{}", quarantined[&tenant]);
    }
    let mut positions: Vec<_> = loaded.states.iter().map(|(tenant, state)| (*tenant, state.position())).collect();
    positions.sort_unstable();
    let mut expected = vec![(ours, 10), (bench.theirs, 0)];
    expected.sort_unstable();
    assert_eq!(positions, expected);
    let Bench { home, store, journal, .. } = bench;
    drop((store, journal));
    let booted = boot(&home.location, GivenTokens::default(), &rollcall::clock::Clock::system(), APPLY_VERSION)
        .await
        .expect("a server starts");
    assert_eq!(booted.quarantined.len(), names.len());
}

async fn many_tenants_are_loaded(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let mut expected = vec![(bench.ours, 0), (bench.theirs, 0)];
    for n in 0..60 {
        let tenant = new_tenant(&bench.store, &bench.clock, &n.to_string()).await;
        if n % 3 == 0 {
            live(&mut bench, tenant).await;
        }
        expected.push((tenant, if n % 3 == 0 { 10 } else { 0 }));
    }
    let LoadedTenants { loaded, quarantined, .. } = load(&bench.store, &mut bench.journal).await.expect("it loads");
    assert!(quarantined.is_empty(), "{quarantined:?}");
    let mut positions: Vec<_> = loaded.states.iter().map(|(tenant, state)| (*tenant, state.position())).collect();
    positions.sort_unstable();
    expected.sort_unstable();
    assert_eq!(positions, expected);
    let replayed = RawStore::open(&bench.home.location).await.replay().await;
    assert!(replayed.iter().all(|(tenant, state)| loaded.states[tenant].digest() == state.digest()));
}
