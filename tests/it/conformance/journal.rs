//! The journal: positions, event ids and batches.

use rollcall::clock::Clock;
use rollcall::domain::{EventBody, RoleGrant};
use rollcall::journal::{Appended, Batch, ClockBounds, Head, JournalError, Placement};
use rollcall::live::State;
use rollcall::live::state::APPLY_VERSION;
use rollcall::store::StoreError;

use super::{Bench, at, draft, draft_of, drafts};
use crate::on_both_stores;
use crate::support::Backend;
use crate::support::raw::RawStore;
use crate::support::tasks::eventually;

on_both_stores!(positions_are_contiguous_and_in_order);
on_both_stores!(tenants_in_one_batch_have_separate_positions);
on_both_stores!(an_id_is_journalled_once);
on_both_stores!(an_id_is_journalled_once_within_a_batch);
on_both_stores!(an_id_is_journalled_once_across_a_restart);
on_both_stores!(ids_are_stored_unchanged);
on_both_stores!(a_batch_is_atomic);
on_both_stores!(a_journal_is_read_in_pages);
on_both_stores!(entries_are_read_as_appended);
on_both_stores!(entries_of_another_apply_version_are_rejected);
on_both_stores!(appends_and_checkpoints_of_another_version_are_refused);
on_both_stores!(an_older_release_is_taken_over_at_a_checkpoint_of_its_head);
on_both_stores!(a_checkpoint_of_another_batch_raises_no_head);
on_both_stores!(an_entry_with_an_unknown_member_is_not_applied);
on_both_stores!(a_reachable_journal_confirms_and_recovers);
on_both_stores!(the_largest_batch_is_one_transaction);

/// An index on a column that an append changes would be changed with each head.
#[tokio::test]
async fn an_append_changes_no_index_of_the_heads_postgres() {
    let mut bench = Bench::new(Backend::Postgres).await;
    for n in 0..50 {
        bench.append(at(n), &drafts(bench.ours, n as usize, 1)).await;
    }
    // A session reports what it did when it ends.
    let bench = bench.reopen().await;
    let mut raw = RawStore::open(&bench.home.location).await;
    const INDEXED: &str =
        "SELECT count(*) FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
                           WHERE indrelid = 'head'::regclass AND attname <> 'tenant'";
    assert_eq!(raw.number(INDEXED).await, 0);
    let updates = "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'head'";
    eventually("the updates are counted", async || raw.number(updates).await >= 50).await;
    let others = "SELECT n_tup_upd - n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'head'";
    assert_eq!(raw.number(others).await, 0, "updates that changed an index");
}

/// Appends a draft with this id to a tenant, with the database's clock within these bounds.
async fn append(bench: &mut Bench, id: &str, store_clock: Option<ClockBounds>) -> Result<Appended, JournalError> {
    let drafts = [draft(bench.ours, id)];
    let batch = Batch { store_clock, ..bench.batch(at(0), &drafts) };
    bench.journal.append(batch).await
}

#[tokio::test]
async fn the_databases_clock_records_entries_postgres() {
    let mut bench = Bench::new(Backend::Postgres).await;
    let ours = bench.ours;
    let truth = Clock::system().now();
    let within = |seconds: i64| ClockBounds {
        earliest: truth.plus_seconds(seconds - 60),
        latest: truth.plus_seconds(seconds + 60),
    };
    let appended = append(&mut bench, "0", Some(within(0))).await.expect("the clocks agree");
    assert_eq!(appended.placements, [Placement::Placed(1)]);
    let recorded = appended.heads[&ours].recorded;
    assert!((recorded - truth.micros()).abs() < 60_000_000, "recorded at {recorded}, appended at {truth}");
    for hours in [-1, 1, 24 * 400] {
        match append(&mut bench, "1", Some(within(hours * 3_600))).await {
            Err(JournalError::Clock(shown)) => assert!((shown.micros() - truth.micros()).abs() < 60_000_000),
            other => panic!("{hours} h: {other:?}"),
        }
    }
    // The control: without the bounds the batch is placed, whatever the clocks show. Its id was not taken above.
    let appended = append(&mut bench, "1", None).await.expect("it is placed");
    assert_eq!(appended.placements, [Placement::Placed(2)]);
    assert_eq!(appended.heads[&ours].recorded, recorded, "recorded times do not go back");
    let mut raw = RawStore::open(&bench.home.location).await;
    raw.run("UPDATE head SET recorded = recorded + 3600000000 WHERE seq > 0").await;
    let appended = append(&mut bench, "2", Some(within(0))).await.expect("the clocks agree");
    assert_eq!(appended.heads[&ours].recorded, recorded + 3_600_000_000, "nor before the newest entry's");
    assert_eq!(bench.ids(ours).await, ["0", "1", "2"]);
}

async fn positions_are_contiguous_and_in_order(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let ours = bench.ours;
    let mut next = 1;
    for count in [1, 7, 1, 100] {
        let from = next as usize;
        let positions = bench.append(at(next as i64), &drafts(ours, from, count)).await;
        let expected: Vec<_> = (next..next + count as u64).map(Some).collect();
        assert_eq!(positions, expected);
        next += count as u64;
    }
    let expected: Vec<_> = (1..next).map(|n| n.to_string()).collect();
    assert_eq!(bench.ids(ours).await, expected);
    assert_eq!(bench.append(at(1_000), &[]).await, [], "an empty batch journals nothing");
    assert_eq!(bench.journal.heads().await.unwrap()[&ours].seq, next - 1);
}

async fn tenants_in_one_batch_have_separate_positions(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let (ours, theirs) = (bench.ours, bench.theirs);
    bench.append(at(0), &drafts(theirs, 0, 3)).await;
    // Equal ids of different tenants are different events.
    let batch = [draft(ours, "0"), draft(theirs, "3"), draft(ours, "1"), draft(ours, "2"), draft(theirs, "0")];
    let positions = bench.append(at(1), &batch).await;
    assert_eq!(positions, [Some(1), Some(4), Some(2), Some(3), None]);
    assert_eq!(bench.ids(ours).await, ["0", "1", "2"]);
    assert_eq!(bench.ids(theirs).await, ["0", "1", "2", "3"]);
}

async fn an_id_is_journalled_once(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let ours = bench.ours;
    bench.append(at(0), &drafts(ours, 0, 3)).await;
    let again = [draft(ours, "1"), draft(ours, "3"), draft(ours, "0")];
    assert_eq!(bench.append(at(1), &again).await, [None, Some(4), None], "a repeat takes no position");
    assert_eq!(bench.append(at(2), &again).await, [None, None, None]);
    let body = || draft(ours, "0").event.fact.body;
    let elsewhere = [draft_of(ours, "/elsewhere", "0", at(0), body())];
    assert_eq!(bench.append(at(3), &elsewhere).await, [Some(5)], "an id of another source is another id");
    assert_eq!(bench.ids(ours).await, ["0", "1", "2", "3", "0"]);
}

async fn an_id_is_journalled_once_within_a_batch(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let (ours, theirs) = (bench.ours, bench.theirs);
    let batch = [draft(ours, "a"), draft(ours, "b"), draft(theirs, "a"), draft(ours, "a"), draft(ours, "b")];
    assert_eq!(
        bench.append(at(0), &batch).await,
        [Some(1), Some(2), Some(1), None, None],
        "the first occurrence counts"
    );
    assert_eq!(bench.ids(ours).await, ["a", "b"]);
    assert_eq!(bench.ids(theirs).await, ["a"]);
}

async fn an_id_is_journalled_once_across_a_restart(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let ours = bench.ours;
    bench.append(at(0), &drafts(ours, 0, 2)).await;
    let mut bench = bench.reopen().await;
    let positions = bench.append(at(1), &[draft(ours, "1"), draft(ours, "2")]).await;
    assert_eq!(positions, [None, Some(3)]);
}

async fn ids_are_stored_unchanged(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let ours = bench.ours;
    let strange =
        ["1", "01", "1.0", "null", "true", "\"", "\\", "\\u0041", "A", "a", "ä", "a\u{308}", " ", "  ", "\n", "{}"];
    let strange = strange.into_iter().chain(["[1]", "'; DROP TABLE journal; --", "%", "_", "🦀", "\u{7f}", "\u{feff}"]);
    let strange: Vec<String> = strange.map(str::to_owned).chain(["x".repeat(128)]).collect();
    let batch: Vec<_> =
        strange.iter().map(|id| draft_of(ours, id, id, at(0), draft(ours, "").event.fact.body)).collect();
    let positions = bench.append(at(0), &batch).await;
    assert!(positions.iter().all(Option::is_some), "all of them differ: {positions:?}");
    assert_eq!(bench.ids(ours).await, strange);
    assert!(bench.append(at(1), &batch).await.iter().all(Option::is_none), "each is found again");
}

async fn a_batch_is_atomic(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let (ours, theirs) = (bench.ours, bench.theirs);
    bench.append(at(0), &drafts(ours, 0, 2)).await;
    let before = bench.journal.heads().await.unwrap();
    let mut raw = RawStore::open(&bench.home.location).await;
    raw.refuse("journal", "NEW.event_id = 'poison'").await;
    let batch = [draft(ours, "2"), draft(theirs, "0"), draft(ours, "poison"), draft(theirs, "1")];
    let refused = bench.journal.append(bench.batch(at(1), &batch)).await;
    assert!(matches!(refused, Err(JournalError::Content(_))), "{refused:?}");
    assert_eq!(bench.journal.heads().await.unwrap(), before, "the heads are unchanged");
    assert_eq!(bench.ids(ours).await, ["0", "1"]);
    assert_eq!(bench.ids(theirs).await, [""; 0]);
    raw.accept().await;
    // Its ids were not consumed.
    assert_eq!(bench.append(at(2), &batch).await, [Some(3), Some(1), Some(4), Some(2)]);
}

async fn a_journal_is_read_in_pages(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let (ours, theirs) = (bench.ours, bench.theirs);
    bench.append(at(5), &drafts(ours, 0, 10)).await;
    let mut seqs = async |after, limit| -> Vec<u64> {
        bench.journal.read(ours, after, limit).await.unwrap().iter().map(|logged| logged.entry.seq).collect()
    };
    assert_eq!(seqs(0, 3).await, [1, 2, 3]);
    assert_eq!(seqs(3, 3).await, [4, 5, 6]);
    assert_eq!(seqs(9, 3).await, [10]);
    assert_eq!(seqs(10, 3).await, [0; 0]);
    assert_eq!(seqs(1_000, 3).await, [0; 0]);
    let heads = bench.journal.heads().await.unwrap();
    let tail = heads[&ours].tail;
    assert_eq!(heads[&ours], Head { seq: 10, recorded: at(5).micros(), tail, apply_version: APPLY_VERSION });
    assert_eq!(heads[&theirs], Head::default(), "a tenant without entries has a head as well");
}

async fn entries_are_read_as_appended(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let ours = bench.ours;
    let text = r#"{"time":"2021-03-01T09:00:00.123456Z","type":"status.changed",
        "data":{"user":"external:ä \"🦀\" \\","presence":"Away","channels":[["chat",false],["third_party",true]]}}"#;
    let fact: rollcall::domain::event::Fact = serde_json::from_str(text).expect("a fact");
    let first = draft_of(ours, "/a", "1", fact.time, fact.body);
    let document = serde_json::json!({ "users": [{ "id": 7, "name": "Zoë", "email": null, "groups": [] }] });
    let document = serde_json::from_value(document).expect("a document");
    let second = draft_of(
        ours,
        "/b",
        "2",
        at(-9),
        EventBody::DirectoryUpserted { document: std::sync::Arc::new(document), roles: RoleGrant::default() },
    );
    bench.append(at(1), std::slice::from_ref(&first)).await;
    bench.append(at(2), std::slice::from_ref(&second)).await;
    let entries: Vec<_> =
        bench.journal.read(ours, 0, 10).await.unwrap().into_iter().map(|logged| logged.entry).collect();
    assert_eq!(entries.iter().map(|entry| &entry.event).collect::<Vec<_>>(), [&first.event, &second.event]);
    assert_eq!(entries.iter().map(|entry| entry.recorded).collect::<Vec<_>>(), [at(1), at(2)]);
}

async fn entries_of_another_apply_version_are_rejected(backend: Backend) {
    let mut bench = Bench::new(backend).await.reopen_as(APPLY_VERSION + 1).await;
    let ours = bench.ours;
    bench.append(at(0), &drafts(ours, 0, 2)).await;
    assert_eq!(bench.ids(ours).await, ["0", "1"], "its own version reads it");
    let mut bench = bench.reopen().await;
    let refused = bench.journal.read(ours, 0, 10).await;
    let Err(JournalError::Version { tenant, seq, found }) = refused else { panic!("{refused:?}") };
    assert_eq!((tenant, seq, found), (ours, 1, APPLY_VERSION + 1));
    let booted = rollcall::boot::load(&bench.store, &mut bench.journal).await.expect("it loads");
    assert!(booted.quarantined[&ours].contains("apply version"), "{:?}", booted.quarantined);
    assert!(!booted.loaded.states.contains_key(&ours) && booted.loaded.states.contains_key(&bench.theirs));
    let booted = rollcall::boot::take_over(&bench.store, &mut bench.journal).await.expect("it loads");
    assert!(booted.unsettled[&ours].1.contains("of a newer release"), "{:?}", booted.unsettled);
    assert!(booted.quarantined.is_empty() && booted.loaded.states.contains_key(&bench.theirs));
}

/// The statements refuse what is of another version: an append, and a checkpoint.
async fn appends_and_checkpoints_of_another_version_are_refused(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let (ours, theirs) = (bench.ours, bench.theirs);
    bench.append(at(0), &drafts(ours, 0, 2)).await;
    let first = bench.journal.read(ours, 0, 1).await.unwrap();
    let mut state = State::new(ours);
    state.apply(&first[0].entry).unwrap();
    for other in [APPLY_VERSION - 1, APPLY_VERSION + 1] {
        bench = bench.reopen_as(other).await;
        let mut batch = drafts(ours, 5, 1);
        batch.extend(drafts(theirs, 0, 1));
        let appended = bench.journal.append(bench.batch(at(1), &batch)).await.expect("the other tenant is appended");
        assert_eq!(appended.placements[0], Placement::OtherVersion(APPLY_VERSION), "{other}");
        assert_eq!(bench.journal.heads().await.unwrap()[&ours].seq, 2);
        let written = bench.store.write_checkpoint(ours, other, &state.clone().checkpoint()).await;
        assert!(matches!(written, Err(StoreError::OtherVersion(version)) if version == other), "{written:?}");
        assert_eq!(bench.journal.raise(&[ours]).await.unwrap(), [], "no checkpoint is at the head");
        if other < APPLY_VERSION {
            // A tenant without entries is of no version: the first one decides.
            assert_eq!(appended.placements[1], Placement::Placed(1));
        } else {
            assert_eq!(appended.placements[1], Placement::OtherVersion(APPLY_VERSION - 1));
        }
    }
    let mut bench = bench.reopen().await;
    assert_eq!(bench.append(at(2), &drafts(ours, 2, 1)).await, [Some(3)], "the id of what was refused is free");
    bench.store.write_checkpoint(ours, APPLY_VERSION, &state.checkpoint()).await.expect("its own is written");
    assert_eq!(bench.append(at(2), &drafts(ours, 5, 1)).await, [Some(4)]);
}

async fn an_older_release_is_taken_over_at_a_checkpoint_of_its_head(backend: Backend) {
    let mut bench = Bench::new(backend).await.reopen_as(APPLY_VERSION - 1).await;
    let ours = bench.ours;
    bench.append(at(0), &drafts(ours, 0, 2)).await;
    let entries = bench.journal.read(ours, 0, 10).await.unwrap();
    let mut state = State::new(ours);
    state.apply(&entries[0].entry).unwrap();
    bench.store.write_checkpoint(ours, APPLY_VERSION - 1, &state.checkpoint()).await.unwrap();
    let mut bench = bench.reopen().await;
    let booted = rollcall::boot::take_over(&bench.store, &mut bench.journal).await.expect("it loads");
    let (version, reason) = &booted.unsettled[&ours];
    assert_eq!(*version, APPLY_VERSION - 1);
    assert!(reason.contains("its checkpoint ends at 1 of 2"), "an entry is still to be applied: {reason}");
    assert!(!booted.loaded.states.contains_key(&ours));
    // The older release writes its last checkpoint when it stops, or later.
    state.apply(&entries[1].entry).unwrap();
    bench.store.write_checkpoint(ours, APPLY_VERSION - 1, &state.checkpoint()).await.unwrap();
    let booted = rollcall::boot::take_over(&bench.store, &mut bench.journal).await.expect("it loads");
    let loaded = booted.loaded.states;
    assert_eq!((loaded[&ours].position(), loaded[&ours].digest()), (2, state.digest()));
    // Entries of the newer version follow, and are applied at the next start.
    bench.append(at(1), &drafts(ours, 2, 1)).await;
    let mut bench = bench.reopen().await;
    let booted = rollcall::boot::take_over(&bench.store, &mut bench.journal).await.expect("it loads");
    assert_eq!(booted.loaded.states[&ours].position(), 3);
    // Back to the older release: it cannot apply them.
    let mut bench = bench.reopen_as(APPLY_VERSION - 1).await;
    let placement = bench.journal.append(bench.batch(at(2), &drafts(ours, 3, 1))).await.unwrap().placements[0];
    assert_eq!(placement, Placement::OtherVersion(APPLY_VERSION));
    let booted = rollcall::boot::take_over(&bench.store, &mut bench.journal).await.expect("it loads");
    assert!(booted.unsettled[&ours].1.contains("of a newer release"), "{:?}", booted.unsettled);
}

/// A checkpoint at the head of another history, whose last batch differs, is none.
async fn a_checkpoint_of_another_batch_raises_no_head(backend: Backend) {
    let mut bench = Bench::new(backend).await.reopen_as(APPLY_VERSION - 1).await;
    let ours = bench.ours;
    bench.append(at(0), &drafts(ours, 0, 1)).await;
    let entries = bench.journal.read(ours, 0, 10).await.unwrap();
    let mut state = State::new(ours);
    state.apply(&entries[0].entry).unwrap();
    state.set_batch(entries[0].batch);
    bench.store.write_checkpoint(ours, APPLY_VERSION - 1, &state.checkpoint()).await.unwrap();
    let mut raw = RawStore::open(&bench.home.location).await;
    raw.run("UPDATE head SET tail = '00000000-0000-4000-8000-000000000001' WHERE seq = 1").await;
    let mut bench = bench.reopen().await;
    assert_eq!(bench.journal.raise(&[ours]).await.unwrap(), []);
    raw.run("UPDATE head SET tail = (SELECT batch FROM checkpoint) WHERE seq = 1").await;
    assert_eq!(bench.journal.raise(&[ours]).await.unwrap(), [ours], "the control");
    assert_eq!(bench.journal.raise(&[ours]).await.unwrap(), [], "it is raised once");
}

async fn an_entry_with_an_unknown_member_is_not_applied(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let (ours, theirs) = (bench.ours, bench.theirs);
    bench.append(at(0), &drafts(ours, 0, 1)).await;
    bench.append(at(0), &drafts(theirs, 0, 1)).await;
    let mut raw = RawStore::open(&bench.home.location).await;
    let with = match backend {
        Backend::Embedded => "json_set(event, '$.data.later', 1)",
        Backend::Postgres => "jsonb_set(event::jsonb, '{data,later}', '1')::json",
    };
    raw.run(&format!("UPDATE journal SET event = {with} WHERE tenant = '{ours}'")).await;
    let booted = rollcall::boot::take_over(&bench.store, &mut bench.journal).await.expect("it loads");
    let reason = &booted.quarantined[&ours];
    assert!(reason.contains("unknown") && reason.contains("later"), "{reason}");
    assert!(booted.loaded.states.contains_key(&theirs));
}

async fn a_reachable_journal_confirms_and_recovers(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let ours = bench.ours;
    bench.journal.confirm().await.expect("the journal is reachable");
    bench.append(at(0), &drafts(ours, 0, 1)).await;
    bench.recover().await;
    bench.journal.confirm().await.expect("the journal is reachable");
    assert_eq!(bench.append(at(1), &drafts(ours, 1, 1)).await, [Some(2)]);
}

async fn the_largest_batch_is_one_transaction(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let (ours, theirs) = (bench.ours, bench.theirs);
    let mut batch = drafts(ours, 0, 10_000);
    batch.extend(drafts(theirs, 0, 100));
    let positions = bench.append(at(0), &batch).await;
    assert_eq!(positions[9_999], Some(10_000));
    assert_eq!(positions[10_099], Some(100));
    assert_eq!(bench.journal.heads().await.unwrap()[&ours].seq, 10_000);
}
