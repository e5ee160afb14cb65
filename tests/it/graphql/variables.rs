//! Values of variables, which are counted before they are parsed, and before coercion once for each use.

use rollcall::limits::TenantLimits;
use rollcall::limits::{Budget, Budgets};
use serde_json::{Value, json};

use super::{ask, rejection, start};
use crate::support::{Backend, Home, Service, Setup};

/// Returns a document with this many aliases that use one variable.
fn aliases(count: usize) -> String {
    let field = "connectedUsersIndicator(userIds:$ids){connectedUsersCount}";
    format!("query($ids:[LegacyId!]){{{}}}", (0..count).map(|n| format!("a{n}:{field} ")).collect::<String>())
}

fn ids(count: usize) -> Value {
    json!({ "ids": vec![1; count] })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_with_too_many_values_are_rejected_by_name() {
    let service = start().await;
    let key = &service.api.persona("tenant").await.key;
    for count in [510_000, 10_000] {
        let why = rejection(&ask(&service.api, Some(key), &aliases(100), &ids(count)).await);
        assert_eq!(why, format!("the variables have more than 10000 values: $ids has {}", count + 1));
    }
    let split = json!({ "ids": vec![1; 6_000], "unused": [vec![1; 3_000], vec![1; 3_000]] });
    let why = rejection(&ask(&service.api, Some(key), &aliases(1), &split).await);
    assert_eq!(why, "the variables have more than 10000 values: $unused has 6003");
    let text = rejection(&ask(&service.api, Some(key), &aliases(1), &json!({ "ids": "x".repeat(700_000) })).await);
    assert!(text.contains("$ids has 10938"), "{text}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_count_once_for_each_use() {
    let service = start().await;
    let key = &service.api.persona("tenant").await.key;
    // The same text is cached after the first request; its variables are counted each time.
    let text = aliases(100);
    for _ in 0..2 {
        assert_eq!(ask(&service.api, Some(key), &text, &ids(499)).await.status, 200);
        let why = rejection(&ask(&service.api, Some(key), &text, &ids(500)).await);
        assert!(why.starts_with("the operation uses more than 50000 values"), "{why}");
        assert!(why.ends_with("the largest variable is $ids with 501"), "{why}");
    }
    // Literals in a fragment are counted once for each spread.
    let list = vec!["1"; 4_000].join(",");
    let spreads = (0..13).map(|n| format!("a{n}:connectedUsersIndicator{{...f}} ")).collect::<String>();
    let text = format!("{{{spreads}}} fragment f on ConnectedUsersIndicator{{connectedUsersCount @a(b:[{list}])}}");
    assert!(rejection(&ask(&service.api, Some(key), &text, &json!({})).await).starts_with("the operation uses more"));
    // A list within the budget that is too long for its argument is an error of that argument.
    let answer = ask(&service.api, Some(key), &aliases(1), &ids(501)).await;
    assert_eq!(answer.json()["errors"][0]["message"], "userIds has more than 500 values");
    service.stop().await;
}

/// The control: without the budget the values are coerced, and the field rejects them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_budget_every_value_is_coerced() {
    let setup = Setup {
        tenant_limits: TenantLimits { rate: 0, at_a_time: 0, events: 0 },
        budgets: Budgets::without([Budget::Variables]),
        ..Setup::default()
    };
    let service = Service::start_on(Home::new(Backend::Embedded).await, setup).await;
    let key = &service.api.persona("tenant").await.key;
    let answer = ask(&service.api, Some(key), &aliases(3), &ids(60_000)).await;
    assert_eq!(answer.json()["errors"][0]["message"], "userIds has more than 500 values", "{}", answer.text);
    service.stop().await;
}
