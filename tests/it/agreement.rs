//! Random histories over HTTP, and four dialects asked about them: each agrees with the naive reference, and with the
//! others where their contracts meet (CONTRACTS.md 5.5).

mod dialects;
mod questions;
mod users;
mod wire;

use std::collections::HashMap;
use std::time::Duration;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::Method;
use rollcall::clock::Clock;
use rollcall::domain::{EventId, Filter};
use serde_json::{Value, json};

use crate::model::generate::{Mix, at, small};
use crate::model::reference::{Reference, Verdict};
use crate::on_both_stores;
use crate::support::api::{Persona, send};
use crate::support::audit::audit;
use crate::support::desks::heartbeat;
use crate::support::raw::Raw;
use crate::support::{Backend, Home, Service, Setup, tenant_id};
use dialects::Asked;

on_both_stores!(every_dialect_agrees_with_the_reference);

/// Tenants, each with a history of its own.
const CASES: u64 = 24;
/// Questions asked of a tenant at one position.
const QUESTIONS: usize = 3;

/// A tenant, what is still to be said to it, and what the reference heard so far.
struct Case {
    persona: Persona,
    events: Vec<Value>,
    told: HashMap<EventId, String>,
    reference: Reference,
    heard: u64,
    /// How many were connected whenever it was looked.
    connected: u64,
    random: StdRng,
}

/// What surrounds the cases.
struct World {
    service: Service,
    clock: Clock,
}

async fn every_dialect_agrees_with_the_reference(backend: Backend) {
    let clock = Clock::manual(at(10));
    let service = Service::start_on(Home::new(backend).await, Setup { clock: clock.clone(), ..Setup::default() }).await;
    let mut world = World { service, clock };
    let mut runner = TestRunner::deterministic();
    let mut cases = Vec::new();
    for n in 0..CASES {
        cases.push(Case::new(&world, &mut runner, n).await);
    }
    for case in &mut cases {
        let half = case.events.len() / 2;
        case.tell(&world, half).await;
        case.compare(&world).await;
    }
    // Leases run out, and hours go by.
    world.clock.advance(Duration::from_secs(61));
    cases[0].settle(&world).await;
    world.clock.advance(Duration::from_secs(17 * 3_600));
    world.service = world.service.restart(Setup { clock: world.clock.clone(), ..Setup::default() }).await;
    for case in &mut cases {
        case.compare(&world).await;
        let rest = case.events.len();
        case.tell(&world, rest).await;
        case.switch_somebody(&world).await;
        case.compare(&world).await;
    }
    // What ended is forgotten with the next event.
    world.clock.advance(Duration::from_secs(25 * 3_600));
    for case in &mut cases {
        case.switch_somebody(&world).await;
        case.compare(&world).await;
    }
    let journalled: u64 = cases.iter().map(|case| case.heard).sum();
    let connected: u64 = cases.iter().map(|case| case.connected).sum();
    assert!(journalled > 10 * CASES && connected > CASES, "{journalled} events, {connected} connected");
    let home = world.service.stop().await;
    assert_eq!(audit(&home.location, &[]).await, [""; 0]);
}

impl Case {
    async fn new(world: &World, runner: &mut TestRunner, n: u64) -> Self {
        let history = small(Mix::FROM_SOURCES).new_tree(runner).expect("a history").current();
        let mut facts = history.entries.iter().map(|entry| &entry.event);
        let directory = facts.next().expect("a history begins with a directory");
        let persona = world.service.api.persona(&format!("case {n}")).await;
        world.service.api.put_directory(&persona.key, &wire::document(directory)).await;
        let reference = Reference::new(tenant_id(&persona.tenant));
        let random = StdRng::seed_from_u64(n);
        let events = facts.map(wire::event).collect();
        Case { persona, events, told: HashMap::new(), reference, heard: 0, connected: 0, random }
    }

    /// Posts the next so many events, a few at a time, and some of them twice.
    async fn tell(&mut self, world: &World, count: usize) {
        let mut rest: Vec<Value> = self.events.drain(..count).collect();
        while !rest.is_empty() {
            let some = rest.drain(..self.random.random_range(1..=rest.len().min(9))).collect::<Vec<_>>();
            let answer = world.service.api.events(&self.persona.key, &some).await.expect("an answer").ok();
            for (event, outcome) in some.iter().zip(answer.outcomes()) {
                assert_ne!(outcome, "duplicate", "each is new: {event}");
                self.told.insert(wire::id(event), outcome);
            }
            if self.random.random_ratio(1, 4) {
                let again = world.service.api.events(&self.persona.key, &some).await.expect("an answer").ok();
                for (first, second) in answer.outcomes().iter().zip(again.outcomes()) {
                    // What is refused at the door leaves no trace, and is refused again.
                    assert!(second == "duplicate" || (first == "rejected" && second == "rejected"), "{}", again.text);
                }
            }
        }
    }

    /// Somebody else than the desk switches a channel, or sends a user offline.
    async fn switch_somebody(&mut self, world: &World) {
        let user = self.random.random_range(1..=5);
        let path = format!("/operator/{user}/live");
        let change = match self.random.random_range(0..4) {
            0 => json!({ "connected": 0 }),
            1 => json!({ "chat": { "available": 0 }, "call": { "available": 0 } }),
            2 => json!({ "chat": { "available": 1 } }),
            _ => return self.switch_in_graphql(world, user).await,
        };
        let request = world.service.api.request(Method::PUT, &path).header("X-API-Key", &self.persona.key);
        let answer = send(request.json(&change)).await.expect("an answer");
        assert!([200, 400, 404].contains(&answer.status), "{} {}", answer.status, answer.text);
    }

    /// The same in GraphQL, whose answer shows the user as the change left them.
    async fn switch_in_graphql(&mut self, world: &World, user: i64) {
        let channel = ["CHAT", "CALL", "VIDEO", "THIRD_PARTY"][self.random.random_range(0..4)];
        let on = self.random.random();
        let status = if on { "AVAILABLE" } else { "UNAVAILABLE" };
        let mutation = format!(
            "mutation{{userAvailabilityStatusUpdate(input:{{userId:{user},channel:{channel},status:{status}}}){{
               user{{id availability{{chat{{status}} call{{status}} video{{status}} thirdParty{{status}}}}}}
               userErrors{{field}} }}}}"
        );
        let answer = world.service.api.graphql(&self.persona.key, &mutation).await.expect("an answer").ok();
        let told = answer.json()["data"]["userAvailabilityStatusUpdate"].clone();
        assert_ne!(told["user"].is_null(), told["userErrors"].is_null(), "{told}");
        let member = ["chat", "call", "video", "thirdParty"]
            .into_iter()
            .find(|name| name.eq_ignore_ascii_case(&channel.replace('_', "")));
        let shown = &told["user"]["availability"][member.expect("a channel")]["status"];
        let is_off = shown == "TOGGLE_OFF" || shown == "OFFLINE" || shown == "DISABLED";
        assert!(told["user"].is_null() || on || is_off, "{status} {channel}: {told}");
    }

    /// Asks every dialect, and the reference about the same journal.
    async fn compare(&mut self, world: &World) {
        self.settle(world).await;
        self.listen(world).await;
        let asked = Asked { api: &world.service.api, key: &self.persona.key, position: self.heard };
        let everyone = self.reference.individuals();
        self.connected += everyone.iter().filter(|one| one.connected).count() as u64;
        for n in 0..QUESTIONS {
            // The first question is about everybody.
            let pick = questions::Pick::new(&mut self.random, n == 0);
            let answers = |filter: &Filter| self.reference.answers(&everyone, filter);
            asked.graphql(&pick, answers).await;
            asked.convoso(&pick, answers).await;
            asked.vonage(&pick, answers).await;
            asked.iadvize(&pick, answers, &everyone).await;
            asked.users(&pick, answers, &everyone).await;
        }
        asked.relations(&questions::Pick::users(&mut self.random)).await;
    }

    /// Waits for what is due by now: leases end after the engine has answered.
    async fn settle(&self, world: &World) {
        for n in 0..2 {
            let beat = [heartbeat(n, 1, "nobody's", world.clock.now())];
            world.service.api.events(&self.persona.key, &beat).await.expect("an answer").ok();
        }
    }

    /// Plays to the reference what the journal holds beyond what it heard.
    async fn listen(&mut self, world: &World) {
        let tenant = tenant_id(&self.persona.tenant);
        let journal = Raw::open(&world.service.home.location).await.journal().await;
        let heard = self.heard;
        for line in journal.iter().filter(|line| line.tenant == tenant && line.seq > heard) {
            let verdict = self.reference.record(&line.entry());
            self.heard = line.seq;
            if let Some(told) = self.told.get(&line.id) {
                let expected = if verdict == Verdict::Rejected { &["rejected"][..] } else { &["applied", "stale"] };
                assert!(expected.contains(&told.as_str()), "{line:?} was {told}, and is {verdict:?}");
            }
        }
    }
}
