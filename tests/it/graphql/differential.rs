//! Cold against warm: a request is answered in the same bytes whether its text is new, was sent before, or was sent
//! before by another tenant.

use async_graphql::{Request, ValidationMode, Variables};
use rollcall::http::graphql::schema;
use serde_json::json;

use super::cases::{Case, Types, cases};
use super::{ask, start};
use crate::support::desks::directory;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cached_documents_get_the_same_answers_as_new_ones() {
    let service = start().await;
    let api = &service.api;
    let (one, other) = (api.persona("one").await, api.persona("other").await);
    for persona in [&one, &other] {
        api.put_directory(&persona.key, &directory(3)).await;
    }
    let (mut asked, mut answered) = (0, 0);
    for (number, group) in cases(&Types::read().await).into_iter().enumerate() {
        // A comment at the end makes a text new, and moves nothing in it.
        let mut cold = Vec::new();
        for (place, case) in group.iter().enumerate() {
            let text = format!("{} #{number}.{place}", case.text);
            cold.push(ask(api, Some(&one.key), &text, &case.variables).await);
        }
        let Case { text, variables } = &group[0];
        ask(api, Some(&other.key), text, variables).await;
        for (place, (case, cold)) in group.iter().zip(cold).enumerate() {
            // The first of them makes the text known to the tenant, and is sent again.
            for _ in place.min(1)..=1 {
                let warm = ask(api, Some(&one.key), &case.text, &case.variables).await;
                assert_eq!((cold.status, &cold.text), (warm.status, &warm.text), "{case:?}");
            }
            answered += usize::from(cold.status == 200);
            asked += 1;
        }
    }
    println!("{asked} requests, {answered} of them valid");
    assert!(asked > 2_000 && answered > 500 && asked - answered > 500, "{asked} requests, {answered} valid");
    service.stop().await;
}

/// The control: what a text's earlier success says nothing of. A service that skipped validation for known texts would
/// reach the field in these requests, and the cases above would find it.
#[tokio::test]
async fn control_unvalidated_variables_reach_the_resolvers() {
    let (strict, lenient) = (schema().finish(), schema().validation_mode(ValidationMode::Fast).finish());
    let reaches = |response: &async_graphql::Response| response.errors.iter().all(|error| !error.path.is_empty());
    let (mut missed, mut misspelt) = (0, 0);
    for case in cases(&Types::read().await).into_iter().flatten().filter(|case| case.variables != json!({})) {
        let request = || Request::new(&case.text).variables(Variables::from_json(case.variables.clone()));
        let (right, wrong) = (strict.execute(request()).await, lenient.execute(request()).await);
        let is_no_field = |error: &async_graphql::ServerError| error.message.starts_with("Data `");
        if !reaches(&right) && wrong.errors.iter().any(is_no_field) {
            missed += 1;
            misspelt += usize::from(right.errors.iter().any(|error| error.message.contains("unknown field")));
        }
    }
    println!("{missed} requests would be answered as if they were valid, {misspelt} of them with a misspelt member");
    assert!(missed > 50 && misspelt > 10, "{missed}, {misspelt}");
}
