//! Revocations, ended log-ins and deleted tenants of other servers.

use reqwest::Method;
use rollcall::domain::json::Field;
use rollcall::domain::settings::SettingsPatch;
use rollcall::domain::{EntityRef, Event, EventBody, Outcome, UserRef};
use rollcall::store::{Ending, TokenHolder};
use serde_json::json;
use uuid::Uuid;

use super::Stage;
use crate::on_both_stores;
use crate::support::api::send;
use crate::support::desks::user_guid;
use crate::support::raw::RawStore;
use crate::support::sockets::Desk;
use crate::support::tasks::eventually;
use crate::support::{Backend, Home};

on_both_stores!(tokens_revoked_elsewhere_end);
on_both_stores!(revocations_are_not_missed_among_many_changes);
on_both_stores!(tokens_of_elsewhere_are_revoked_here);
on_both_stores!(log_ins_of_all_servers_are_listed_and_ended);
on_both_stores!(a_tenant_deleted_elsewhere_is_gone);

impl Stage {
    /// Sets a user's password in the journal; returns what its tokens refer to.
    async fn password(&self, user: i64) -> TokenHolder {
        let guid: Uuid = user_guid(user).parse().expect("a GUID");
        let lifecycle = rollcall::lifecycle::Lifecycle::default();
        let passwords = rollcall::auth::Passwords::new(lifecycle, &self.clock, Default::default());
        let hash = passwords.hash_password(self.tenant(), "correct horse battery staple").await.expect("a hash");
        let body = EventBody::PasswordSet { user: UserRef::Entity(EntityRef::Guid(guid)), hash, by: None };
        let event = Event::internal("rollcall:test", self.clock.new_id(), self.clock.now(), body);
        let receipt = self.service.app.submitter.commit(self.tenant(), vec![event]).await.expect("it commits");
        assert_eq!(receipt.outcomes, [Outcome::Applied]);
        TokenHolder::User { guid, password: receipt.position }
    }

    /// Waits until a credential is rejected, while the service polls.
    async fn ends(&self, credential: &str) {
        eventually("the credential ends", async || {
            self.poll();
            self.status(credential).await == 401
        })
        .await;
    }

    async fn log_ins(&self) -> Vec<String> {
        let answer = self.service.api.get(&self.persona.key, "/v1/log-ins").await.expect("an answer").ok().json();
        let listed = answer["log_ins"].as_array().expect("a list").iter();
        listed.map(|log_in| log_in["id"].as_str().expect("an id").to_owned()).collect()
    }
}

async fn tokens_revoked_elsewhere_end(backend: Backend) {
    let stage = Stage::on(Home::new(backend).await).await;
    let (key, _) = stage.other.key(stage.tenant()).await;
    let holder = TokenHolder::Key(key);
    let [(revoked, hash), (kept, _)] =
        [stage.other.token(stage.tenant(), holder).await, stage.other.token(stage.tenant(), holder).await];
    let mut desk = Desk::welcomed(&stage.service.api, &revoked, 1, "tab").await;
    assert_eq!((stage.status(&revoked).await, stage.status(&kept).await), (200, 200));
    stage.other.store.delete_tokens(&[hash]).await.expect("the store answers");
    assert_eq!(stage.status(&revoked).await, 200, "no poll was made");
    stage.ends(&revoked).await;
    assert_eq!(desk.recv().await, json!({ "type": "ended", "reason": "credential" }));
    assert_eq!(stage.status(&kept).await, 200);
    stage.service.stop().await;
}

async fn revocations_are_not_missed_among_many_changes(backend: Backend) {
    let stage = Stage::on(Home::new(backend).await).await;
    let (key, _) = stage.other.key(stage.tenant()).await;
    let holder = TokenHolder::Key(key);
    let [(revoked, hash), (kept, _), (unused, _)] = [
        stage.other.token(stage.tenant(), holder).await,
        stage.other.token(stage.tenant(), holder).await,
        stage.other.token(stage.tenant(), holder).await,
    ];
    assert_eq!((stage.status(&revoked).await, stage.status(&kept).await), (200, 200));
    stage.other.store.delete_tokens(&[hash]).await.expect("the store answers");
    // More than the store keeps, so that everything is read anew.
    for n in 0..1_001_u32 {
        let patch = SettingsPatch { conversation_days: Field::Set(n % 9 + 1), ..SettingsPatch::default() };
        stage.other.store.change_settings(stage.tenant(), &patch, 45).await.expect("the store answers");
    }
    stage.ends(&revoked).await;
    for token in [&kept, &unused] {
        assert_eq!(stage.status(token).await, 200);
    }
    stage.service.stop().await;
}

async fn tokens_of_elsewhere_are_revoked_here(backend: Backend) {
    let stage = Stage::on(Home::new(backend).await).await;
    let (key, _) = stage.other.key(stage.tenant()).await;
    let (token, _) = stage.other.token(stage.tenant(), TokenHolder::Key(key)).await;
    let answer = send(stage.service.api.form("/oauth2/revoke", &[("token", &token)])).await.expect("an answer");
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    assert_eq!(stage.status(&token).await, 401);
    let mut raw = RawStore::open(&stage.service.home.location).await;
    assert_eq!(raw.number("SELECT count(*) FROM token").await, 0);
    stage.service.stop().await;
}

async fn log_ins_of_all_servers_are_listed_and_ended(backend: Backend) {
    let stage = Stage::on(Home::new(backend).await).await;
    let (first, second) = (stage.password(1).await, stage.password(2).await);
    let (ann, _) = stage.other.token(stage.tenant(), first).await;
    let (max, hash) = stage.other.token(stage.tenant(), second).await;
    let (again, _) = stage.other.token(stage.tenant(), first).await;
    assert_eq!(stage.log_ins().await.len(), 3);
    for token in [&ann, &max] {
        assert_eq!(stage.service.api.get(token, "/_authenticated").await.expect("an answer").status, 200);
    }
    let end = async |filter: &str| {
        let path = format!("/v1/log-ins?{filter}");
        let request = stage.service.api.request(Method::DELETE, &path).bearer_auth(&stage.persona.key);
        send(request).await.expect("an answer").ok().json()["ended"].clone()
    };
    assert_eq!(end("user=1").await, 2, "one of them was never used here");
    assert_eq!(end("user=1").await, 0);
    for token in [&ann, &again] {
        assert_eq!(stage.status(token).await, 401);
    }
    let [left] = &stage.log_ins().await[..] else { panic!("one is left") };
    // Another server ends it.
    let ending = Ending::LogIn(left.parse().expect("an id"));
    let now = stage.clock.now();
    let ended = stage.other.store.end_log_ins(stage.tenant(), ending, now, 10).await.expect("the store answers");
    assert_eq!(ended, [hash]);
    stage.ends(&max).await;
    stage.service.stop().await;
}

async fn a_tenant_deleted_elsewhere_is_gone(backend: Backend) {
    let stage = Stage::on(Home::new(backend).await).await;
    let (key, _) = stage.other.key(stage.tenant()).await;
    let (token, _) = stage.other.token(stage.tenant(), TokenHolder::Key(key)).await;
    let mut desk = Desk::welcomed(&stage.service.api, &token, 1, "tab").await;
    assert!(stage.other.store.delete_tenant(stage.tenant(), stage.clock.now()).await.expect("the store answers"));
    stage.ends(&token).await;
    assert_eq!(stage.status(&stage.persona.key).await, 401);
    assert_eq!(desk.recv().await, json!({ "type": "ended", "reason": "credential" }));
    assert!(stage.service.app.reader.snapshot(stage.tenant()).is_err(), "its state is dropped");
    stage.service.stop().await;
}
