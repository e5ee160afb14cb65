//! Rejected events and messages of producers: a metric by reason, and a log line a minute for each source.
//!
//! A line has the tenant, the source and the reasons, never a value of an event. The first rejection of a source is logged
//! at once, later ones together.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::domain::TenantId;

/// Shortest time between two lines of one source.
const INTERVAL: Duration = Duration::from_secs(60);
/// Interval at which lines that are due are written.
const SWEEP: Duration = Duration::from_secs(5);
/// Most sources of one tenant that have lines of their own. All others share one line.
const MAX_SOURCES: usize = 16;
/// The source that further sources of a tenant are logged as.
const OTHERS: &str = "others";
/// Most characters of a source in a line.
const MAX_CHARACTERS: usize = 64;

/// Counts rejections and logs them. A clone shares them.
#[derive(Clone)]
pub struct Rejections(Arc<Inner>);

struct Inner {
    clock: Clock,
    /// Has only tenants of valid credentials, and of them those with a rejection in the last minute or two.
    tenants: Mutex<HashMap<TenantId, HashMap<Box<str>, Entry>>>,
}

/// The rejections of one source since its last line.
struct Entry {
    /// Monotonic time of the last line.
    logged: Duration,
    /// Rejections by reason, of which there is a closed set.
    reasons: BTreeMap<&'static str, u64>,
}

/// A log line.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    tenant: TenantId,
    source: Box<str>,
    rejected: u64,
    /// Each reason with its number, such as `data 2, unknown_type 1`.
    reasons: String,
}

impl fmt::Debug for Rejections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rejections")
    }
}

impl Rejections {
    /// Creates an empty record.
    pub fn new(clock: &Clock) -> Self {
        Rejections(Arc::new(Inner { clock: clock.clone(), tenants: Mutex::default() }))
    }

    /// Counts rejections of a tenant, each with its source and the name of its reason.
    pub fn count<'s>(&self, tenant: TenantId, rejected: impl IntoIterator<Item = (&'s str, &'static str)>) {
        let mut rejected = rejected.into_iter().peekable();
        // Most requests have none, and need no lock.
        if rejected.peek().is_some() {
            self.record(tenant, rejected).into_iter().for_each(Line::write);
        }
    }

    /// Writes the lines that are due until `stopping` is cancelled, and then all that are left.
    pub async fn log_all(self, stopping: CancellationToken) -> Result<(), Infallible> {
        loop {
            tokio::select! {
                () = self.0.clock.sleep(SWEEP) => self.due(INTERVAL).into_iter().for_each(Line::write),
                () = stopping.cancelled() => break,
            }
        }
        self.due(Duration::ZERO).into_iter().for_each(Line::write);
        Ok(())
    }

    /// Adds rejections; returns the lines of sources that had none in the last minute.
    fn record<'s>(&self, tenant: TenantId, rejected: impl Iterator<Item = (&'s str, &'static str)>) -> Vec<Line> {
        // Added up before the lock is taken, which all tenants share.
        let mut numbers: BTreeMap<(&str, &'static str), u64> = BTreeMap::new();
        for (source, reason) in rejected {
            *numbers.entry((shown(source), reason)).or_default() += 1;
        }
        for ((_, reason), number) in &numbers {
            counter!("rollcall_rejections_total", "reason" => *reason).increment(*number);
        }
        let now = self.0.clock.monotonic();
        let mut tenants = self.0.tenants.lock();
        let sources = tenants.entry(tenant).or_default();
        let mut first: Vec<Box<str>> = Vec::new();
        for ((mut source, reason), number) in numbers {
            if !sources.contains_key(source) {
                if sources.len() >= MAX_SOURCES {
                    source = OTHERS;
                }
                if !sources.contains_key(source) {
                    first.push(source.into());
                    sources.insert(source.into(), Entry { logged: now, reasons: BTreeMap::new() });
                }
            }
            if let Some(entry) = sources.get_mut(source) {
                *entry.reasons.entry(reason).or_default() += number;
            }
        }
        let lines = first.into_iter().filter_map(|source| Some(sources.get_mut(&source)?.line(tenant, &source)));
        lines.collect()
    }

    /// Returns the lines of sources without one for at least `interval`, and forgets those without a rejection since.
    fn due(&self, interval: Duration) -> Vec<Line> {
        let now = self.0.clock.monotonic();
        let mut lines = Vec::new();
        let mut tenants = self.0.tenants.lock();
        tenants.retain(|tenant, sources| {
            sources.retain(|source, entry| {
                let is_due = now.saturating_sub(entry.logged) >= interval;
                if is_due && !entry.reasons.is_empty() {
                    entry.logged = now;
                    lines.push(entry.line(*tenant, source));
                    return true;
                }
                !is_due
            });
            !sources.is_empty()
        });
        lines
    }
}

impl Entry {
    /// Returns the line of the rejections so far, and begins anew.
    fn line(&mut self, tenant: TenantId, source: &str) -> Line {
        let reasons = std::mem::take(&mut self.reasons);
        let mut text = String::new();
        for (reason, number) in &reasons {
            let comma = if text.is_empty() { "" } else { ", " };
            let _written = write!(text, "{comma}{reason} {number}");
        }
        Line { tenant, source: source.into(), rejected: reasons.values().sum(), reasons: text }
    }
}

impl Line {
    fn write(self) {
        let Line { tenant, source, rejected, reasons } = self;
        // With quotation marks, which escape what could be taken for another line.
        tracing::warn!(%tenant, ?source, rejected, reasons, "events were rejected");
    }
}

/// Returns the part of a source that is logged.
fn shown(source: &str) -> &str {
    source.char_indices().nth(MAX_CHARACTERS).map_or(source, |(end, _)| &source[..end])
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::Time;

    const ORIGIN: Time = Time::from_micros(1_000_000_000_000_000);
    const ACME: TenantId = TenantId(Uuid::from_u128(1));
    const OTHER: TenantId = TenantId(Uuid::from_u128(2));

    fn record(rejections: &Rejections, tenant: TenantId, rejected: &[(&str, &'static str)]) -> Vec<String> {
        texts(rejections.record(tenant, rejected.iter().copied()))
    }

    fn texts(mut lines: Vec<Line>) -> Vec<String> {
        lines.sort_by(|one, other| (one.tenant, &one.source).cmp(&(other.tenant, &other.source)));
        let text =
            |line: Line| format!("{} {} {}: {}", line.tenant.0.as_u128(), line.source, line.rejected, line.reasons);
        lines.into_iter().map(text).collect()
    }

    #[test]
    fn a_source_has_a_line_at_once_and_then_one_a_minute() {
        let clock = Clock::manual(ORIGIN);
        let rejections = Rejections::new(&clock);
        assert_eq!(record(&rejections, ACME, &[("/acd", "data"), ("/acd", "data")]), ["1 /acd 2: data 2"]);
        assert_eq!(record(&rejections, OTHER, &[("/acd", "time")]), ["2 /acd 1: time 1"]);
        assert!(record(&rejections, ACME, &[("/acd", "time"), ("/acd", "data")]).is_empty());
        clock.advance(Duration::from_secs(59));
        assert!(rejections.due(INTERVAL).is_empty());
        clock.advance(Duration::from_secs(1));
        assert_eq!(texts(rejections.due(INTERVAL)), ["1 /acd 2: data 1, time 1"]);
        assert!(record(&rejections, ACME, &[("/acd", "time")]).is_empty(), "the line was a moment ago");
        assert_eq!(texts(rejections.due(Duration::ZERO)), ["1 /acd 1: time 1"], "at the end");
        clock.advance(INTERVAL);
        assert!(rejections.due(INTERVAL).is_empty());
        assert!(rejections.0.tenants.lock().is_empty(), "nothing is kept");
    }

    #[test]
    fn sources_of_a_tenant_are_bounded_in_number_and_length() {
        let rejections = Rejections::new(&Clock::manual(ORIGIN));
        let long = "ä".repeat(1_000);
        assert_eq!(record(&rejections, ACME, &[(&long, "data")]), [format!("1 {} 1: data 1", "ä".repeat(64))]);
        let sources: Vec<String> = (0..10_000).map(|n| format!("/{n}")).collect();
        let rejected: Vec<(&str, &'static str)> = sources.iter().map(|source| (source.as_str(), "data")).collect();
        let lines = record(&rejections, ACME, &rejected);
        assert_eq!(lines.len(), MAX_SOURCES);
        assert!(lines.contains(&format!("1 others {}: data {0}", 10_000 - (MAX_SOURCES - 1))), "{lines:?}");
        assert_eq!(rejections.0.tenants.lock()[&ACME].len(), MAX_SOURCES + 1);
    }
}
