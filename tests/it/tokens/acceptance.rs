//! Tokens are accepted wherever keys are.

use reqwest::Method;

use super::{ANN, Stage, guid};
use crate::on_both_stores;
use crate::support::Backend;
use crate::support::api::send;
use crate::support::requests::{ADMINISTRATION, PUBLIC, dialect, is_answered, is_unauthenticated, request, subject_of};
use crate::support::routes::table;
use crate::support::signing::enable_webhooks;

on_both_stores!(every_route_accepts_valid_tokens_only);
on_both_stores!(tokens_are_accepted_in_every_place_of_a_key);

async fn every_route_accepts_valid_tokens_only(backend: Backend) {
    let stage = Stage::new(backend).await;
    let api = &stage.service.api;
    enable_webhooks(api, &stage.persona.tenant).await;
    let (_, token) = stage.key_token(&["*"]).await;
    let ended = stage.token(ANN).await;
    let body = rollcall::domain::EventBody::UserDeleted { user: super::user(1) };
    stage.commit(&stage.persona.tenant, body).await;
    let apart: Vec<&str> = PUBLIC.iter().chain(&ADMINISTRATION).map(|(path, _)| *path).collect();
    for route in table().iter().filter(|route| !apart.contains(&route.path.as_str())) {
        let user = subject_of(api, route, &token, &guid(2).to_string()).await;
        let answer = send(request(api, route, Some(&token), &user)).await.expect("an answer");
        assert!(is_answered(dialect(route), &answer), "{route:?}: {} {}", answer.status, answer.text);
        let answer = send(request(api, route, Some(&ended), &guid(2).to_string())).await.expect("an answer");
        assert!(is_unauthenticated(dialect(route), &answer), "{route:?}: {} {}", answer.status, answer.text);
    }
    for path in ["/metrics", "/v1/tenants/x/keys"] {
        assert_eq!(api.get(&token, path).await.unwrap().status, 401, "no token is accepted for administration");
    }
    stage.service.stop().await;
}

async fn tokens_are_accepted_in_every_place_of_a_key(backend: Backend) {
    let stage = Stage::new(backend).await;
    let (_, key_token) = stage.key_token(&["*"]).await;
    let api = &stage.service.api;
    let get = |path: &str| api.request(Method::GET, path);
    for token in [key_token, stage.token(ANN).await] {
        for request in [
            get("/operator/live").header("X-API-Key", &token),
            get(&format!("/operator/live?key={token}")),
            get(&format!("/api/2/operator/live?key={token}")),
            get("/operator/live").basic_auth(&token, Some("any")),
            get("/operator/live").bearer_auth(&token),
            get("/operator/live").header("Authorization", &token),
            get("/_authenticated").header("Authorization", format!("bearer  {token}")),
        ] {
            let answer = send(request).await.expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
        assert_eq!(api.connected(&token).await.0, 0);
    }
    stage.service.stop().await;
}
