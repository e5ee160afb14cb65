//! Long lists, which are computed on the blocking pool rather than on the threads that serve requests.

use serde_json::json;

use super::{ask, start};
use crate::support::desks::directory;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_documents_get_the_same_answers_as_light_ones() {
    let service = start().await;
    let persona = service.api.persona("tenant").await;
    service.api.put_directory(&persona.key, &directory(3_000)).await;
    let page = |n: usize| {
        format!("a{n}:users(first:{}){{edges{{cursor node{{id lastName}}}} pageInfo{{hasNextPage}}}}", n + 1)
    };
    let ask = async |text: &str| ask(&service.api, Some(&persona.key), text, &json!({})).await.ok();
    let all = ask(&format!("{{{}}}", (0..15).map(page).collect::<Vec<_>>().join(" "))).await;
    assert!(all.header("rollcall-position").is_some());
    for n in 0..15 {
        let one = ask(&format!("{{{}}}", page(n))).await;
        assert_eq!(one.json()["data"][format!("a{n}")], all.json()["data"][format!("a{n}")], "{n}");
        assert_eq!(one.json()["data"][format!("a{n}")]["edges"].as_array().map(Vec::len), Some(n + 1));
    }
    // A document with a field that waits for the store, and one with a field that fails.
    let archive =
        "closedConversations(interval:{from:\"2024-01-01T00:00:00Z\",to:\"2024-02-01T00:00:00Z\"}){edges{node{id}}}";
    let users = (0..15).map(page).collect::<Vec<_>>().join(" ");
    let mixed =
        ask(&format!("{{{users} c:{archive} d:conversation(id:\"a0000101-0000-4000-8000-000000000101\"){{id}}}}"))
            .await;
    let data = &mixed.json()["data"];
    assert_eq!((&data["c"], &data["d"]), (&json!({ "edges": [] }), &json!(null)));
    let failing = ask(&format!("{{{users} c:users(first:0){{edges{{node{{id}}}}}}}}")).await;
    assert_eq!(failing.json()["errors"][0]["extensions"]["name"], "INVALID_ARGUMENT");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unpaged_lists_are_bounded_together() {
    let service = start().await;
    let persona = service.api.persona("tenant").await;
    let groups: Vec<_> = (1..=600).map(|n| json!({ "id": n, "name": format!("group {n}") })).collect();
    let members: Vec<_> = (1..=600).collect();
    let users = (1..=100).map(|n| json!({ "id": n, "name": format!("user {n}"), "groups": members }));
    let document = json!({ "groups": groups, "users": users.collect::<Vec<_>>() });
    service.api.put_directory(&persona.key, &document).await;
    let page = async |first: usize| {
        let text = format!("{{users(first:{first}){{edges{{node{{groups{{id}}}}}}}}}}");
        ask(&service.api, Some(&persona.key), &text, &json!({})).await
    };
    let fits = page(80).await.ok().json();
    assert_eq!(fits["data"]["users"]["edges"][79]["node"]["groups"].as_array().map(Vec::len), Some(600));
    let refused = page(100).await.json();
    // Everything from the root to the list excludes null.
    assert_eq!(refused["data"], json!(null));
    let error = &refused["errors"][0];
    assert_eq!(error["message"], "the lists of the answer have more than 50000 items");
    assert_eq!(error["extensions"]["name"], "INVALID_REQUEST");
    assert_eq!((&error["path"][0], &error["path"][4]), (&json!("users"), &json!("groups")), "{error}");
    service.stop().await;
}
