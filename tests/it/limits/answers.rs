//! Answers that are not read: their bytes and the place of their request are taken until they were written, and a
//! connection that does not take them is cut.

use std::time::Duration;

use rollcall::clock::Clock;
use rollcall::domain::Time;
use rollcall::limits::{Budget, Budgets, MemoryBudget, TenantLimits};

use super::is_throttled;
use crate::support::api::{Answer, Persona};
use crate::support::desks::directory;
use crate::support::requests::Dialect;
use crate::support::tasks::eventually;
use crate::support::wire::Wire;
use crate::support::{Backend, Home, Service, Setup};

/// Its directory is some 300 kB long, and not so long that it would be written in slices.
const USERS: i64 = 990;
/// More answers than the system itself buffers for one connection.
const AHEAD: usize = 72;

struct Stage {
    service: Service,
    clock: Clock,
    slow: Persona,
    quiet: Persona,
}

impl Stage {
    async fn new(at_a_time: usize, answers: usize, budgets: Budgets) -> Self {
        let clock = Clock::manual(Time::from_micros(1_614_589_200_000_000));
        let tenant_limits = TenantLimits { rate: 0, events: 0, at_a_time };
        let memory = MemoryBudget { answers, ..MemoryBudget::default() };
        let setup = Setup { clock: clock.clone(), tenant_limits, memory, budgets, ..Setup::default() };
        let service = Service::start_on(Home::new(Backend::Embedded).await, setup).await;
        let (slow, quiet) = (service.api.persona("slow").await, service.api.persona("quiet").await);
        service.api.put_directory(&slow.key, &directory(USERS)).await;
        service.api.put_directory(&quiet.key, &directory(2)).await;
        Stage { service, clock, slow, quiet }
    }

    /// A connection that asks for a long answer over and over, and reads nothing.
    async fn unread(&self) -> Wire {
        let mut wire = Wire::to(self.service.app.address).await;
        let request =
            format!("GET /v1/directory HTTP/1.1\r\nHost: rollcall\r\nAuthorization: Bearer {}\r\n\r\n", self.slow.key);
        wire.send(request.repeat(AHEAD)).await;
        wire
    }

    async fn get(&self, persona: &Persona, path: &str) -> Answer {
        self.service.api.get(&persona.key, path).await.expect("an answer")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unread_answers_count_against_their_tenant() {
    let stage = Stage::new(0, 3 * 512 * 1024, Budgets::default()).await;
    let mut unread = Vec::new();
    for _ in 0..4 {
        unread.push(stage.unread().await);
    }
    eventually("the tenant's share is used up", async || {
        let answer = stage.get(&stage.slow, "/v1/directory").await;
        assert!(answer.status == 200 || is_throttled(Dialect::Native, &answer, "1"), "{}", answer.status);
        answer.status == 429
    })
    .await;
    assert_eq!(stage.get(&stage.quiet, "/v1/directory").await.status, 200);
    assert_eq!(stage.get(&stage.slow, "/livez").await.status, 200);
    eventually("what is not read is cut", async || {
        stage.clock.advance(Duration::from_secs(21));
        stage.get(&stage.slow, "/v1/directory").await.status == 200
    })
    .await;
    // Those whose requests were refused have read all there is, and stay.
    let mut ended = 0;
    for mut wire in unread {
        ended += usize::from(wire.read_to_end(Duration::from_secs(2)).await.is_some());
    }
    assert!(ended > 0, "none has ended");
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_holds_its_place_until_its_answer_is_written() {
    let stage = Stage::new(1, 1 << 30, Budgets::default()).await;
    let unread = stage.unread().await;
    eventually("no place is left", async || stage.get(&stage.slow, "/operator/1/live").await.status == 429).await;
    assert_eq!(stage.get(&stage.quiet, "/operator/1/live").await.status, 200);
    drop(unread);
    eventually("it is given back", async || stage.get(&stage.slow, "/operator/1/live").await.status == 200).await;
    stage.service.stop().await;
}

/// Of requests that were sent ahead one is answered at a time: the others take nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_requests_are_answered_one_at_a_time() {
    let stage = Stage::new(2, 1 << 30, Budgets::default()).await;
    let _unread = stage.unread().await;
    let second = stage.unread().await;
    eventually("both have an answer under way", async || {
        stage.get(&stage.slow, "/operator/1/live").await.status == 429
    })
    .await;
    drop(second);
    eventually("one of the two is left", async || stage.get(&stage.slow, "/operator/1/live").await.status == 200).await;
    for _ in 0..50 {
        assert_eq!(stage.get(&stage.slow, "/operator/1/live").await.status, 200);
    }
    stage.service.stop().await;
}

/// The control: without the budget an unread answer takes no place, and is kept for as long as its connection is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_budget_unread_answers_do_not_count() {
    let stage = Stage::new(1, 1, Budgets::without([Budget::Answers])).await;
    let mut unread = stage.unread().await;
    for _ in 0..50 {
        assert_ne!(stage.get(&stage.slow, "/livez").await.status, 429);
    }
    eventually("it has its place again", async || stage.get(&stage.slow, "/operator/1/live").await.status == 200).await;
    stage.clock.advance(Duration::from_secs(3_600));
    assert!(unread.read_some(Duration::from_secs(10)).await.is_some_and(|said| said.starts_with("HTTP/1.1 200")));
    stage.service.stop().await;
}
