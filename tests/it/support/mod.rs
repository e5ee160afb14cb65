//! The harness: how a test through HTTP is written.
//!
//! ```ignore
//! on_both_stores!(connected_users_are_counted);
//!
//! async fn connected_users_are_counted(backend: Backend) {
//!     let clock = Clock::manual(Time::from_micros(1_614_589_200_000_000));
//!     let setup = Setup { clock: clock.clone(), ..Setup::default() };
//!     let service = Service::start_on(Home::new(backend).await, setup).await;
//!     let persona = service.api.persona("tenant").await;
//!     service.api.put_directory(&persona.key, &directory(2)).await;
//!     service.api.apply(&persona.key, &[leased("event-1", 1, "desk", clock.now(), 30)]).await;
//!     assert_eq!(service.api.connected(&persona.key).await, (1, 2));
//!     clock.advance(Duration::from_secs(30));
//!     eventually("the lease ends", async || service.api.connected(&persona.key).await.0 == 0).await;
//!     service.stop().await;
//! }
//! ```
//!
//! **The service.** [`Service::start`] runs the whole service in the test's process, on a free port and an empty store.
//! [`Service::start_on`] takes an existing store, and a [`Setup`] whose fields differ from the defaults: limits,
//! budgets, TLS and so on. A test calls the service through [`Api`], that is over HTTP; `service.app` is for what HTTP
//! does not show, such as the depth of the engine's queue. [`Service::stop`] fails the test if a task of the service
//! had failed, so a test ends with it. [`Service::restart`] stops the service and starts it again on the same store.
//!
//! **The persona.** [`Api::persona`] creates a tenant and a key with the scope `*`. Tests share nothing: each has its
//! own service, store and tenants. A test about scopes or several tenants creates further keys ([`Api::key`]) and
//! personas. [`desks`] makes events and a directory document; [`requests`] makes one valid request for every route, and
//! checks rejections in the form of each dialect.
//!
//! **Both stores.** [`on_both_stores!`](crate::on_both_stores) makes two tests of one function: `NAME::embedded` on
//! SQLite and `NAME::postgres` on a database of its own. `scripts/test` starts a PostgreSQL server for them;
//! `scripts/with-postgres cargo test NAME` runs some. Without a server the second kind fails. What does not depend on
//! the store is a plain `#[tokio::test]` with `Backend::Embedded`.
//!
//! **The driven clock.** With [`Clock::manual`] in the [`Setup`] the service's time stands still until the test moves
//! it: `advance` moves all of it, `jump` the wall clock alone. Leases, tokens, rates and retention are tested so, to
//! the millisecond and without sleeping. The engine acts on a new time in its own task, so a change is awaited with
//! [`tasks::eventually`], and the absence of a change is asserted after requests that the engine has handled since then
//! (`Stage::settle` in `engine.rs` and `desks/mod.rs`). The default clock is the machine's.
//!
//! **Vectors.** What one request or a short sequence of requests answers is not written in Rust but as data in
//! `tests/vectors`: `vectors/steps.rs` describes the format. A new case of an existing route usually belongs there.
//!
//! **Further parts.** [`process`] runs the built program as a process, for tests that kill it or read its output.
//! [`postgres::proxy`] cuts or freezes the connection to PostgreSQL. [`raw`] reads and changes the tables, and
//! [`audit`] compares a stopped store with what was acknowledged and with a replay of its journal. [`sockets`] is a
//! desk, and [`wire`] a raw TCP connection. [`captured_output`] records what services log and answer, for
//! the search for secrets at the end of `scripts/test`.

pub mod api;
pub mod audit;
pub mod captured_output;
pub mod desks;
pub mod postgres;
pub mod process;
pub mod raw;
pub mod requests;
pub mod routes;
pub mod signing;
pub mod sockets;
pub mod tasks;
pub mod wire;

use std::net::SocketAddr;
use std::time::Duration;

use rollcall::app::{App, Options};
use rollcall::clock::Clock;
use rollcall::domain::TenantId;
use rollcall::domain::settings::base_path::BasePath;
use rollcall::domain::settings::desk::DeskTerms;
use rollcall::domain::settings::origin::Origin;
use rollcall::domain::settings::proxies::TrustedProxies;
use rollcall::engine::Limits;
use rollcall::http::tls::TlsFiles;
use rollcall::http::{Edge, listener};
use rollcall::limits::{Budgets, MemoryBudget, TenantLimits};
use rollcall::store::Location;
use rollcall::telemetry;
use tempfile::TempDir;

pub use api::Api;

/// The administrator's token of every service of the tests.
pub const ADMIN: &str = "an-administrator-of-tests";

/// The token that reads the metrics of every service of the tests, and nothing else.
pub const SCRAPER: &str = "a-scraper-of-the-tests";

/// The store that a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// SQLite, in a temporary folder.
    Embedded,
    /// A new database on the server that `TEST_POSTGRES` names.
    Postgres,
}

/// The location of a service's store. Dropping it deletes the temporary folder, if it has one.
pub struct Home {
    pub location: Location,
    _folder: Option<TempDir>,
}

impl Home {
    /// Returns the location of an empty store.
    pub async fn new(backend: Backend) -> Self {
        match backend {
            Backend::Embedded => {
                let folder = tempfile::tempdir().expect("a temporary folder");
                Home { location: Location::Folder(folder.path().join("data")), _folder: Some(folder) }
            }
            Backend::Postgres => Home::at(Location::Postgres(Box::new(postgres::new_database().await))),
        }
    }

    /// Returns the location of a store that the caller has made.
    pub fn at(location: Location) -> Self {
        Home { location, _folder: None }
    }
}

/// The options of a service; the defaults suit most tests.
pub struct Setup {
    pub clock: Clock,
    pub limits: Limits,
    pub max_staleness_ms: u64,
    pub desk: DeskTerms,
    pub max_connections: usize,
    pub header_timeout: Duration,
    pub tenant_limits: TenantLimits,
    pub cors_origins: Vec<Origin>,
    pub frame_ancestors: Vec<Origin>,
    pub base_path: BasePath,
    pub proxies: Option<TrustedProxies>,
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
            header_timeout: listener::HEADER_TIMEOUT,
            tenant_limits: TenantLimits::default(),
            cors_origins: Vec::new(),
            frame_ancestors: Vec::new(),
            base_path: BasePath::default(),
            proxies: None,
            tls: None,
            memory: MemoryBudget::default(),
            budgets: Budgets::default(),
        }
    }
}

/// A service that runs in the test's process.
pub struct Service {
    pub app: App,
    pub home: Home,
    pub api: Api,
    pub client: reqwest::Client,
}

impl Service {
    /// Starts a service on an empty store, with the default options.
    pub async fn start(backend: Backend) -> Self {
        Self::start_on(Home::new(backend).await, Setup::default()).await
    }

    /// Starts a service on a store that may hold data already.
    pub async fn start_on(home: Home, setup: Setup) -> Self {
        captured_output::record_log();
        let options = Options {
            location: home.location.clone(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            admin_token: Some(ADMIN.to_owned()),
            metrics_token: Some(SCRAPER.to_owned()),
            limits: setup.limits,
            edge: Edge {
                max_staleness_ms: setup.max_staleness_ms,
                cors_origins: setup.cors_origins,
                frame_ancestors: setup.frame_ancestors,
                base_path: setup.base_path,
                proxies: setup.proxies,
                desk: setup.desk,
                bench_echo: false,
                memory: setup.memory,
                budgets: setup.budgets,
            },
            tenant_limits: setup.tenant_limits,
            tls: setup.tls,
            max_connections: setup.max_connections,
            header_timeout: setup.header_timeout,
            clock: setup.clock,
            metrics: telemetry::start_measuring().expect("a recorder"),
        };
        let app = App::start(options).await.expect("the service starts");
        let api = Api::at(app.address);
        Service { client: api.client(), app, home, api }
    }

    /// Stops the service and starts it again on the same store.
    pub async fn restart(self, setup: Setup) -> Self {
        let home = self.stop().await;
        Self::start_on(home, setup).await
    }

    /// Stops the service; returns the location of its store. Panics if a task of the service had failed.
    pub async fn stop(self) -> Home {
        assert!(self.app.stop().await, "no task failed");
        self.home
    }

    /// Returns the URL of a path.
    pub fn url(&self, path: &str) -> String {
        self.api.url(path)
    }

    /// Creates a tenant; returns its id.
    pub async fn tenant(&self, name: &str) -> String {
        self.api.tenant(name).await
    }

    /// Creates a key of a tenant; returns the key's id and the key.
    pub async fn key(&self, tenant: &str, scopes: &[&str]) -> (String, String) {
        self.api.key(tenant, scopes).await
    }

    /// Returns a tenant's position, read from the view rather than over HTTP.
    pub fn position(&self, tenant: &str) -> u64 {
        self.app.reader.snapshot(tenant_id(tenant)).unwrap().view.position()
    }
}

/// Parses a tenant's id.
pub fn tenant_id(text: &str) -> TenantId {
    TenantId(text.parse().expect("an id"))
}

/// Makes two tests of a function that takes a [`Backend`]: `NAME::embedded` and `NAME::postgres`.
#[macro_export]
macro_rules! on_both_stores {
    ($test:ident) => {
        // A module and a function may share a name, so the function's own name is the one that is reported.
        mod $test {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn embedded() {
                super::$test($crate::support::Backend::Embedded).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::$test($crate::support::Backend::Postgres).await;
            }
        }
    };
}
