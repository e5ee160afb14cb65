//! docs/promises.md W1: acknowledged events are stored once, whenever the process is killed.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use rand::Rng;
use rollcall::clock::Clock;
use rollcall::domain::EventId;
use serde_json::{Value, json};

use crate::on_both_stores;
use crate::support::api::{Persona, until_available};
use crate::support::audit::{self, Acknowledged, audit};
use crate::support::desks::{SOURCE, connected, directory, event, taken, toggled};
use crate::support::process::Process;
use crate::support::raw::RawStore;
use crate::support::tasks::spawn;
use crate::support::{Api, Backend, Home, tenant_id};

on_both_stores!(acknowledged_events_survive_kills);

/// The number of kills.
const ROUNDS: usize = 8;
/// Concurrent clients.
const WRITERS: usize = 8;
/// Users of each tenant.
const USERS: i64 = 25;
/// The shortest checkpoint interval, so that kills happen during checkpoints as well.
const FLAGS: [&str; 2] = ["--checkpoint-seconds", "1"];

/// A request with events, and its outcomes if it was answered.
struct Sent {
    persona: usize,
    events: Vec<Value>,
    outcomes: Option<Vec<String>>,
}

impl Sent {
    fn ids(&self) -> impl Iterator<Item = EventId> {
        let id = |event: &Value| event["id"].as_str().expect("an id").into();
        self.events.iter().map(move |event| EventId { source: SOURCE.into(), id: id(event) })
    }
}

async fn acknowledged_events_survive_kills(backend: Backend) {
    let home = Home::new(backend).await;
    let mut process = Process::start(&home.location, &FLAGS).await;
    let personas = [process.api.persona("one").await, process.api.persona("other").await];
    for persona in &personas {
        process.api.put_directory(&persona.key, &directory(USERS)).await;
    }
    let mut acknowledged: Vec<Sent> = Vec::new();
    let mut unknown = 0;
    for round in 0..ROUNDS {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| spawn(write(process.api.clone(), personas.clone(), format!("{round}-{writer}"))))
            .collect();
        tokio::time::sleep(random_moment(100..900)).await;
        process.kill();
        let mut sent = Vec::new();
        for writer in writers {
            sent.extend(writer.await.expect("a writer does not panic"));
        }
        Process::start_and_kill(&home.location, random_moment(0..150)).await;
        process = Process::start(&home.location, &FLAGS).await;
        for mut again in sent {
            match &again.outcomes {
                Some(_) => resend_now_and_then(&process.api, &personas, &again).await,
                None => {
                    unknown += 1;
                    again.outcomes = Some(resend(&process.api, &personas, &again).await);
                }
            }
            acknowledged.push(again);
        }
        answers_are_those_of_a_replay(&process.api, &home, &personas).await;
    }
    process.kill();

    let all = ids(&personas, &acknowledged);
    assert!(all.len() > 500 && unknown > 0, "{} events, {unknown} requests without an answer", all.len());
    assert_eq!(audit(&home.location, &all).await, [""; 0], "of {} events", all.len());
    outcomes_are_those_of_a_replay(&home, &personas, &acknowledged).await;
    control_damage_is_detected(&home, &personas, &acknowledged).await;
}

fn random_moment(millis: Range<u64>) -> Duration {
    Duration::from_millis(rand::rng().random_range(millis))
}

/// Posts a few events at a time until the service is killed.
async fn write(api: Api, personas: [Persona; 2], name: String) -> Vec<Sent> {
    let clock = Clock::system();
    let mut sent = Vec::new();
    for n in 0.. {
        let persona = rand::rng().random_range(0..personas.len());
        let count = rand::rng().random_range(1..=12);
        let events: Vec<Value> = (0..count).map(|m| random_event(format!("{name}-{n}-{m}"), &clock)).collect();
        let answer = api.events(&personas[persona].key, &events).await;
        let is_gone = answer.is_err();
        let outcomes = answer.ok().filter(|answer| answer.status == 200).map(|answer| answer.outcomes());
        sent.push(Sent { persona, events, outcomes });
        if is_gone {
            break;
        }
    }
    sent
}

/// Returns a random event of a desk; some are late, and some are of an unknown user.
fn random_event(id: String, clock: &Clock) -> Value {
    let mut random = rand::rng();
    let user = random.random_range(1..=USERS + 1);
    let time = clock.now().plus_seconds(-random.random_range(0..20));
    let conversation = format!("c{}", random.random_range(0..40));
    match random.random_range(0..6) {
        0 => connected(id, user, time),
        1 => event(id, "desk.disconnected", Some(user), time, json!({ "session": format!("desk-{user}") })),
        2 => toggled(id, user, time, random.random()),
        3 => event(id, "slot.released", Some(user), time, json!({ "conversation": conversation })),
        _ => taken(id, user, &conversation, time),
    }
}

/// Sends an unanswered request again. Checks that it was journalled as a whole or not at all; returns the outcomes.
async fn resend(api: &Api, personas: &[Persona; 2], sent: &Sent) -> Vec<String> {
    let answer = until_available(|| api.events(&personas[sent.persona].key, &sent.events)).await.ok();
    let outcomes = answer.outcomes();
    let repeated = outcomes.iter().filter(|outcome| *outcome == "duplicate").count();
    assert!(repeated == 0 || repeated == outcomes.len(), "one request is one transaction: {}", answer.text);
    outcomes
}

/// Sends one in ten acknowledged requests again. Checks that every event is a duplicate.
async fn resend_now_and_then(api: &Api, personas: &[Persona; 2], sent: &Sent) {
    if rand::rng().random_ratio(1, 10) {
        let answer = until_available(|| api.events(&personas[sent.persona].key, &sent.events)).await.ok();
        assert!(answer.outcomes().iter().all(|outcome| outcome == "duplicate"), "{}", answer.text);
    }
}

/// Checks that the service's answers equal those of a state replayed from the stored journal.
async fn answers_are_those_of_a_replay(api: &Api, home: &Home, personas: &[Persona; 2]) {
    let mut states = RawStore::open(&home.location).await.replay().await;
    for persona in personas {
        let state = states.get_mut(&tenant_id(&persona.tenant)).expect("a journal");
        assert_eq!(audit::differences(api, &persona.key, &state.publish()).await, [""; 0]);
    }
}

fn ids(personas: &[Persona; 2], sent: &[Sent]) -> Vec<Acknowledged> {
    let of = |sent: &Sent| {
        let tenant = tenant_id(&personas[sent.persona].tenant);
        sent.ids().map(|id| (tenant, id)).collect::<Vec<_>>()
    };
    sent.iter().flat_map(of).collect()
}

/// Checks that each event's outcome equals that of a replay of the journal.
async fn outcomes_are_those_of_a_replay(home: &Home, personas: &[Persona; 2], acknowledged: &[Sent]) {
    let mut states = HashMap::new();
    let mut outcomes = HashMap::new();
    for line in RawStore::open(&home.location).await.journal().await {
        let state = states.entry(line.tenant).or_insert_with(|| rollcall::live::State::new(line.tenant));
        let outcome = state.apply(&line.entry()).expect("no gap");
        outcomes.insert((line.tenant, line.id), outcome.name());
    }
    for sent in acknowledged {
        let tenant = tenant_id(&personas[sent.persona].tenant);
        for (id, answered) in sent.ids().zip(sent.outcomes.iter().flatten()) {
            let outcome = outcomes[&(tenant, id.clone())];
            assert!(answered == outcome || answered == "duplicate", "{id:?}: {answered}, and {outcome} in the replay");
        }
    }
}

/// The control: checks that the audit detects damage to the store.
async fn control_damage_is_detected(home: &Home, personas: &[Persona; 2], acknowledged: &[Sent]) {
    let all = ids(personas, acknowledged);
    // A clean stop, so that there is a checkpoint of the whole state to damage.
    let (status, output) = Process::start(&home.location, &FLAGS).await.terminate().await;
    assert!(status.success(), "{status} {output}");
    let mut raw = RawStore::open(&home.location).await;
    let detects = async |what: &str| {
        let findings = audit(&home.location, &all).await;
        assert!(findings.iter().any(|finding| finding.contains(what)), "{what}: {findings:?}");
    };
    raw.run("DELETE FROM state_row WHERE kind = 'user' AND key = '1'").await;
    detects("loads as another state").await;

    // The newest acknowledged event and all later ones are lost, as after a power cut without fsync.
    let journal = raw.journal().await;
    let newest = journal.iter().rev().find(|line| &*line.id.source == SOURCE).expect("an event");
    let (tenant, seq) = (newest.tenant, newest.seq);
    raw.run(&format!("DELETE FROM journal WHERE tenant = '{tenant}' AND seq >= {seq}")).await;
    detects("the head of").await;
    raw.run(&format!("UPDATE head SET seq = {seq} - 1 WHERE tenant = '{tenant}'")).await;
    detects("was acknowledged and is lost").await;

    raw.run(&format!(
        "INSERT INTO journal (tenant, seq, recorded, source, event_id, apply_version, event)
         SELECT tenant, {seq}, recorded, source, event_id, apply_version, event
         FROM journal WHERE tenant = '{tenant}' AND seq = {seq} - 1"
    ))
    .await;
    detects("is stored twice").await;
}
