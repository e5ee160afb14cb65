//! Faults of the store: writes are rejected, reads continue, no acknowledged event is lost, and the service recovers
//! without a restart.

mod away;
mod checkpoints;
mod embedded;
mod ending;
mod in_doubt;
mod leases;
mod takeover;
mod terminated;
mod undecided;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rollcall::domain::EventId;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::support::Api;
use crate::support::api::Persona;
use crate::support::audit::Acknowledged;
use crate::support::desks::{SOURCE, connected, toggled};
use crate::support::tasks::{Stopwatch, eventually, spawn};
use crate::support::tenant_id;

/// The time within which writes succeed again after the store works again.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(5);
/// The time within which a write that cannot be made durable is rejected: a second, and some more for a busy machine.
const REJECTION_TIMEOUT: Duration = Duration::from_millis(1_500);

/// Clients that write without a pause, and repeat every request until it is acknowledged.
struct Load {
    done: Arc<AtomicBool>,
    writers: Vec<JoinHandle<Written>>,
}

/// The results of a client.
#[derive(Default)]
struct Written {
    acknowledged: Vec<Acknowledged>,
    refused: usize,
}

impl Load {
    fn start(api: &Api, persona: &Persona, clients: i64) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let client = |n| spawn(write(api.clone(), persona.clone(), n, done.clone()));
        Load { writers: (1..=clients).map(client).collect(), done }
    }

    async fn stop(self) -> Written {
        self.done.store(true, Ordering::Relaxed);
        let mut all = Written::default();
        for writer in self.writers {
            let written = writer.await.expect("a client does not panic");
            all.acknowledged.extend(written.acknowledged);
            all.refused += written.refused;
        }
        all
    }
}

async fn write(api: Api, persona: Persona, user: i64, done: Arc<AtomicBool>) -> Written {
    let clock = rollcall::clock::Clock::system();
    let mut written = Written::default();
    for n in 0.. {
        let ids = [format!("{user}-{n}-a"), format!("{user}-{n}-b")];
        let now = clock.now();
        let events = [connected(&ids[0], user, now), toggled(&ids[1], user, now, n % 2 == 0)];
        if done.load(Ordering::Relaxed) || !persist(&api, &persona, &events, &done, &mut written.refused).await {
            break;
        }
        let tenant = tenant_id(&persona.tenant);
        let of = |id: String| (tenant, EventId { source: SOURCE.into(), id: id.as_str().into() });
        written.acknowledged.extend(ids.map(of));
    }
    written
}

/// Sends the same events until they are acknowledged. Returns false if `done` is set before that.
async fn persist(api: &Api, persona: &Persona, events: &[Value], done: &AtomicBool, refused: &mut usize) -> bool {
    loop {
        let watch = Stopwatch::start();
        let answer = api.events(&persona.key, events).await.expect("the service answers");
        assert!(watch.elapsed() < 2 * REJECTION_TIMEOUT, "the request took {:?}", watch.elapsed());
        if answer.status == 200 {
            let outcomes = answer.outcomes();
            let repeated = outcomes.iter().filter(|outcome| *outcome == "duplicate").count();
            assert!(repeated == 0 || (*refused > 0 && repeated == outcomes.len()), "{}", answer.text);
            return true;
        }
        assert!(answer.is_unavailable(), "{} {}", answer.status, answer.text);
        *refused += 1;
        if done.load(Ordering::Relaxed) {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until a write succeeds. Panics if that takes longer than [`RECOVERY_TIMEOUT`].
async fn recovers(api: &Api, persona: &Persona, event: &Value) {
    let watch = Stopwatch::start();
    eventually("a write succeeds", async || {
        api.events(&persona.key, std::slice::from_ref(event)).await.expect("the service answers").status == 200
    })
    .await;
    assert!(watch.elapsed() < RECOVERY_TIMEOUT, "it took {:?}", watch.elapsed());
}
