//! Logging and metrics.

use std::convert::Infallible;
use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use tokio_util::sync::CancellationToken;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::util::TryInitError;

use crate::clock::Clock;
use crate::config::{LogArgs, LogFormat};
use crate::limits::{Budget, Budgets};
use crate::live::state::APPLY_VERSION;

/// Upper bounds of the latency histograms, in seconds.
const SECONDS: &[f64] =
    &[0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Upper bounds of the batch size histogram, in events.
const EVENTS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0];

/// Most log lines that wait to be written.
const WAITING_LINES: usize = 10_000;

/// Interval at which samples are folded into their histograms.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// An error that prevents logging from being set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter cannot be parsed.
    #[error("--log (ROLLCALL_LOG) cannot be read: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// A word is neither a level nor a part of the program. The filter would take it for a part, and log nothing else.
    #[error("--log (ROLLCALL_LOG): \"{0}\" is no level; they are off, error, warn, info, debug and trace")]
    Level(String),
    /// Logging was already set up in this process.
    #[error(transparent)]
    Taken(#[from] TryInitError),
}

/// Writes the waiting log lines when dropped, for about a second at most.
#[must_use]
pub struct LogGuard {
    _worker: Option<WorkerGuard>,
}

/// Counts the lines that were dropped because they were not read; set once logging has begun.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// Starts logging to standard error. A thread of its own writes the lines: if they are not read, the newest are dropped
/// and counted, and the service goes on.
pub fn start_logging(args: &LogArgs, budgets: Budgets) -> Result<LogGuard, LogError> {
    let filter = filter(args)?;
    let is_terminal = std::io::stderr().is_terminal();
    let (writer, worker) = writer(budgets);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(is_terminal);
    let lines = match args.log_format {
        LogFormat::Pretty => lines.with_target(true).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(lines).try_init()?;
    // The default hook writes to standard error directly, and would block while that is not read.
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "a panic; this is a bug")));
    Ok(LogGuard { _worker: worker })
}

/// Prints the causes of failures of the store to standard error, for a command that reports what follows from them. It
/// logs nothing else.
pub fn report_causes() -> Result<(), LogError> {
    // The backends log what an operator of a service is to see, and which each command would repeat.
    let filter: EnvFilter = "off,rollcall::store=warn,rollcall::store::sqlite=off".parse()?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_target(false);
    Ok(tracing_subscriber::registry().with(filter).with(lines.without_time()).try_init()?)
}

/// Parses the filter of log lines.
pub fn filter(args: &LogArgs) -> Result<EnvFilter, LogError> {
    let is_level = |word: &str| word.parse::<tracing::metadata::LevelFilter>().is_ok();
    let is_silent = |word: &str| word.starts_with("tungstenite");
    let is_part = |word: &str| word == "access" || word.starts_with("rollcall") || word.contains(['=', '[', ':']);
    if let Some(word) =
        args.log.split(',').map(str::trim).find(|word| is_silent(word) || !is_level(word) && !is_part(word))
    {
        return Err(LogError::Level(word.to_owned()));
    }
    // Below `warn` sqlx logs every statement, which the setting can override. Messages of WebSockets have credentials: the
    // library that logs them stays silent.
    Ok(format!("sqlx=warn,{},tungstenite=off", args.log).parse()?)
}

fn writer(budgets: Budgets) -> (BoxMakeWriter, Option<WorkerGuard>) {
    if !budgets.has(Budget::Logs) {
        // The control: lines are written by the thread that logs, which blocks while they are not read.
        return (BoxMakeWriter::new(std::io::stderr), None);
    }
    let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(WAITING_LINES);
    let (writer, worker) = builder.thread_name("log").finish(std::io::stderr());
    let _once = DROPPED.set(writer.error_counter());
    (BoxMakeWriter::new(writer), Some(worker))
}

/// Installs the metrics recorder of this process.
pub fn start_measuring() -> Result<PrometheusHandle, BuildError> {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix(String::from("_seconds")), SECONDS)?
        .set_buckets_for_metric(Matcher::Full(String::from("rollcall_batch_events")), EVENTS)?
        .build_recorder();
    let handle = recorder.handle();
    // A second recorder in one process, as in tests, records nothing; the first stays installed.
    let _taken = metrics::set_global_recorder(recorder);
    describe();
    Ok(handle)
}

/// Folds samples into the histograms until `stopping` is cancelled. Otherwise raw samples would pile up between two
/// scrapes.
pub async fn run_upkeep(
    metrics: PrometheusHandle,
    clock: Clock,
    stopping: CancellationToken,
) -> Result<(), Infallible> {
    loop {
        tokio::select! {
            () = clock.sleep(UPKEEP_INTERVAL) => {
                metrics.run_upkeep();
                if let Some(dropped) = DROPPED.get() {
                    counter!("rollcall_log_lines_dropped_total").absolute(dropped.dropped_lines() as u64);
                }
            }
            () = stopping.cancelled() => return Ok(()),
        }
    }
}

fn describe() {
    Collector::default().describe();
    describe_gauge!("rollcall_build_info", "Always 1; its labels have the version of the program and of its rules.");
    let (version, rules) = (env!("CARGO_PKG_VERSION"), APPLY_VERSION.to_string());
    gauge!("rollcall_build_info", "version" => version, "rules" => rules).set(1.0);
    describe_counter!("rollcall_http_requests_total", "Requests by method, route and status.");
    describe_histogram!("rollcall_http_request_seconds", Unit::Seconds, "Time to answer, by route.");
    describe_counter!("rollcall_events_total", "Events by outcome.");
    describe_counter!("rollcall_rejections_total", "Events that were rejected, by reason.");
    describe_gauge!("rollcall_queue_depth", "Submissions taken and waiting at the engine's last turn.");
    describe_gauge!("rollcall_tasks", "Tasks that have not ended: one for each connection, and the service's own.");
    describe_gauge!("rollcall_queue_waiting", "Submissions waiting for the engine now.");
    describe_gauge!("rollcall_live_sockets", "Connections of live operations with an accepted credential.");
    describe_gauge!("rollcall_live_operations", "Subscriptions and queries under way on them.");
    describe_counter!(
        "rollcall_failed_writes_total",
        "Writes that failed, by kind: append, probe, clock or heartbeats."
    );
    describe_histogram!("rollcall_commit_seconds", Unit::Seconds, "Time to make a batch durable.");
    describe_histogram!("rollcall_heartbeat_write_seconds", Unit::Seconds, "Time to write heartbeats to the store.");
    describe_histogram!("rollcall_batch_events", "Events a batch.");
    describe_counter!(
        "rollcall_credential_look_ups_total",
        "Credentials that memory did not have and that were looked up in the store, by outcome."
    );
    describe_gauge!("rollcall_body_bytes", Unit::Bytes, "Request bodies in memory.");
    describe_gauge!("rollcall_answer_bytes", Unit::Bytes, "Answers in memory that were not read yet.");
    describe_counter!("rollcall_log_lines_dropped_total", "Log lines dropped because they were not read.");
    describe_counter!("rollcall_refused_content_total", "Events whose content the store refused.");
    describe_histogram!("rollcall_checkpoint_seconds", Unit::Seconds, "Time to write a checkpoint.");
    describe_counter!("rollcall_checkpoint_failures_total", "Checkpoints that failed and are tried again.");
    describe_gauge!(
        "rollcall_checkpoint_age_seconds",
        Unit::Seconds,
        "Time since the last checkpoint of the tenant that has waited longest with changes."
    );
    describe_counter!(
        "rollcall_housekeeping_rows_total",
        "Rows deleted after their retention, and those of deleted tenants."
    );
    describe_counter!("rollcall_self_checks_total", "Checks of the tenants' states in the background.");
    describe_gauge!("rollcall_self_check_differences", "Differences in the newest checks; any is a bug.");
    describe_gauge!(
        "rollcall_self_check_oldest_timestamp_seconds",
        Unit::Seconds,
        "Time of the oldest of the newest checks, in seconds since 1970."
    );
    describe_gauge!("rollcall_quarantined_tenants", "Tenants out of service.");
    describe_gauge!("rollcall_unsettled_tenants", "Tenants out of service: their entries are of another release.");
    describe_gauge!("rollcall_duties_held", "1 for each kind of work that this server does for all.");
    describe_gauge!("rollcall_replicas", "Servers on the store that are not gone.");
    describe_counter!("rollcall_lost_histories_total", "Tenants loaded again since the store lost entries.");
    describe_counter!("rollcall_followed_entries_total", "Entries read of other servers on the database.");
    describe_counter!(
        "rollcall_lone_appends_total",
        "Appends of a tenant alone, whose head was locked twice in a row."
    );
    describe_gauge!("rollcall_lagging_tenants", "Tenants with entries of other servers to be read.");
    describe_gauge!("rollcall_clock_ahead_seconds", Unit::Seconds, "How far a distrusted clock is ahead.");
    describe_gauge!(
        "rollcall_confirmation_age_seconds",
        Unit::Seconds,
        "Time since the store confirmed that the state is its newest."
    );
    describe_gauge!("rollcall_store_bytes", Unit::Bytes, "Size of the embedded store's files.");
    describe_gauge!("rollcall_connected_users", "Connected users by tenant.");
    describe_gauge!("rollcall_deleted_tenants", "Deleted tenants with rows that are still to be deleted.");
}
