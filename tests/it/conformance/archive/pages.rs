//! Pages: of any size and in either direction they cover the list, each conversation once.

use std::sync::Arc;

use rollcall::clock::Clock;
use rollcall::domain::conversation::{Criteria, HistoryEntry, HistoryEvent, IdOwner, Key, Medium, Span};
use rollcall::domain::{Conversation, Time};
use rollcall::lifecycle::Lifecycle;
use rollcall::limits::Budgets;
use rollcall::live::Listed;
use rollcall::store::{ArchiveFilter, TenantReads};
use uuid::Uuid;

use super::{Bench, Plain, at, checkpoint};
use crate::on_both_stores;
use crate::support::Backend;

on_both_stores!(pages_of_any_size_cover_the_list_once);
on_both_stores!(pages_of_large_conversations_end_early_without_loss);
on_both_stores!(a_search_reads_a_number_of_rows_in_each_turn);
on_both_stores!(intervals_are_exact_and_ordered_by_millisecond);

/// Reads all pages in one direction; returns the ids, and the number of conversations on each page.
async fn read(bench: &Bench, criteria: &Criteria, forward: bool, limit: usize) -> (Vec<u128>, Vec<usize>) {
    let (mut ids, mut sizes) = (Vec::new(), Vec::new());
    let mut edge: Option<Key> = None;
    loop {
        let (after, before) = if forward { (edge, None) } else { (None, edge) };
        let span = Span { forward, after, before, limit };
        let page = bench.store.archive_page(bench.ours, 1_000, &criteria.into(), &span).await.unwrap();
        assert!(page.conversations.len() <= limit);
        ids.extend(page.conversations.iter().map(|conversation| conversation.id().as_u128()));
        sizes.push(page.conversations.len());
        assert!(sizes.len() < 1_000, "the pages do not end");
        if !page.is_cut {
            return (ids, sizes);
        }
        let Some(last) = page.conversations.last() else { return (ids, sizes) };
        edge = last.summary().map(|summary| Key::of(summary, last.id()));
    }
}

async fn pages_of_any_size_cover_the_list_once(backend: Backend) {
    let bench = Bench::new(backend).await;
    // Four conversations close in each millisecond, in no order by id; both tenants' are interleaved.
    let place = |n: u128| Plain::new((n * 7_919) % 1_009 + 1, Time::from_micros(at(0).micros() + n as i64 / 4 * 1_000));
    let mut ours: Vec<Plain> = (0..30).map(place).collect();
    let theirs: Vec<Plain> = (30..60).map(|n| Plain { closed: ours[n % 30].closed, ..place(n as u128) }).collect();
    bench.archive(bench.theirs, &checkpoint(1, &theirs, &[])).await;
    bench.archive(bench.ours, &checkpoint(1, &ours, &[])).await;
    ours.sort_by_key(Plain::key);
    let mut expected: Vec<_> = ours.iter().map(|plain| plain.id).collect();
    for forward in [true, false] {
        for limit in [1, 3, 4, 7, 29, 30, 31] {
            assert_eq!(read(&bench, &Criteria::default(), forward, limit).await.0, expected, "pages of {limit}");
        }
        expected.reverse();
    }
    // Between two places, which are excluded, from either end.
    let between = |forward| Span { forward, after: Some(ours[4].key()), before: Some(ours[9].key()), limit: 2 };
    for (forward, expected) in [(true, [ours[5].id, ours[6].id]), (false, [ours[8].id, ours[7].id])] {
        let page = bench.store.archive_page(bench.ours, 1, &ArchiveFilter::default(), &between(forward)).await.unwrap();
        let ids: Vec<_> = page.conversations.iter().map(|conversation| conversation.id().as_u128()).collect();
        assert_eq!((ids, page.is_cut), (expected.to_vec(), true));
    }
}

/// Returns the ids and the number of parts of a search.
async fn search(bench: &Bench, criteria: Criteria, forward: bool) -> (Vec<u128>, usize) {
    // With a clock that stands still no part takes long, so that the next one has twice the rows.
    let clock = Clock::manual(at(0));
    let reads = TenantReads::new(bench.store.clone(), Lifecycle::default(), &clock, Budgets::default());
    let mut search = reads.search(bench.ours, 1, Arc::new(criteria));
    let mut rest = Span { forward, after: None, before: None, limit: 5_000 };
    let (mut ids, mut parts) = (Vec::new(), 0);
    loop {
        let part = search.next_part(rest).await.expect("a part");
        ids.extend(part.conversations.iter().map(|conversation| conversation.id().as_u128()));
        parts += 1;
        if part.end.is_none() {
            return (ids, parts);
        }
        rest = rest.beyond(part.end);
    }
}

async fn a_search_reads_a_number_of_rows_in_each_turn(backend: Backend) {
    let bench = Bench::new(backend).await;
    let users = |n: u128| if n % 1_750 == 1 { vec![7] } else { vec![1] };
    let closed: Vec<_> = (1..=3_500).map(|n| Plain { users: users(n), ..Plain::new(n, at(n as i64)) }).collect();
    bench.archive(bench.ours, &checkpoint(1, &closed, &[])).await;
    let of_users = |users: Vec<i64>| {
        let users = users.into_iter().map(IdOwner::any).collect();
        Criteria { users: vec![users], ..Criteria::default() }
    };
    for (forward, found) in [(true, vec![1, 1_751]), (false, vec![1_751, 1])] {
        // 1,000 rows, 2,000 and the rest, however few meet the criteria.
        assert_eq!(search(&bench, of_users((7..100).collect()), forward).await, (found.clone(), 3));
        // Of few users the conversations of these are read, and no others.
        assert_eq!(search(&bench, of_users(vec![7]), forward).await, (found.clone(), 1));
        assert_eq!(search(&bench, of_users(vec![7, 8, 9]), forward).await, (found.clone(), 1));
        let both = Criteria { media: Some(vec![Medium::Chat]), ..of_users(vec![7]) };
        assert_eq!(search(&bench, both, forward).await, (found, 1), "by the rarer criterion");
        assert_eq!(search(&bench, of_users(vec![]), forward).await, (vec![], 3));
    }
    assert_eq!(search(&bench, Criteria::default(), true).await.1, 1, "a list without a filter is no search");
}

/// Returns a conversation with this many messages of 8 KiB each.
fn large(id: u128, messages: u64) -> Listed {
    let text = || Some("é".repeat(4_096).into());
    let message = |seq| (seq, HistoryEvent::Message { user: None, author: "visitor".into(), text: text() });
    let events = (2..2 + messages).map(message);
    let all = [(1, HistoryEvent::Pushed { user: 1, given: None, medium: Medium::Chat, project: None, untaken: false })];
    let closed = [(2 + messages, HistoryEvent::Closed { reason: None })];
    let entry = |(seq, event)| HistoryEntry { time: at(id as i64), seq, id: Uuid::from_u128(seq.into()), event };
    let history = all.into_iter().chain(events).chain(closed).map(entry).collect();
    let conversation = Arc::new(Conversation::with(Uuid::from_u128(id), history));
    Listed { conversation, project: None, routing_groups: Vec::new() }
}

async fn pages_of_large_conversations_end_early_without_loss(backend: Backend) {
    let bench = Bench::new(backend).await;
    // About 1.5 MB each, except for the fifth, which is larger than a page, and the small sixth.
    let sizes = [190, 190, 190, 190, 600, 1, 190];
    let archived = (1..).zip(sizes).map(|(id, messages)| large(id, messages)).collect();
    let made = rollcall::live::Checkpoint { archived, ..checkpoint(1, &[], &[]) };
    bench.archive(bench.ours, &made).await;
    let everything = Criteria::default();
    assert_eq!(read(&bench, &everything, true, 10).await, (vec![1, 2, 3, 4, 5, 6, 7], vec![3, 2, 2]));
    assert_eq!(read(&bench, &everything, false, 10).await, (vec![7, 6, 5, 4, 3, 2, 1], vec![3, 3, 1]));
    // Large conversations outside of the filter do not count.
    let small = Criteria { closed: Some((at(6), at(7))), ..Criteria::default() };
    assert_eq!(read(&bench, &small, true, 10).await, (vec![6, 7], vec![2]));
    let last = Span { forward: true, after: None, before: None, limit: 3 };
    let page = bench.store.archive_page(bench.ours, 1_000, &(&everything).into(), &last).await.unwrap();
    assert_eq!(page.conversations[2], large(3, 190).conversation, "whole, with every message");
}

async fn intervals_are_exact_and_ordered_by_millisecond(backend: Backend) {
    let bench = Bench::new(backend).await;
    let micros = |n: i64| Time::from_micros(at(0).micros() + n);
    // Within a millisecond the order is by id, not by microsecond.
    let times = [(1, 999), (2, 1_999), (3, 1_001), (4, 1_000), (5, 2_000)];
    let all: Vec<_> = times.map(|(id, time)| Plain::new(id, micros(time))).to_vec();
    bench.archive(bench.ours, &checkpoint(1, &all, &[])).await;
    let closed = async |from, to| {
        let criteria = Criteria { closed: Some((micros(from), micros(to))), ..Criteria::default() };
        read(&bench, &criteria, true, 10).await.0
    };
    assert_eq!(closed(0, 3_000).await, [1, 2, 3, 4, 5]);
    assert_eq!(closed(1_000, 1_999).await, [2, 3, 4]);
    assert_eq!(closed(1_001, 1_998).await, [3]);
    assert_eq!(closed(1_001, 1_001).await, [3], "both ends are included");
    assert_eq!(closed(999, 1_000).await, [1, 4]);
    assert_eq!(closed(1_002, 1_998).await, [0; 0]);
    assert_eq!(closed(2_000, 999).await, [0; 0]);
}
