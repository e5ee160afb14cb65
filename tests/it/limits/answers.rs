//! Unread answers: they count against the tenant's bytes and concurrency until they are written, and a connection that
//! does not read is closed.

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

/// A directory of this many users has about 300 kB, and is not long enough to be written in slices.
const USERS: i64 = 990;
/// More answers than the operating system buffers for one connection.
const PIPELINED: usize = 72;

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

    /// Opens a connection that pipelines requests for long answers and reads nothing.
    async fn unread(&self) -> Wire {
        let mut wire = Wire::to(self.service.app.address).await;
        let request =
            format!("GET /v1/directory HTTP/1.1\r\nHost: rollcall\r\nAuthorization: Bearer {}\r\n\r\n", self.slow.key);
        wire.send(request.repeat(PIPELINED)).await;
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
    eventually("the unread connections are closed", async || {
        stage.clock.advance(Duration::from_secs(21));
        stage.get(&stage.slow, "/v1/directory").await.status == 200
    })
    .await;
    // Connections whose requests were rejected have nothing unread, and stay open.
    let mut ended = 0;
    for mut wire in unread {
        ended += usize::from(wire.read_to_end(Duration::from_secs(2)).await.is_some());
    }
    assert!(ended > 0, "no connection was closed");
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_holds_its_place_until_its_answer_is_written() {
    let stage = Stage::new(1, 1 << 30, Budgets::default()).await;
    let unread = stage.unread().await;
    eventually("the tenant's concurrency is used up", async || {
        stage.get(&stage.slow, "/operator/1/live").await.status == 429
    })
    .await;
    assert_eq!(stage.get(&stage.quiet, "/operator/1/live").await.status, 200);
    drop(unread);
    eventually("the place is free", async || stage.get(&stage.slow, "/operator/1/live").await.status == 200).await;
    stage.service.stop().await;
}

/// Pipelined requests that are not being answered yet do not count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_requests_are_answered_one_at_a_time() {
    let stage = Stage::new(2, 1 << 30, Budgets::default()).await;
    let _unread = stage.unread().await;
    let second = stage.unread().await;
    eventually("both connections have an unread answer", async || {
        stage.get(&stage.slow, "/operator/1/live").await.status == 429
    })
    .await;
    drop(second);
    eventually("one of the two places is free", async || {
        stage.get(&stage.slow, "/operator/1/live").await.status == 200
    })
    .await;
    for _ in 0..50 {
        // A client may have the last byte of an answer before the server has given its place back.
        eventually("the other place is free", async || stage.get(&stage.slow, "/operator/1/live").await.status == 200)
            .await;
    }
    stage.service.stop().await;
}

/// The control: without the budget an unread answer does not count, and its connection is never closed for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_budget_unread_answers_do_not_count() {
    let stage = Stage::new(1, 1, Budgets::without([Budget::Answers])).await;
    let mut unread = stage.unread().await;
    for _ in 0..50 {
        assert_ne!(stage.get(&stage.slow, "/livez").await.status, 429);
    }
    eventually("the place is free", async || stage.get(&stage.slow, "/operator/1/live").await.status == 200).await;
    stage.clock.advance(Duration::from_secs(3_600));
    assert!(unread.read_some(Duration::from_secs(10)).await.is_some_and(|text| text.starts_with("HTTP/1.1 200")));
    stage.service.stop().await;
}
