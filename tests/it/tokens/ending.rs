//! The end of a token: by expiry, with its user, password or key, and by revocation.

use std::time::Duration;

use reqwest::Method;
use rollcall::auth::secret;
use rollcall::domain::EventBody;

use super::{ANN, MAX, PASSWORD, Stage, access_token, hash, user};
use crate::on_both_stores;
use crate::support::api::send;
use crate::support::raw::RawStore;
use crate::support::tasks::eventually;
use crate::support::{ADMIN, Backend, tenant_id};

on_both_stores!(tokens_expire_on_time);
on_both_stores!(tokens_survive_clock_jumps);
on_both_stores!(deleting_a_user_revokes_their_tokens);
on_both_stores!(setting_a_password_revokes_earlier_tokens);
on_both_stores!(revoking_a_key_revokes_its_tokens);
on_both_stores!(tokens_and_revocations_survive_a_restart);
on_both_stores!(expired_tokens_are_deleted);

async fn tokens_expire_on_time(backend: Backend) {
    let stage = Stage::new(backend).await;
    let of_user = stage.token(ANN).await;
    let (_, of_key) = stage.key_token(&["operators:read"]).await;
    for (moment, user_is_valid, key_is_valid) in
        [(7_199_999, true, true), (7_200_000, true, false), (86_399_999, true, false), (86_400_000, false, false)]
    {
        stage.clock.advance(Duration::from_millis(moment) - stage.clock.monotonic());
        assert_eq!(stage.is_valid(&of_user).await, user_is_valid, "of a user at {moment} ms");
        assert_eq!(stage.is_valid(&of_key).await, key_is_valid, "of a key at {moment} ms");
    }
    let again = stage.token(ANN).await;
    assert!(stage.is_valid(&again).await && !stage.is_valid(&of_user).await);
    stage.service.stop().await;
}

async fn tokens_survive_clock_jumps(backend: Backend) {
    let stage = Stage::new(backend).await;
    for days in [8, 400] {
        let of_user = stage.token(ANN).await;
        let (_, of_key) = stage.key_token(&["operators:read"]).await;
        stage.clock.jump(days * 24 * 60 * 60);
        stage.clock.advance(Duration::from_secs(75));
        assert!(stage.is_valid(&of_user).await && stage.is_valid(&of_key).await, "{days} days ahead");
        let made = stage.token(MAX).await;
        stage.clock.jump(-days * 24 * 60 * 60);
        assert!(stage.is_valid(&of_user).await && stage.is_valid(&of_key).await, "{days} days ahead, and back");
        stage.clock.advance(Duration::from_secs(86_401));
        assert!(!stage.is_valid(&made).await, "one made while the clock was {days} days ahead ends after its day");
    }
    stage.service.stop().await;
}

async fn deleting_a_user_revokes_their_tokens(backend: Backend) {
    let stage = Stage::new(backend).await;
    let (ann, max) = (stage.token(ANN).await, stage.token(MAX).await);
    stage.commit(&stage.persona.tenant, EventBody::UserDeleted { user: user(1) }).await;
    assert!(!stage.is_valid(&ann).await, "at once");
    assert!(stage.is_valid(&max).await);
    let answer = stage.log_in(ANN, PASSWORD).await;
    assert_eq!((answer.status, &answer.json()["error"]), (400, &"invalid_grant".into()));
    stage.service.stop().await;
}

async fn setting_a_password_revokes_earlier_tokens(backend: Backend) {
    let stage = Stage::new(backend).await;
    let (ann, max) = (stage.token(ANN).await, stage.token(MAX).await);
    // The clock stands still, so the order is that of the journal, not of the times.
    stage
        .commit(
            &stage.persona.tenant,
            EventBody::PasswordSet { user: user(1), hash: hash("new password").await, by: None },
        )
        .await;
    assert!(!stage.is_valid(&ann).await, "at once");
    assert!(stage.is_valid(&max).await, "the other user's token is still valid");
    assert_eq!(stage.log_in(ANN, PASSWORD).await.status, 400, "the old password is rejected");
    let ann = access_token(&stage.log_in(ANN, "new password").await.ok());
    assert!(stage.is_valid(&ann).await);
    stage
        .commit(
            &stage.persona.tenant,
            EventBody::PasswordSet { user: user(1), hash: hash("new password").await, by: None },
        )
        .await;
    assert!(!stage.is_valid(&ann).await, "setting the same password again revokes as well");
    let stage = stage.restart().await;
    assert!(!stage.is_valid(&ann).await && stage.is_valid(&max).await, "and after a restart");
    stage.service.stop().await;
}

async fn revoking_a_key_revokes_its_tokens(backend: Backend) {
    let stage = Stage::new(backend).await;
    let (id, token) = stage.key_token(&["operators:read", "graphql:read"]).await;
    let (_, other) = stage.key_token(&["operators:read"]).await;
    assert!(stage.is_valid(&token).await && stage.is_valid(&other).await);
    let path = format!("/v1/tenants/{}/keys/{id}", stage.persona.tenant);
    let answer = send(stage.service.api.request(Method::DELETE, &path).bearer_auth(ADMIN)).await.unwrap();
    assert_eq!(answer.status, 204);
    assert!(!stage.is_valid(&token).await, "at once");
    assert!(stage.is_valid(&other).await);
    // Revoked in the store alone, as the command line does.
    let (id, token) = stage.key_token(&["*"]).await;
    let (tenant, key) = (tenant_id(&stage.persona.tenant), id.parse().unwrap());
    assert!(stage.service.app.store.revoke_key(tenant, key, stage.clock.now()).await.unwrap());
    eventually("the service rejects the token", async || {
        stage.clock.advance(Duration::from_millis(500));
        !stage.is_valid(&token).await
    })
    .await;
    stage.service.stop().await;
}

async fn tokens_and_revocations_survive_a_restart(backend: Backend) {
    let stage = Stage::new(backend).await;
    let (ann, max) = (stage.token(ANN).await, stage.token(MAX).await);
    let (id, of_key) = stage.key_token(&["operators:read"]).await;
    let answer = send(stage.service.api.form("/oauth2/revoke", &[("token", &max)])).await.unwrap();
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    let stage = stage.restart().await;
    assert!(stage.is_valid(&ann).await && stage.is_valid(&of_key).await);
    assert!(!stage.is_valid(&max).await, "a revoked token stays revoked");
    assert_eq!(
        stage.service.api.get(&ann, "/v1/directory").await.unwrap().status,
        403,
        "the token has its scopes only"
    );
    stage.token(ANN).await;
    let path = format!("/v1/tenants/{}/keys/{id}", stage.persona.tenant);
    send(stage.service.api.request(Method::DELETE, &path).bearer_auth(ADMIN)).await.unwrap().ok();
    stage.commit(&stage.persona.tenant, EventBody::UserDeleted { user: user(1) }).await;
    let stage = stage.restart().await;
    assert!(!stage.is_valid(&ann).await && !stage.is_valid(&of_key).await);
    stage.service.stop().await;
}

async fn expired_tokens_are_deleted(backend: Backend) {
    let stage = Stage::new(backend).await;
    let (ann, (_, of_key)) = (stage.token(ANN).await, stage.key_token(&["*"]).await);
    let mut raw = RawStore::open(&stage.service.home.location).await;
    assert_eq!(raw.number("SELECT count(*) FROM token").await, 2);
    let credentials = stage.service.app.credentials.clone();
    let is_kept = |token: &str| credentials.has_token(&secret::hash(token));
    for (seconds, left) in [(7_201, 1), (86_401, 0)] {
        stage.clock.advance(Duration::from_secs(seconds) - stage.clock.monotonic());
        eventually("the token is deleted from memory and store", async || {
            stage.clock.advance(Duration::from_secs(1));
            let is_swept = !is_kept(&of_key) && is_kept(&ann) == (left == 1);
            is_swept && raw.number("SELECT count(*) FROM token").await == left
        })
        .await;
    }
    stage.service.stop().await;
}
