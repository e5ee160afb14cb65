//! Queries by GET and persisted documents: the answers, limits and costs are those of the same document by POST.

use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::cases::{Case, Types, cases};
use super::{ask, start};
use crate::support::Api;
use crate::support::api::{Answer, send};
use crate::support::desks::directory;

/// Every how many of the generated requests are sent.
const SAMPLE: usize = 7;
/// Longest query string; the service reads 32 KiB of headers.
const MAX_QUERY: usize = 30 * 1024;

/// Sends parameters in the query string, unless they are too long for it.
async fn get(api: &Api, key: &str, params: &[(&str, String)]) -> Option<Answer> {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
    if query.len() > MAX_QUERY {
        return None;
    }
    Some(send(api.request(Method::GET, &format!("/graphql?{query}")).bearer_auth(key)).await.expect("an answer"))
}

fn persisted(text: &str) -> Value {
    let hash: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_by_get_and_by_hash_are_answered_as_by_post() {
    let service = start().await;
    let api = &service.api;
    let key = api.persona("tenant").await.key;
    let position = api.put_directory(&key, &directory(3)).await.json()["position"].clone();
    let (mut queries, mut valid, mut mutations) = (0, 0, 0);
    for Case { text, variables } in cases(&Types::read().await).into_iter().flatten().step_by(SAMPLE) {
        let params = [("query", text.clone()), ("variables", variables.to_string())];
        let Some(by_get) = get(api, &key, &params).await else { continue };
        if text.starts_with("mutation") {
            assert!([400, 405].contains(&by_get.status), "{text}: {}", by_get.text);
            mutations += usize::from(by_get.status == 405);
            continue;
        }
        let by_post = ask(api, Some(&key), &text, &variables).await;
        assert_eq!((by_get.status, &by_get.text), (by_post.status, &by_post.text), "{text} {variables}");
        (queries, valid) = (queries + 1, valid + usize::from(by_post.status == 200));
        // With its text the hash is registered; alone it then stands for the text.
        let body = json!({ "query": text, "variables": variables, "extensions": persisted(&text) });
        let first = api.post(&key, "/graphql", &body).await.expect("an answer");
        assert_eq!((first.status, &first.text), (by_post.status, &by_post.text), "{text} {variables}");
        let params = [("variables", variables.to_string()), ("extensions", persisted(&text).to_string())];
        let alone = get(api, &key, &params).await.expect("a short query");
        let is_unknown = alone.text.contains("PersistedQueryNotFound");
        assert!(is_unknown || (alone.status, &alone.text) == (by_post.status, &by_post.text), "{text}: {}", alone.text);
        assert!(!is_unknown || by_post.status == 400, "a document that was executed is kept: {text}");
    }
    println!("{queries} queries, {valid} of them valid, {mutations} mutations");
    assert!(queries > 200 && valid > 50 && mutations > 5, "{queries} queries, {valid} valid, {mutations} mutations");
    assert_eq!(json!(api.graphql(&key, "{__typename}").await.expect("an answer").position()), position);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn persisted_documents_are_bounded_for_each_tenant() {
    let service = start().await;
    let api = &service.api;
    let (ours, theirs) = (api.persona("ours").await.key, api.persona("theirs").await.key);
    let text = |n: usize| format!("{{__typename}} #{n}");
    let is_known = async |key: &str, n: usize| {
        let answer = api.post(key, "/graphql", &json!({ "extensions": persisted(&text(n)) })).await.expect("an answer");
        assert_eq!(answer.status, 200);
        !answer.text.contains("PersistedQueryNotFound")
    };
    let register = async |key: &str, n: usize| {
        let body = json!({ "query": text(n), "extensions": persisted(&text(n)) });
        api.post(key, "/graphql", &body).await.expect("an answer").ok();
    };
    register(&theirs, 0).await;
    for n in 0..700 {
        register(&ours, n).await;
    }
    let mut kept = 0;
    for n in 0..700 {
        kept += usize::from(is_known(&ours, n).await);
    }
    assert!((1..=512).contains(&kept), "{kept} documents are kept");
    assert!(is_known(&theirs, 0).await, "a flood of one tenant evicts nothing of another");
    service.stop().await;
}
