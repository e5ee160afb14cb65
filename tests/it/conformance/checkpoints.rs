//! Checkpoints: they load as written, and only newer ones change the store.

use std::sync::Arc;
use std::time::Duration;

use rollcall::domain::event::{PasswordHash, Surface};
use rollcall::domain::{Channel, ConversationId, EventBody, RoleGrant, TenantId, Time, UserRef};
use rollcall::journal::Draft;
use rollcall::live::state::{APPLY_VERSION, CheckpointSource, Export};
use rollcall::live::{Checkpoint, State};
use rollcall::store::{CheckpointId, StoreError};
use uuid::Uuid;

use super::{Bench, at, draft_of};
use crate::on_both_stores;
use crate::support::Backend;
use crate::support::desks;
use crate::support::raw::RawStore;
use crate::support::tasks::spawn;

on_both_stores!(a_checkpoint_loads_as_written);
on_both_stores!(an_older_checkpoint_changes_nothing);
on_both_stores!(removed_rows_are_deleted);
on_both_stores!(checkpoint_and_tail_equal_the_whole_journal);
on_both_stores!(a_checkpoint_takes_effect_with_its_last_slice);
on_both_stores!(large_checkpoints_load_as_written);
on_both_stores!(tenants_have_separate_checkpoints);

/// A day in seconds: the time that ended sessions and claims stay in the state.
const DAY: i64 = 86_400;

fn user(id: i64) -> UserRef {
    UserRef::id(id)
}

fn conversation(text: &str) -> ConversationId {
    ConversationId::new(text).expect("an id")
}

/// Returns events that fill a state with a row of every kind, and end some of them.
fn story(tenant: TenantId) -> Vec<Draft> {
    let document = serde_json::from_value(desks::directory(3)).expect("a document");
    let session = |user_id, session: &str, lease_seconds| EventBody::DeskConnected {
        user: user(user_id),
        session: session.into(),
        lease_seconds,
        device: Some("a \"phone\"".into()),
        surface: Surface::Desk,
        socket: false,
    };
    let taken =
        |id, channel, name: &str| EventBody::SlotTaken { user: user(id), channel, conversation: conversation(name) };
    let bodies = [
        EventBody::DirectoryUpserted { document: Arc::new(document), roles: RoleGrant::default() },
        session(1, "a", Some(30)),
        session(1, "b", None),
        session(2, "a", None),
        EventBody::StatusChanged {
            user: user(1),
            presence: None,
            presence_id: None,
            channels: vec![(Channel::Chat, false)],
        },
        taken(1, Channel::Chat, "one"),
        taken(2, Channel::Call, "\"two\" ü"),
        taken(2, Channel::Chat, "one"),
        EventBody::SlotsSynced { user: user(2), channel: Channel::Chat, conversations: vec![conversation("three")] },
        EventBody::DeskDisconnected { user: user(1), session: "b".into(), opened: None },
        EventBody::SlotReleased { user: Some(user(2)), conversation: conversation("\"two\" ü") },
        EventBody::DeskClosedAll { user: user(2) },
        EventBody::PasswordSet {
            user: user(3),
            hash: PasswordHash::new("$argon2id$\"ü\""),
            by: Some(Uuid::from_u128(5)),
        },
    ];
    let of = |(n, body): (usize, EventBody)| draft_of(tenant, "rollcall:story", &n.to_string(), at(n as i64), body);
    bodies.into_iter().enumerate().map(of).collect()
}

/// Appends drafts to the journal and applies them to the state.
pub(super) async fn play(bench: &mut Bench, state: &mut State, recorded: Time, drafts: &[Draft]) {
    let tenant = drafts[0].tenant;
    let before = state.position();
    bench.append(recorded, drafts).await;
    for entry in bench.journal.read(tenant, before, u32::MAX).await.unwrap() {
        state.apply(&entry.entry).expect("no gap");
        state.set_batch(entry.batch);
    }
}

/// Loads the stored checkpoint.
async fn loaded(bench: &Bench, tenant: TenantId) -> State {
    let loaded = bench.store.load_checkpoint(tenant).await.expect("the store answers").expect("a checkpoint");
    State::load(tenant, loaded.position, loaded.rows).expect("rows that can be read")
}

/// Returns a checkpoint with all rows of an export.
fn whole(mut export: Export) -> Checkpoint {
    let mut whole = export.slice();
    while export.add_to(&mut whole) {}
    whole
}

async fn a_checkpoint_loads_as_written(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let ours = bench.ours;
    assert!(bench.store.load_checkpoint(ours).await.unwrap().is_none(), "there is none before the first");
    let mut state = State::new(ours);
    for draft in story(ours) {
        play(&mut bench, &mut state, at(100), &[draft]).await;
        bench.store.write_checkpoint(ours, APPLY_VERSION, &state.checkpoint()).await.unwrap();
        let loaded = loaded(&bench, ours).await;
        assert_eq!(loaded.position(), state.position());
        assert_eq!(loaded.digest(), state.digest(), "at {}", state.position());
    }
    let bench = bench.reopen().await;
    assert_eq!(loaded(&bench, ours).await.digest(), state.digest());
}

async fn an_older_checkpoint_changes_nothing(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let ours = bench.ours;
    let mut state = State::new(ours);
    let story = story(ours);
    play(&mut bench, &mut state, at(100), &story[..6]).await;
    let begun = state.begin_checkpoint();
    let changed = begun.changed();
    let older = whole(begun.export());
    play(&mut bench, &mut state, at(101), &story[6..]).await;
    state.checkpoint_failed(changed);
    let newer = state.checkpoint();
    bench.store.write_checkpoint(ours, APPLY_VERSION, &newer).await.unwrap();
    for same_or_older in [&older, &newer, &older] {
        bench.store.write_checkpoint(ours, APPLY_VERSION, same_or_older).await.unwrap();
        let loaded = loaded(&bench, ours).await;
        assert_eq!((loaded.position(), loaded.digest()), (state.position(), state.digest()));
    }
}

async fn removed_rows_are_deleted(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let ours = bench.ours;
    let mut state = State::new(ours);
    play(&mut bench, &mut state, at(100), &story(ours)).await;
    bench.store.write_checkpoint(ours, APPLY_VERSION, &state.checkpoint()).await.unwrap();
    let mut raw = RawStore::open(&bench.home.location).await;
    let claims = "SELECT count(*) FROM state_row WHERE kind = 'claim'";
    assert_eq!(raw.number(claims).await, 3);
    // A day later the two conversations without a holder are forgotten.
    let later = [draft_of(ours, "/tests", "later", at(DAY), EventBody::DeskClosedAll { user: user(3) })];
    play(&mut bench, &mut state, at(101 + DAY), &later).await;
    let checkpoint = state.checkpoint();
    assert_eq!(checkpoint.deletes.len(), 2, "{checkpoint:?}");
    bench.store.write_checkpoint(ours, APPLY_VERSION, &checkpoint).await.unwrap();
    assert_eq!(raw.number(claims).await, 1);
    assert_eq!(loaded(&bench, ours).await.digest(), state.digest());
}

async fn checkpoint_and_tail_equal_the_whole_journal(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let ours = bench.ours;
    let mut state = State::new(ours);
    let story = story(ours);
    play(&mut bench, &mut state, at(100), &story[..7]).await;
    bench.store.write_checkpoint(ours, APPLY_VERSION, &state.checkpoint()).await.unwrap();
    play(&mut bench, &mut state, at(101), &story[7..]).await;
    let mut bench = bench.reopen().await;
    let loaded = rollcall::boot::load(&bench.store, &mut bench.journal).await.expect("it loads").loaded.states;
    assert_eq!(loaded[&ours].digest(), state.digest());
    assert_eq!(loaded[&bench.theirs].position(), 0);
    let whole = RawStore::open(&bench.home.location).await.replay().await;
    assert_eq!(whole[&ours].digest(), state.digest());
}

async fn tenants_have_separate_checkpoints(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let (ours, theirs) = (bench.ours, bench.theirs);
    let (mut our_state, mut their_state) = (State::new(ours), State::new(theirs));
    play(&mut bench, &mut our_state, at(100), &story(ours)).await;
    play(&mut bench, &mut their_state, at(100), &story(theirs)[..4]).await;
    bench.store.write_checkpoint(ours, APPLY_VERSION, &our_state.checkpoint()).await.unwrap();
    assert!(bench.store.load_checkpoint(theirs).await.unwrap().is_none());
    bench.store.write_checkpoint(theirs, APPLY_VERSION, &their_state.checkpoint()).await.unwrap();
    assert_eq!(loaded(&bench, ours).await.digest(), our_state.digest());
    assert_eq!(loaded(&bench, theirs).await.digest(), their_state.digest());
    assert_ne!(our_state.digest(), their_state.digest());
}

/// Writes the first slices of a checkpoint, one row each, and then some steps of tidying, as a server that is killed
/// after that. Returns whether all slices were written.
async fn write_slices(bench: &Bench, state: &mut State, (slices, tidied): (usize, usize)) -> bool {
    let source = state.begin_checkpoint();
    let mut writer =
        bench.store.begin_checkpoint(mark(bench.ours, &source)).await.unwrap().expect("the checkpoint is newer");
    while writer.tidy().await.unwrap() {}
    let mut export = source.export();
    for _ in 0..slices {
        let mut slice = export.slice();
        if !export.add_to(&mut slice) {
            break;
        }
        writer.write(&slice, export.is_done()).await.unwrap();
    }
    for _ in 0..tidied {
        writer.tidy().await.unwrap();
    }
    export.is_done()
}

async fn a_checkpoint_takes_effect_with_its_last_slice(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let ours = bench.ours;
    let mut state = State::new(ours);
    let story = story(ours);
    play(&mut bench, &mut state, at(100), &story[..5]).await;
    bench.store.write_checkpoint(ours, APPLY_VERSION, &state.checkpoint()).await.unwrap();
    play(&mut bench, &mut state, at(101), &story[5..]).await;
    // A day later some of the rows are deleted.
    let later = [draft_of(ours, "/tests", "later", at(DAY), EventBody::DeskClosedAll { user: user(3) })];
    play(&mut bench, &mut state, at(101 + DAY), &later).await;
    let stored = async |bench: &Bench| bench.store.load_checkpoint(ours).await.unwrap().expect("a checkpoint");
    let (mut killed_early, mut killed_late) = (0, 0);
    for slices in 0..20 {
        // A restart after the kill loads the last complete checkpoint and the tail.
        let booted = rollcall::boot::load(&bench.store, &mut bench.journal).await.expect("it loads").loaded.states;
        assert_eq!(booted[&ours].digest(), state.digest(), "after {slices} slices");
        let mut served = booted.into_iter().find(|(tenant, _)| *tenant == ours).expect("our tenant").1;
        if served.entries_since_checkpoint() == 0 && stored(&bench).await.position == state.position() {
            let more =
                [draft_of(ours, "/tests", &slices.to_string(), at(DAY), EventBody::DeskClosedAll { user: user(1) })];
            play(&mut bench, &mut state, at(102 + DAY), &more).await;
            continue;
        }
        let position = stored(&bench).await.position;
        let is_whole = write_slices(&bench, &mut served, (slices, slices % 3)).await;
        let now = stored(&bench).await;
        assert_eq!(now.position == state.position(), is_whole, "{slices} slices");
        if is_whole {
            killed_late += 1;
            assert!(now.batch.is_some(), "the batch of its position is stored");
            let loaded = State::load(ours, now.position, now.rows).expect("rows that can be read");
            assert_eq!(loaded.digest(), state.digest(), "with rows that are tidied and rows that are not");
        } else {
            killed_early += 1;
            assert_eq!(now.position, position);
        }
        bench = bench.reopen().await;
    }
    assert!(killed_early > 2 && killed_late > 2, "{killed_early} {killed_late}");
}

async fn large_checkpoints_load_as_written(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let ours = bench.ours;
    let mut state = State::new(ours);
    let document = serde_json::from_value(desks::directory(1_200)).expect("a document");
    let directory = EventBody::DirectoryUpserted { document: Arc::new(document), roles: RoleGrant::default() };
    play(&mut bench, &mut state, at(100), &[draft_of(ours, "rollcall:story", "0", at(0), directory)]).await;
    let slices = 10_000;
    assert!(write_slices(&bench, &mut state, (slices, 1)).await, "there are more rows than one step tidies");
    assert_eq!(loaded(&bench, ours).await.digest(), state.digest());
    play(&mut bench, &mut state, at(101), &story(ours)[1..]).await;
    bench.store.write_checkpoint(ours, APPLY_VERSION, &state.checkpoint()).await.unwrap();
    assert_eq!(loaded(&bench, ours).await.digest(), state.digest());
    if backend == Backend::Embedded {
        let mut raw = RawStore::open(&bench.home.location).await;
        assert_eq!(raw.number("SELECT count(*) FROM state_row_next").await, 0, "all rows are tidied");
    }
}

/// Returns a state that has applied the whole journal.
async fn replayed(bench: &mut Bench) -> State {
    let mut state = State::new(bench.ours);
    for entry in bench.journal.read(bench.ours, 0, u32::MAX).await.unwrap() {
        state.apply(&entry.entry).expect("no gap");
        state.set_batch(entry.batch);
    }
    state
}

fn mark(tenant: TenantId, source: &CheckpointSource) -> CheckpointId {
    let (position, batch, since) = (source.position(), source.batch(), source.changed().since());
    CheckpointId { tenant, position, apply_version: APPLY_VERSION, batch, since }
}

/// A writer is paused within its transaction, which PostgreSQL ends after a while. Another one writes meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_was_paused_midway_changes_nothing() {
    let mut bench = Bench::new(Backend::Postgres).await;
    let ours = bench.ours;
    let mut state = State::new(ours);
    play(&mut bench, &mut state, at(100), &story(ours)[..6]).await;
    let source = state.begin_checkpoint();
    let mut paused = bench.store.begin_checkpoint(mark(ours, &source)).await.unwrap().expect("it is newer");
    let mut export = source.export();
    let mut slice = export.slice();
    assert!(export.add_to(&mut slice));
    paused.write(&slice, false).await.unwrap();
    play(&mut bench, &mut state, at(101), &story(ours)[6..]).await;
    let mut other = replayed(&mut bench).await;
    let (source, store) = (other.begin_checkpoint(), bench.store.clone());
    let mark = mark(ours, &source);
    let writing = spawn(async move {
        let mut writer = store.begin_checkpoint(mark).await.unwrap().expect("it is newer");
        assert!(!writer.is_whole());
        writer.write(&whole(source.export()), true).await.unwrap();
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!writing.is_finished(), "it waits for the tenant's checkpoint");
    let ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE datname = current_database() AND state = 'idle in transaction'";
    assert_eq!(RawStore::open(&bench.home.location).await.number(ended).await, 1);
    writing.await.expect("the other writer writes");
    let mut slice = export.slice();
    while export.add_to(&mut slice) {}
    assert!(paused.write(&slice, true).await.is_err(), "its transaction was ended");
    let loaded = loaded(&bench, ours).await;
    assert_eq!((loaded.position(), loaded.digest()), (other.position(), state.digest()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_of_another_history_is_no_checkpoint() {
    let mut bench = Bench::new(Backend::Postgres).await;
    let ours = bench.ours;
    let mut state = State::new(ours);
    play(&mut bench, &mut state, at(100), &story(ours)).await;
    let batch = state.batch();
    state.set_batch(Some(Uuid::from_u128(7)));
    let source = state.begin_checkpoint();
    let refused = bench.store.begin_checkpoint(mark(ours, &source)).await;
    assert!(matches!(refused, Err(StoreError::OtherHistory(at)) if at == state.position()), "{refused:?}");
    state.checkpoint_failed(source.changed());
    state.set_batch(batch);
    let source = state.begin_checkpoint();
    assert!(bench.store.begin_checkpoint(mark(ours, &source)).await.unwrap().is_some(), "the control");
}
