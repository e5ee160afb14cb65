//! `rollcall serve`: runs the service until a signal stops it.

use std::process;

use super::Failure;
use crate::app::{App, Options, StartError};
use crate::boot::BootError;
use crate::clock::Clock;
use crate::config::ServeArgs;
use crate::http::listener;
use crate::store::{Location, StoreError};
use crate::telemetry;

/// Runs the service until it stops.
pub async fn run(args: ServeArgs) -> Result<(), Failure> {
    let _log = telemetry::start_logging(&args.log, args.budgets()).map_err(Failure::setting)?;
    let location = args.store.location().map_err(Failure::setting)?;
    let app = start(&args, location.clone()).await?;
    telemetry::print(banner(&app, &location));
    until_stopped(app).await
}

/// Starts the service with the given settings.
pub async fn start(args: &ServeArgs, location: Location) -> Result<App, Failure> {
    let options = Options {
        location,
        listen: args.listen,
        tls: args.tls(),
        admin_token: args.admin_token().map_err(Failure::setting)?,
        limits: args.limits(),
        edge: args.edge().map_err(Failure::setting)?,
        tenant_limits: args.tenant_limits(),
        max_connections: args.max_connections as usize,
        header_timeout: listener::HEADER_TIMEOUT,
        clock: Clock::system(),
        metrics: telemetry::start_measuring().map_err(Failure::other)?,
    };
    App::start(options).await.map_err(|error| match error {
        StartError::Boot(BootError::Store(StoreError::Folder(..) | StoreError::Lock(..))) => {
            Failure::setting(format!("--data-dir (ROLLCALL_DATA_DIR): {error}"))
        }
        StartError::Listen(..) | StartError::Tls(_) | StartError::Boot(BootError::Taken(_)) => Failure::setting(error),
        StartError::Boot(BootError::Store(StoreError::Unsuitable(_))) => Failure::setting(error),
        StartError::Boot(_) | StartError::Thread(_) => Failure::other(error),
    })
}

/// Returns the text printed at the start: address, store, process id, and the administrator's token if it is new.
pub fn banner(app: &App, location: &Location) -> String {
    let url = app.url();
    let mut lines = vec![format!("rollcall {} on {url}", env!("CARGO_PKG_VERSION"))];
    lines.push(match location {
        Location::Folder(folder) => format!("  store     embedded, in {}", folder.display()),
        Location::Postgres(options) => format!("  store     PostgreSQL at {}", options.get_host()),
    });
    lines.push(format!("  GraphiQL  {url}/graphiql"));
    lines.push(format!("  process   {}", process::id()));
    if let Some(token) = &app.new_admin_token {
        lines.push(format!("  admin     {}", token.reveal()));
        lines.push(String::from(
            "            generated for this new store and shown only now: keep it, or set ROLLCALL_ADMIN_TOKEN",
        ));
    } else if !app.has_admin {
        lines.push(String::from("  admin     none: set ROLLCALL_ADMIN_TOKEN to add tenants and keys over HTTP"));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Waits for a signal or a failed task, and then stops the service in order.
pub async fn until_stopped(app: App) -> Result<(), Failure> {
    tokio::select! {
        signal = signalled() => tracing::info!(signal, "stopping"),
        () = app.lifecycle().stopping().cancelled() => {}
    }
    if app.stop().await { Ok(()) } else { Err(Failure::other("a task failed; see the log")) }
}

#[cfg(unix)]
async fn signalled() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return interrupted().await };
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        name = interrupted() => name,
    }
}

#[cfg(not(unix))]
async fn signalled() -> &'static str {
    interrupted().await
}

async fn interrupted() -> &'static str {
    match tokio::signal::ctrl_c().await {
        Ok(()) => "SIGINT",
        // Without a handler the signal's default action ends the process, so there is nothing to return.
        Err(_) => std::future::pending().await,
    }
}
