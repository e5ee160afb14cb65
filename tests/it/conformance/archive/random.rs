//! Random archives and queries, compared with a filter over a list.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use rollcall::domain::conversation::{Criteria, IdOwner, Medium, Span};
use rollcall::domain::{Conversation, TenantId, Time};
use rollcall::store::{ArchiveFilter, Tags};
use uuid::Uuid;

use super::{Bench, Plain, at, checkpoint, new_tenant};
use crate::on_both_stores;
use crate::support::Backend;
use crate::support::raw::RawStore;

on_both_stores!(pages_equal_a_naive_filter);

/// Archives, each of a different tenant.
const CASES: u32 = 8;
/// Queries of each archive.
const QUERIES: u32 = 40;
/// The highest position of a row.
const POSITIONS: u64 = 6;

/// A position to read at, a filter, and a span: direction, places after and before, and limit.
type Query = (u64, Criteria, (bool, Option<Index>, Option<Index>, usize));

fn time() -> impl Strategy<Value = Time> {
    (0..6i64, select(vec![0, 1, 999])).prop_map(|(n, micros)| Time::from_micros(at(0).micros() + n * 1_000 + micros))
}

fn medium() -> impl Strategy<Value = Medium> {
    select(vec![Medium::Chat, Medium::FacebookBusinessOnMessenger, Medium::Sms])
}

fn groups() -> impl Strategy<Value = Vec<Uuid>> {
    subsequence((1..=3).map(Uuid::from_u128).collect::<Vec<_>>(), 0..=3)
}

fn users() -> impl Strategy<Value = Vec<i64>> {
    subsequence(vec![1, 2, 11, 12], 0..=3)
}

/// Returns conversations whose ids sort differently as numbers and as the texts of some of their parts.
fn plain() -> impl Strategy<Value = Plain> {
    let id = (0..40u128).prop_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) >> 1);
    let reason = prop::option::of(select(vec!["done", "Done", "ü"]));
    let of_list = (id, time(), 1..=POSITIONS);
    let of_filters = (prop::option::of(1..=3i64), medium(), reason, users(), groups());
    (of_list, of_filters).prop_map(|((id, closed, seq), (project, medium, reason, users, groups))| Plain {
        id,
        closed,
        seq,
        project,
        medium,
        reason,
        users,
        groups,
    })
}

fn criteria(ids: Vec<Uuid>) -> impl Strategy<Value = Criteria> {
    let sometimes = 0.25;
    let projects = prop::option::weighted(sometimes, prop::collection::vec(1..=4i64, 0..3));
    let reasons = subsequence(vec!["done", "Done", "ü", "other"], 0..=2);
    let owners = users().prop_map(|users| users.into_iter().map(IdOwner::any).collect::<Vec<_>>());
    let reasons = reasons.prop_map(|reasons| reasons.into_iter().map(String::from).collect());
    (
        prop::option::weighted(0.4, (time(), time())),
        prop::option::weighted(0.1, select(ids)),
        projects,
        prop::option::weighted(sometimes, prop::collection::vec(medium(), 0..3)),
        prop::option::weighted(sometimes, reasons),
        prop::option::weighted(sometimes, groups()),
        prop_oneof![3 => Just(vec![]), 1 => prop::collection::vec(owners, 1..3)],
    )
        .prop_map(|(closed, id, projects, media, reasons, routing_groups, users)| Criteria {
            closed,
            id,
            projects,
            media,
            reasons,
            routing_groups,
            users,
        })
}

fn query(ids: Vec<Uuid>) -> impl Strategy<Value = Query> {
    let place = || prop::option::weighted(0.3, any::<Index>());
    let position = prop_oneof![3 => Just(POSITIONS), 1 => 0..POSITIONS];
    (position, criteria(ids), (any::<bool>(), place(), place(), 1..12usize))
}

/// Returns whether the conversation meets every criterion.
fn meets(plain: &Plain, criteria: &Criteria) -> bool {
    let any = |users: &Vec<IdOwner>| plain.users.iter().any(|user| users.contains(&IdOwner::any(*user)));
    let closed = criteria.closed.is_none_or(|(from, to)| plain.closed >= from && plain.closed <= to);
    let id = criteria.id.is_none_or(|id| id.as_u128() == plain.id);
    let project = match (&criteria.projects, plain.project) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(projects), Some(project)) => projects.contains(&project),
    };
    let medium = criteria.media.as_ref().is_none_or(|media| media.contains(&plain.medium));
    let reason = match (&criteria.reasons, plain.reason) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(reasons), Some(reason)) => reasons.iter().any(|known| known == reason),
    };
    let groups = criteria.routing_groups.as_ref();
    let group = groups.is_none_or(|groups| plain.groups.iter().any(|group| groups.contains(group)));
    closed && id && project && medium && reason && group && criteria.users.iter().all(any)
}

/// A list that is read in parts of a number of rows.
#[derive(Clone, Copy)]
struct Parts {
    span: Span,
    rows: usize,
}

/// Reads a list in parts.
async fn in_parts(
    bench: &Bench,
    tenant: TenantId,
    position: u64,
    filter: &ArchiveFilter,
    list: Parts,
) -> Vec<Arc<Conversation>> {
    let (mut found, mut rest) = (Vec::new(), Span { limit: 1_000, ..list.span });
    loop {
        let end = bench.store.archive_end(tenant, filter, &rest, list.rows).await.expect("an end");
        let part = end.map_or(rest, |end| rest.up_to(end));
        let page = bench.store.archive_page(tenant, position, filter, &part).await.expect("a page");
        found.extend(page.conversations);
        if end.is_none() {
            return found;
        }
        rest = rest.beyond(end);
    }
}

/// Compares a page of the archive with the naive filter; returns the number of conversations on it.
async fn check(bench: &Bench, tenant: TenantId, all: &BTreeMap<u128, Plain>, query: Query) -> usize {
    let (position, criteria, (forward, after, before, limit)) = query;
    let mut list: Vec<&Plain> = all.values().collect();
    list.sort_by_key(|plain| plain.key());
    let place = |index: Option<Index>| index.filter(|_| !list.is_empty()).map(|at| list[at.index(list.len())].key());
    let span = Span { forward, after: place(after), before: place(before), limit };
    let found = list.iter().filter(|plain| {
        assert_eq!(plain.listed().meets(&criteria), meets(plain, &criteria), "{plain:?} and {criteria:?} in the view");
        plain.seq <= position && meets(plain, &criteria)
    });
    let is_between = |plain: &&&Plain| {
        span.after.is_none_or(|after| plain.key() > after) && span.before.is_none_or(|before| plain.key() < before)
    };
    let mut expected: Vec<_> = found.filter(is_between).map(|plain| plain.listed().conversation).collect();
    if !forward {
        expected.reverse();
    }
    // Whatever part of the index is read, and in what parts.
    let filter = |tags: Option<Tags>| ArchiveFilter { criteria: Arc::new(criteria.clone()), tags };
    let filters: Vec<_> = [None].into_iter().chain(Tags::of(&criteria).into_iter().map(Some)).map(filter).collect();
    for (n, filter) in filters.iter().enumerate() {
        for rows in if n == 0 { vec![7, 1_000] } else { vec![7] } {
            let found = in_parts(bench, tenant, position, filter, Parts { span, rows }).await;
            assert_eq!(found, expected, "{filter:?} in parts of {rows}");
        }
    }
    expected.truncate(limit);
    for filter in &filters {
        let page = bench.store.archive_page(tenant, position, filter, &span).await.expect("a page");
        assert_eq!(page.conversations, expected, "{filter:?} {span:?} at {position}");
        assert_eq!(page.is_cut, expected.len() == limit);
    }
    expected.len()
}

async fn pages_equal_a_naive_filter(backend: Backend) {
    let bench = Bench::new(backend).await;
    let mut runner = TestRunner::deterministic();
    let mut archives = Vec::new();
    for n in 0..CASES {
        let tenant = new_tenant(&bench.store, &bench.clock, &format!("case {n}")).await;
        let mut all: BTreeMap<u128, Plain> = BTreeMap::new();
        // Later checkpoints replace conversations and delete reopened ones.
        for position in 1..=3 {
            let rows = prop::collection::vec(plain(), 0..25).new_tree(&mut runner).unwrap().current();
            let rows: BTreeMap<_, _> = rows.into_iter().map(|row| (row.id, row)).collect();
            let reopened: Vec<_> = all.keys().filter(|id| *id % 5 == 0 && !rows.contains_key(id)).copied().collect();
            bench.archive(tenant, &checkpoint(position, &rows.values().cloned().collect::<Vec<_>>(), &reopened)).await;
            all.retain(|id, _| !reopened.contains(id));
            all.extend(rows);
        }
        archives.push((tenant, all));
    }
    let mut found = 0;
    for (tenant, all) in &archives {
        let ids: Vec<_> = all.keys().chain([&5]).copied().map(Uuid::from_u128).collect();
        let queries = query(ids);
        for _ in 0..QUERIES {
            found += check(&bench, *tenant, all, queries.new_tree(&mut runner).unwrap().current()).await;
        }
    }
    assert!(found > (CASES * QUERIES) as usize, "only {found} conversations were found by all queries");
    // The tags of replaced and deleted conversations are gone.
    let expected = all_tags(&archives);
    let mut raw = RawStore::open(&bench.home.location).await;
    assert_eq!(raw.number("SELECT count(*) FROM archive_tag").await, expected);
    raw.run("DELETE FROM archive").await;
    assert_eq!(raw.number("SELECT count(*) FROM archive_tag").await, 0);
}

/// Returns the number of tags that these conversations have.
fn all_tags(archives: &[(TenantId, BTreeMap<u128, Plain>)]) -> i64 {
    let tags = |plain: &Plain| {
        let users: BTreeSet<_> = plain.users.iter().collect();
        1 + users.len()
            + plain.groups.len()
            + usize::from(plain.project.is_some())
            + usize::from(plain.reason.is_some())
    };
    archives.iter().flat_map(|(_, all)| all.values()).map(tags).sum::<usize>() as i64
}
