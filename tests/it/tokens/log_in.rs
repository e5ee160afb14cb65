//! Log-in by password.

use rollcall::domain::EventBody;
use serde_json::json;

use super::{ANN, MAX, PASSWORD, Stage, access_token, guid, hash, user};
use crate::on_both_stores;
use crate::support::api::Answer;
use crate::support::{Backend, tenant_id};

on_both_stores!(token_responses_have_the_vendors_form);
on_both_stores!(failed_log_ins_are_indistinguishable);
on_both_stores!(a_token_has_the_scopes_of_its_users_roles);
on_both_stores!(the_password_selects_among_tenants_with_one_address);
on_both_stores!(an_address_in_more_than_eight_tenants_cannot_log_in);
on_both_stores!(password_hashes_are_not_exposed);
on_both_stores!(the_first_log_in_is_remembered);

async fn token_responses_have_the_vendors_form(backend: Backend) {
    let stage = Stage::new(backend).await;
    for email in [ANN, "Ann@Example.com", "ANN@EXAMPLE.COM"] {
        let answer = stage.log_in(email, PASSWORD).await.ok();
        let token = access_token(&answer);
        let expected =
            json!({ "access_token": token, "expires_in": 86400, "token_type": "Bearer", "refresh_token": "none" });
        assert_eq!((answer.status, answer.json()), (200, expected));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(stage.is_valid(&token).await);
    }
    stage.service.stop().await;
}

fn is_refused(answer: &Answer) {
    let expected = json!({ "error": "invalid_grant", "error_description": "username or password not valid" });
    assert_eq!((answer.status, answer.json()), (400, expected));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

async fn failed_log_ins_are_indistinguishable(backend: Backend) {
    let stage = Stage::new(backend).await;
    let without = json!({ "users": [{ "id": 3, "name": "Ben", "email": "ben@example.com" }] });
    stage.service.api.put_directory(&stage.persona.key, &without).await;
    let mut answers = Vec::new();
    for (email, password) in [
        (ANN, "wrong"),
        (ANN, "correct horse battery stapl"),
        (ANN, "Correct horse battery staple"),
        (ANN, &"x".repeat(1_025)),
        ("nobody@example.com", PASSWORD),
        ("ben@example.com", PASSWORD),
        ("ben@example.com", " "),
        ("1", PASSWORD),
        (" ann@example.com", PASSWORD),
    ] {
        let answer = stage.log_in(email, password).await;
        is_refused(&answer);
        answers.push((answer.text, answer.headers.get("content-length").cloned()));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "all failures have the same bytes: {answers:?}");
    stage.service.stop().await;
}

async fn a_token_has_the_scopes_of_its_users_roles(backend: Backend) {
    let stage = Stage::new(backend).await;
    let (ann, max) = (stage.token(ANN).await, stage.token(MAX).await);
    let api = &stage.service.api;
    for (token, write) in [(&ann, 403), (&max, 200)] {
        assert_eq!(api.get(token, "/operator/live").await.unwrap().status, 200);
        assert_eq!(api.connected(token).await.0, 0);
        assert_eq!(put_live(&stage, token).await.status, write);
        for path in ["/v1/directory", "/user-activity/search?auth_token="] {
            let path = if path.ends_with('=') { format!("{path}{token}") } else { path.to_owned() };
            assert_eq!(api.get(token, &path).await.unwrap().status, 403, "{path}");
        }
        assert_eq!(api.events(token, &[]).await.unwrap().status, 403);
    }
    let roles = |id: i64, role: &str| json!({ "users": [{ "id": id, "roles": [role] }] });
    api.put_directory(&stage.persona.key, &roles(2, "operator")).await;
    assert_eq!(put_live(&stage, &max).await.status, 403, "a scope that the roles no longer grant is rejected at once");
    assert_eq!(api.get(&max, "/operator/live").await.unwrap().status, 200);
    api.put_directory(&stage.persona.key, &roles(1, "admin")).await;
    assert_eq!(put_live(&stage, &ann).await.status, 403, "a newly granted scope needs another log-in");
    let ann = stage.token(ANN).await;
    assert_eq!(put_live(&stage, &ann).await.status, 200);
    stage.service.stop().await;
}

async fn put_live(stage: &Stage, token: &str) -> Answer {
    let request = stage.service.api.request(reqwest::Method::PUT, "/operator/1/live").header("X-API-Key", token);
    crate::support::api::send(request.json(&json!({ "chat": { "available": 1 } }))).await.expect("an answer")
}

/// Creates a tenant with a user of the same e-mail address and another id; returns the tenant and its key.
async fn namesake(stage: &Stage, name: &str, password: &str) -> (String, String) {
    let persona = stage.service.api.persona(name).await;
    let document = json!({ "users": [{ "id": 77, "guid": guid(77), "name": name, "email": ANN, "roles": ["admin"] }] });
    stage.service.api.put_directory(&persona.key, &document).await;
    stage
        .commit(&persona.tenant, EventBody::PasswordSet { user: user(77), hash: hash(password).await, by: None })
        .await;
    (persona.tenant, persona.key)
}

async fn the_password_selects_among_tenants_with_one_address(backend: Backend) {
    let stage = Stage::new(backend).await;
    let (theirs, _) = namesake(&stage, "theirs", "their password").await;
    let api = &stage.service.api;
    let ours = stage.token(ANN).await;
    let other = access_token(&stage.log_in(ANN, "their password").await.ok());
    for (token, mine, not_mine) in [(&ours, 1, 77), (&other, 77, 1)] {
        let status = async |id: i64| api.get(token, &format!("/operator/{id}/live")).await.unwrap().status;
        assert_eq!((status(mine).await, status(not_mine).await), (200, 404), "the token is of one tenant");
    }
    let before = (stage.service.position(&stage.persona.tenant), stage.service.position(&theirs));
    assert_eq!(put_live(&stage, &other).await.status, 404, "the other tenant's user is unknown");
    assert_eq!(before, (stage.service.position(&stage.persona.tenant), stage.service.position(&theirs)));
    stage.commit(&theirs, EventBody::PasswordSet { user: user(77), hash: hash(PASSWORD).await, by: None }).await;
    is_refused(&stage.log_in(ANN, PASSWORD).await);
    is_refused(&stage.log_in(ANN, "their password").await);
    assert!(stage.is_valid(&ours).await, "earlier tokens stay valid");
    stage.commit(&theirs, EventBody::UserDeleted { user: user(77) }).await;
    assert!(stage.is_valid(&stage.token(ANN).await).await, "the address is unambiguous again");
    stage.service.stop().await;
}

async fn an_address_in_more_than_eight_tenants_cannot_log_in(backend: Backend) {
    let stage = Stage::new(backend).await;
    let mut last = String::new();
    for n in 2..=8 {
        last = namesake(&stage, &format!("tenant {n}"), &format!("password {n}")).await.0;
    }
    assert!(stage.is_valid(&stage.token(ANN).await).await, "in eight tenants");
    let (ninth, _) = namesake(&stage, "tenant 9", "password 9").await;
    for password in [PASSWORD, "password 2", "password 9"] {
        is_refused(&stage.log_in(ANN, password).await);
    }
    for tenant in [&last, &ninth] {
        stage.commit(tenant, EventBody::UserDeleted { user: user(77) }).await;
    }
    stage.token(ANN).await;
    stage.service.stop().await;
}

async fn password_hashes_are_not_exposed(backend: Backend) {
    let stage = Stage::new(backend).await;
    let document = stage.service.api.get(&stage.persona.key, "/v1/directory").await.unwrap().ok();
    assert!(!document.text.contains("argon2") && !document.text.contains("password"), "{}", document.text);
    let again = stage.service.api.put_directory(&stage.persona.key, &document.json()).await;
    assert_eq!(again.json()["unchanged"], 5, "{}", again.text);
    assert!(stage.is_valid(&stage.token(ANN).await).await, "a directory upsert keeps the passwords");
    let view = stage.service.app.reader.snapshot(tenant_id(&stage.persona.tenant)).unwrap().view;
    assert!(!format!("{:?}", view.directory().users()).contains("argon2"), "debug output does not contain hashes");
    let event =
        crate::support::desks::event(1, "user.password_set", Some(1), stage.clock.now(), json!({ "hash": "x" }));
    let answer = stage.service.api.events(&stage.persona.key, &[event]).await.unwrap().ok();
    assert_eq!(
        (answer.outcomes(), answer.json()["results"][0]["reason"].as_str()),
        (vec!["rejected".into()], Some("unknown type"))
    );
    stage.service.stop().await;
}

/// Returns the ids of the offline operators that were logged in before.
async fn seen(stage: &Stage) -> Vec<i64> {
    let answer = stage.service.api.get(&stage.persona.key, "/operator/live?connected=0").await.expect("an answer").ok();
    let rows = answer.json()["data"].as_array().expect("rows").clone();
    rows.iter().map(|row| row["id"].as_i64().expect("an id")).collect()
}

async fn the_first_log_in_is_remembered(backend: Backend) {
    let stage = Stage::new(backend).await;
    let position = |stage: &Stage| stage.service.position(&stage.persona.tenant);
    let before = position(&stage);
    is_refused(&stage.log_in(ANN, "wrong").await);
    assert_eq!((seen(&stage).await, position(&stage)), (vec![], before), "a failed log-in is none");
    stage.token(ANN).await;
    assert_eq!((seen(&stage).await, position(&stage)), (vec![1], before + 1));
    stage.token(ANN).await;
    assert_eq!(position(&stage), before + 1, "later log-ins are no events");
    let sent = crate::support::desks::event(1, "user.logged_in", Some(2), stage.clock.now(), json!({}));
    let answer = stage.service.api.events(&stage.persona.key, &[sent]).await.expect("an answer").ok();
    assert_eq!(answer.json()["results"][0]["reason"], "unknown type");
    let stage = stage.restart().await;
    assert_eq!(seen(&stage).await, [1]);
    stage.token(MAX).await;
    assert_eq!(seen(&stage).await, [1, 2]);
    stage.service.stop().await;
}
