//! Log lines and measurements.

use std::convert::Infallible;
use std::io::IsTerminal;
use std::time::Duration;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::util::TryInitError;

use crate::clock::Clock;
use crate::config::{LogArgs, LogFormat};

/// Upper bounds of the latency histograms, in seconds.
const SECONDS: &[f64] =
    &[0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Upper bounds of the batch sizes.
const EVENTS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0];

/// How often samples are folded into their histograms.
const UPKEEP: Duration = Duration::from_secs(5);

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is none.
    #[error("--log (ROLLCALL_LOG) cannot be read: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Somebody else did it before.
    #[error(transparent)]
    Taken(#[from] TryInitError),
}

/// Starts logging to standard error.
pub fn start_logging(args: &LogArgs) -> Result<(), LogError> {
    // Written out by SQL statement only when asked for.
    let filter: EnvFilter = format!("sqlx=warn,{}", args.log).parse()?;
    let is_terminal = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(is_terminal);
    let lines = match args.log_format {
        LogFormat::Pretty => lines.with_target(true).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(lines).try_init()?;
    Ok(())
}

/// Starts measuring for the whole process.
pub fn start_measuring() -> Result<PrometheusHandle, BuildError> {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix(String::from("_seconds")), SECONDS)?
        .set_buckets_for_metric(Matcher::Full(String::from("rollcall_batch_events")), EVENTS)?
        .build_recorder();
    let handle = recorder.handle();
    // A second recorder in one process, as in tests, measures nothing; the first goes on.
    let _taken = metrics::set_global_recorder(recorder);
    describe();
    Ok(handle)
}

/// Folds what was measured into the histograms until `stopping` is cancelled: without it raw samples pile up between
/// two scrapes.
pub async fn keep_up(metrics: PrometheusHandle, clock: Clock, stopping: CancellationToken) -> Result<(), Infallible> {
    loop {
        tokio::select! {
            () = clock.sleep(UPKEEP) => metrics.run_upkeep(),
            () = stopping.cancelled() => return Ok(()),
        }
    }
}

fn describe() {
    describe_counter!("rollcall_http_requests_total", "Requests by method, route and status.");
    describe_histogram!("rollcall_http_request_seconds", Unit::Seconds, "Time to answer, by route.");
    describe_counter!("rollcall_events_total", "Events by outcome.");
    describe_gauge!("rollcall_queue_depth", "Submissions taken and waiting at the engine's last turn.");
    describe_gauge!("rollcall_tasks", "Tasks that have not ended: one for each connection, and the service's own.");
    describe_gauge!("rollcall_queue_waiting", "Submissions waiting for the engine now.");
    describe_histogram!("rollcall_commit_seconds", Unit::Seconds, "Time to make a batch durable.");
    describe_histogram!("rollcall_batch_events", "Events a batch.");
    describe_gauge!("rollcall_connected_users", "Connected users by tenant.");
}
