//! Attempts to log in count at every server: docs/decisions/0127-log-ins-at-all-servers.md.

use std::time::Duration;

use super::Stage;
use crate::support::api::send;
use crate::support::raw::RawStore;
use crate::support::tasks::eventually;
use crate::support::{Api, Backend, Home, Service, Setup};

const ANN: &str = "ann@example.com";

/// Attempts to log in, and returns true if the attempt is refused because there were too many.
async fn is_refused(api: &Api, email: &str) -> bool {
    let form = [("grant_type", "password"), ("username", email), ("password", "wrong")];
    let answer = send(api.form("/oauth2/token", &form)).await.expect("an answer");
    assert!([400, 401, 429].contains(&answer.status), "{} {}", answer.status, answer.text);
    answer.status == 429
}

/// Two servers whose clock stands still, so that they exchange attempts when the test lets them.
struct Servers {
    stage: Stage,
    other: Service,
    raw: RawStore,
    seconds: u64,
}

impl Servers {
    async fn new() -> Self {
        let stage = Stage::on(Home::new(Backend::Postgres).await).await;
        let location = stage.service.home.location.clone();
        let setup = Setup { clock: stage.clock.clone(), ..Setup::default() };
        let other = Service::start_on(Home::at(location.clone()), setup).await;
        eventually("ready", || other.api.is_ready()).await;
        Servers { stage, other, raw: RawStore::open(&location).await, seconds: 0 }
    }

    /// Waits until a server has exchanged what it counted, twice: the first exchange has ended then, and the other server's
    /// rows were read. Each writes the row of an attempt of its own.
    async fn exchange(&mut self) {
        for round in 0..2 {
            for (name, api) in [("one", &self.stage.service.api), ("other", &self.other.api)] {
                const ROWS: &str = "SELECT coalesce(max(id), 0) FROM log_in_attempt";
                let before = self.raw.number(ROWS).await;
                assert!(!is_refused(api, &format!("{name}-{round}-{}@example.com", self.seconds)).await);
                let mut polls = 0;
                eventually("the attempt is in the table", async || {
                    // Time is counted: the rates allow more attempts as it passes.
                    if polls % 20 == 0 {
                        self.stage.clock.advance(Duration::from_secs(1));
                        self.seconds += 1;
                    }
                    polls += 1;
                    self.raw.number(ROWS).await > before
                })
                .await;
            }
        }
    }

    /// Returns the attempts that a server takes with an e-mail address before it refuses one.
    async fn taken(&self, api: &Api, email: &str) -> u64 {
        for taken in 0..20 {
            if is_refused(api, email).await {
                return taken;
            }
        }
        panic!("no attempt is refused");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_to_log_in_count_at_every_server_postgres() {
    let mut servers = Servers::new().await;
    assert_eq!(servers.taken(&servers.stage.service.api, ANN).await, 10);
    // The control: nothing was exchanged yet, and others are counted for themselves.
    assert!(!is_refused(&servers.other.api, ANN).await);
    servers.exchange().await;
    // One more each six seconds.
    let since = servers.seconds / 6 + 1;
    assert!(since < 9, "{} s are too long to tell", servers.seconds);
    let taken = servers.taken(&servers.other.api, ANN).await;
    assert!(taken <= since, "{taken} attempts after {} s", servers.seconds);
    assert!(!is_refused(&servers.other.api, "ben@example.com").await);
    // What was exchanged does not stay in the table. It has the database's times.
    let old = "UPDATE log_in_attempt SET made = made - interval '11 seconds'";
    servers.raw.run(old).await;
    servers.exchange().await;
    let left =
        servers.raw.number("SELECT count(*) FROM log_in_attempt WHERE made < now() - interval '11 seconds'").await;
    assert_eq!(left, 0);
    servers.other.stop().await;
    servers.stage.service.stop().await;
}

/// A server that cannot exchange attempts counts its own, and exchanges again later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_are_counted_while_they_cannot_be_exchanged_postgres() {
    let mut servers = Servers::new().await;
    servers.raw.run("ALTER TABLE log_in_attempt RENAME TO gone").await;
    assert!(!is_refused(&servers.other.api, ANN).await);
    for _ in 0..5 {
        servers.stage.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(servers.taken(&servers.stage.service.api, ANN).await, 10);
    servers.raw.run("ALTER TABLE gone RENAME TO log_in_attempt").await;
    servers.exchange().await;
    servers.other.stop().await;
    servers.stage.service.stop().await;
}
