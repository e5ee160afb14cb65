//! Storage of passwords and tokens: hashes only.

use rollcall::store::Location;
use serde_json::json;

use super::{ANN, PASSWORD, Stage};
use crate::on_both_stores;
use crate::support::Backend;
use crate::support::api::send;
use crate::support::raw::RawStore;

on_both_stores!(only_hashes_are_stored);
on_both_stores!(without_the_store_tokens_are_neither_issued_nor_revoked);

const TABLES: [&str; 10] =
    ["api_key", "checkpoint", "head", "journal", "registry", "seen", "state_row", "tenant", "ticket", "token"];

async fn only_hashes_are_stored(backend: Backend) {
    let stage = Stage::new(backend).await;
    let (ann, (_, of_key)) = (stage.token(ANN).await, stage.key_token(&["*"]).await);
    let key = stage.persona.key.clone();
    let ticket = stage.service.api.post(&key, "/v1/desk/tickets", &json!({ "user": "1" })).await.expect("an answer");
    let ticket = ticket.ok().json()["ticket"].as_str().expect("a ticket").to_owned();
    let wanted = json!({ "query": "by=skill" });
    let live = stage.service.api.post(&key, "/v1/live/tickets", &wanted).await.expect("an answer");
    let live = live.ok().json()["ticket"].as_str().expect("a ticket").to_owned();
    // Stopping writes the last checkpoint.
    let home = stage.service.stop().await;
    // While a connection is open, the write-ahead log is not merged and is searched as well.
    let mut raw = RawStore::open(&home.location).await;
    assert_eq!(raw.number("SELECT count(*) FROM token").await, 2);
    for secret in [PASSWORD, &ann, &of_key, &key, &ticket, &live, &ann[3..]] {
        assert_eq!(places(&home.location, secret).await, [""; 0], "{secret}");
    }
    let found = places(&home.location, "$argon2id$v=19$m=19456,t=2,p=1$").await;
    assert!(!found.is_empty(), "the search finds the password hashes");
}

async fn without_the_store_tokens_are_neither_issued_nor_revoked(backend: Backend) {
    let stage = Stage::new(backend).await;
    let token = stage.token(ANN).await;
    let mut raw = RawStore::open(&stage.service.home.location).await;
    raw.run(match backend {
        Backend::Embedded => "BEGIN IMMEDIATE",
        Backend::Postgres => "BEGIN; LOCK TABLE token IN EXCLUSIVE MODE",
    })
    .await;
    let revoke = stage.service.api.form("/oauth2/revoke", &[("token", &token)]);
    for answer in [stage.log_in(ANN, PASSWORD).await, send(revoke).await.expect("an answer")] {
        assert!(answer.is_unavailable(), "{} {}", answer.status, answer.text);
        let description = "the store did not answer in time";
        let expected = json!({ "error": "temporarily_unavailable", "error_description": description });
        assert_eq!(answer.json(), expected);
    }
    assert!(stage.is_valid(&token).await, "valid tokens stay valid");
    raw.release().await;
    let revoke = stage.service.api.form("/oauth2/revoke", &[("token", &token)]);
    assert_eq!(send(revoke).await.expect("an answer").status, 200);
    assert!(!stage.is_valid(&token).await);
    stage.token(ANN).await;
    let stage = stage.restart().await;
    assert!(!stage.is_valid(&token).await);
    stage.service.stop().await;
}

/// Returns the files or tables of the store that contain a text.
async fn places(location: &Location, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    match location {
        Location::Folder(folder) => {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let bytes = std::fs::read(&path).expect("a file");
                if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                    found.push(path.display().to_string());
                }
            }
        }
        Location::Postgres(_) => {
            let mut raw = RawStore::open(location).await;
            for table in TABLES {
                let sql = format!("SELECT count(*) FROM {table} AS it WHERE position('{text}' IN it::text) > 0");
                if raw.number(&sql).await > 0 {
                    found.push(table.to_owned());
                }
            }
        }
    }
    found
}
