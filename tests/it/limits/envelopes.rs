//! Errors that are raised outside of a handler, in the shape of the path's dialect: time-outs, rejections of the layers,
//! and panics. Unknown paths and wrong methods are vectors (`tests/vectors/envelopes.json`).

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Response;
use axum::routing::get;
use http_body_util::BodyExt;
use rollcall::domain::Fault;
use rollcall::http::dialect::Dialect;
use rollcall::http::layers::{catching_panics, within};
use serde_json::{Value, json};

/// A path below the base path of each dialect, and its content type.
const PATHS: [(Dialect, &str, &str); 6] = [
    (Dialect::Native, "/v1/events", "application/problem+json"),
    (Dialect::Graphql, "/graphql", "application/json"),
    (Dialect::Iadvize, "/api/2/operator", "application/json"),
    (Dialect::Convoso, "/v1/user-activity/search", "application/json"),
    (Dialect::Vonage, "/agents-availability", "application/json; charset=utf-8"),
    (Dialect::Oauth, "/oauth2/token", "application/json"),
];

/// Returns the body of an error in a dialect: `text` where the dialect has no text of its own for it.
fn shape(dialect: Dialect, fault: &Fault) -> Value {
    let (status, kind, title, name, error) = match fault {
        Fault::TimedOut => (408, "timed-out", "Timed out", "INVALID_REQUEST", "invalid_request"),
        Fault::TooMany { .. } => (429, "too-many", "Too many requests", "RATE_LIMITED", "slow_down"),
        Fault::Unavailable(_) => (503, "unavailable", "Unavailable", "SERVICE_UNAVAILABLE", "temporarily_unavailable"),
        _ => (500, "internal", "Internal error", "INTERNAL_ERROR", "server_error"),
    };
    let text = fault.to_string();
    let retry = if matches!(status, 429 | 503) { "RETRY_WITH_BACKOFF" } else { "NO_RETRY" };
    match dialect {
        Dialect::Native => {
            json!({ "type": format!("urn:rollcall:problem:{kind}"), "title": title, "status": status, "detail": text })
        }
        Dialect::Graphql => json!({ "data": null, "errors": [{ "message": text, "path": [], "locations": [],
                                    "extensions": { "name": name, "retryPolicy": retry } }] }),
        Dialect::Iadvize => {
            let verdict = if status == 408 { "fail" } else { "error" };
            let text = if status == 500 { "Internal error" } else { &text };
            json!({ "meta": { "status": verdict, "message": text } })
        }
        Dialect::Convoso => {
            let text = if status == 500 { "Internal server error" } else { &text };
            json!({ "success": false, "code": status, "text": text, "error": text })
        }
        Dialect::Vonage => json!({ "message": text }),
        Dialect::Oauth => json!({ "error": error, "error_description": text }),
    }
}

async fn check(dialect: Dialect, media_type: &str, fault: Fault, answer: Response<Body>) {
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(body, shape(dialect, &fault), "{dialect:?}");
    assert_eq!(parts.headers["content-type"], media_type, "{dialect:?} {fault:?}");
    let seconds =
        parts.headers.get("retry-after").map(|value| value.to_str().expect("text").parse().expect("a number"));
    assert_eq!(seconds, fault.retry_after(), "{dialect:?} {fault:?}");
}

#[tokio::test]
async fn errors_of_the_layers_have_the_shape_of_the_path() {
    for (dialect, path, media_type) in PATHS {
        assert_eq!(Dialect::of(path), dialect);
        let late = within(Duration::from_millis(10), dialect, std::future::pending()).await;
        assert_eq!(late.status(), 408);
        check(dialect, media_type, Fault::TimedOut, late).await;
        for (fault, status) in [
            (Fault::TooMany { seconds: 6 }, 429),
            (Fault::Unavailable("the queue is full"), 503),
            (Fault::Internal, 500),
        ] {
            let answer = dialect.answer(fault.clone());
            assert_eq!(answer.status(), status, "{dialect:?}");
            check(dialect, media_type, fault, answer).await;
        }
    }
    let in_time =
        within(Duration::from_secs(60), Dialect::Native, async { Response::new(Body::from("in time")) }).await;
    assert_eq!(in_time.status(), 200);
}

async fn panic_now() {
    panic!("on purpose")
}

#[tokio::test]
async fn panics_have_the_shape_of_the_path() {
    let routes = PATHS.iter().fold(Router::new(), |router, (_, path, _)| router.route(path, get(panic_now)));
    let router = catching_panics(routes.route("/calm", get(|| async { "calm" })));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    for (dialect, path, media_type) in PATHS {
        let answer = reqwest::get(format!("http://{address}{path}")).await.expect("an answer");
        assert_eq!(
            (answer.status(), answer.headers()["content-type"].as_bytes()),
            (500.try_into().unwrap(), media_type.as_bytes())
        );
        let body: Value = answer.json().await.expect("JSON");
        assert_eq!(body, shape(dialect, &Fault::Internal), "{path}");
    }
    let calm = reqwest::get(format!("http://{address}/calm")).await.expect("an answer");
    assert_eq!(calm.status(), 200);
    serving.abort();
}
