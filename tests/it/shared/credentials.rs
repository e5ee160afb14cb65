//! Keys, tokens and tenants that were made elsewhere.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use rollcall::auth::secret::Secret;
use rollcall::limits::throttle::UNAUTHENTICATED_AT_ONCE;
use rollcall::store::{Location, TokenHolder};
use serde_json::json;

use super::Stage;
use crate::on_both_stores;
use crate::support::api::send;
use crate::support::desks::{directory, user_guid};
use crate::support::postgres::proxy::{Link, Proxy};
use crate::support::raw::RawStore;
use crate::support::requests::{ADMINISTRATION, Dialect, PUBLIC, dialect, is_unauthenticated, request};
use crate::support::routes::{Route, table};
use crate::support::signing::enable_webhooks;
use crate::support::sockets::Desk;
use crate::support::{Backend, Home, postgres};

on_both_stores!(a_key_made_elsewhere_is_known_at_once);
on_both_stores!(tokens_made_elsewhere_are_known_at_once);
on_both_stores!(what_was_looked_up_is_not_looked_up_again);
on_both_stores!(look_ups_are_bounded);

/// A secret in the form of a key that no store has.
fn unknown() -> String {
    Secret::generate("rk").reveal().to_owned()
}

/// Returns the routes that take a tenant's credential.
fn routes() -> Vec<Route> {
    let apart: BTreeSet<&str> = PUBLIC.iter().chain(&ADMINISTRATION).map(|(path, _)| *path).collect();
    table().into_iter().filter(|route| !apart.contains(route.path.as_str())).collect()
}

async fn a_key_made_elsewhere_is_known_at_once(backend: Backend) {
    let stage = Stage::on(Home::new(backend).await).await;
    let api = &stage.service.api;
    let (_, key) = stage.other.key(stage.tenant()).await;
    assert_eq!(Desk::welcomed(api, &key, 1, "tab").await.heartbeat().await["type"], "heartbeat");
    // Their signature is checked as well.
    enable_webhooks(api, &stage.persona.tenant).await;
    for route in routes() {
        // One for each route: a key that was used is known.
        let (_, key) = stage.other.key(stage.tenant()).await;
        let answer = send(request(api, &route, Some(&key), &user_guid(1))).await.expect("an answer");
        assert!(!is_unauthenticated(dialect(&route), &answer) && answer.status != 503, "{route:?}: {}", answer.text);
    }
    let (id, key) = stage.other.key(stage.tenant()).await;
    let id = id.to_string();
    let grant = async |id: &str, key: &str| {
        let form = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", key)];
        send(api.form("/Auth/connect/token", &form)).await.expect("an answer")
    };
    assert_eq!(grant(&id, &unknown()).await.json()["error"], "invalid_client");
    let token = grant(&id, &key).await.ok().json()["access_token"].as_str().expect("a token").to_owned();
    assert_eq!(stage.status(&token).await, 200);
    // The tenant is new as well.
    let tenant = stage.other.tenant("elsewhere").await;
    let (_, key) = stage.other.key(tenant).await;
    api.put_directory(&key, &directory(2)).await;
    assert_eq!(api.connected(&key).await, (0, 1));
    for status in [stage.status(&unknown()).await, stage.status("rk_0").await] {
        assert_eq!(status, 401);
    }
    stage.service.stop().await;
}

async fn tokens_made_elsewhere_are_known_at_once(backend: Backend) {
    let stage = Stage::on(Home::new(backend).await).await;
    let (key, secret) = stage.other.key(stage.tenant()).await;
    // The key is as new as the token.
    let (token, _) = stage.other.token(stage.tenant(), TokenHolder::Key(key)).await;
    assert_eq!(stage.status(&token).await, 200);
    assert_eq!(stage.status(&secret).await, 200);
    let (revoked, hash) = stage.other.token(stage.tenant(), TokenHolder::Key(key)).await;
    stage.other.store.delete_tokens(&[hash]).await.expect("the store answers");
    assert_eq!(stage.status(&revoked).await, 401, "it was revoked before it was used here");
    stage.service.stop().await;
}

async fn what_was_looked_up_is_not_looked_up_again(backend: Backend) {
    let stage = Stage::on(Home::new(backend).await).await;
    let (known, guess) = (unknown(), unknown());
    assert_eq!(stage.status(&known).await, 401);
    let mut raw = RawStore::open(&stage.service.home.location).await;
    raw.run(match backend {
        Backend::Embedded => "ALTER TABLE token RENAME TO hidden",
        Backend::Postgres => "BEGIN; LOCK TABLE token",
    })
    .await;
    assert_eq!(stage.status(&known).await, 401, "without the store");
    let watch = crate::support::tasks::Stopwatch::start();
    assert_eq!(stage.status(&guess).await, 503, "another one is looked up");
    assert!(watch.elapsed().as_millis() < 1_500);
    assert_eq!(stage.status(&stage.persona.key).await, 200, "what is known stays valid");
    raw.run(match backend {
        Backend::Embedded => "ALTER TABLE hidden RENAME TO token",
        Backend::Postgres => "ROLLBACK",
    })
    .await;
    assert_eq!(stage.status(&guess).await, 401, "a failed look-up is made again");
    stage.service.stop().await;
}

async fn look_ups_are_bounded(backend: Backend) {
    let stage = Stage::on(Home::new(backend).await).await;
    let (_, made) = stage.other.key(stage.tenant()).await;
    if backend == Backend::Postgres {
        let mut raw = RawStore::open(&stage.service.home.location).await;
        raw.run("BEGIN; LOCK TABLE token").await;
        let guesses: Vec<String> = (0..400).map(|_| unknown()).collect();
        let statuses = join_all(guesses.iter().map(|guess| stage.status(guess))).await;
        assert!(statuses.iter().all(|status| [429, 503].contains(status)), "{statuses:?}");
        assert!(statuses.contains(&429), "more than a round may have of one address");
        raw.release().await;
    }
    let mut refused = 0;
    for _ in 0..UNAUTHENTICATED_AT_ONCE.get() + 10 {
        match stage.status(&unknown()).await {
            401 => assert_eq!(refused, 0),
            429 => refused += 1,
            status => panic!("{status}"),
        }
    }
    assert!(refused >= 10, "wrong ones count as requests without a valid credential");
    assert_eq!(stage.status(&made).await, 200, "a valid one that is new here does not");
    stage.service.stop().await;
}

/// The store is away: what is known stays valid, and nothing is answered as if it were wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_store_no_credential_is_rejected_postgres() {
    let direct = postgres::new_database().await;
    let (proxy, through) = Proxy::start(&direct).await;
    let stage = Stage::on(Home::at(Location::Postgres(Box::new(through)))).await;
    let api = &stage.service.api;
    let known = stage.service.api.key(&stage.persona.tenant, &["*"]).await;
    proxy.set(Link::Cut);
    let asked = routes();
    let answers = asked.iter().map(|route| {
        let key = unknown();
        async move { send(request(api, route, Some(&key), &user_guid(1))).await.expect("an answer") }
    });
    for (route, answer) in asked.iter().zip(join_all(answers).await) {
        assert!(answer.is_unavailable(), "{route:?}: {} {}", answer.status, answer.text);
        let body = answer.json();
        let is_in_form = match dialect(route) {
            Dialect::Native => body["type"] == "urn:rollcall:problem:unavailable",
            Dialect::Graphql => body["errors"][0]["extensions"]["name"] == "SERVICE_UNAVAILABLE",
            Dialect::Iadvize => body["meta"]["status"] == "error",
            Dialect::Convoso => body["success"] == false && body["code"] == 503,
            Dialect::Vonage => body["message"].is_string(),
            Dialect::Oauth => body["error"] == "temporarily_unavailable",
        };
        assert!(is_in_form, "{route:?}: {body}");
    }
    let form = [("grant_type", "client_credentials"), ("client_id", &known.0), ("client_secret", &unknown())];
    let answer = send(api.form("/Auth/connect/token", &form)).await.expect("an answer");
    assert!(answer.is_unavailable(), "{}", answer.text);
    let token = Secret::generate("rt").reveal().to_owned();
    let answer = send(api.form("/oauth2/revoke", &[("token", &token)])).await.expect("an answer");
    assert!(answer.is_unavailable(), "{}", answer.text);
    let body = json!({ "query": "{connectedUsersIndicator{connectedUsersCount}}" });
    assert_eq!(api.post(&known.1, "/graphql", &body).await.expect("an answer").status, 200, "a known one");
    assert_eq!(stage.status("rk_0").await, 401, "what has not the form of a key is not looked up");
    proxy.set(Link::Open);
    stage.service.stop().await;
}
