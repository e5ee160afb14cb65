//! What several servers on one store decide by the store: look-ups, revocations, log-ins, settings and tickets.

use rollcall::domain::TenantId;
use rollcall::domain::json::Field;
use rollcall::domain::settings::{Settings, SettingsPatch};
use rollcall::store::{Chore, Ending, Expiry, LogInPage, Store, TicketRecord, TicketRows, TokenHolder, TokenRecord};
use uuid::Uuid;

use super::{Bench, at};
use crate::on_both_stores;
use crate::support::raw::RawStore;
use crate::support::tasks::spawn;
use crate::support::{Backend, Home};

on_both_stores!(tokens_and_the_version_are_looked_up_together);
on_both_stores!(revoked_tokens_are_among_the_changes);
on_both_stores!(log_ins_are_listed_page_by_page);
on_both_stores!(log_ins_are_ended_within_their_tenant);
on_both_stores!(concurrent_changes_of_settings_are_all_kept);
on_both_stores!(contradicting_terms_are_not_stored);

fn log_in(tenant: TenantId, guid: Uuid, byte: u8) -> TokenRecord {
    let holder = TokenHolder::User { guid, password: 7 };
    let created = at(i64::from(byte / 2));
    TokenRecord { hash: [byte; 32], tenant, holder, scopes: Vec::new(), created, expires: at(1_000) }
}

impl Bench {
    async fn create_log_ins(&self, tenant: TenantId, guid: Uuid, bytes: std::ops::RangeInclusive<u8>) {
        for byte in bytes {
            self.store.create_token(&log_in(tenant, guid, byte)).await.unwrap();
        }
    }
}

async fn tokens_and_the_version_are_looked_up_together(backend: Backend) {
    let bench = Bench::new(backend).await;
    bench.create_log_ins(bench.ours, bench.clock.new_id(), 1..=3).await;
    let version = bench.store.registry_version().await.unwrap();
    assert_eq!(bench.store.look_up(&[]).await.unwrap(), (version, Vec::new()));
    assert_eq!(bench.store.look_up(&[[9; 32]]).await.unwrap(), (version, Vec::new()));
    let (now, mut found) = bench.store.look_up(&[[3; 32], [9; 32], [1; 32]]).await.unwrap();
    found.sort_by_key(|token| token.hash);
    assert_eq!((now, found.iter().map(|token| token.hash[0]).collect::<Vec<_>>()), (version, vec![1, 3]));
    assert!(bench.set_settings(bench.ours, &Settings::default()).await);
    assert_eq!(bench.store.look_up(&[]).await.unwrap().0, bench.store.registry_version().await.unwrap());
}

async fn revoked_tokens_are_among_the_changes(backend: Backend) {
    let bench = Bench::new(backend).await;
    let guid = bench.clock.new_id();
    bench.create_log_ins(bench.ours, guid, 1..=6).await;
    let since = bench.store.registry_version().await.unwrap();
    bench.store.delete_tokens(&[[9; 32]]).await.unwrap();
    assert_eq!(bench.store.registry_version().await.unwrap(), since, "nothing was revoked");
    bench.store.delete_tokens(&[[1; 32], [2; 32], [9; 32]]).await.unwrap();
    let ended = bench.store.end_log_ins(bench.ours, Ending::User(guid), at(0), 3).await.unwrap();
    assert_eq!(ended.len(), 3, "a statement has a limit");
    let now = bench.store.registry_version().await.unwrap();
    assert_eq!(now.number, since.number + 2, "a change for each statement");
    let changes = bench.store.registry_changes(since).await.unwrap().expect("the version is recent");
    let mut revoked = changes.revoked;
    revoked.sort_unstable();
    let mut expected = [vec![[1; 32], [2; 32]], ended].concat();
    expected.sort_unstable();
    assert_eq!((revoked, changes.keys.len(), changes.tenants.len()), (expected, 0, 0));
}

async fn log_ins_are_listed_page_by_page(backend: Backend) {
    let bench = Bench::new(backend).await;
    let [ann, max] = [(); 2].map(|()| bench.clock.new_id());
    bench.create_log_ins(bench.ours, ann, 1..=5).await;
    bench.create_log_ins(bench.ours, max, 6..=7).await;
    bench.create_log_ins(bench.theirs, ann, 8..=9).await;
    let list = async |user: Option<Uuid>, now: i64, limit: u32| {
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = LogInPage { tenant: bench.ours, user, now: at(now), before, limit };
            let read = bench.store.log_ins(page).await.unwrap();
            assert!(read.len() <= limit as usize);
            let Some(last) = read.last() else { return found };
            before = Some((last.created, last.hash));
            found.extend(read.iter().map(|token| token.hash[0]));
        }
    };
    for limit in [1, 2, 3, 100] {
        assert_eq!(list(None, 0, limit).await, [7, 6, 5, 4, 3, 2, 1], "{limit}");
        assert_eq!(list(Some(ann), 0, limit).await, [5, 4, 3, 2, 1], "{limit}");
        assert_eq!(list(None, 1_000, limit).await, [0; 0], "they have expired");
    }
}

async fn log_ins_are_ended_within_their_tenant(backend: Backend) {
    let bench = Bench::new(backend).await;
    let [ann, max] = [(); 2].map(|()| bench.clock.new_id());
    bench.create_log_ins(bench.ours, ann, 1..=3).await;
    bench.create_log_ins(bench.ours, max, 4..=4).await;
    bench.create_log_ins(bench.theirs, ann, 5..=5).await;
    let end = async |ending, now| {
        let ended = bench.store.end_log_ins(bench.ours, ending, at(now), 100).await.unwrap();
        let mut ended: Vec<u8> = ended.iter().map(|hash| hash[0]).collect();
        ended.sort_unstable();
        ended
    };
    let id = |byte: u8| Ending::LogIn(log_in(bench.ours, ann, byte).log_in_id());
    assert_eq!(end(id(5), 0).await, [0; 0], "another tenant's");
    assert_eq!(end(id(9), 0).await, [0; 0], "unknown");
    assert_eq!(end(id(1), 1_000).await, [0; 0], "expired");
    assert_eq!(end(id(1), 0).await, [1]);
    assert_eq!(end(Ending::User(ann), 0).await, [2, 3]);
    assert_eq!(end(Ending::User(ann), 0).await, [0; 0]);
    let left: Vec<u8> = bench.store.tokens(at(0)).await.unwrap().iter().map(|token| token.hash[0]).collect();
    assert_eq!(left, [4, 5]);
}

/// Returns a handle of its own to the store, as another server has it.
async fn another(home: &Home) -> Store {
    Store::open(&home.location).await.expect("the store opens").0
}

async fn concurrent_changes_of_settings_are_all_kept(backend: Backend) {
    let bench = Bench::new(backend).await;
    let (one, two, ours) = (another(&bench.home).await, another(&bench.home).await, bench.ours);
    for days in 1..=50 {
        let text = SettingsPatch { conversation_text: Field::Set(days % 2 == 0), ..SettingsPatch::default() };
        let days_only = SettingsPatch { conversation_days: Field::Set(days), ..SettingsPatch::default() };
        let (one, two) = (one.clone(), two.clone());
        let first = spawn(async move { one.change_settings(ours, &text, 45).await.unwrap().expect("a tenant") });
        let second = spawn(async move { two.change_settings(ours, &days_only, 45).await.unwrap().expect("a tenant") });
        let answered = [first.await.unwrap(), second.await.unwrap()].map(|tenant| tenant.settings);
        let expected =
            Settings { conversation_text: days % 2 == 0, conversation_days: Some(days), ..Settings::default() };
        assert!(answered.contains(&expected), "{answered:?}");
        let stored = bench.store.tenant(ours).await.unwrap().expect("a tenant").settings;
        assert_eq!(stored, expected, "{days}");
    }
}

async fn contradicting_terms_are_not_stored(backend: Backend) {
    let bench = Bench::new(backend).await;
    let terms = |lease: Field<u32>, heartbeat: Field<u32>| SettingsPatch {
        desk_lease_seconds: lease,
        desk_heartbeat_seconds: heartbeat,
        ..SettingsPatch::default()
    };
    let change = async |patch: &SettingsPatch| {
        let changed = bench.store.change_settings(bench.ours, patch, 45).await.unwrap();
        changed.map(|tenant| (tenant.settings.desk_lease_seconds, tenant.settings.desk_heartbeat_seconds))
    };
    assert_eq!(change(&terms(Field::Absent, Field::Set(23))).await, None, "more than half of the service's lease");
    assert_eq!(change(&terms(Field::Absent, Field::Set(22))).await, Some((None, Some(22))));
    assert_eq!(change(&terms(Field::Set(43), Field::Absent)).await, None);
    assert_eq!(change(&terms(Field::Set(44), Field::Absent)).await, Some((Some(44), Some(22))));
    assert_eq!(change(&terms(Field::Absent, Field::Set(23))).await, None);
    assert_eq!(change(&terms(Field::Set(20), Field::Clear)).await, Some((Some(20), None)));
    assert_eq!(change(&terms(Field::Clear, Field::Set(22))).await, Some((None, Some(22))));
    let mut raw = RawStore::open(&bench.home.location).await;
    raw.run("UPDATE tenant SET desk_heartbeat_seconds = 1000").await;
    let text = SettingsPatch { conversation_text: Field::Set(true), ..SettingsPatch::default() };
    assert_eq!(change(&text).await, Some((None, Some(1_000))), "older terms are not in the way of other changes");
}

/// The store of a server on PostgreSQL, and the rows of tickets as two servers have them.
async fn ticket_rows() -> (Bench, TicketRows, TicketRows) {
    let bench = Bench::new(Backend::Postgres).await;
    let rows = bench.store.ticket_rows().expect("rows");
    let others = another(&bench.home).await.ticket_rows().expect("rows");
    (bench, rows, others)
}

fn ticket(tenant: TenantId, n: u16, expires: i64) -> TicketRecord {
    let mut hash = [0; 32];
    hash[..2].copy_from_slice(&n.to_be_bytes());
    let session = n.is_multiple_of(2).then(|| format!("tab \"{n}\" ü").into());
    TicketRecord { hash, tenant, credential: [8; 32], user: Some(i64::from(n) + 1), session, expires: at(expires) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_is_used_once_postgres() {
    let (bench, rows, others) = ticket_rows().await;
    let (first, second) = (ticket(bench.ours, 1, 60), ticket(bench.theirs, 2, 60));
    for ticket in [&first, &second] {
        assert!(rows.create(ticket, at(0), 10).await.unwrap());
    }
    let [mine, theirs] = [(); 2].map(|()| bench.clock.new_id());
    for _ in 0..2 {
        assert_eq!(
            others.redeem(&first.hash, theirs, at(59)).await.unwrap(),
            Some(first.clone()),
            "the same use again"
        );
    }
    assert_eq!(rows.redeem(&first.hash, mine, at(59)).await.unwrap(), None, "it was used");
    assert_eq!(rows.redeem(&second.hash, mine, at(60)).await.unwrap(), None, "it has expired");
    assert_eq!(rows.redeem(&[9; 32], mine, at(0)).await.unwrap(), None, "it is unknown");
    assert_eq!(rows.redeem(&second.hash, mine, at(59)).await.unwrap(), Some(second));
    let embedded = Bench::new(Backend::Embedded).await;
    assert!(embedded.store.ticket_rows().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_servers_one_uses_a_ticket_postgres() {
    let (bench, rows, others) = ticket_rows().await;
    for n in 0..50 {
        let ticket = ticket(bench.ours, n, 60);
        assert!(rows.create(&ticket, at(0), 100).await.unwrap());
        let redeem = |rows: &TicketRows| {
            let (rows, id) = (rows.clone(), bench.clock.new_id());
            spawn(async move { rows.redeem(&ticket.hash, id, at(1)).await.unwrap().is_some() })
        };
        let (one, two) = (redeem(&rows), redeem(&others));
        let used = [one.await.unwrap(), two.await.unwrap()];
        assert_eq!(used.iter().filter(|is_used| **is_used).count(), 1, "{n}: {used:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_that_is_found_stays_postgres() {
    let (bench, rows, others) = ticket_rows().await;
    let live = TicketRecord { user: None, session: None, ..ticket(bench.ours, 1, 60) };
    assert!(rows.create(&live, at(0), 1).await.unwrap());
    assert!(rows.create(&ticket(bench.ours, 2, 60), at(0), 1).await.unwrap(), "those of desks are counted apart");
    let more = TicketRecord { hash: [9; 32], ..live.clone() };
    assert!(!rows.create(&more, at(0), 1).await.unwrap());
    for rows in [&others, &rows, &others] {
        assert_eq!(rows.find(&live.hash, at(59)).await.unwrap(), Some(live.clone()));
    }
    assert_eq!(rows.find(&live.hash, at(60)).await.unwrap(), None, "expired");
    assert_eq!(rows.find(&more.hash, at(0)).await.unwrap(), None, "unknown");
    rows.redeem(&live.hash, bench.clock.new_id(), at(1)).await.unwrap().expect("a ticket");
    assert_eq!(others.find(&live.hash, at(1)).await.unwrap(), None, "used");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unused_tickets_are_limited_and_expired_ones_deleted_postgres() {
    let (bench, rows, others) = ticket_rows().await;
    for n in 0..5 {
        assert!(rows.create(&ticket(bench.ours, n, 60), at(0), 5).await.unwrap());
    }
    assert!(!others.create(&ticket(bench.ours, 5, 60), at(0), 5).await.unwrap(), "all places are taken");
    assert!(others.create(&ticket(bench.theirs, 6, 600), at(0), 5).await.unwrap(), "another tenant has places");
    others.redeem(&ticket(bench.ours, 0, 60).hash, bench.clock.new_id(), at(1)).await.unwrap().expect("a ticket");
    assert!(rows.create(&ticket(bench.ours, 7, 60), at(1), 5).await.unwrap(), "a used one takes none");
    assert!(!rows.create(&ticket(bench.ours, 8, 60), at(1), 5).await.unwrap());
    assert!(rows.create(&ticket(bench.ours, 8, 600), at(60), 5).await.unwrap(), "an expired one takes none");
    let expiry = Expiry { tokens: at(61), seen: at(0), journal: at(0), conversations: at(0) };
    let chores = bench.store.chores(expiry).await.unwrap();
    assert!(chores.contains(&Chore::Tickets(at(61))), "{chores:?}");
    assert_eq!(bench.store.forget(Chore::Tickets(at(61)), 4).await.unwrap(), 4);
    assert_eq!(bench.store.forget(Chore::Tickets(at(61)), 4).await.unwrap(), 2);
    let mut raw = RawStore::open(&bench.home.location).await;
    assert_eq!(raw.number("SELECT count(*) FROM ticket WHERE person IN (7, 9)").await, 2);
    assert_eq!(raw.number("SELECT count(*) FROM ticket").await, 2);
    assert!(bench.store.delete_tenant(bench.theirs, at(62)).await.unwrap());
    while bench.store.forget(Chore::Deleted(bench.theirs), 100).await.unwrap() > 0 {}
    assert_eq!(raw.number("SELECT count(*) FROM ticket").await, 1, "those of a deleted tenant are deleted");
}
