//! The harness of the integration tests: a service of its own for each test, on either store, used through HTTP.
//!
//! # Writing a test
//!
//! A test is an async function that takes a [`Backend`], and is run on both stores by [`on_both_stores!`]. It starts a
//! [`Service`], makes a tenant with a key (`service.api.persona`), loads people (`desks::directory`), posts events and
//! asks questions through the [`Api`], and stops the service:
//!
//! ```text
//! on_both_stores!(counted, super::connected_users_are_counted);
//!
//! async fn connected_users_are_counted(backend: Backend) {
//!     let service = Service::start(backend).await;
//!     let persona = service.api.persona("Acme").await;
//!     service.api.put_directory(&persona.key, &directory(2)).await;
//!     service.api.told(&persona.key, &[connected(1, 1, Clock::system().now())]).await;
//!     assert_eq!(service.api.connected(&persona.key).await, (1, 2));
//!     service.stop().await;
//! }
//! ```
//!
//! # The service
//!
//! [`Service`] runs in the test's own process and on its runtime, on an empty store: a temporary folder, or a database
//! of its own on the PostgreSQL server that `TEST_POSTGRES` names. It listens on a free port. A [`Setup`] changes what
//! a test is about: a manual clock, which the test moves, limits, budgets, TLS. [`Service::stop`] asserts that no task
//! failed, and returns the [`Home`], so that the store can be audited or served again. To kill a service, or to read
//! what the program prints, use [`process::Process`], the built program in a process of its own.
//!
//! # Time
//!
//! Leases, rates and expiry follow a manual clock without waiting. What happens by itself is waited for with
//! [`tasks::eventually`], which polls and fails after a while that is long even for a busy machine; a fixed pause is
//! either too short or wasted.
//!
//! # The parts
//!
//! * [`api`]: the client. [`requests`] and [`routes`]: a request for every route, and the route table.
//! * [`desks`], [`signing`]: what producers send. [`sockets`]: a desk over a WebSocket. [`wire`]: HTTP by hand.
//! * [`postgres`]: databases, and a proxy that can be frozen or cut. [`raw`]: a store's tables behind the service's
//!   back.
//! * [`audit`]: whether a store holds what was acknowledged, and comes up as a replay of its journal.
//! * [`told`]: collects all output for the search for secrets at the end of `scripts/test`.

pub mod api;
pub mod audit;
pub mod desks;
pub mod postgres;
pub mod process;
pub mod raw;
pub mod requests;
pub mod routes;
pub mod signing;
pub mod sockets;
pub mod tasks;
pub mod told;
pub mod wire;

use std::net::SocketAddr;
use std::time::Duration;

use rollcall::app::{App, Options};
use rollcall::clock::Clock;
use rollcall::domain::TenantId;
use rollcall::domain::settings::desk::DeskTerms;
use rollcall::engine::Limits;
use rollcall::http::cors::Origin;
use rollcall::http::tls::TlsFiles;
use rollcall::http::{Edge, listener};
use rollcall::limits::{Budgets, MemoryBudget, TenantLimits};
use rollcall::store::Location;
use rollcall::telemetry;
use tempfile::TempDir;

pub use api::Api;

/// The administrator's token of every service here.
pub const ADMIN: &str = "an-administrator-of-tests";

/// Which store a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A file.
    Embedded,
    /// A database of its own on the server that `TEST_POSTGRES` names.
    Postgres,
}

/// Where a service keeps everything; goes when dropped.
pub struct Home {
    pub location: Location,
    _folder: Option<TempDir>,
}

impl Home {
    /// An empty store.
    pub async fn new(backend: Backend) -> Self {
        match backend {
            Backend::Embedded => {
                let folder = tempfile::tempdir().expect("a temporary folder");
                Home { location: Location::Folder(folder.path().join("data")), _folder: Some(folder) }
            }
            Backend::Postgres => Home::at(Location::Postgres(Box::new(postgres::new_database().await))),
        }
    }

    /// A store that somebody else looks after.
    pub fn at(location: Location) -> Self {
        Home { location, _folder: None }
    }
}

/// How a service of a test differs from the usual.
pub struct Setup {
    pub clock: Clock,
    pub limits: Limits,
    pub max_staleness_ms: u64,
    pub desk: DeskTerms,
    pub max_connections: usize,
    pub header_patience: Duration,
    pub tenant_limits: TenantLimits,
    pub cors_origins: Vec<Origin>,
    pub tls: Option<TlsFiles>,
    pub memory: MemoryBudget,
    pub budgets: Budgets,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            clock: Clock::system(),
            limits: Limits::default(),
            max_staleness_ms: 10_000,
            desk: DeskTerms::default(),
            max_connections: 1_000,
            header_patience: listener::HEADER_TIMEOUT,
            tenant_limits: TenantLimits::default(),
            cors_origins: Vec::new(),
            tls: None,
            memory: MemoryBudget::default(),
            budgets: Budgets::default(),
        }
    }
}

/// A running service.
pub struct Service {
    pub app: App,
    pub home: Home,
    pub api: Api,
    pub client: reqwest::Client,
}

impl Service {
    /// A service on an empty store, with the machine's clock.
    pub async fn start(backend: Backend) -> Self {
        Self::start_on(Home::new(backend).await, Setup::default()).await
    }

    /// A service on a store that may hold something already.
    pub async fn start_on(home: Home, setup: Setup) -> Self {
        told::keep_log();
        let options = Options {
            location: home.location.clone(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            admin_token: Some(ADMIN.to_owned()),
            limits: setup.limits,
            edge: Edge {
                max_staleness_ms: setup.max_staleness_ms,
                cors_origins: setup.cors_origins,
                desk: setup.desk,
                bench_echo: false,
                memory: setup.memory,
                budgets: setup.budgets,
            },
            tenant_limits: setup.tenant_limits,
            tls: setup.tls,
            max_connections: setup.max_connections,
            header_timeout: setup.header_patience,
            clock: setup.clock,
            metrics: telemetry::start_measuring().expect("a recorder"),
        };
        let app = App::start(options).await.expect("the service starts");
        let api = Api::at(app.address);
        Service { client: api.client(), app, home, api }
    }

    /// Stops in order and starts again on the same store.
    pub async fn restart(self, setup: Setup) -> Self {
        let home = self.stop().await;
        Self::start_on(home, setup).await
    }

    /// Stops in order.
    pub async fn stop(self) -> Home {
        assert!(self.app.stop().await, "no task failed");
        self.home
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        self.api.url(path)
    }

    /// Adds a tenant; answers its id.
    pub async fn tenant(&self, name: &str) -> String {
        self.api.tenant(name).await
    }

    /// Gives a tenant a key; answers its id and the key.
    pub async fn key(&self, tenant: &str, scopes: &[&str]) -> (String, String) {
        self.api.key(tenant, scopes).await
    }

    /// A tenant's position, without asking over HTTP.
    pub fn position(&self, tenant: &str) -> u64 {
        self.app.reader.snapshot(tenant_id(tenant)).view.position()
    }
}

/// A tenant's id from its text.
pub fn tenant_id(text: &str) -> TenantId {
    TenantId(text.parse().expect("an id"))
}

/// Runs a test on both stores.
#[macro_export]
macro_rules! on_both_stores {
    ($name:ident, $test:path) => {
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn embedded() {
                $test($crate::support::Backend::Embedded).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                $test($crate::support::Backend::Postgres).await;
            }
        }
    };
}
