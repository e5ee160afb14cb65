//! The answers of live operations, by a driven clock.

use serde_json::{Value, json};

use super::socket::Graphql;
use super::{COUNT, Stage, counted, millis};
use crate::on_both_stores;
use crate::support::Backend;
use crate::support::desks::{connected, directory, toggled};

on_both_stores!(an_answer_comes_at_once_and_when_it_differs);
on_both_stores!(the_newest_answer_comes_once_an_interval);
on_both_stores!(a_first_answer_is_of_now);
on_both_stores!(tenants_see_their_own);

async fn an_answer_comes_at_once_and_when_it_differs(backend: Backend) {
    let stage = Stage::new(backend).await;
    let mut socket = stage.socket().await;
    socket.subscribe("one", COUNT).await;
    assert_eq!(socket.next("one").await, counted(1, 0));
    // The position moves, and nothing that was selected differs.
    let now = stage.clock.now();
    stage.service.api.apply(&stage.persona.key, &[toggled("t", 1, now, false)]).await;
    stage.clock.advance(millis(250));
    stage.user(1).await;
    stage.clock.advance(millis(250));
    assert_eq!(socket.next("one").await, counted(3, 1));
    socket.send(&json!({ "type": "complete", "id": "one" })).await;
    socket.subscribe("two", COUNT).await;
    assert_eq!(socket.next("two").await, counted(3, 1));
    stage.service.stop().await;
}

async fn the_newest_answer_comes_once_an_interval(backend: Backend) {
    let stage = Stage::new(backend).await;
    let mut socket = stage.socket().await;
    let slow = COUNT.replace("live", "live(minIntervalMs:60000)");
    socket.subscribe("fast", COUNT).await;
    assert_eq!(socket.next("fast").await, counted(1, 0));
    socket.subscribe("slow", &slow).await;
    assert_eq!(socket.next("slow").await, counted(1, 0));
    for user in 1..=3 {
        stage.user(user).await;
    }
    stage.clock.advance(millis(250));
    assert_eq!(socket.next("fast").await, counted(4, 3), "one answer for three events");
    stage.user(4).await;
    stage.clock.advance(millis(59_750));
    let mut answers = [socket.recv().await, socket.recv().await];
    answers.sort_by_key(|answer| answer["id"].to_string());
    let expected = ["fast", "slow"].map(|id| json!({ "type": "next", "id": id, "payload": counted(5, 4) }));
    assert_eq!(answers, expected);
    stage.service.stop().await;
}

/// The first answer of an operation that shares an execution includes what was written before, whatever the interval, and
/// is one more answer to this operation only.
async fn a_first_answer_is_of_now(backend: Backend) {
    let stage = Stage::new(backend).await;
    let (mut early, mut late) = (stage.socket().await, stage.socket().await);
    let slow = COUNT.replace("live", "live(minIntervalMs:60000)");
    early.subscribe("early", &slow).await;
    assert_eq!(early.next("early").await, counted(1, 0));
    let now = stage.clock.now();
    stage.service.api.apply(&stage.persona.key, &[toggled("t", 1, now, false)]).await;
    late.subscribe("same", &slow).await;
    assert_eq!(late.next("same").await, counted(2, 0), "at a new position, though nothing that was selected differs");
    stage.user(1).await;
    late.subscribe("newer", &slow).await;
    // The execution is shared, so that the difference reaches the others with it, in any order.
    let mut answers = [late.recv().await, late.recv().await];
    answers.sort_by_key(|answer| answer["id"].to_string());
    assert_eq!(answers, ["newer", "same"].map(|id| json!({ "type": "next", "id": id, "payload": counted(3, 1) })));
    assert_eq!(early.next("early").await, counted(3, 1), "without the answer at position 2");
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conditions_at_the_root_are_accepted() {
    let stage = Stage::new(Backend::Embedded).await;
    let mut socket = stage.socket().await;
    for (n, document) in [
        COUNT.replace("live{", "live @include(if:true){"),
        COUNT.replace("live{", "live @skip(if:false){"),
        COUNT.replace("{live{", "{live @include(if:false){time} live{"),
        COUNT.replace("{live{position", "{live{position} live{"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = n.to_string();
        socket.subscribe(&id, &document).await;
        assert_eq!(socket.next(&id).await, counted(1, 0), "{document}");
    }
    stage.service.stop().await;
}

async fn tenants_see_their_own(backend: Backend) {
    let stage = Stage::new(backend).await;
    let theirs = stage.service.api.persona("theirs").await;
    stage.service.api.put_directory(&theirs.key, &directory(2)).await;
    let mut ours = stage.socket().await;
    let mut other = Graphql::with_key(&stage.service.api, &theirs.key).await;
    for socket in [&mut ours, &mut other] {
        socket.subscribe("same", COUNT).await;
        assert_eq!(socket.next("same").await, counted(1, 0));
    }
    stage.user(1).await;
    stage.clock.advance(millis(250));
    assert_eq!(ours.next("same").await, counted(2, 1));
    let now = stage.clock.now();
    let both = [connected("a", 1, now), connected("b", 2, now)];
    stage.service.api.apply(&theirs.key, &both).await;
    stage.clock.advance(millis(250));
    assert_eq!(other.next("same").await, counted(3, 2), "the first change that this tenant sees");
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_subscribed_to_is_an_error() {
    let stage = Stage::new(Backend::Embedded).await;
    let mut socket = stage.socket().await;
    let bomb = format!("subscription{{live(minIntervalMs:{}1{}){{position}}}}", "[".repeat(1_500), "]".repeat(1_500));
    let doubling = {
        let fragments: String =
            (0..30).map(|n| format!(" fragment f{n} on Moment{{...f{m} ...f{m}}}", m = n + 1)).collect();
        format!("subscription{{live{{...f0}}}}{fragments} fragment f30 on Moment{{position}}")
    };
    for (document, message) in [
        (bomb.as_str(), "the document nests more than 32 brackets"),
        (&doubling, "the document selects more than 500 fields"),
        ("subscription{", "expected"),
        ("subscription{live{position} b:live{position}}", "a subscription selects exactly one field"),
        ("subscription{live @skip(if:true){position}}", "a subscription selects exactly one field"),
        ("subscription{...{live{position}}}", "a subscription selects its field without a fragment around it"),
        ("subscription{__typename}", "a subscription does not select a field of introspection"),
        ("subscription{live(minIntervalMs:99){position}}", "minIntervalMs must be from 100 to 60000"),
        ("subscription{live(minIntervalMs:60001){position}}", "minIntervalMs must be from 100 to 60000"),
        ("subscription{live{nothing}}", "Unknown field \"nothing\" on type \"Moment\"."),
        ("subscription{board{position}}", "Insufficient permissions to perform the operation"),
        ("mutation{__typename}", "mutations are not accepted here: send them with POST"),
        ("{nothing}", "Unknown field \"nothing\" on type \"Query\"."),
        ("query a{__typename} query b{__typename}", "Operation name required in request."),
    ] {
        socket.subscribe("it", document).await;
        let errors = socket.error("it").await;
        let text = errors[0]["message"].as_str().expect("a message");
        assert!(text.contains(message), "{document}: {text}");
        assert_eq!(errors[0]["extensions"]["retryPolicy"], "NO_RETRY", "{document}");
    }
    socket.subscribe("it", COUNT).await;
    assert_eq!(socket.next("it").await, counted(1, 0));
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_are_answered_once() {
    let stage = Stage::new(Backend::Embedded).await;
    let mut socket = stage.socket().await;
    let request = json!({ "query": "query($a:Boolean!){now{position @include(if:$a)}}", "variables": { "a": true } });
    socket.subscribe_with("q", request).await;
    assert_eq!(socket.next("q").await, json!({ "data": { "now": { "position": 1 } } }));
    assert_eq!(socket.recv().await, json!({ "type": "complete", "id": "q" }));
    socket.subscribe("q", "{__schema{subscriptionType{name fields{name}}}}").await;
    let fields = socket.next("q").await["data"]["__schema"]["subscriptionType"].take();
    assert_eq!(fields, json!({ "name": "Subscription", "fields": [{ "name": "live" }, { "name": "board" }] }));
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_least_position_is_waited_for() {
    let stage = Stage::new(Backend::Embedded).await;
    let mut socket = stage.socket().await;
    let from = |position: u64| COUNT.replace("live", &format!("live(minPosition:{position})"));
    socket.subscribe("reached", &from(1)).await;
    assert_eq!(socket.next("reached").await, counted(1, 0));
    socket.subscribe("later", &from(2)).await;
    stage.user(1).await;
    assert_eq!(socket.next("later").await, counted(2, 1));
    // It differs as well, 250 ms after its first answer.
    stage.clock.advance(millis(250));
    assert_eq!(socket.next("reached").await, counted(2, 1));
    socket.subscribe("never", &from(9_000)).await;
    // The service may not have received the message yet when the clock is moved.
    let answer = loop {
        stage.clock.advance(millis(5_000));
        let received = tokio::time::timeout(millis(50), socket.next("never")).await;
        if let Ok(answer) = received {
            break answer;
        }
    };
    let mut expected = counted(2, 1);
    expected["extensions"] = json!({ "reset": true });
    assert_eq!(answer, expected);
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aliases_and_fragments_do_not_hide_what_changes_by_itself() {
    let stage = Stage::new(Backend::Embedded).await;
    let mut socket = stage.socket().await;
    let text = "subscription{all:live{at:time ...f connectedUsersIndicator{connectedUsersCount}}} \
                fragment f on Moment{p:position ...{s:stalenessMs}}";
    socket.subscribe("it", text).await;
    let first = socket.next("it").await["data"]["all"].take();
    assert_eq!((&first["p"], &first["connectedUsersIndicator"]["connectedUsersCount"]), (&json!(1), &json!(0)));
    for n in 0..5 {
        let now = stage.clock.now();
        stage.service.api.apply(&stage.persona.key, &[toggled(n, 1, now, n % 2 == 0)]).await;
        stage.clock.advance(millis(2_000));
    }
    stage.user(1).await;
    stage.clock.advance(millis(2_000));
    let second: Value = socket.next("it").await["data"]["all"].take();
    assert_eq!((&second["p"], &second["connectedUsersIndicator"]["connectedUsersCount"]), (&json!(7), &json!(1)));
    assert_ne!(first["at"], second["at"]);
    stage.service.stop().await;
}
