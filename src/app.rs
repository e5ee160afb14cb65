//! The composition root: the only file that knows everyone.

use std::fs::File;
use std::net::SocketAddr;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::{TcpListener, TcpSocket};

use crate::auth::KeyRing;
use crate::auth::secret::Secret;
use crate::boot::{BootError, Booted, boot};
use crate::clock::Clock;
use crate::engine::{self, EngineDeps, EngineHandles, Limits, Reader, Submitter};
use crate::http::listener::{self, ListenerConfig};
use crate::http::tls::{Tls, TlsError, TlsFiles};
use crate::http::{self, Edge, Services};
use crate::lifecycle::Lifecycle;
use crate::limits::sockets::SocketLimits;
use crate::limits::{Budget, Sockets, TenantBudgets, TenantLimits, Throttle};
use crate::store::{Location, Store};
use crate::telemetry;

/// What an app is made of.
pub struct Options {
    /// Where everything is kept.
    pub location: Location,
    /// Where to listen.
    pub listen: SocketAddr,
    /// The certificate, if connections are to be secured.
    pub tls: Option<TlsFiles>,
    /// The administrator's token, if one was given.
    pub admin_token: Option<String>,
    /// How the engine runs.
    pub limits: Limits,
    /// How the edge behaves.
    pub edge: Edge,
    /// What every tenant may have.
    pub tenant_limits: TenantLimits,
    /// Connections at a time.
    pub max_connections: usize,
    /// How long a handshake and a request's headers may take; [`listener::HEADER_TIMEOUT`] but for tests.
    pub header_timeout: Duration,
    /// The time.
    pub clock: Clock,
    /// What was measured.
    pub metrics: PrometheusHandle,
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("--listen (ROLLCALL_LISTEN) {0} cannot be used: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The store cannot be taken or read.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// The engine's thread cannot be started.
    #[error("the engine's thread cannot be started: {0}")]
    Thread(std::io::Error),
}

/// A running service.
pub struct App {
    /// The address it listens on.
    pub address: SocketAddr,
    /// `https` with a certificate, otherwise `http`.
    pub scheme: &'static str,
    /// The administrator's token, if it was made just now.
    pub new_admin_token: Option<Secret>,
    /// Whether anybody can be administrator.
    pub has_admin: bool,
    /// Where writes go in.
    pub submitter: Submitter,
    /// Where reads come from.
    pub reader: Reader,
    /// Who may ask.
    pub ring: KeyRing,
    /// Tenants, keys and checkpoints.
    pub store: Store,
    lifecycle: Lifecycle,
    _lock: Option<File>,
}

impl App {
    /// Takes the store, catches up, and opens the doors.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let Options { location, listen, tls, admin_token, limits, edge, clock, metrics, .. } = options;
        let Options { tenant_limits, max_connections, header_timeout, .. } = options;
        let unusable = |error| StartError::Listen(listen, error);
        // Before the store is taken, so that a port in use is told at once.
        let listener = bind(listen).map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?;
        let tls = match tls {
            Some(files) => Some(Tls::load(files).await?),
            None => None,
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let Booted { store, journal, states, quarantined, ring, new_admin_token, has_admin, lock } =
            boot(&location, admin_token.as_deref(), &clock).await?;

        let lifecycle = Lifecycle::new(&clock, edge.budgets);
        let deps = EngineDeps {
            journal,
            store: store.clone(),
            clock: clock.clone(),
            lifecycle: lifecycle.clone(),
            limits,
            quarantined: quarantined.into_keys().collect(),
        };
        let EngineHandles { engine, submitter, reader, leases } = engine::build(states, deps);
        let throttle = Throttle::new(&clock);
        let tenants = TenantBudgets::new(tenant_limits, &clock);
        let (sockets, pace) = (
            sockets(max_connections, edge.budgets.has(Budget::Sockets)),
            edge.budgets.has(Budget::Answers).then(|| clock.clone()),
        );
        let services = Services::new(
            (ring.clone(), throttle.clone(), tenants),
            (submitter.clone(), reader.clone()),
            store.clone(),
            (clock.clone(), lifecycle.clone(), metrics.clone()),
            edge,
        );
        let router = http::router(services);
        // The engine outlives the requests under way: it stops once the listener has ended.
        let engine_stopping = lifecycle.last_stopping().clone();
        lifecycle.spawn_thread("engine", engine.run(engine_stopping.clone())).map_err(StartError::Thread)?;
        lifecycle.spawn("pauses", engine::watch_pauses(leases, clock.clone(), lifecycle.stopping().clone()));
        let upkeep = telemetry::keep_up(metrics, clock.clone(), lifecycle.stopping().clone());
        lifecycle.spawn("metrics", upkeep);
        lifecycle.spawn("keys", ring.clone().watch(throttle, lifecycle.stopping().clone()));
        let config = ListenerConfig {
            listener,
            tls: tls.as_ref().map(Tls::acceptor),
            sockets,
            header_timeout,
            write_clock: pace,
        };
        let serving = listener::serve(config, router, lifecycle.clone(), lifecycle.stopping().clone());
        if let Some(tls) = tls {
            lifecycle.spawn("certificate", tls.watch(clock, lifecycle.stopping().clone()));
        }
        lifecycle.spawn("listener", async move {
            let ended = serving.await;
            engine_stopping.cancel();
            ended
        });
        Ok(App { address, scheme, new_admin_token, has_admin, submitter, reader, ring, store, lifecycle, _lock: lock })
    }

    /// Where it is found.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// The tasks, to stop them or to hear that one failed.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// Stops: no new connections, requests under way answered, the queue drained, a last checkpoint. False if a task
    /// had failed.
    pub async fn stop(self) -> bool {
        self.lifecycle.stop();
        self.lifecycle.ended().await;
        !self.lifecycle.has_failed()
    }
}

/// Connections that may wait to be accepted; the system may allow fewer (`net.core.somaxconn`). One that finds no place is
/// tried again by its client after a second.
const BACKLOG: u32 = 4_096;

/// Listens on an address.
fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart need not wait for the connections of the process before. On Windows this would share the port.
    socket.set_reuseaddr(cfg!(unix))?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The connections there may be: the setting, or fewer where the process may not have that many files open.
fn sockets(max_connections: usize, is_enforced: bool) -> Sockets {
    let wanted = SocketLimits::of(max_connections);
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

/// Raises the number of files that the process may have open to the most that is allowed, and returns it.
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
