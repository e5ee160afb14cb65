//! A service of one's own for a test, on either store, spoken to over HTTP.

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
