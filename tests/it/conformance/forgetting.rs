//! Retention: only rows that are expired and not needed any more are deleted, in slices of limited size.

use rollcall::domain::Time;
use rollcall::live::State;
use rollcall::live::state::APPLY_VERSION;
use rollcall::store::{Chore, Expiry, TokenHolder, TokenRecord};

use super::{Bench, at, draft, drafts};
use crate::on_both_stores;
use crate::support::Backend;
use crate::support::raw::RawStore;

on_both_stores!(entries_after_the_checkpoint_are_kept);
on_both_stores!(only_expired_rows_are_deleted);
on_both_stores!(each_tenants_journal_is_a_separate_chore);
on_both_stores!(expired_tokens_are_deleted);
on_both_stores!(each_deletion_is_limited_in_size);

/// The number of rows that one call may delete.
const LIMIT: u32 = 2_000;

const NOTHING: Expiry =
    Expiry { seen: Time::NEVER, journal: Time::NEVER, tokens: Time::NEVER, conversations: Time::NEVER };

impl Bench {
    /// Deletes until nothing is left to delete; returns the number of rows that each call deleted.
    async fn forget(&self, expiry: Expiry) -> Vec<u64> {
        let mut slices = Vec::new();
        for chore in self.store.chores(expiry).await.expect("the store answers") {
            loop {
                match self.store.forget(chore, LIMIT).await.expect("the store answers") {
                    0 => break,
                    gone => slices.push(gone),
                }
                assert!(slices.len() < 1_000, "the deletion does not end");
            }
        }
        slices
    }

    /// Writes a checkpoint of our tenant at the end of its journal.
    async fn checkpoint(&mut self) {
        let mut state = State::new(self.ours);
        for entry in self.journal.read(self.ours, 0, u32::MAX).await.unwrap() {
            state.apply(&entry.entry).expect("no gap");
        }
        self.store.write_checkpoint(self.ours, APPLY_VERSION, &state.checkpoint()).await.unwrap();
    }
}

async fn entries_after_the_checkpoint_are_kept(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let (ours, theirs) = (bench.ours, bench.theirs);
    let mut raw = RawStore::open(&bench.home.location).await;
    bench.append(at(0), &drafts(ours, 0, 4)).await;
    bench.append(at(0), &drafts(theirs, 0, 4)).await;
    let journal = Expiry { journal: at(100), ..NOTHING };
    assert_eq!(bench.forget(journal).await, [0; 0], "there is no checkpoint yet");
    bench.checkpoint().await;
    bench.append(at(1), &drafts(ours, 4, 3)).await;
    assert_eq!(bench.forget(journal).await.iter().sum::<u64>(), 4, "the entries that the checkpoint covers");
    let left: Vec<_> = raw.journal().await.iter().map(|line| (line.tenant == ours, line.seq)).collect();
    let expected = [(true, 5), (true, 6), (true, 7), (false, 1), (false, 2), (false, 3), (false, 4)];
    assert_eq!(left.len(), expected.len());
    assert!(expected.iter().all(|line| left.contains(line)), "{left:?}");
    // The checkpoint and the remaining entries load.
    let loaded = rollcall::boot::load(&bench.store, &mut bench.journal).await.expect("it loads").loaded.states;
    assert_eq!((loaded[&ours].position(), loaded[&theirs].position()), (7, 4));
    assert_eq!(bench.append(at(2), &[draft(ours, "0")]).await, [None], "event ids have a retention of their own");
}

async fn only_expired_rows_are_deleted(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let ours = bench.ours;
    let mut raw = RawStore::open(&bench.home.location).await;
    for n in 0..6 {
        bench.append(at(n), &[draft(ours, &n.to_string())]).await;
    }
    bench.checkpoint().await;
    assert_eq!(bench.forget(NOTHING).await, [0; 0]);
    bench.forget(Expiry { journal: at(2), ..NOTHING }).await;
    assert_eq!(
        raw.journal().await.iter().map(|line| line.seq).collect::<Vec<_>>(),
        [3, 4, 5, 6],
        "entries before the limit are deleted, not those at it"
    );
    assert_eq!(raw.number("SELECT count(*) FROM seen").await, 6);
    bench.forget(Expiry { seen: at(4), ..NOTHING }).await;
    assert_eq!(raw.number("SELECT count(*) FROM seen").await, 2);
    assert_eq!(raw.journal().await.len(), 4);
    let again = [draft(ours, "3"), draft(ours, "4")];
    assert_eq!(bench.append(at(10), &again).await, [Some(7), None], "an id past its retention is new");
    bench.checkpoint_after_forgetting().await;
}

impl Bench {
    /// Checks that positions continue after the whole journal was deleted.
    async fn checkpoint_after_forgetting(&mut self) {
        let loaded = rollcall::boot::load(&self.store, &mut self.journal).await.expect("it loads").loaded.states;
        let mut state = loaded.into_iter().find(|(tenant, _)| *tenant == self.ours).expect("our tenant").1;
        self.store.write_checkpoint(self.ours, APPLY_VERSION, &state.checkpoint()).await.unwrap();
        self.forget(Expiry { journal: at(1_000), ..NOTHING }).await;
        let ours = self.ours;
        assert!(self.journal.read(ours, 0, 10).await.unwrap().is_empty());
        assert_eq!(self.append(at(1_001), &[draft(ours, "new")]).await, [Some(8)]);
        let loaded = rollcall::boot::load(&self.store, &mut self.journal).await.expect("it loads").loaded.states;
        assert_eq!(loaded[&ours].position(), 8);
    }
}

async fn expired_tokens_are_deleted(backend: Backend) {
    let bench = Bench::new(backend).await;
    let holder = TokenHolder::User { guid: bench.clock.new_id(), password: 1 };
    for n in 1..=3u8 {
        let (created, expires) = (at(0), at(i64::from(n)));
        let token = TokenRecord { hash: [n; 32], tenant: bench.ours, holder, scopes: Vec::new(), created, expires };
        bench.store.create_token(&token).await.unwrap();
    }
    let left = async || bench.store.tokens(at(0)).await.unwrap().iter().map(|token| token.hash[0]).collect::<Vec<_>>();
    assert_eq!(bench.forget(NOTHING).await, [0; 0]);
    assert_eq!(bench.forget(Expiry { tokens: at(2), ..NOTHING }).await, [1]);
    assert_eq!(left().await, [2, 3]);
    assert_eq!(bench.forget(Expiry { tokens: at(9), ..NOTHING }).await, [2]);
    assert_eq!(left().await, [0; 0]);
}

async fn each_deletion_is_limited_in_size(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let ours = bench.ours;
    bench.append(at(0), &drafts(ours, 0, 12_000)).await;
    bench.append(at(10), &drafts(ours, 12_000, 1)).await;
    bench.checkpoint().await;
    let slices = bench.forget(Expiry { seen: at(5), journal: at(5), ..NOTHING }).await;
    assert!(slices.iter().all(|gone| *gone <= u64::from(LIMIT)), "{slices:?}");
    assert_eq!(slices.iter().sum::<u64>(), 24_000, "{slices:?}");
    let mut raw = RawStore::open(&bench.home.location).await;
    assert_eq!(raw.number("SELECT count(*) FROM seen").await, 1);
    assert_eq!(raw.journal().await.iter().map(|line| line.seq).collect::<Vec<_>>(), [12_001]);
}

async fn each_tenants_journal_is_a_separate_chore(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let (ours, theirs) = (bench.ours, bench.theirs);
    let empty = super::new_tenant(&bench.store, &bench.clock, "empty").await;
    for tenant in [ours, theirs] {
        bench.append(at(0), &drafts(tenant, 0, 30)).await;
        let mut state = State::new(tenant);
        for entry in bench.journal.read(tenant, 0, u32::MAX).await.unwrap() {
            state.apply(&entry.entry).expect("no gap");
        }
        bench.store.write_checkpoint(tenant, APPLY_VERSION, &state.checkpoint()).await.unwrap();
    }
    let expiry = Expiry { journal: at(5), ..NOTHING };
    let journals = async |bench: &Bench| -> Vec<Chore> {
        let all = bench.store.chores(expiry).await.unwrap();
        all.into_iter().filter(|chore| matches!(chore, Chore::Journal(..))).collect()
    };
    let due = journals(&bench).await;
    assert!(due.len() == 2 && due.iter().all(|chore| *chore != Chore::Journal(empty, at(5))), "{due:?}");
    assert_eq!(bench.store.forget(Chore::Journal(ours, at(5)), 10).await.unwrap(), 10, "at most the limit");
    let mut raw = RawStore::open(&bench.home.location).await;
    assert_eq!(
        raw.journal().await.iter().filter(|line| line.tenant == theirs).count(),
        30,
        "the other tenant's journal is another chore"
    );
    assert_eq!(bench.store.forget(Chore::Journal(ours, at(5)), 100).await.unwrap(), 20);
    assert_eq!(journals(&bench).await, [Chore::Journal(theirs, at(5))]);
}
