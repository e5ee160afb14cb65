//! Cached documents: the bytes of an answer do not depend on whether the document is new or was sent before, by the same
//! or another tenant.

use async_graphql::{Request, ValidationMode, Variables};
use rollcall::clock::Clock;
use rollcall::http::graphql::schema;
use serde_json::json;

use super::cases::{Case, Types, cases, defaults};
use super::{ask, start};

use crate::support::desks::{connected, directory};

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
        // A comment at the end makes a text new without moving the positions of errors.
        let mut cold = Vec::new();
        for (place, case) in group.iter().enumerate() {
            let text = format!("{} #{number}.{place}", case.text);
            cold.push(ask(api, Some(&one.key), &text, &case.variables).await);
        }
        let Case { text, variables } = &group[0];
        ask(api, Some(&other.key), text, variables).await;
        for (place, (case, cold)) in group.iter().zip(cold).enumerate() {
            // The first case of a group is sent twice, so that the text is cached for this tenant as well.
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defaults_of_arguments_hold_for_variables_that_are_not_given() {
    let service = start().await;
    let key = &service.api.persona("tenant").await.key;
    service.api.put_directory(key, &directory(3)).await;
    service.api.apply(key, &[connected("event-1", 1, Clock::system().now())]).await;
    let pairs = defaults(&Types::read().await);
    assert!(!pairs.is_empty());
    for [with, without] in pairs {
        let answer = ask(&service.api, Some(key), &with.text, &with.variables).await;
        let expected = ask(&service.api, Some(key), &without.text, &without.variables).await;
        assert_eq!((answer.status, answer.text), (200, expected.text), "{with:?}");
    }
    service.stop().await;
}

/// The control: without validation these requests reach the resolvers, so that the test above would detect a service
/// that skips validation for cached documents.
#[tokio::test]
async fn control_unvalidated_variables_reach_the_resolvers() {
    let (strict, lenient) = (schema().finish(), schema().validation_mode(ValidationMode::Fast).finish());
    let reaches = |response: &async_graphql::Response| response.errors.iter().all(|error| !error.path.is_empty());
    let (mut missed, mut misspelt) = (0, 0);
    for case in cases(&Types::read().await).into_iter().flatten().filter(|case| case.variables != json!({})) {
        let request = || Request::new(&case.text).variables(Variables::from_json(case.variables.clone()));
        let (valid, invalid) = (strict.execute(request()).await, lenient.execute(request()).await);
        let is_no_field = |error: &async_graphql::ServerError| error.message.starts_with("Data `");
        if !reaches(&valid) && invalid.errors.iter().any(is_no_field) {
            missed += 1;
            misspelt += usize::from(valid.errors.iter().any(|error| error.message.contains("unknown field")));
        }
    }
    println!("{missed} invalid requests would reach a resolver, {misspelt} of them with a misspelt member");
    assert!(missed > 50 && misspelt > 10, "{missed}, {misspelt}");
}
