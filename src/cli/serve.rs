//! `rollcall serve`: runs the service until a signal stops it.

pub mod banner;

use std::time::Duration;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Failure, store};
use crate::app::{App, Options, StartError};
use crate::clock::Clock;
use crate::config::{Excluded, ServeArgs, SettingsFile};
use crate::domain::settings::base_path::BasePath;
use crate::http::listener::base_path;
use crate::http::tls::TlsFiles;
use crate::http::{Edge, listener};
use crate::store::{Location, private};
use crate::telemetry;

/// The settings of a service, each and together such as it can be started with.
pub struct Checked {
    /// The location of the store.
    pub location: Location,
    tls: Option<TlsFiles>,
    admin_token: Option<String>,
    metrics_token: Option<String>,
    edge: Edge,
}

impl Checked {
    /// Checks everything that depends on the settings alone: neither files nor ports nor the store. The failure is that
    /// of the first setting that is rejected.
    pub fn new(args: &ServeArgs) -> Result<Self, Failure> {
        telemetry::filter(&args.log).map_err(Failure::setting)?;
        Ok(Checked {
            location: args.store.location().map_err(Failure::setting)?,
            tls: tls(args)?,
            admin_token: args.admin_token().map_err(Failure::setting)?,
            metrics_token: args.metrics_token().map_err(Failure::setting)?,
            edge: edge(args)?,
        })
    }
}

/// Runs the service until it stops. `file` is the settings file that was read.
pub async fn run(args: ServeArgs, file: Option<SettingsFile>, mut signals: Signals) -> Result<(), Failure> {
    let checked = Checked::new(&args)?;
    let _log = telemetry::start_logging(&args.log, args.budgets()).map_err(Failure::setting)?;
    warn_of_open_secrets(file.as_ref());
    warn_of_excluded(&args);
    let location = checked.location.clone();
    let Some(app) = start(&args, checked, &mut signals).await? else { return Ok(()) };
    banner::announce(&app, &args, &location);
    until_stopped(app, signals, args.drain()).await
}

/// Logs a warning if a database is given that is not used.
fn warn_of_excluded(args: &ServeArgs) {
    if let Some(Excluded { name: setting @ "database-url", by }) = args.store.excluded() {
        tracing::warn!(setting, by, "a setting is not used, since another one comes before it");
    }
}

/// Logs a warning if the settings file holds secrets that others may read.
pub fn warn_of_open_secrets(file: Option<&SettingsFile>) {
    if let Some(file) = file
        && let Some(secret) = file.secret()
        && let Some(mode) = private::open_to_others(file.path())
    {
        let path = file.path().display();
        tracing::warn!(file = %path, secret, mode, "the settings file holds a secret and is open to others");
    }
}

/// Starts the service with the given settings; `None` if a signal stopped the start before it was complete.
pub async fn start(args: &ServeArgs, checked: Checked, signals: &mut Signals) -> Result<Option<App>, Failure> {
    tokio::select! {
        app = build(args, checked) => app.map(Some),
        // Nothing was acknowledged yet, so there is nothing to stop in order.
        signal = signals.next() => {
            tracing::info!(signal, "stopped before the start was complete");
            Ok(None)
        }
    }
}

async fn build(args: &ServeArgs, checked: Checked) -> Result<App, Failure> {
    let Checked { location, tls, admin_token, metrics_token, edge } = checked;
    let options = Options {
        location: location.clone(),
        listen: args.listen,
        tls,
        admin_token,
        metrics_token,
        limits: args.limits(),
        edge,
        tenant_limits: args.tenant_limits(),
        max_connections: args.max_connections as usize,
        header_timeout: listener::HEADER_TIMEOUT,
        clock: Clock::system(),
        metrics: telemetry::start_measuring().map_err(Failure::other)?,
    };
    App::start(options).await.map_err(|error| match error {
        StartError::Boot(error) => store::boot_failure(&location, error),
        StartError::Listen(..) | StartError::Tls(_) => Failure::setting(error),
    })
}

/// Returns the settings of the HTTP layer.
fn edge(args: &ServeArgs) -> Result<Edge, Failure> {
    Ok(Edge {
        max_staleness_ms: args.max_staleness * 1_000,
        desk: args.desk().map_err(Failure::setting)?,
        cors_origins: args.cors_origin.clone(),
        frame_ancestors: args.frame_ancestors.clone(),
        proxies: args.proxies().map_err(Failure::setting)?,
        base_path: base_path(args)?,
        bench_echo: args.bench_echo,
        memory: args.memory(),
        budgets: args.budgets(),
    })
}

/// Returns the base path. An error if it begins like a route: then the path of a request could be read in two ways.
fn base_path(args: &ServeArgs) -> Result<BasePath, Failure> {
    let base = args.base_path.clone();
    if base_path::is_taken(&base) {
        return Err(Failure::setting(format!(
            "--base-path (ROLLCALL_BASE_PATH) {base} cannot be used: routes of the service begin with it"
        )));
    }
    Ok(base)
}

/// Returns the files of the certificate and its key; `None` without TLS.
fn tls(args: &ServeArgs) -> Result<Option<TlsFiles>, Failure> {
    let files = args.tls().map_err(Failure::setting)?;
    Ok(files.map(|(certificate, key)| TlsFiles { certificate, key }))
}

/// The time for which a service is drained that a load balancer looks at, if no other is set.
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// Waits for a signal or a failed task, and then stops the service in order. After a signal it is drained for `drain`;
/// without one for ten seconds if a load balancer looks at it. A second signal ends that.
pub async fn until_stopped(app: App, mut signals: Signals, drain: Option<Duration>) -> Result<(), Failure> {
    tokio::select! {
        signal = signals.next() => {
            let drain = drain.unwrap_or(if app.is_balanced() { DRAIN_TIME } else { Duration::ZERO });
            if drain.is_zero() {
                tracing::info!(signal, "stopping");
            } else {
                tracing::info!(signal, seconds = drain.as_secs(), "draining; a second signal stops at once");
                drained(&app, &mut signals, drain).await;
            }
        }
        () = app.lifecycle().stopping().cancelled() => {}
    }
    let remains = app.remains();
    let is_in_order = app.stop().await;
    // The process ends now, and its memory with it.
    std::mem::forget(remains);
    if is_in_order { Ok(()) } else { Err(Failure::other("a task failed; see the log")) }
}

/// Drains the service, until it is done, a second signal arrives or a task fails.
async fn drained(app: &App, signals: &mut Signals, length: Duration) {
    tokio::select! {
        () = app.drain(length) => tracing::info!("stopping"),
        signal = signals.next() => tracing::info!(signal, "stopping"),
        () = app.lifecycle().stopping().cancelled() => {}
    }
}

/// The signals that stop the service. From when it is created none of them ends the process at once.
pub struct Signals {
    #[cfg(unix)]
    terminate: Signal,
    #[cfg(unix)]
    interrupt: Signal,
}

/// Installs a handler in place of the default action of SIGXFSZ, which ends the process without a word where a file would
/// exceed the process's limit (`RLIMIT_FSIZE`). The write fails instead, and is rejected as on a full disk.
#[cfg(unix)]
pub fn outlive_large_files() -> Result<(), Failure> {
    // It stays installed until the process ends.
    signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())).map(drop).map_err(Failure::other)
}

/// Other systems have no such signal.
#[cfg(not(unix))]
pub fn outlive_large_files() -> Result<(), Failure> {
    Ok(())
}

#[cfg(unix)]
impl Signals {
    /// Installs the handlers.
    pub fn new() -> Result<Self, Failure> {
        let install = |kind| signal(kind).map_err(Failure::other);
        Ok(Signals { terminate: install(SignalKind::terminate())?, interrupt: install(SignalKind::interrupt())? })
    }

    /// Waits for a signal; returns its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    /// Nothing is installed before the first wait.
    pub fn new() -> Result<Self, Failure> {
        Ok(Signals {})
    }

    /// Waits for Ctrl-C; returns its name.
    pub async fn next(&mut self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "SIGINT",
            // Without a handler the signal's default action ends the process, so there is nothing to return.
            Err(_) => std::future::pending().await,
        }
    }
}
