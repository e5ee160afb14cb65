//! Random histories over HTTP: the answers of four dialects equal those of the naive reference, and each other's where
//! their contracts overlap (docs/reference/native.md, "Agreement of the dialects").

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
use crate::support::raw::RawStore;
use crate::support::tasks::eventually;
use crate::support::{Backend, Home, Service, Setup, tenant_id};
use dialects::Queries;

on_both_stores!(every_dialect_agrees_with_the_reference);

/// Tenants, each with its own history.
const CASES: u64 = 24;
/// Selections that are queried at one position of a tenant.
const SELECTIONS: usize = 3;

/// A tenant, the events that are still to be sent, and the reference as far as it has been fed.
struct Case {
    persona: Persona,
    events: Vec<Value>,
    outcomes: HashMap<EventId, String>,
    reference: Reference,
    /// The position of the reference.
    position: u64,
    /// The sum of the connected users of all comparisons.
    connected: u64,
    random: StdRng,
}

/// The service and clock that all cases share.
struct Shared {
    service: Service,
    clock: Clock,
}

impl Shared {
    /// Waits until every lease has ended, after an advance that is longer than any. On PostgreSQL that takes some rounds of
    /// the task that looks for heartbeats in the store, by real time.
    async fn leases_end(&self, backend: Backend) {
        if backend == Backend::Postgres {
            let mut raw = RawStore::open(&self.service.home.location).await;
            eventually("every lease has ended", async || {
                raw.number("SELECT count(*) FROM heartbeat WHERE alive IS NULL").await == 0
            })
            .await;
        }
    }
}

async fn every_dialect_agrees_with_the_reference(backend: Backend) {
    let clock = Clock::manual(at(10));
    let service = Service::start_on(Home::new(backend).await, Setup { clock: clock.clone(), ..Setup::default() }).await;
    let mut shared = Shared { service, clock };
    let mut runner = TestRunner::deterministic();
    let mut cases = Vec::new();
    for n in 0..CASES {
        cases.push(Case::new(&shared, &mut runner, n).await);
    }
    for case in &mut cases {
        let half = case.events.len() / 2;
        case.send(&shared, half).await;
        case.compare(&shared).await;
    }
    // Leases expire, and hours pass.
    shared.clock.advance(Duration::from_secs(61));
    cases[0].settle(&shared).await;
    shared.clock.advance(Duration::from_secs(17 * 3_600));
    shared.service = shared.service.restart(Setup { clock: shared.clock.clone(), ..Setup::default() }).await;
    shared.leases_end(backend).await;
    for case in &mut cases {
        case.compare(&shared).await;
        let rest = case.events.len();
        case.send(&shared, rest).await;
        case.switch_channel(&shared).await;
        case.compare(&shared).await;
    }
    // Ended sessions and conversations are forgotten with the next event.
    shared.clock.advance(Duration::from_secs(25 * 3_600));
    shared.leases_end(backend).await;
    for case in &mut cases {
        case.switch_channel(&shared).await;
        case.compare(&shared).await;
    }
    let journalled: u64 = cases.iter().map(|case| case.position).sum();
    let connected: u64 = cases.iter().map(|case| case.connected).sum();
    assert!(journalled > 10 * CASES && connected > CASES, "{journalled} events, {connected} connected");
    let home = shared.service.stop().await;
    assert_eq!(audit(&home.location, &[]).await, [""; 0]);
}

impl Case {
    async fn new(shared: &Shared, runner: &mut TestRunner, n: u64) -> Self {
        let history = small(Mix::FROM_SOURCES).new_tree(runner).expect("a history").current();
        let mut facts = history.entries.iter().map(|entry| &entry.event);
        let directory = facts.next().expect("a history begins with a directory");
        let persona = shared.service.api.persona(&format!("case {n}")).await;
        shared.service.api.put_directory(&persona.key, &wire::document(directory)).await;
        let reference = Reference::new(tenant_id(&persona.tenant));
        let random = StdRng::seed_from_u64(n);
        let events = facts.map(wire::event).collect();
        Case { persona, events, outcomes: HashMap::new(), reference, position: 0, connected: 0, random }
    }

    /// Posts the next events, a few at a time, and some of them twice.
    async fn send(&mut self, shared: &Shared, count: usize) {
        let mut rest: Vec<Value> = self.events.drain(..count).collect();
        while !rest.is_empty() {
            let some = rest.drain(..self.random.random_range(1..=rest.len().min(9))).collect::<Vec<_>>();
            let answer = shared.service.api.events(&self.persona.key, &some).await.expect("an answer").ok();
            for (event, outcome) in some.iter().zip(answer.outcomes()) {
                assert_ne!(outcome, "duplicate", "every id is new: {event}");
                self.outcomes.insert(wire::id(event), outcome);
            }
            if self.random.random_ratio(1, 4) {
                let again = shared.service.api.events(&self.persona.key, &some).await.expect("an answer").ok();
                for (first, second) in answer.outcomes().iter().zip(again.outcomes()) {
                    // An event that is rejected at admission does not consume its id, and is rejected again.
                    assert!(second == "duplicate" || (first == "rejected" && second == "rejected"), "{}", again.text);
                }
            }
        }
    }

    /// Switches a user's channel, or sends the user offline, through iAdvize's REST API or GraphQL.
    async fn switch_channel(&mut self, shared: &Shared) {
        let user = self.random.random_range(1..=5);
        let path = format!("/operator/{user}/live");
        let change = match self.random.random_range(0..4) {
            0 => json!({ "connected": 0 }),
            1 => json!({ "chat": { "available": 0 }, "call": { "available": 0 } }),
            2 => json!({ "chat": { "available": 1 } }),
            _ => return self.switch_in_graphql(shared, user).await,
        };
        let request = shared.service.api.request(Method::PUT, &path).header("X-API-Key", &self.persona.key);
        let answer = send(request.json(&change)).await.expect("an answer");
        assert!([200, 400, 404].contains(&answer.status), "{} {}", answer.status, answer.text);
    }

    /// Switches a user's channel by GraphQL, and checks that the answer shows the change.
    async fn switch_in_graphql(&mut self, shared: &Shared, user: i64) {
        let channel = ["CHAT", "CALL", "VIDEO", "THIRD_PARTY"][self.random.random_range(0..4)];
        let on = self.random.random();
        let status = if on { "AVAILABLE" } else { "UNAVAILABLE" };
        let mutation = format!(
            "mutation{{userAvailabilityStatusUpdate(input:{{userId:{user},channel:{channel},status:{status}}}){{
               user{{id availability{{chat{{status}} call{{status}} video{{status}} thirdParty{{status}}}}}}
               userErrors{{field}} }}}}"
        );
        let answer = shared.service.api.graphql(&self.persona.key, &mutation).await.expect("an answer").ok();
        let payload = answer.json()["data"]["userAvailabilityStatusUpdate"].clone();
        assert_ne!(payload["user"].is_null(), payload["userErrors"].is_null(), "{payload}");
        let member = ["chat", "call", "video", "thirdParty"]
            .into_iter()
            .find(|name| name.eq_ignore_ascii_case(&channel.replace('_', "")));
        let shown = &payload["user"]["availability"][member.expect("a channel")]["status"];
        let is_off = shown == "TOGGLE_OFF" || shown == "OFFLINE" || shown == "DISABLED";
        assert!(payload["user"].is_null() || on || is_off, "{status} {channel}: {payload}");
    }

    /// Compares the answers of every dialect with the reference at the same position.
    async fn compare(&mut self, shared: &Shared) {
        self.settle(shared).await;
        self.feed_reference(shared).await;
        let queries = Queries { api: &shared.service.api, key: &self.persona.key, position: self.position };
        let everyone = self.reference.individuals();
        self.connected += everyone.iter().filter(|one| one.connected).count() as u64;
        for n in 0..SELECTIONS {
            // The first selection is of all users.
            let pick = questions::Pick::new(&mut self.random, n == 0);
            let answers = |filter: &Filter| self.reference.answers(&everyone, filter);
            queries.graphql(&pick, answers).await;
            queries.convoso(&pick, answers).await;
            queries.vonage(&pick, answers).await;
            queries.iadvize(&pick, answers, &everyone).await;
            queries.users(&pick, answers, &everyone).await;
        }
        let channel = everyone.first().map(|one| one.settings.reference).unwrap_or_default();
        queries.relations(&questions::Pick::users(&mut self.random), channel).await;
    }

    /// Waits until the engine has done everything that is due: it ends leases after it has answered.
    async fn settle(&self, shared: &Shared) {
        for n in 0..2 {
            let beat = [heartbeat(n, 1, "unknown", shared.clock.now())];
            shared.service.api.events(&self.persona.key, &beat).await.expect("an answer").ok();
        }
    }

    /// Applies the journal's new entries to the reference, and compares their outcomes.
    async fn feed_reference(&mut self, shared: &Shared) {
        let tenant = tenant_id(&self.persona.tenant);
        let journal = RawStore::open(&shared.service.home.location).await.journal().await;
        let position = self.position;
        for line in journal.iter().filter(|line| line.tenant == tenant && line.seq > position) {
            let verdict = self.reference.record(&line.entry());
            self.position = line.seq;
            if let Some(outcome) = self.outcomes.get(&line.id) {
                let expected = if verdict == Verdict::Rejected { &["rejected"][..] } else { &["applied", "stale"] };
                assert!(expected.contains(&outcome.as_str()), "{line:?}: {outcome}, and {verdict:?} by the reference");
            }
        }
    }
}
