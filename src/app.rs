//! The composition root: builds the modules and connects them.

use std::collections::HashMap;
use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpSocket};

use crate::auth::secret::Secret;
use crate::auth::{Credentials, Passwords, exchange_log_ins};
use crate::boot::{BootError, Booted, GivenTokens, boot};
use crate::clock::Clock;
use crate::domain::TenantId;
use crate::engine::{self, EngineDeps, EngineHandles, Keeper, LeaseTable, Limits, Reader, Submitter};
use crate::http::listener::handshake::Shaking;
use crate::http::listener::{self, ListenerConfig};
use crate::http::tls::{Tls, TlsError, TlsFiles};
use crate::http::{self, AppState, Edge, Handles};
use crate::lifecycle::Lifecycle;
use crate::limits::sockets::SocketLimits;
use crate::limits::{Budget, Budgets, Handshakes, MemoryBudget, Sockets, TenantBudgets, TenantLimits, Throttle};
use crate::live::State;
use crate::registry::{Registry, TenantSettings};
use crate::self_check::BackgroundCheck;
use crate::store::{Location, Store, TenantReads};
use crate::telemetry;

/// Everything that a service is started with.
pub struct Options {
    /// Location of the store.
    pub location: Location,
    /// Address to listen on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Certificate and key; `None` serves plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Token of the administrator, if one is set.
    pub admin_token: Option<String>,
    /// Token that reads the metrics, if one is set.
    pub metrics_token: Option<String>,
    /// Settings of the engine.
    pub limits: Limits,
    /// Settings of the HTTP layer.
    pub edge: Edge,
    /// Limits of every tenant.
    pub tenant_limits: TenantLimits,
    /// Most connections at a time.
    pub max_connections: usize,
    /// Longest time for a TLS handshake and for a request's headers; [`listener::HEADER_TIMEOUT`] except in tests.
    pub header_timeout: Duration,
    /// Source of the time.
    pub clock: Clock,
    /// Renders the metrics of this process.
    pub metrics: PrometheusHandle,
}

/// An error that prevents the service from starting.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("--listen (ROLLCALL_LISTEN) {0} cannot be used: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The store cannot be locked or read.
    #[error(transparent)]
    Boot(#[from] BootError),
}

/// A running service.
pub struct App {
    /// The address it listens on.
    pub address: SocketAddr,
    /// `https` with a certificate, otherwise `http`.
    pub scheme: &'static str,
    /// The administrator's token if this start generated it: to be shown once.
    pub new_admin_token: Option<Secret>,
    /// True if there is an administrator's token.
    pub has_admin: bool,
    /// Submits events to the engine.
    pub submitter: Submitter,
    /// Reads the tenants' current views.
    pub reader: Reader,
    /// All keys and tokens.
    pub credentials: Credentials,
    /// The store, with tenants, keys and checkpoints.
    pub store: Store,
    state: AppState,
    sockets: Sockets,
    lifecycle: Lifecycle,
    last_states: LastStates,
    _lock: Option<File>,
}

/// The states of all tenants as the engine left them.
#[derive(Clone, Default)]
struct LastStates(Arc<Mutex<HashMap<TenantId, State>>>);

impl LastStates {
    /// Runs the engine and keeps the states that it leaves.
    async fn keep<E>(self, engine: impl Future<Output = Result<HashMap<TenantId, State>, E>>) -> Result<(), E> {
        *self.0.lock() = engine.await?;
        Ok(())
    }
}

/// The tenants in the memory of a service: their states and views. While it exists they are not freed.
pub struct Remains {
    _reader: Reader,
    _states: LastStates,
}

impl App {
    /// Locks the store, loads every tenant, and begins to serve requests. Listens before that, so that a port in use is
    /// reported at once.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let Options { location, listen, tls, admin_token, limits, edge, clock, metrics, .. } = options;
        let Options { metrics_token, tenant_limits, max_connections, header_timeout, .. } = options;
        let (listener, address) = bind(listen).map_err(|error| StartError::Listen(listen, error))?;
        let tls = if let Some(files) = tls { Some(Tls::load(files).await?) } else { None };
        let given = GivenTokens { admin: admin_token.as_deref(), metrics: metrics_token.as_deref() };
        let booted = boot(&location, given, &clock, limits.apply_version).await?;
        let Booted { store, journal, loaded, quarantined, unsettled, registry, credentials, .. } = booted;
        let lifecycle = Lifecycle::new(&clock, edge.budgets);
        let tenant_reads = TenantReads::new(store.clone(), lifecycle.clone(), &clock, edge.budgets);
        let deps = EngineDeps {
            journal,
            store: store.clone(),
            reads: tenant_reads.clone(),
            clock: clock.clone(),
            lifecycle: lifecycle.clone(),
            limits,
            quarantined: quarantined.into_keys().collect(),
            unsettled,
        };
        let EngineHandles { engine, submitter, reader, leases, keeper, following } = engine::build(loaded, deps);
        let config = ListenerConfig {
            listener,
            tls: tls.as_ref().map(|tls| shaking(tls, edge.budgets, &clock, &lifecycle)),
            sockets: sockets(max_connections, edge.memory, edge.budgets.has(Budget::Sockets)),
            header_timeout,
            write_clock: edge.budgets.has(Budget::Answers).then(|| clock.clone()),
            proxies: edge.proxies.clone().map(Arc::new),
            base_path: edge.base_path.clone(),
        };
        let state = AppState::new(Handles {
            credentials: credentials.clone(),
            settings: registry.settings(),
            throttle: Throttle::new(&clock, matches!(store, Store::Postgres(_))),
            passwords: Passwords::new(lifecycle.clone(), &clock, edge.budgets),
            tenants: TenantBudgets::new(tenant_limits, &clock),
            submitter: submitter.clone(),
            reader: reader.clone(),
            store: store.clone(),
            tenant_reads,
            clock: clock.clone(),
            lifecycle: lifecycle.clone(),
            metrics,
            edge,
        });
        let engine_stopping = lifecycle.engine_stopping();
        let (scheme, last_states) = (if tls.is_some() { "https" } else { "http" }, LastStates::default());
        lifecycle.spawn("engine", last_states.clone().keep(engine.run(engine_stopping.clone())));
        following.into_iter().for_each(|following| following.start(&lifecycle, engine_stopping));
        keep_leases(&lifecycle, leases, keeper, clock.clone());
        keep_credentials(&lifecycle, registry, &state);
        report(&lifecycle, &state);
        let sockets = serve(&lifecycle, config, state.clone());
        watch_certificate(&lifecycle, tls, clock);
        Ok(App {
            address,
            scheme,
            new_admin_token: booted.new_admin_token,
            has_admin: booted.has_admin,
            submitter,
            reader,
            credentials,
            store,
            state,
            sockets,
            lifecycle,
            last_states,
            _lock: booted.lock,
        })
    }

    /// Returns the base URL, such as `http://127.0.0.1:8080`.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// The queue of passwords to be hashed.
    pub fn passwords(&self) -> &Passwords {
        self.state.passwords()
    }

    /// The settings of all tenants.
    pub fn settings(&self) -> &TenantSettings {
        self.state.settings()
    }

    /// Reads of the store on behalf of tenants.
    pub fn tenant_reads(&self) -> &TenantReads {
        self.state.tenant_reads()
    }

    /// The tasks of the service. Its `stopping` token is cancelled when the service stops, and when a task fails.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// Prepares the stop, for a load balancer before the service: from now on it is not ready and asks clients to connect
    /// again, and closes the connections that last one after the other. It goes on to answer. Takes `length`; half of it at
    /// least, and less than all once no connection is open.
    pub async fn drain(&self, length: Duration) {
        let (clock, began) = (self.state.clock(), self.state.clock().monotonic());
        self.state.drain().begin(length);
        let mut next = began + length / 2;
        while next < began + length {
            clock.sleep_until(next).await;
            if self.sockets.is_empty() {
                return;
            }
            next += DRAIN_INTERVAL;
        }
        clock.sleep_until(began + length).await;
    }

    /// Returns true if a load balancer seems to send clients: the readiness was requested within the last minute.
    pub fn is_balanced(&self) -> bool {
        self.state.drain().is_probed()
    }

    /// Returns what holds the tenants in memory, for a process that ends after the stop: to free each of a million users would
    /// take a second of it.
    pub fn remains(&self) -> Remains {
        Remains { _reader: self.reader.clone(), _states: self.last_states.clone() }
    }

    /// Stops the service: accepts no more connections, answers requests under way, drains the queue and writes the last
    /// checkpoints. Returns `false` if a task had failed.
    pub async fn stop(self) -> bool {
        self.lifecycle.stop();
        self.lifecycle.ended().await;
        self.store.close().await;
        !self.lifecycle.has_failed()
    }
}

/// Returns what performs the handshakes of TLS, in turns if these are bounded.
fn shaking(tls: &Tls, budgets: Budgets, clock: &Clock, lifecycle: &Lifecycle) -> Shaking {
    let turns = budgets.has(Budget::Handshakes).then(|| Handshakes::new(clock));
    Shaking { acceptor: tls.acceptor(), turns, lifecycle: lifecycle.clone() }
}

/// Starts the listener, and stops the engine once the listener has ended: the engine outlives the requests under way.
/// Returns the connections of the listener.
fn serve(lifecycle: &Lifecycle, config: ListenerConfig, state: AppState) -> Sockets {
    let sockets = config.sockets.clone();
    let serving = listener::serve(config, http::router(state), lifecycle.clone(), lifecycle.stopping().clone());
    let engine_stopping = lifecycle.engine_stopping().clone();
    lifecycle.spawn("listener", async move {
        let ended = serving.await;
        engine_stopping.cancel();
        ended
    });
    sockets
}

/// Starts what runs beside the engine for leases. It stops with the engine, which ends the last ones.
fn keep_leases(lifecycle: &Lifecycle, leases: Arc<LeaseTable>, keeper: Option<Keeper>, clock: Clock) {
    let stopping = lifecycle.engine_stopping();
    if let Some(keeper) = keeper {
        lifecycle.spawn("heartbeats", keeper.run(stopping.clone()));
    }
    lifecycle.spawn("pauses", engine::watch_pauses(leases, clock, stopping.clone()));
}

/// Starts what runs beside requests for keys, settings and tokens, and for the attempts to log in.
fn keep_credentials(lifecycle: &Lifecycle, registry: Registry, state: &AppState) {
    let (stopping, clock, throttle) = (lifecycle.stopping(), state.clock(), state.throttle());
    lifecycle.spawn("registry", registry.watch(clock.clone(), stopping.clone()));
    lifecycle.spawn("sweep", state.credentials().clone().sweep(throttle.clone(), stopping.clone()));
    if let Some(table) = state.store().log_in_table(clock.new_id()) {
        lifecycle.spawn("log-ins", exchange_log_ins(throttle.clone(), table, clock.clone(), stopping.clone()));
    }
}

/// Starts what folds samples into histograms, what logs rejected events, and what checks one tenant's state after the other.
fn report(lifecycle: &Lifecycle, state: &AppState) {
    let stopping = lifecycle.stopping().clone();
    let upkeep = telemetry::run_upkeep(state.metrics().clone(), state.clock().clone(), stopping.clone());
    lifecycle.spawn("metrics", upkeep);
    lifecycle.spawn("rejections", state.rejections().clone().log_all(lifecycle.engine_stopping().clone()));
    let (reader, newest) = (state.reader().clone(), state.newest_checks().clone());
    let clock = state.clock().clone();
    let check = BackgroundCheck { reader, clock, lifecycle: lifecycle.clone(), newest };
    lifecycle.spawn("self-check", check.run(stopping));
}

/// The interval at which the open connections are counted in the second half of a drain.
const DRAIN_INTERVAL: Duration = Duration::from_millis(100);

/// Connections that may wait to be accepted; the system may allow fewer (`net.core.somaxconn`). One that finds no place is
/// tried again by its client after a second.
const BACKLOG: u32 = 4_096;

/// Listens on an address. Returns the listener and its own address, with the port that the system chose if none was given.
fn bind(address: SocketAddr) -> std::io::Result<(TcpListener, SocketAddr)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart need not wait for the connections of the process before. On Windows this would share the port.
    socket.set_reuseaddr(cfg!(unix))?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

/// Watches for a renewed certificate, if there is one.
fn watch_certificate(lifecycle: &Lifecycle, tls: Option<Tls>, clock: Clock) {
    if let Some(tls) = tls {
        lifecycle.spawn("certificate", tls.watch(clock, lifecycle.stopping().clone()));
    }
}

/// Returns the limits on connections: the setting, or less if the process may not open that many files.
fn sockets(max_connections: usize, memory: MemoryBudget, is_enforced: bool) -> Sockets {
    let wanted = SocketLimits::of(max_connections, memory);
    let limits = match open_files() {
        Some(files) => wanted.within_files(files),
        None => wanted,
    };
    if limits != wanted {
        tracing::warn!(
            max_connections,
            connections = limits.places,
            "the limit on open files allows fewer connections than --max-connections (ROLLCALL_MAX_CONNECTIONS)"
        );
    }
    Sockets::new(limits, is_enforced)
}

/// Raises the process's limit on open files to the hard limit, and returns it; `None` if there is no limit.
#[cfg(unix)]
fn open_files() -> Option<usize> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit on open files cannot be raised");
    }
    getrlimit(Resource::Nofile).current.map(|files| files as usize)
}

#[cfg(not(unix))]
fn open_files() -> Option<usize> {
    None
}
