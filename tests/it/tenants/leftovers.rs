//! The proof that a deletion leaves nothing: a tenant with a canary in every kind of data, beside another tenant.

use std::collections::BTreeSet;

use reqwest::Method;
use rollcall::engine::Limits;
use rollcall::store::Location;
use rollcall::store::sqlite::DATABASE_FILE;
use serde_json::{Value, json};

use crate::on_both_stores;
use crate::support::api::{Persona, send, until_available};
use crate::support::audit::audit;
use crate::support::desks::event;
use crate::support::raw::RawStore;
use crate::support::sockets::Desk;
use crate::support::tasks::eventually;
use crate::support::{ADMIN, Api, Backend, Home, Service, Setup, tenant_id};

on_both_stores!(a_deletion_leaves_nothing_of_the_tenant);

/// A word that occurs in every text of the tenant, and nowhere else.
const CANARY: &str = "xanthippe";
/// The same for the other tenant, which stays.
const OTHER: &str = "euridice";
/// A word that is deleted without being overwritten.
const UNSCRUBBED: &str = "melpomene";
/// Users of each tenant: enough for several pages of each table.
const USERS: i64 = 300;

/// Fills a tenant with data of every kind, whose texts contain `word`.
async fn fill(api: &Api, word: &str) -> Persona {
    let tenant = api.tenant(&format!("{word} inc")).await;
    let path = format!("/v1/tenants/{tenant}");
    let wanted = json!({ "name": format!("{word} key"), "scopes": ["*"] });
    let made = api.post(ADMIN, &format!("{path}/keys"), &wanted).await.unwrap().ok().json();
    let text = |member: &str| made[member].as_str().unwrap().to_owned();
    let (id, key) = (text("id"), text("key"));
    let settings = json!({ "conversation_text": true, "conversation_days": 30,
                           "iadvize_secret": format!("{word} secret of some length") });
    send(api.request(Method::PATCH, &path).bearer_auth(ADMIN).json(&settings)).await.unwrap().ok();
    let limits = json!({ "users": 1_000 });
    send(api.request(Method::PUT, &format!("{path}/limits")).bearer_auth(ADMIN).json(&limits)).await.unwrap().ok();
    let channels = json!({ "chat": { "enabled": true, "max_slots": 9 } });
    let user = |n: i64| {
        json!({ "id": n, "name": format!("{word} {n}"), "email": format!("{n}@{word}.example"), "roles": ["operator"],
                "external_id": format!("{word}-{n}"), "groups": [1], "skills": [1], "channels": channels })
    };
    let document = json!({ "groups": [{ "id": 1, "name": format!("{word} group") }],
                           "skills": [{ "id": 1, "name": format!("{word} skill") }],
                           "users": (1..=USERS).map(user).collect::<Vec<_>>() });
    api.put_directory(&key, &document).await;
    let fields = [("grant_type", "client_credentials"), ("client_id", id.as_str()), ("client_secret", key.as_str())];
    send(api.form("/Auth/connect/token", &fields)).await.unwrap().ok();
    Persona { tenant, key }
}

/// Posts events of every kind about a tenant's users, with texts that contain `word`. `round` makes their ids new.
async fn work(api: &Api, persona: &Persona, word: &str, round: i64) {
    let now = rollcall::clock::Clock::system().now();
    for from in (1..=USERS).step_by(60) {
        let mut events: Vec<Value> = Vec::new();
        for n in from..from + 60 {
            let id = |kind: &str| format!("{word}-{kind}-{round}-{n}");
            let conversation = format!("c0000000-0000-4000-8000-{:012}", round * 1_000 + n);
            let about = |more: Value| {
                let mut data = more;
                data["conversation"] = json!(conversation);
                data
            };
            let session = json!({ "session": format!("{word} session {n}"), "device": format!("{word} device"),
                                  "lease_seconds": 3_600 });
            events.push(event(id("connected"), "desk.connected", Some(n), now, session));
            let slot = json!({ "channel": "chat", "conversation": format!("{word} slot {n}") });
            events.push(event(id("taken"), "slot.taken", Some(n), now, slot));
            let pushed = about(json!({ "channel": "CHAT" }));
            events.push(event(id("pushed"), "conversation.pushed", Some(n), now, pushed));
            let said = about(json!({ "author": "visitor", "text": format!("{word} asks number {n}") }));
            events.push(event(id("message"), "conversation.message", None, now, said));
            if n % 2 == 0 {
                events.push(event(id("closed"), "conversation.closed", None, now, about(json!({}))));
            }
        }
        let answer = until_available(|| api.events(&persona.key, &events)).await.ok();
        assert!(!answer.text.contains("rejected"), "{}", answer.text);
    }
}

/// Returns the tables with a row that has the word, or the id of the tenant in any of its forms.
async fn tables_with(raw: &mut RawStore, tenant: &str, word: &str) -> BTreeSet<String> {
    let simple = tenant.replace('-', "");
    let mut found = BTreeSet::new();
    for table in raw.tables().await {
        let rows = raw.rows(&table).await.join("\n").to_lowercase();
        if [tenant, &simple, word].iter().any(|text| rows.contains(text)) {
            found.insert(table);
        }
    }
    found
}

/// Returns the forms that are in the bytes of an embedded store's files: the word, the id as text, and its 16 bytes.
fn forms_in_files(location: &Location, tenant: &str, word: &str) -> Vec<&'static str> {
    let Location::Folder(folder) = location else { return Vec::new() };
    let mut found = Vec::new();
    for name in [DATABASE_FILE.to_owned(), format!("{DATABASE_FILE}-wal"), format!("{DATABASE_FILE}-shm")] {
        let bytes = std::fs::read(folder.join(name)).unwrap_or_default();
        let simple = tenant.replace('-', "");
        let raw = tenant_id(tenant).0.into_bytes();
        let forms: [(&str, &[u8]); 4] =
            [("word", word.as_bytes()), ("id", tenant.as_bytes()), ("digits", simple.as_bytes()), ("bytes", &raw)];
        for (form, needle) in forms {
            if bytes.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle)) {
                found.push(form);
            }
        }
    }
    found
}

/// Adds rows that a release of this program leaves behind only after an accident.
async fn add_abandoned_rows(raw: &mut RawStore, backend: Backend, tenant: &str) {
    if backend == Backend::Embedded {
        let rows = format!("VALUES ('{tenant}', 'user', '{CANARY}', '{CANARY}')");
        raw.run(&format!("INSERT INTO state_row_next (tenant, kind, key, body) {rows}")).await;
    }
}

async fn a_deletion_leaves_nothing_of_the_tenant(backend: Backend) {
    let home = Home::new(backend).await;
    let often = Limits { checkpoint_entries: 100, checkpoint_seconds: 1, ..Limits::default() };
    let setup = || Setup { limits: often, ..Setup::default() };
    let service = Service::start_on(home, setup()).await;
    let api = &service.api;
    let (gone, kept) = (fill(api, CANARY).await, fill(api, OTHER).await);
    // In turns, so that rows of both share pages of the tables and indexes that are in the order of time.
    for round in 0..4 {
        work(api, &gone, CANARY, round).await;
        work(api, &kept, OTHER, round).await;
    }
    let _desk = Desk::welcomed(api, &gone.key, 1, &format!("{CANARY} socket")).await;
    let mut raw = RawStore::open(&service.home.location).await;
    for tenant in [&gone.tenant, &kept.tenant] {
        let archived = format!("SELECT count(*) FROM archive WHERE tenant = '{tenant}'");
        eventually("conversations are archived", async || raw.number(&archived).await == 4 * USERS / 2).await;
    }
    // A store as a stop leaves it, which has everything in its file.
    drop(raw);
    let service = service.restart(setup()).await;
    let mut raw = RawStore::open(&service.home.location).await;
    add_abandoned_rows(&mut raw, backend, &gone.tenant).await;
    // Rows on PostgreSQL.
    for persona in [&gone, &kept] {
        let wanted = json!({ "user": "1", "seconds": 300 });
        service.api.post(&persona.key, "/v1/desk/tickets", &wanted).await.expect("an answer").ok();
        let link = json!({ "days": 1 });
        service.api.post(&persona.key, "/v1/wallboards/default/links", &link).await.expect("an answer").ok();
    }
    if backend == Backend::Embedded {
        assert_eq!(forms_in_files(&service.home.location, &gone.tenant, CANARY)[..2], ["word", "id"]);
    }
    let covered: BTreeSet<String> = service.app.store.tables_of_tenants().iter().map(|table| (*table).into()).collect();
    assert_eq!(tables_with(&mut raw, &gone.tenant, CANARY).await, covered, "each table has something to find");
    let digest = raw.replay().await[&tenant_id(&kept.tenant)].digest();
    let of_kept = tables_with(&mut raw, &kept.tenant, OTHER).await;

    // The control: a table that the deletion does not cover.
    raw.run(&format!("CREATE TABLE left_out AS SELECT tenant, event FROM journal WHERE tenant = '{}'", gone.tenant))
        .await;
    let request = service.api.request(Method::DELETE, &format!("/v1/tenants/{}", gone.tenant)).bearer_auth(ADMIN);
    assert_eq!(send(request).await.unwrap().status, 204);
    eventually("the rows are gone", async || service.app.store.deleted_tenants().await.unwrap().is_empty()).await;
    let left: Vec<String> = tables_with(&mut raw, &gone.tenant, CANARY).await.into_iter().collect();
    assert_eq!(left, ["left_out"]);
    raw.run("DROP TABLE left_out").await;

    assert_eq!(raw.replay().await[&tenant_id(&kept.tenant)].digest(), digest, "the other tenant is untouched");
    assert_eq!(tables_with(&mut raw, &kept.tenant, OTHER).await, of_kept);
    drop(raw);
    let home = service.stop().await;
    assert_eq!(audit(&home.location, &[]).await, [""; 0]);
    assert_eq!(forms_in_files(&home.location, &gone.tenant, CANARY), [""; 0]);
    if backend == Backend::Embedded {
        let found = forms_in_files(&home.location, &kept.tenant, OTHER);
        assert_eq!(found[..2], ["word", "id"], "the search finds what is there");
        // The other control: what a connection without the setting deletes stays in the file.
        let mut raw = RawStore::open(&home.location).await;
        raw.run("PRAGMA secure_delete = OFF; CREATE TABLE unscrubbed (word TEXT)").await;
        let row = format!("('{}')", format!("{UNSCRUBBED} ").repeat(100));
        raw.run(&format!("INSERT INTO unscrubbed VALUES {}", vec![row; 50].join(","))).await;
        raw.run("DROP TABLE unscrubbed; PRAGMA wal_checkpoint(TRUNCATE)").await;
        assert_eq!(forms_in_files(&home.location, &gone.tenant, UNSCRUBBED), ["word"]);
    }
}
