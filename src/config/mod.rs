//! Every setting, from flags and from the environment; nothing else reads either.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use sqlx::postgres::PgConnectOptions;

use crate::domain::settings::desk::{DeskTerms, HEARTBEAT_SECONDS, LEASE_SECONDS, UNFIT};
use crate::engine::Limits;
use crate::http::Edge;
use crate::http::cors::Origin;
use crate::http::tls::TlsFiles;
use crate::limits::{Budget, Budgets, MemoryBudget, TenantLimits};
use crate::store::Location;

/// What the variables of this program begin with.
const PREFIX: &str = "ROLLCALL_";

/// Where everything is kept.
#[derive(Args, Clone, Debug)]
pub struct StoreArgs {
    /// Folder of the embedded store, made when missing.
    #[arg(long, env = "ROLLCALL_DATA_DIR", default_value = "./data", value_name = "DIR")]
    pub data_dir: PathBuf,

    /// PostgreSQL 14 or newer, in place of the embedded store: postgres://user:password@host/database.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,
}

impl StoreArgs {
    /// Where that is; an error says what is wrong with the setting, without showing a password.
    pub fn location(&self) -> Result<Location, String> {
        let url = self.database_url.as_deref().filter(|url| !url.is_empty());
        let Some(url) = url else { return Ok(Location::Folder(self.data_dir.clone())) };
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(String::from("--database-url (DATABASE_URL) must begin with postgres://"));
        }
        let options: PgConnectOptions =
            url.parse().map_err(|error| format!("--database-url (DATABASE_URL) cannot be read: {error}"))?;
        Ok(Location::Postgres(Box::new(options)))
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// What is logged: a level, or levels by target, such as info,access=warn.
    #[arg(long, env = "ROLLCALL_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,

    /// How log lines look.
    #[arg(long, env = "ROLLCALL_LOG_FORMAT", default_value = "pretty", value_enum)]
    pub log_format: LogFormat,
}

/// How the service runs.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// Address and port to listen on.
    #[arg(long, env = "ROLLCALL_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub listen: SocketAddr,

    /// The certificate to be shown to clients, and those between it and its root, in PEM: HTTPS in place of HTTP. Looked
    /// at every minute for a newer one.
    #[arg(long, env = "ROLLCALL_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's private key, in PEM.
    #[arg(long, env = "ROLLCALL_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// An origin whose pages may ask from a browser, such as https://desk.example.com; may be repeated.
    #[arg(long, env = "ROLLCALL_CORS_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub cors_origin: Vec<Origin>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub store: StoreArgs,

    /// The administrator's token, 16 characters or more. When unset, a new embedded store gets one made, which is shown
    /// once.
    #[arg(long, env = "ROLLCALL_ADMIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub admin_token: Option<String>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub log: LogArgs,

    /// Connections at a time; past them the one that has been idle or unauthenticated longest is closed.
    #[arg(long, env = "ROLLCALL_MAX_CONNECTIONS", default_value_t = 10_000,
          value_parser = in_range(1..=1_000_000), value_name = "N")]
    pub max_connections: u64,

    /// Requests a second of one tenant, and twice as many at once after a pause; more are answered 429. 0: no limit.
    #[arg(long, env = "ROLLCALL_TENANT_RATE", default_value_t = u64::from(TenantLimits::default().rate),
          value_parser = in_range(0..=1_000_000), value_name = "N")]
    pub tenant_rate: u64,

    /// Events a second of one tenant, and twice as many at once after a pause; a request with more is answered 429 as a
    /// whole. 0: no limit.
    #[arg(long, env = "ROLLCALL_TENANT_EVENTS", default_value_t = u64::from(TenantLimits::default().events),
          value_parser = in_range(0..=100_000_000), value_name = "N")]
    pub tenant_events: u64,

    /// Requests of one tenant at a time; more are answered 429. 0: no limit.
    #[arg(long, env = "ROLLCALL_TENANT_CONCURRENCY", default_value_t = TenantLimits::default().at_a_time as u64,
          value_parser = in_range(0..=1_000_000), value_name = "N")]
    pub tenant_concurrency: u64,

    /// MiB of memory for requests: an eighth for bodies that arrive, a quarter for answers that wait to be read. Of each a
    /// tenant has half at most, and all unauthenticated callers together a sixteenth.
    #[arg(long, env = "ROLLCALL_MEMORY_BUDGET", default_value_t = MemoryBudget::DEFAULT_MIB as u64,
          value_parser = in_range(MemoryBudget::LEAST_MIB as u64..=1_048_576), value_name = "MIB")]
    pub memory_budget: u64,

    /// Requests with events that may wait for the store, of one tenant half of that; more are answered 503.
    #[arg(long, env = "ROLLCALL_QUEUE", default_value_t = 8_192, value_parser = in_range(1..=1_000_000),
          value_name = "N")]
    pub queue: u64,

    /// Seconds after which a state that the store did not confirm is no longer good enough for routers: 503.
    #[arg(long, env = "ROLLCALL_MAX_STALENESS", default_value_t = 10, value_parser = in_range(2..=86_400),
          value_name = "SECONDS")]
    pub max_staleness: u64,

    /// Seconds between checkpoints of a tenant to whom something happened.
    #[arg(long, env = "ROLLCALL_CHECKPOINT_SECONDS", default_value_t = 30, value_parser = in_range(1..=86_400),
          value_name = "SECONDS")]
    pub checkpoint_seconds: u64,

    /// Days for which an event sent again is recognised.
    #[arg(long, env = "ROLLCALL_DEDUPE_DAYS", default_value_t = 7, value_parser = in_range(1..=365),
          value_name = "DAYS")]
    pub dedupe_days: u64,

    /// Days for which journal entries are kept that a checkpoint covers.
    #[arg(long, env = "ROLLCALL_JOURNAL_DAYS", default_value_t = 30, value_parser = in_range(1..=36_500),
          value_name = "DAYS")]
    pub journal_days: u64,

    /// Seconds after which a silent desk is gone, for tenants that set nothing else.
    #[arg(long, env = "ROLLCALL_DESK_LEASE_SECONDS", default_value_t = DeskTerms::default().lease,
          value_parser = seconds(LEASE_SECONDS), value_name = "SECONDS")]
    pub desk_lease_seconds: u32,

    /// Seconds between two heartbeats of a desk, likewise; at most half of the lease.
    #[arg(long, env = "ROLLCALL_DESK_HEARTBEAT_SECONDS", default_value_t = DeskTerms::default().heartbeat,
          value_parser = seconds(HEARTBEAT_SECONDS), value_name = "SECONDS")]
    pub desk_heartbeat_seconds: u32,

    /// Adds POST /echo, which benchmarks compare with.
    #[arg(long, hide = true)]
    pub bench_echo: bool,

    /// Removes a budget, for the controls of scripts/neighbours; may be repeated.
    #[arg(long, hide = true, value_name = "BUDGET")]
    pub without_budget: Vec<Budget>,
}

impl ServeArgs {
    /// How the engine runs.
    pub fn limits(&self) -> Limits {
        Limits {
            queue: self.queue as usize,
            checkpoint_seconds: self.checkpoint_seconds,
            dedupe_days: self.dedupe_days as i64,
            journal_days: self.journal_days as i64,
            budgets: self.budgets(),
            ..Limits::default()
        }
    }

    /// The administrator's token, if one was given. Read here, since clap's own error for a bad value would show it.
    pub fn admin_token(&self) -> Result<Option<String>, &'static str> {
        const WANTED: &str = "--admin-token (ROLLCALL_ADMIN_TOKEN) must be at least 16 printable ASCII characters \
                              without spaces";
        let is_good = |token: &String| token.len() >= 16 && token.bytes().all(|b| b.is_ascii_graphic());
        if self.admin_token.as_ref().is_none_or(is_good) { Ok(self.admin_token.clone()) } else { Err(WANTED) }
    }

    /// How the edge behaves; an error says which settings do not go together.
    pub fn edge(&self) -> Result<Edge, String> {
        let desk = DeskTerms { lease: self.desk_lease_seconds, heartbeat: self.desk_heartbeat_seconds };
        if !desk.fit() {
            return Err(format!(
                "--desk-heartbeat-seconds (ROLLCALL_DESK_HEARTBEAT_SECONDS) of {} does not fit into \
                 --desk-lease-seconds (ROLLCALL_DESK_LEASE_SECONDS) of {}: it {UNFIT}",
                desk.heartbeat, desk.lease
            ));
        }
        Ok(Edge {
            max_staleness_ms: self.max_staleness * 1_000,
            desk,
            cors_origins: self.cors_origin.clone(),
            bench_echo: self.bench_echo,
            memory: MemoryBudget::of_mib(self.memory_budget as usize),
            budgets: self.budgets(),
        })
    }

    /// The budgets in force.
    pub fn budgets(&self) -> Budgets {
        Budgets::without(self.without_budget.iter().copied())
    }

    /// What every tenant may have.
    pub fn tenant_limits(&self) -> TenantLimits {
        TenantLimits {
            rate: self.tenant_rate as u32,
            events: self.tenant_events as u32,
            at_a_time: self.tenant_concurrency as usize,
        }
    }

    /// Where the certificate is, if there is to be TLS.
    pub fn tls(&self) -> Option<TlsFiles> {
        let (certificate, key) = self.tls_cert.clone().zip(self.tls_key.clone())?;
        Some(TlsFiles { certificate, key })
    }
}

fn seconds(range: RangeInclusive<u32>) -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(i64::from(*range.start())..=i64::from(*range.end()))
}

fn in_range(range: RangeInclusive<u64>) -> clap::builder::RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(range)
}

/// The variables that begin as ours do but are none of `known`: most likely misspelt, and never to be passed over.
pub fn unknown_variables(known: &[&str]) -> Vec<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut unknown: Vec<String> =
        names.filter(|name| name.starts_with(PREFIX) && !known.contains(&name.as_str())).collect();
    unknown.sort();
    unknown
}
