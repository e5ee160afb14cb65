//! For random events the positions of the answers rise, each answer equals a query at its position, and the last one equals
//! the state at the end.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::plain::lasting;
use super::{Stage, millis};
use crate::on_both_stores;
use crate::support::Backend;
use crate::support::desks::event;

on_both_stores!(answers_follow_the_state);
on_both_stores!(events_follow_the_state);

/// What is asked, live and as a query.
const FIELDS: &str =
    "{position connectedUsersIndicator{connectedUsersCount countByChatAvailabilityStatus{available busy toggleOff}}
    breakdown(groupBy:[PRESENCE]){total{people reasons{available full blocked away offline} freeSlots}
        rows{cell{people reasons{available}}}}}";

async fn answers_follow_the_state(backend: Backend) {
    let stage = Stage::new(backend).await;
    let mut random = StdRng::seed_from_u64(7);
    let mut socket = stage.socket().await;
    socket.subscribe("1", &format!("subscription{{live(minIntervalMs:100){FIELDS}}}")).await;
    let mut answers = vec![socket.next("1").await["data"]["live"].take()];
    let mut states: BTreeMap<u64, Value> = BTreeMap::new();
    let newest = async || stage.service.api.graphql(&stage.persona.key, &format!("{{now{FIELDS}}}")).await;
    for n in 0..120 {
        let now = newest().await.expect("an answer").json()["data"]["now"].take();
        states.insert(now["position"].as_u64().expect("a position"), now);
        let event = any_event(&mut random, n, &stage);
        stage.service.api.events(&stage.persona.key, &[event]).await.expect("an answer").ok();
        stage.clock.advance(millis(random.random_range(0..80)));
    }
    let last = newest().await.expect("an answer").json()["data"]["now"].take();
    states.insert(last["position"].as_u64().expect("a position"), last.clone());
    while answers.last().is_some_and(|answer| without_position(answer) != without_position(&last)) {
        stage.clock.advance(millis(100));
        answers.push(socket.next("1").await["data"]["live"].take());
    }
    check(&answers, &states);
    stage.service.stop().await;
}

/// Returns a random event of a random user, with the id `n`.
fn any_event(random: &mut StdRng, n: u64, stage: &Stage) -> Value {
    let (user, kind) = (random.random_range(1..=9), random.random_range(0..4));
    let time = stage.clock.now();
    let session = json!({ "session": format!("desk-{user}") });
    match kind {
        0 => event(n, "desk.connected", Some(user), time, session),
        1 => event(n, "desk.disconnected", Some(user), time, session),
        2 => {
            let presence = ["Ready", "Away", "ExtendedAway"][random.random_range(0..3)];
            event(n, "status.changed", Some(user), time, json!({ "presence": presence }))
        }
        _ => {
            let data = json!({ "channel": "chat", "conversation": format!("c{n}") });
            event(n, "slot.taken", Some(user), time, data)
        }
    }
}

async fn events_follow_the_state(backend: Backend) {
    let stage = Stage::new(backend).await;
    let mut random = StdRng::seed_from_u64(11);
    let query = "by=presence,channel&first=7";
    let mut stream = stage.stream(stage.live(&format!("{query}&min_interval_ms=100"))).await;
    let mut states: BTreeMap<u64, Value> = BTreeMap::new();
    for n in 0..120 {
        let now = stage.breakdown(query).await;
        states.insert(now["position"].as_u64().expect("a position"), now);
        let event = any_event(&mut random, n, &stage);
        stage.service.api.events(&stage.persona.key, &[event]).await.expect("an answer").ok();
        stage.clock.advance(millis(random.random_range(0..80)));
    }
    let last = stage.breakdown(query).await;
    states.insert(last["position"].as_u64().expect("a position"), last.clone());
    let mut moments = Vec::<Value>::new();
    while moments.last().is_none_or(|moment| without_position(moment) != without_position(&last)) {
        stage.clock.advance(millis(100));
        let event = stream.next().await.expect("an event");
        if event.name == "still" {
            continue;
        }
        let moment = lasting(event.json("moment"));
        assert_eq!(event.id, moment["position"].as_u64());
        moments.push(moment);
    }
    check(&moments, &states);
    stage.service.stop().await;
}

/// Checks that positions rise, that no two answers in a row are equal, and that each is the state at its position.
fn check(answers: &[Value], states: &BTreeMap<u64, Value>) {
    assert!(answers.len() > 10, "only {} answers", answers.len());
    for pair in answers.windows(2) {
        assert!(pair[0]["position"].as_u64() < pair[1]["position"].as_u64(), "{pair:?}");
        assert_ne!(without_position(&pair[0]), without_position(&pair[1]));
    }
    for answer in answers {
        assert_eq!(Some(answer), states.get(&answer["position"].as_u64().expect("a position")));
    }
}

fn without_position(answer: &Value) -> Value {
    let mut answer = answer.clone();
    answer["position"] = Value::Null;
    answer
}
