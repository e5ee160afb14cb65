//! Concurrent changes of one tenant's settings.

use reqwest::Method;
use serde_json::{Value, json};

use crate::on_both_stores;
use crate::support::api::send;
use crate::support::{ADMIN, Backend, Service};

on_both_stores!(concurrent_changes_are_all_kept);

async fn concurrent_changes_are_all_kept(backend: Backend) {
    let service = Service::start(backend).await;
    let path = format!("/v1/tenants/{}", service.tenant("tenant").await);
    let set = async |member: &str, value: Value| {
        let request = service.api.request(Method::PATCH, &path).bearer_auth(ADMIN);
        send(request.json(&json!({ member: value }))).await.expect("an answer").ok().json()
    };
    for n in 1..=30 {
        let keeps = n % 2 == 0;
        let secret = if keeps { json!("sixteen bytes or more") } else { Value::Null };
        let (one, two, three) = tokio::join!(
            set("conversation_text", json!(keeps)),
            set("conversation_days", json!(n)),
            set("iadvize_secret", secret),
        );
        let shown = service.api.get(ADMIN, &path).await.unwrap().ok().json();
        let expected = (&json!(keeps), &json!(n), &json!(keeps));
        let settings =
            |of: &Value| ["conversation_text", "conversation_days", "iadvize_webhooks"].map(|m| of[m].clone());
        let [text, days, webhooks] = &settings(&shown);
        assert_eq!((text, days, webhooks), expected, "{n}");
        assert!([one, two, three].iter().any(|answer| settings(answer) == settings(&shown)), "one answer has all");
    }
    service.stop().await;
}
