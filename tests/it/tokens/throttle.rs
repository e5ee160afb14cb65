//! Limits of log-in attempts, and the rate-limit rejections of each dialect.

use std::net::IpAddr;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use rollcall::domain::Fault;
use rollcall::http::convoso::ConvosoFault;
use rollcall::http::fault::NativeFault;
use rollcall::http::graphql::fault::GraphqlFault;
use rollcall::http::iadvize_rest::RestFault;
use rollcall::http::vonage::VonageFault;
use serde_json::{Value, json};

use super::{ANN, MAX, PASSWORD, Stage};
use crate::on_both_stores;
use crate::support::Backend;
use crate::support::api::{Answer, send};

on_both_stores!(log_ins_are_limited_per_user);
on_both_stores!(failed_log_ins_from_elsewhere_do_not_lock_the_owner_out);
on_both_stores!(log_ins_are_limited_per_address);
on_both_stores!(tokens_are_limited_per_key);

fn is_throttled(answer: &Answer, seconds: &str) {
    let description = format!("too many requests: try again in {seconds} s");
    let expected = json!({ "error": "slow_down", "error_description": description });
    assert_eq!((answer.status, answer.json()), (429, expected));
    assert_eq!(answer.header("retry-after"), Some(seconds));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

async fn log_ins_are_limited_per_user(backend: Backend) {
    let stage = Stage::new(backend).await;
    // Successful attempts count like failed ones, and known addresses like unknown ones.
    for (n, email) in [ANN, "nobody@example.com"].into_iter().enumerate() {
        for attempt in 0..10 {
            let password = if attempt % 4 == 0 { PASSWORD } else { "wrong" };
            let email = if attempt % 2 == 0 { email.to_uppercase() } else { email.to_owned() };
            let expected = if n == 0 && password == PASSWORD { 200 } else { 400 };
            assert_eq!(stage.log_in(&email, password).await.status, expected, "{attempt}");
        }
        is_throttled(&stage.log_in(email, PASSWORD).await, "6");
        is_throttled(&stage.log_in(email, "wrong").await, "6");
    }
    let token = stage.token(MAX).await;
    assert!(stage.is_valid(&token).await, "another user can log in");
    stage.clock.advance(Duration::from_secs(5));
    is_throttled(&stage.log_in(ANN, PASSWORD).await, "1");
    stage.clock.advance(Duration::from_secs(1));
    stage.token(ANN).await;
    is_throttled(&stage.log_in(ANN, PASSWORD).await, "6");
    stage.clock.advance(Duration::from_secs(60));
    for _ in 0..10 {
        stage.token(ANN).await;
    }
    is_throttled(&stage.log_in(ANN, PASSWORD).await, "6");
    stage.service.stop().await;
}

async fn failed_log_ins_from_elsewhere_do_not_lock_the_owner_out(backend: Backend) {
    let stage = Stage::new(backend).await;
    let client = reqwest::Client::builder().local_address(IpAddr::from([127, 0, 0, 2])).build().expect("a client");
    let elsewhere = async |password: &str| {
        let body = format!("grant_type=password&username={ANN}&password={password}");
        let request = client.post(stage.service.url("/oauth2/token")).body(body);
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        send(request).await.expect("an answer")
    };
    for n in 0..10 {
        assert_eq!(elsewhere("wrong").await.status, 400, "{n}");
    }
    is_throttled(&elsewhere("wrong").await, "6");
    let token = stage.token(ANN).await;
    assert!(stage.is_valid(&token).await, "the owner can log in");
    stage.service.stop().await;
}

async fn log_ins_are_limited_per_address(backend: Backend) {
    let stage = Stage::new(backend).await;
    for n in 0..100 {
        // The header is ignored, since any client can set it. A password of this length is rejected without hashing.
        let (username, password) = (format!("{n}"), "x".repeat(1_025));
        let form = [("grant_type", "password"), ("username", &username), ("password", &password)];
        let request = stage.service.api.form("/oauth2/token", &form);
        let answer = send(request.header("X-Forwarded-For", format!("192.0.2.{n}"))).await.expect("an answer");
        assert_eq!(answer.status, 400, "{n}");
    }
    is_throttled(&stage.log_in(ANN, PASSWORD).await, "1");
    stage.clock.advance(Duration::from_secs(1));
    stage.token(ANN).await;
    stage.service.stop().await;
}

async fn tokens_are_limited_per_key(backend: Backend) {
    let stage = Stage::new(backend).await;
    let (id, key) = stage.service.api.key(&stage.persona.tenant, &["*"]).await;
    let form = [("grant_type", "client_credentials"), ("client_id", &id), ("client_secret", &key)];
    let ask = async || {
        let request = stage.service.api.form("/Auth/connect/token", &form);
        send(request).await.expect("an answer")
    };
    for n in 0..100 {
        assert_eq!(ask().await.status, 200, "{n}");
    }
    is_throttled(&ask().await, "1");
    stage.key_token(&["*"]).await;
    stage.service.stop().await;
}

#[tokio::test]
async fn every_dialect_has_a_form_for_rate_limiting() {
    let fault = || Fault::TooMany { seconds: 6 };
    let text = "too many requests: try again in 6 s";
    let answers: [(Response, Value); 5] = [
        (
            ConvosoFault::from(fault()).into_response(),
            json!({ "success": false, "code": 429, "text": text, "error": text }),
        ),
        (RestFault::from(fault()).into_response(), json!({ "meta": { "status": "error", "message": text } })),
        (VonageFault::from(fault()).into_response(), json!({ "message": text })),
        (
            GraphqlFault::from(fault()).into_response(),
            json!({ "data": null, "errors": [{ "message": text, "path": [], "locations": [],
                    "extensions": { "name": "RATE_LIMITED", "retryPolicy": "RETRY_WITH_BACKOFF" } }] }),
        ),
        (
            NativeFault::from(fault()).into_response(),
            json!({ "type": "urn:rollcall:problem:too-many", "title": "Too many requests", "status": 429, "detail": text }),
        ),
    ];
    for (response, expected) in answers {
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "6");
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        assert_eq!(serde_json::from_slice::<Value>(&body).expect("JSON"), expected);
    }
}
