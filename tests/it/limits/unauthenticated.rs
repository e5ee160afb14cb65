//! The rate of requests without a valid credential from one address.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use rollcall::limits::TenantLimits;
use rollcall::limits::throttle::UNAUTHENTICATED_AT_ONCE;
use serde_json::json;

use super::{Stage, is_throttled};
use crate::support::api::send;
use crate::support::desks::user_guid;
use crate::support::requests::{ADMINISTRATION, Dialect, PUBLIC, dialect, is_unauthenticated, request};
use crate::support::routes::{Route, table};
use crate::support::{ADMIN, Backend};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_credentials_are_rate_limited_and_valid_ones_are_not() {
    let stage = Stage::new(Backend::Embedded, TenantLimits::default()).await;
    let Stage { service, clock, quiet, .. } = &stage;
    let live = Route { method: "GET", path: String::from("/operator/{id}/live") };
    for n in 0..UNAUTHENTICATED_AT_ONCE.get() {
        let key = if n % 2 == 0 { None } else { Some("rk_wrong") };
        let answer = send(request(&service.api, &live, key, "1")).await.expect("an answer");
        assert!(is_unauthenticated(Dialect::Iadvize, &answer), "{n}: {} {}", answer.status, answer.text);
    }
    let apart: BTreeSet<&str> = PUBLIC.iter().chain(&ADMINISTRATION).map(|(path, _)| *path).collect();
    for route in table().into_iter().filter(|route| !apart.contains(route.path.as_str())) {
        for key in [None, Some("rk_wrong")] {
            let answer = send(request(&service.api, &route, key, &user_guid(1))).await.expect("an answer");
            let is_rejected = is_throttled(dialect(&route), &answer, "1");
            assert!(is_rejected, "{route:?} with {key:?}: {} {}", answer.status, answer.text);
        }
    }
    let form = [("grant_type", "client_credentials"), ("client_id", "x"), ("client_secret", "x")];
    let answer = send(service.api.form("/Auth/connect/token", &form)).await.expect("an answer");
    assert!(is_throttled(Dialect::Oauth, &answer, "1"), "{}", answer.text);
    // A revocation carries no credential at all; a token in its form is no proof of one.
    for path in ["/oauth2/revoke", "/Auth/connect/revocation"] {
        let answer = send(service.api.form(path, &[("token", quiet.key.as_str())])).await.expect("an answer");
        assert!(is_throttled(Dialect::Oauth, &answer, "1"), "{path}: {}", answer.text);
    }
    let answer = service.api.get("not-the-administrator", "/metrics").await.expect("an answer");
    assert!(is_throttled(Dialect::Native, &answer, "1"), "{}", answer.text);
    // Queries of the schema need no credential, but they count against the same rate.
    let schema = json!({ "query": "{__typename}" });
    let anonymous = || service.api.request(Method::POST, "/graphql").json(&schema);
    assert!(is_throttled(Dialect::Graphql, &send(anonymous()).await.expect("an answer"), "1"));

    // Valid credentials from the same address are not limited, since behind a proxy all callers share one.
    assert_eq!(service.api.get(&quiet.key, "/operator/live").await.expect("an answer").status, 200);
    assert_eq!(service.api.get(ADMIN, "/metrics").await.expect("an answer").status, 200);
    clock.advance(Duration::from_secs(1));
    assert_eq!(service.api.get("rk_wrong", "/v1/directory").await.expect("an answer").status, 401);
    assert_eq!(send(anonymous()).await.expect("an answer").status, 200);
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_revocations_is_rate_limited() {
    for path in ["/oauth2/revoke", "/Auth/connect/revocation"] {
        let stage = Stage::new(Backend::Embedded, TenantLimits::default()).await;
        let Stage { service, clock, .. } = &stage;
        // Longer than any token, and as long as the form may be.
        let (unknown, long) = (String::from("rt_0"), "x".repeat(16 * 1024 - "token=".len()));
        let revoke = async |token: &str| send(service.api.form(path, &[("token", token)])).await.expect("an answer");
        for n in 0..UNAUTHENTICATED_AT_ONCE.get() {
            let answer = revoke(if n % 100 == 0 { &long } else { &unknown }).await;
            assert_eq!((answer.status, answer.text.as_str()), (200, ""), "{path} {n}");
        }
        for token in [&unknown, &long] {
            let answer = revoke(token).await;
            assert!(is_throttled(Dialect::Oauth, &answer, "1"), "{path}: {} {}", answer.status, answer.text);
        }
        clock.advance(Duration::from_secs(1));
        assert_eq!(revoke(&unknown).await.status, 200, "{path}");
        let longer = format!("{long}x");
        assert_eq!(revoke(&longer).await.status, 413, "{path}");
        stage.service.stop().await;
    }
}
