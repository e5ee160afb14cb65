//! The timeout of a whole request.

use std::time::Duration;

use axum::body::Body;
use axum::http::Response;
use http_body_util::BodyExt;
use rollcall::http::dialect::Dialect;
use rollcall::http::layers::within;
use serde_json::{Value, json};

#[tokio::test]
async fn slow_requests_end_with_a_timed_out_problem() {
    let answer = within(Duration::from_millis(10), Dialect::Native, std::future::pending()).await;
    assert_eq!(answer.status(), 408);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    let expected = json!({ "type": "urn:rollcall:problem:timed-out", "title": "Timed out", "status": 408,
                           "detail": "the request took too long" });
    assert_eq!(serde_json::from_slice::<Value>(&body).expect("JSON"), expected);
    let in_time =
        within(Duration::from_secs(60), Dialect::Native, async { Response::new(Body::from("in time")) }).await;
    assert_eq!(in_time.status(), 200);
}
