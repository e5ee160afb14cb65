//! Every setting, from flags, from the environment and from a settings file. No other module reads any of them. The
//! modules that need a setting define its type; here it is parsed.

mod database_url;
mod origins;
mod settings_file;
mod store;

use std::net::{SocketAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::domain::settings::base_path::BasePath;
use crate::domain::settings::desk::{DeskTerms, HEARTBEAT_SECONDS, INTERVAL_TOO_LONG, LEASE_SECONDS};
use crate::domain::settings::origin::Origin;
use crate::domain::settings::proxies::{ClientHeader, Network, TrustedProxies};
use crate::engine::Limits;
use crate::limits::{Budget, Budgets, MemoryBudget, TenantLimits};

pub use origins::Origins;
pub use settings_file::{FileArgs, Form, SettingsFile, setting_name, unless_empty};
pub use store::{Excluded, StoreArgs};

/// The prefix of this program's environment variables.
const PREFIX: &str = "ROLLCALL_";

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text for humans.
    Pretty,
    /// One JSON object per line.
    Json,
}

/// A header that names the client of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClientAddress {
    /// X-Forwarded-For, a list of addresses.
    XForwardedFor,
    /// Forwarded, as in RFC 7239.
    Forwarded,
}

/// The settings of logging.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// Log filter: the lowest level to log, or levels by target, such as info,access=warn.
    #[arg(long, env = "ROLLCALL_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,

    /// Format of log lines.
    #[arg(long, env = "ROLLCALL_LOG_FORMAT", default_value = "pretty", value_enum)]
    pub log_format: LogFormat,
}

/// Parses an address with a port, or resolves a name with a port. IPv4 comes first, since a client that is given
/// `localhost` tries both, and one that is given 127.0.0.1 tries no other.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let unusable = |why: &str| format!("not an address and port, such as 127.0.0.1:8080 or localhost:8080: {why}");
    let found: Vec<SocketAddr> = text.to_socket_addrs().map_err(|error| unusable(&error.to_string()))?.collect();
    let chosen = found.iter().find(|address| address.is_ipv4()).or(found.first());
    chosen.copied().ok_or_else(|| unusable("the name has no address"))
}

/// The settings of the service.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// Address and port to listen on; a name such as localhost is resolved once, to its first IPv4 address if it has one.
    #[arg(long, env = "ROLLCALL_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS", value_parser = address)]
    pub listen: SocketAddr,

    /// Certificate in PEM, followed by its intermediate certificates: serves HTTPS instead of HTTP. A renewed file is
    /// picked up within a minute.
    #[arg(long, env = "ROLLCALL_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// Private key of the certificate, in PEM.
    #[arg(long, env = "ROLLCALL_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Origin of pages that may call the API from a browser, such as https://desk.example.com; repeatable, or a
    /// comma-separated list.
    #[arg(long, env = "ROLLCALL_CORS_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub cors_origin: Vec<Origin>,

    /// Origin of pages that may show the wallboard in a frame, such as https://intranet.example.com; repeatable, or a
    /// comma-separated list.
    #[arg(long, env = "ROLLCALL_FRAME_ANCESTORS", value_name = "ORIGIN", value_delimiter = ',')]
    pub frame_ancestors: Vec<Origin>,

    /// Path below which a proxy publishes the service, such as /presence: links and the API's description name it. Requests
    /// below it are answered, and also those at the root, which a proxy may send after it removed the path.
    #[arg(long, env = "ROLLCALL_BASE_PATH", default_value = "/", value_name = "PATH")]
    pub base_path: BasePath,

    /// Network of proxies that are trusted to name the client in a header, such as 10.0.0.0/8 or 2001:db8::7;
    /// repeatable, or a comma-separated list.
    #[arg(long, env = "ROLLCALL_TRUSTED_PROXY", value_name = "CIDR", value_delimiter = ',')]
    pub trusted_proxy: Vec<Network>,

    /// Header in which the trusted proxies name the client; no other is read.
    #[arg(long, env = "ROLLCALL_CLIENT_ADDRESS", value_name = "HEADER", value_enum)]
    pub client_address: Option<ClientAddress>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub store: StoreArgs,

    /// Token of the administrator: at least 16 printable ASCII characters without spaces. If unset, one is generated
    /// for a new embedded store, and shown once on a terminal or written to the file admin-token in its folder.
    #[arg(long, env = "ROLLCALL_ADMIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub admin_token: Option<String>,

    /// Token that reads /metrics and nothing else, in the same form. The administrator's token reads it as well.
    #[arg(long, env = "ROLLCALL_METRICS_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub metrics_token: Option<String>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub log: LogArgs,

    /// Most connections at a time, fewer if the limit on open files is lower. Beyond it the longest idle one
    /// of the tenant or network with the most is closed.
    #[arg(long, env = "ROLLCALL_MAX_CONNECTIONS", default_value_t = 10_000,
          value_parser = in_range(1..=1_000_000), value_name = "N")]
    pub max_connections: u64,

    /// Requests and desk messages per second of one tenant, with a burst of twice as many; more are answered 429. 0
    /// disables the limit.
    #[arg(long, env = "ROLLCALL_TENANT_RATE", default_value_t = u64::from(TenantLimits::default().rate),
          value_parser = in_range(0..=1_000_000), value_name = "N")]
    pub tenant_rate: u64,

    /// Events per second of one tenant, with a burst of twice as many; a request with more is answered 429 as a whole.
    /// 0 disables the limit.
    #[arg(long, env = "ROLLCALL_TENANT_EVENTS", default_value_t = u64::from(TenantLimits::default().events),
          value_parser = in_range(0..=100_000_000), value_name = "N")]
    pub tenant_events: u64,

    /// Concurrent requests of one tenant; more are answered 429. 0 disables the limit.
    #[arg(long, env = "ROLLCALL_TENANT_CONCURRENCY", default_value_t = TenantLimits::default().at_a_time as u64,
          value_parser = in_range(0..=1_000_000), value_name = "N")]
    pub tenant_concurrency: u64,

    /// Memory for requests in MiB: an eighth for request bodies, a quarter for responses not read yet. Of each, one
    /// tenant gets at most half and all unauthenticated callers a sixteenth; more is answered 429 or 503.
    #[arg(long, env = "ROLLCALL_MEMORY_BUDGET", default_value_t = MemoryBudget::DEFAULT_MIB as u64,
          value_parser = in_range(MemoryBudget::LEAST_MIB as u64..=1_048_576), value_name = "MIB")]
    pub memory_budget: u64,

    /// Requests with events that may wait for the store, at most half of them from one tenant; more are answered 503.
    #[arg(long, env = "ROLLCALL_QUEUE", default_value_t = 8_192, value_parser = in_range(1..=1_000_000),
          value_name = "N")]
    pub queue: u64,

    /// Seconds without confirmation of the state by the store after which reads for routing decisions are answered 503.
    #[arg(long, env = "ROLLCALL_MAX_STALENESS", default_value_t = 10, value_parser = in_range(2..=86_400),
          value_name = "SECONDS")]
    pub max_staleness: u64,

    /// Seconds between checkpoints of a tenant that has new events; many events cause one sooner. A shorter interval
    /// makes the next start faster and writes more.
    #[arg(long, env = "ROLLCALL_CHECKPOINT_SECONDS", default_value_t = 30, value_parser = in_range(1..=86_400),
          value_name = "SECONDS")]
    pub checkpoint_seconds: u64,

    /// Days for which an event that is sent again is recognised as a duplicate.
    #[arg(long, env = "ROLLCALL_DEDUPE_DAYS", default_value_t = 7, value_parser = in_range(1..=365),
          value_name = "DAYS")]
    pub dedupe_days: u64,

    /// Days for which journal entries are kept after a checkpoint covers them.
    #[arg(long, env = "ROLLCALL_JOURNAL_DAYS", default_value_t = 30, value_parser = in_range(1..=36_500),
          value_name = "DAYS")]
    pub journal_days: u64,

    /// Seconds of silence after which a desk is disconnected, unless its tenant sets another value.
    #[arg(long, env = "ROLLCALL_DESK_LEASE_SECONDS", default_value_t = DeskTerms::default().lease,
          value_parser = seconds(LEASE_SECONDS), value_name = "SECONDS")]
    pub desk_lease_seconds: u32,

    /// Seconds between two heartbeats of a desk, at most half of the lease, unless its tenant sets another value.
    #[arg(long, env = "ROLLCALL_DESK_HEARTBEAT_SECONDS", default_value_t = DeskTerms::default().heartbeat,
          value_parser = seconds(HEARTBEAT_SECONDS), value_name = "SECONDS")]
    pub desk_heartbeat_seconds: u32,

    /// Seconds between the signal to stop and the stop: the service is not ready, still answers, and closes connections
    /// that last one after the other. If unset, 10 if /readyz was requested within the last minute, as load balancers do,
    /// and 0 otherwise; 0 in the demo. 0 stops at once.
    #[arg(long, env = "ROLLCALL_DRAIN_SECONDS", value_parser = in_range(0..=3_600), value_name = "SECONDS")]
    pub drain_seconds: Option<u64>,

    /// Adds POST /echo, the baseline of benchmarks.
    #[arg(long, hide = true)]
    pub bench_echo: bool,

    /// Removes a budget, for the controls of scripts/neighbours; repeatable.
    #[arg(long, hide = true, value_name = "BUDGET")]
    pub without_budget: Vec<Budget>,
}

impl ServeArgs {
    /// Returns the engine's settings.
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

    /// Returns the time for which the service is drained before it stops, if one was given.
    pub fn drain(&self) -> Option<Duration> {
        self.drain_seconds.map(Duration::from_secs)
    }

    /// Returns the administrator's token, if one was given. Checked here, since clap's own error would print the value.
    pub fn admin_token(&self) -> Result<Option<String>, String> {
        token("--admin-token (ROLLCALL_ADMIN_TOKEN)", self.admin_token.as_ref())
    }

    /// Returns the token that reads the metrics, if one was given.
    pub fn metrics_token(&self) -> Result<Option<String>, String> {
        const SETTING: &str = "--metrics-token (ROLLCALL_METRICS_TOKEN)";
        let given = self.metrics_token.as_ref();
        if given.is_some() && given == self.admin_token.as_ref() {
            return Err(format!("{SETTING} must differ from the administrator's token, which may do everything"));
        }
        token(SETTING, given)
    }

    /// Returns the default terms of desks. An error says which settings contradict each other.
    pub fn desk(&self) -> Result<DeskTerms, String> {
        let desk = DeskTerms { lease: self.desk_lease_seconds, heartbeat: self.desk_heartbeat_seconds };
        if !desk.fit() {
            return Err(format!(
                "--desk-heartbeat-seconds (ROLLCALL_DESK_HEARTBEAT_SECONDS) of {} does not fit into \
                 --desk-lease-seconds (ROLLCALL_DESK_LEASE_SECONDS) of {}: it {INTERVAL_TOO_LONG}",
                desk.heartbeat, desk.lease
            ));
        }
        Ok(desk)
    }

    /// Returns the paths of the certificate and its key; `None` without TLS. An error says which of them is missing.
    // Not by clap's `requires`, which does not see the values of a settings file.
    pub fn tls(&self) -> Result<Option<(PathBuf, PathBuf)>, String> {
        match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => Ok(Some((certificate.clone(), key.clone()))),
            (None, None) => Ok(None),
            (Some(_), None) => Err(needs("--tls-cert (ROLLCALL_TLS_CERT)", "--tls-key (ROLLCALL_TLS_KEY)")),
            (None, Some(_)) => Err(needs("--tls-key (ROLLCALL_TLS_KEY)", "--tls-cert (ROLLCALL_TLS_CERT)")),
        }
    }

    /// Returns the trusted proxies; `None` if there are none. An error says which of the two settings is missing.
    pub fn proxies(&self) -> Result<Option<TrustedProxies>, String> {
        const PROXY: &str = "--trusted-proxy (ROLLCALL_TRUSTED_PROXY)";
        const HEADER: &str = "--client-address (ROLLCALL_CLIENT_ADDRESS)";
        let header = match self.client_address {
            None if self.trusted_proxy.is_empty() => return Ok(None),
            None => return Err(needs(PROXY, HEADER)),
            Some(_) if self.trusted_proxy.is_empty() => return Err(needs(HEADER, PROXY)),
            Some(ClientAddress::XForwardedFor) => ClientHeader::XForwardedFor,
            Some(ClientAddress::Forwarded) => ClientHeader::Forwarded,
        };
        Ok(Some(TrustedProxies { networks: self.trusted_proxy.clone(), header }))
    }

    /// Returns the bytes of request bodies and of responses that may be held in memory.
    pub fn memory(&self) -> MemoryBudget {
        MemoryBudget::of_mib(self.memory_budget as usize)
    }

    /// Returns the budgets in force.
    pub fn budgets(&self) -> Budgets {
        Budgets::without(self.without_budget.iter().copied())
    }

    /// Returns the limits of every tenant.
    pub fn tenant_limits(&self) -> TenantLimits {
        TenantLimits {
            rate: self.tenant_rate as u32,
            events: self.tenant_events as u32,
            at_a_time: self.tenant_concurrency as usize,
        }
    }
}

/// The error of a setting that is given without another one.
fn needs(given: &str, missing: &str) -> String {
    format!("{given} also needs {missing}")
}

/// Checks the form of a token. The error does not show it.
fn token(setting: &str, given: Option<&String>) -> Result<Option<String>, String> {
    let is_good = |token: &String| token.len() >= 16 && token.bytes().all(|b| b.is_ascii_graphic());
    if given.is_none_or(is_good) {
        Ok(given.cloned())
    } else {
        Err(format!("{setting} must be at least 16 printable ASCII characters without spaces"))
    }
}

fn seconds(range: RangeInclusive<u32>) -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(i64::from(*range.start())..=i64::from(*range.end()))
}

fn in_range(range: RangeInclusive<u64>) -> clap::builder::RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(range)
}

/// Returns the environment variables that have our prefix but are not among `known`. They are most likely misspelt, and
/// must not be ignored silently.
pub fn unknown_variables(known: &[&str]) -> Vec<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut unknown: Vec<String> =
        names.filter(|name| name.starts_with(PREFIX) && !known.contains(&name.as_str())).collect();
    unknown.sort();
    unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_resolved_to_addresses() {
        assert_eq!(address("localhost:8080"), Ok(([127, 0, 0, 1], 8080).into()));
        assert_eq!(address("[::1]:80").map(|address| address.port()), Ok(80));
        for text in ["localhost", "", "127.0.0.1:70000", "localhost:http"] {
            assert!(address(text).is_err_and(|error| error.contains("localhost:8080")), "{text}");
        }
    }
}
