//! The archive: conversations of checkpoints are read back in order, in pages and by filters.

mod pages;
mod random;

use std::sync::Arc;

use rollcall::domain::conversation::{Criteria, HistoryEntry, HistoryEvent, IdOwner, Key, Medium, Span, millis};
use rollcall::domain::{Conversation, EntityRef, Settings, TenantId, Time};
use rollcall::live::state::APPLY_VERSION;
use rollcall::live::{Checkpoint, Listed};
use rollcall::store::{ArchiveFilter, Expiry};
use uuid::Uuid;

use super::{Bench, at, new_tenant};
use crate::on_both_stores;
use crate::support::Backend;
use crate::support::raw::RawStore;

on_both_stores!(newer_versions_replace_older_and_reopened_ones_are_deleted);
on_both_stores!(archive_and_checkpoint_are_written_atomically);
on_both_stores!(retention_is_set_per_tenant);
on_both_stores!(archived_conversations_are_found_by_id);

/// The members of a closed conversation that the archive stores and filters by.
#[derive(Clone, Debug, PartialEq)]
struct Plain {
    id: u128,
    closed: Time,
    seq: u64,
    project: Option<i64>,
    medium: Medium,
    reason: Option<&'static str>,
    users: Vec<i64>,
    groups: Vec<Uuid>,
}

impl Plain {
    fn new(id: u128, closed: Time) -> Self {
        Plain { id, closed, seq: 1, project: None, medium: Medium::Chat, reason: None, users: vec![1], groups: vec![] }
    }

    /// Returns the conversation as a checkpoint contains it.
    fn listed(&self) -> Listed {
        let started = HistoryEvent::Started { project: EntityRef::Id(99), medium: self.medium };
        let pushed = |user: &i64| HistoryEvent::Pushed {
            user: *user,
            given: None,
            medium: Medium::Video,
            project: None,
            untaken: false,
        };
        let closed = HistoryEvent::Closed { reason: self.reason.map(Box::from) };
        let before = std::iter::once(started).chain(self.users.iter().map(pushed));
        let events = before.map(|event| (self.closed.plus_seconds(-60), 1, event));
        let entry = |(n, (time, seq, event))| HistoryEntry { time, seq, id: Uuid::from_u128(self.id + n), event };
        let history = (1..).zip(events.chain([(self.closed, self.seq, closed)])).map(entry).collect();
        let conversation = Arc::new(Conversation::with(Uuid::from_u128(self.id), history));
        Listed { conversation, project: self.project, routing_groups: self.groups.clone() }
    }

    fn key(&self) -> Key {
        Key { millis: millis(self.closed), id: Uuid::from_u128(self.id) }
    }
}

/// Returns a checkpoint of conversations only.
fn checkpoint(position: u64, closed: &[Plain], reopened: &[u128]) -> Checkpoint {
    Checkpoint {
        position,
        batch: None,
        bytes: 0,
        upserts: Vec::new(),
        deletes: Vec::new(),
        archived: closed.iter().map(Plain::listed).collect(),
        reopened: reopened.iter().copied().map(Uuid::from_u128).collect(),
    }
}

/// A span over the whole list.
const EVERYTHING: Span = Span { forward: true, after: None, before: None, limit: 10_000 };

impl Bench {
    async fn archive(&self, tenant: TenantId, checkpoint: &Checkpoint) {
        self.store.write_checkpoint(tenant, APPLY_VERSION, checkpoint).await.expect("the checkpoint is written");
    }

    /// Returns the ids of a tenant's archived conversations, in list order.
    async fn in_archive(&self, tenant: TenantId) -> Vec<u128> {
        let page = self.store.archive_page(tenant, u64::MAX >> 1, &ArchiveFilter::default(), &EVERYTHING).await;
        page.expect("a page").conversations.iter().map(|conversation| conversation.id().as_u128()).collect()
    }
}

async fn forget(bench: &Bench, expiry: Expiry) -> u64 {
    let mut gone = 0;
    for chore in bench.store.chores(expiry).await.expect("an answer") {
        gone += bench.store.forget(chore, 100).await.expect("an answer");
    }
    gone
}

async fn retention_is_set_per_tenant(backend: Backend) {
    const DAY: i64 = 24 * 60 * 60;
    let bench = Bench::new(backend).await;
    let (ours, theirs) = (bench.ours, bench.theirs);
    let closed: Vec<_> = (1..=9).map(|n| Plain::new(n, at(n as i64 * DAY))).collect();
    for tenant in [ours, theirs] {
        bench.archive(tenant, &checkpoint(1, &closed, &[])).await;
    }
    let ten_days_later =
        Expiry { seen: Time::NEVER, journal: Time::NEVER, tokens: Time::NEVER, conversations: at(10 * DAY) };
    assert_eq!(forget(&bench, ten_days_later).await, 0, "no tenant has a limit");
    let settings = Settings { conversation_days: Some(4), ..Settings::default() };
    assert!(bench.set_settings(ours, &settings).await);
    assert_eq!(forget(&bench, ten_days_later).await, 5);
    assert_eq!(bench.in_archive(ours).await, [6, 7, 8, 9], "conversations that closed at the limit are kept");
    assert_eq!(bench.in_archive(theirs).await, (1..=9).collect::<Vec<_>>());
    assert_eq!(forget(&bench, ten_days_later).await, 0);
}

async fn newer_versions_replace_older_and_reopened_ones_are_deleted(backend: Backend) {
    let bench = Bench::new(backend).await;
    let ours = bench.ours;
    let (one, two) = (Plain::new(1, at(1)), Plain::new(2, at(2)));
    bench.archive(ours, &checkpoint(1, &[one.clone(), two.clone()], &[])).await;
    bench.archive(bench.theirs, &checkpoint(1, std::slice::from_ref(&two), &[])).await;
    // The first gets a later closing time than the second, so it moves in the list.
    let amended =
        Plain { closed: at(3), reason: Some("\"done\" ü"), users: vec![1, 5], project: Some(7), seq: 2, ..one };
    bench.archive(ours, &checkpoint(2, std::slice::from_ref(&amended), &[])).await;
    assert_eq!(bench.in_archive(ours).await, [2, 1]);
    let of_five = Criteria { users: vec![vec![IdOwner::any(5)]], projects: Some(vec![7]), ..Criteria::default() };
    let page = bench.store.archive_page(ours, 2, &(&of_five).into(), &EVERYTHING).await.unwrap();
    assert_eq!(page.conversations, [amended.listed().conversation], "with all of its events");
    // A late write of an older checkpoint changes nothing.
    bench.archive(ours, &checkpoint(1, &[Plain::new(4, at(4))], &[2])).await;
    assert_eq!(bench.in_archive(ours).await, [2, 1]);
    bench.archive(ours, &checkpoint(3, &[], &[2, 9])).await;
    assert_eq!(bench.in_archive(ours).await, [1]);
    assert_eq!(bench.in_archive(bench.theirs).await, [2], "another tenant's conversation is kept");
    // It closes again.
    bench.archive(ours, &checkpoint(4, &[Plain { seq: 4, ..two }], &[])).await;
    let bench = bench.reopen().await;
    assert_eq!(bench.in_archive(ours).await, [2, 1]);
}

async fn archive_and_checkpoint_are_written_atomically(backend: Backend) {
    let bench = Bench::new(backend).await;
    let ours = bench.ours;
    let mut raw = RawStore::open(&bench.home.location).await;
    bench.archive(ours, &checkpoint(1, &[Plain::new(1, at(1))], &[])).await;
    raw.refuse("archive", "true").await;
    let more = checkpoint(2, &[Plain::new(2, at(2))], &[1]);
    bench.store.write_checkpoint(ours, APPLY_VERSION, &more).await.expect_err("the write fails");
    raw.accept().await;
    assert_eq!(bench.in_archive(ours).await, [1]);
    assert_eq!(raw.number("SELECT position FROM checkpoint").await, 1);
    bench.archive(ours, &more).await;
    assert_eq!(bench.in_archive(ours).await, [2]);
}

async fn archived_conversations_are_found_by_id(backend: Backend) {
    let bench = Bench::new(backend).await;
    let (ours, theirs) = (bench.ours, bench.theirs);
    bench.archive(ours, &checkpoint(5, &[Plain::new(1, at(1)), Plain { seq: 5, ..Plain::new(2, at(1)) }], &[])).await;
    bench.archive(theirs, &checkpoint(5, &[Plain::new(1, at(1)), Plain::new(3, at(1))], &[])).await;
    let id = Uuid::from_u128;
    let asked = [id(1), id(3), id(9), id(1)];
    assert_eq!(bench.store.are_archived(ours, &asked).await.unwrap(), [id(1)]);
    assert_eq!(bench.store.are_archived(theirs, &[id(3), id(2)]).await.unwrap(), [id(3)]);
    assert!(bench.store.are_archived(ours, &[]).await.unwrap().is_empty());
    let many: Vec<_> = (0..5_000).map(id).collect();
    assert_eq!(bench.store.are_archived(theirs, &many).await.unwrap().len(), 2);
    // A reader gets the conversations as of its position.
    let read = async |tenant, position, ids: &[u128]| {
        let ids: Vec<_> = ids.iter().copied().map(id).collect();
        let read = bench.store.archived(tenant, position, &ids).await.unwrap();
        let mut ids: Vec<_> = read.iter().map(|conversation| conversation.id().as_u128()).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(read(ours, 5, &[1, 2, 3, 1]).await, [1, 2]);
    assert_eq!(read(ours, 4, &[1, 2, 3]).await, [1], "the second is newer");
    assert_eq!(read(theirs, 5, &[2, 3]).await, [3]);
    assert_eq!(read(ours, 5, &[]).await, [0; 0]);
    let whole = bench.store.archived(ours, 5, &[id(2)]).await.unwrap();
    assert_eq!(whole, [Plain { seq: 5, ..Plain::new(2, at(1)) }.listed().conversation]);
}
