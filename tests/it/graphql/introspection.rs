//! Introspection, which needs no credential: answers are cached, and a query with an oversized answer is rejected before
//! it is executed.

use rollcall::limits::TenantLimits;
use rollcall::limits::{Budget, Budgets};
use serde_json::{Value, json};

use super::{ask, rejection, start};
use crate::support::tasks::Stopwatch;
use crate::support::{Backend, Home, Service, Setup};

/// Returns the introspection query of graphql-js with this many levels of `ofType`, with or without the fields that
/// newer versions add.
fn standard(levels: usize, is_new: bool) -> String {
    let (deprecated, new, flag, all) = if is_new {
        ("isDeprecated deprecationReason", "isOneOf", "isRepeatable", "(includeDeprecated:true)")
    } else {
        ("", "", "", "")
    };
    let of = format!("{}kind name{}", "kind name ofType{".repeat(levels), "}".repeat(levels));
    format!(
        "query IntrospectionQuery {{ __schema {{ description queryType {{ name }} mutationType {{ name }}
            subscriptionType {{ name }} types {{ ...FullType }}
            directives {{ name description {flag} locations args{all} {{ ...InputValue }} }} }} }}
        fragment FullType on __Type {{ kind name description specifiedByURL {new}
            fields(includeDeprecated: true) {{ name description args{all} {{ ...InputValue }} type {{ ...TypeRef }}
                isDeprecated deprecationReason }}
            inputFields{all} {{ ...InputValue }} interfaces {{ ...TypeRef }}
            enumValues(includeDeprecated: true) {{ name description isDeprecated deprecationReason }}
            possibleTypes {{ ...TypeRef }} }}
        fragment InputValue on __InputValue {{ name description type {{ ...TypeRef }} defaultValue {deprecated} }}
        fragment TypeRef on __Type {{ {of} }}"
    )
}

/// Returns a query of less than a kilobyte whose answer would have hundreds of megabytes.
fn oversized() -> String {
    let aliases: String = (0..12).map(|n| format!("a{n}:possibleTypes{{...F}}")).collect();
    let (open, close) = ("possibleTypes{interfaces{".repeat(7), "}}".repeat(7));
    format!(
        "{{__schema{{types{{{open}{aliases}{close}}}}}}}fragment F on __Type{{name description fields{{name description args{{name description}}}}}}"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cached_introspection_answers_are_identical() {
    let service = start().await;
    let persona = service.api.persona("tenant").await;
    for text in [standard(7, false), standard(7, true), standard(9, true)] {
        for key in [None, Some(persona.key.as_str())] {
            let fresh = ask(&service.api, key, &format!("{text} # {key:?}"), &json!({})).await.ok();
            let data = &fresh.json()["data"]["__schema"];
            assert!(data["types"].as_array().is_some_and(|types| types.len() > 40), "{}", fresh.text);
            for _ in 0..3 {
                let answer = ask(&service.api, key, &text, &json!({})).await;
                assert_eq!((answer.status, &answer.text), (200, &fresh.text));
                assert_eq!(answer.header("rollcall-position").is_some(), key.is_some());
                assert_eq!(answer.header("content-type"), Some("application/json"));
                assert_eq!(answer.header("cache-control"), Some("no-store"));
            }
        }
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn introspection_is_cached_per_text_and_operation() {
    let service = start().await;
    let text = "query a{__type(name:\"User\"){name}} query b{__type(name:\"Bot\"){name}}";
    let send = async |operation: Option<&str>| {
        let body = json!({ "query": text, "operationName": operation });
        crate::support::api::send(service.api.request(reqwest::Method::POST, "/graphql").json(&body)).await
    };
    for _ in 0..2 {
        for (operation, name) in [("a", "User"), ("b", "Bot")] {
            let answer = send(Some(operation)).await.expect("an answer").ok();
            assert_eq!(answer.json(), json!({ "data": { "__type": { "name": name } } }));
        }
        for (operation, why) in
            [(None, "Operation name required in request."), (Some("c"), "Unknown operation named \"c\"")]
        {
            assert_eq!(rejection(&send(operation).await.expect("an answer")), why);
        }
    }
    let by_name = "query($n:String!){__type(name:$n){name}}";
    for name in ["User", "Bot", "User"] {
        let answer = ask(&service.api, None, by_name, &json!({ "n": name })).await.ok();
        assert_eq!(answer.json()["data"]["__type"]["name"], name);
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oversized_introspection_is_rejected_before_execution() {
    let service = start().await;
    let persona = service.api.persona("tenant").await;
    let text = oversized();
    assert!(text.len() < 1_024, "{}", text.len());
    let mixed = text.replacen('{', "{connectedUsersIndicator{connectedUsersCount}", 1);
    for (key, text) in [(None, &text), (Some(persona.key.as_str()), &text), (Some(persona.key.as_str()), &mixed)] {
        for _ in 0..2 {
            let watch = Stopwatch::start();
            let why = rejection(&ask(&service.api, key, text, &json!({})).await);
            assert_eq!(why, "the answer about the schema would be larger than 1 MiB");
            assert!(watch.elapsed() < std::time::Duration::from_secs(2), "{:?}", watch.elapsed());
        }
    }
    // The size of the answer depends on the variable.
    let (open, close) = ("possibleTypes{interfaces{".repeat(7), "}}".repeat(7));
    let deep =
        format!("query($n:String!){{__type(name:$n){{{open}possibleTypes{{fields{{name description}}}}{close}}}}}");
    assert_eq!(ask(&service.api, None, &deep, &json!({ "n": "Nothing" })).await.status, 200);
    rejection(&ask(&service.api, None, &deep, &json!({ "n": "User" })).await);
    service.stop().await;
}

/// The control: without the budget a smaller query of the same kind is executed, and its answer exceeds the limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_budget_oversized_introspection_is_answered() {
    let setup = Setup {
        tenant_limits: TenantLimits { rate: 0, at_a_time: 0, events: 0 },
        budgets: Budgets::without([Budget::Introspection]),
        ..Setup::default()
    };
    let service = Service::start_on(Home::new(Backend::Embedded).await, setup).await;
    let (open, close) = ("possibleTypes{interfaces{".repeat(6), "}}".repeat(6));
    let text = format!("{{__schema{{types{{{open}possibleTypes{{fields{{name description}}}}{close}}}}}}}");
    let answer = ask(&service.api, None, &text, &json!({})).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text.len() > 1024 * 1024, "{}", answer.text.len());
    let _is_json: Value = answer.json();
    service.stop().await;
}
