//! A start loads the checkpoints of all tenants in pages: the states are the ones that were written, wherever a page ends.

use std::sync::Arc;

use rollcall::boot::{LoadedTenants, load};
use rollcall::domain::event::Surface;
use rollcall::domain::{Channel, ConversationId, EventBody, RoleGrant, TenantId, UserRef};
use rollcall::journal::Draft;
use rollcall::live::State;
use rollcall::live::state::APPLY_VERSION;
use rollcall::store::CheckpointId;
use serde_json::{Value, json};

use super::checkpoints::play;
use super::{Bench, at, draft_of, new_tenant};
use crate::on_both_stores;
use crate::support::Backend;
use crate::support::raw::RawStore;

on_both_stores!(tenants_of_several_pages_are_loaded_as_written);
on_both_stores!(staged_rows_are_loaded_in_place_of_older_ones);
on_both_stores!(an_unreadable_row_is_named_wherever_it_lies);

/// Ids of users whose keys have a different order as text than as numbers, more than two pages of them.
fn ids() -> impl Iterator<Item = i64> + Clone {
    let long = [4, 6, 9, 12, 15].map(|digits| 10_i64.pow(digits) - 1);
    (1..=1_250).chain(long).chain(99_000..100_200)
}

fn draft(tenant: TenantId, id: &str, body: EventBody) -> Draft {
    draft_of(tenant, "rollcall:starts", id, at(1), body)
}

fn document(tenant: TenantId, id: &str, users: Vec<Value>) -> Draft {
    let groups =
        [json!({ "id": 1, "name": "One" }), json!({ "id": 12, "name": "Two" }), json!({ "id": 3, "name": "Empty" })];
    let document = serde_json::from_value(json!({ "groups": groups, "users": users })).expect("a document");
    draft(tenant, id, EventBody::DirectoryUpserted { document: Arc::new(document), roles: RoleGrant::default() })
}

fn user(id: i64, name: &str) -> Value {
    let group = if id % 3 == 0 { 1 } else { 12 };
    json!({ "id": id, "name": format!("{name} {id}"), "external_id": format!("e{id}"), "email": format!("Ü{id}@a.example"),
            "groups": [group], "primary_group": 12, "roles": ["operator"],
            "channels": { "chat": { "enabled": id % 2 == 0, "max_slots": 3 } } })
}

/// Returns a history with all users, some of them at desks and in conversations, and one deleted.
fn story(tenant: TenantId) -> Vec<Draft> {
    let mut story = vec![document(tenant, "users", ids().map(|id| user(id, "A")).collect())];
    for id in ids().step_by(5) {
        let user = UserRef::id(id);
        let (session, device) = ("desk".into(), Some("a \"phone\"".into()));
        let surface = Surface::Desk;
        let connected = EventBody::DeskConnected {
            user: user.clone(),
            session,
            lease_seconds: None,
            device,
            surface,
            socket: false,
        };
        story.push(draft(tenant, &format!("desk {id}"), connected));
        // Not in the order in which SQLite joins rows, and with what separates them there.
        let conversation = ConversationId::new(&format!("{id}\u{1e}ü")).expect("an id");
        let taken = EventBody::SlotTaken { user, channel: Channel::Chat, conversation };
        story.push(draft(tenant, &format!("slot {id}"), taken));
    }
    story.push(draft(tenant, "deleted", EventBody::UserDeleted { user: UserRef::id(6) }));
    story
}

/// Plays a history, and writes a checkpoint of it.
async fn lived(bench: &mut Bench, tenant: TenantId, story: &[Draft]) -> State {
    let mut state = State::new(tenant);
    play(bench, &mut state, at(100), story).await;
    bench.store.write_checkpoint(tenant, APPLY_VERSION, &state.checkpoint()).await.unwrap();
    state
}

/// Makes a large tenant among small ones, and returns the states of all.
async fn tenants(bench: &mut Bench) -> Vec<(TenantId, State)> {
    let mut made = Vec::new();
    for n in 0..40 {
        let tenant = new_tenant(&bench.store, &bench.clock, &format!("tenant {n}")).await;
        let story = match n {
            20 => story(tenant),
            _ => vec![document(tenant, "users", (1..=n % 7).map(|id| user(id, "B")).collect())],
        };
        made.push((tenant, lived(bench, tenant, &story).await));
    }
    assert!(made[20].1.rows().len() > ids().count(), "no document was rejected");
    made
}

async fn loaded(bench: &mut Bench) -> LoadedTenants {
    load(&bench.store, &mut bench.journal).await.expect("the store answers")
}

async fn tenants_of_several_pages_are_loaded_as_written(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let mut made = tenants(&mut bench).await;
    let LoadedTenants { mut loaded, quarantined, .. } = loaded(&mut bench).await;
    assert!(quarantined.is_empty(), "{quarantined:?}");
    for (tenant, state) in &mut made {
        let found = loaded.states.get_mut(tenant).expect("a state");
        assert_eq!((found.digest(), found.batch()), (state.digest(), state.batch()));
        let (found, view) = (found.publish(), state.publish());
        for user in ids().step_by(7).map(UserRef::id).chain([UserRef::External("e12".into())]) {
            let profile = |view: &rollcall::live::View| view.directory().profile_of(&user).cloned();
            assert_eq!(profile(&found), profile(&view), "{user:?}");
        }
    }
}

async fn staged_rows_are_loaded_in_place_of_older_ones(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let mut made = tenants(&mut bench).await;
    for (tenant, state) in &mut made[18..22] {
        let (tenant, changed) = (*tenant, ids().filter(|id| id % 4 == 0).map(|id| user(id, "changed")).collect());
        let added = (500_000..501_500).map(|id| user(id, "new")).collect();
        let deleted = EventBody::UserDeleted { user: UserRef::id(8) };
        let drafts = [document(tenant, "c", changed), document(tenant, "n", added), draft(tenant, "d", deleted)];
        play(&mut bench, state, at(200), &drafts).await;
        // The tombstones of the users that were deleted before have expired by now, so that their rows are deleted.
        play(&mut bench, state, at(200_000), &[document(tenant, "late", Vec::new())]).await;
        let source = state.begin_checkpoint();
        let mark = CheckpointId {
            tenant,
            position: source.position(),
            apply_version: APPLY_VERSION,
            batch: source.batch(),
            since: source.changed().since(),
        };
        let mut writer = bench.store.begin_checkpoint(mark).await.unwrap().expect("a newer one");
        let mut export = source.export();
        while !export.is_done() {
            let mut slice = export.slice();
            let _rows = (0..700).take_while(|_| export.add_to(&mut slice)).count();
            writer.write(&slice, export.is_done()).await.unwrap();
        }
    }
    if backend == Backend::Embedded {
        let mut raw = RawStore::open(&bench.home.location).await;
        assert!(raw.number("SELECT count(*) FROM state_row_next WHERE body IS NULL").await > 0, "deletions are staged");
    }
    let LoadedTenants { loaded, quarantined, .. } = loaded(&mut bench).await;
    assert!(quarantined.is_empty(), "{quarantined:?}");
    for (tenant, state) in &made {
        assert_eq!(loaded.states[tenant].digest(), state.digest());
    }
}

async fn an_unreadable_row_is_named_wherever_it_lies(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let mut made = tenants(&mut bench).await;
    let (large, _) = made.remove(20);
    let mut raw = RawStore::open(&bench.home.location).await;
    let row = |id: i64| format!("tenant = '{large}' AND kind = 'user' AND key = '{id}'");
    let kept = "CREATE TABLE kept AS SELECT * FROM state_row WHERE tenant = ";
    raw.run(&format!("{kept}'{large}'")).await;
    for (change, reason) in [
        (format!("UPDATE state_row SET body = '[]' WHERE {}", row(1_000)), "row user 1000 cannot be read"),
        (format!("UPDATE state_row SET kind = 'nonsense' WHERE {}", row(99_500)), "row nonsense 99500"),
        (format!("UPDATE state_row SET key = 'x' WHERE {}", row(1)), "row user x"),
        (format!("DELETE FROM state_row WHERE {}", row(100_199)), "rows instead of"),
        (format!("DELETE FROM state_row WHERE tenant = '{large}' AND kind = 'tenant'"), "no row of the tenant itself"),
    ] {
        raw.run(&change).await;
        let LoadedTenants { loaded, quarantined, .. } = loaded(&mut bench).await;
        assert_eq!(quarantined.keys().collect::<Vec<_>>(), [&large], "{change}: {quarantined:?}");
        assert!(quarantined[&large].contains(reason), "{change}: {}", quarantined[&large]);
        assert!(made.iter().all(|(tenant, state)| loaded.states[tenant].digest() == state.digest()), "{change}");
        raw.run(&format!("DELETE FROM state_row WHERE tenant = '{large}'")).await;
        raw.run("INSERT INTO state_row SELECT * FROM kept").await;
    }
    assert!(loaded(&mut bench).await.quarantined.is_empty(), "as it was");
}
