//! The summary of outcomes that is printed after posting.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use super::batches::Batch;
use super::post::Answer;

/// Most rejected events that are listed one by one.
const MAX_LISTED: usize = 10;

/// Counts by outcome, and the first events that were rejected.
#[derive(Debug, Default)]
pub struct Summary {
    counts: BTreeMap<String, u64>,
    rejected: Vec<String>,
    position: u64,
}

impl Summary {
    /// Adds the outcomes of one batch.
    pub fn add(&mut self, batch: &Batch, answer: &Answer) {
        self.position = answer.position;
        for (line, result) in batch.lines.iter().zip(&answer.results) {
            *self.counts.entry(result.outcome.clone()).or_default() += 1;
            if result.outcome == "rejected" && self.rejected.len() < MAX_LISTED {
                let id = result.id.as_deref().unwrap_or("unreadable");
                let reason = result.reason.as_deref().unwrap_or("no reason given");
                let detail = result.detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default();
                self.rejected.push(format!("line {line}, id {id}: {reason}{detail}"));
            }
        }
    }

    /// Returns the number of events with an outcome.
    pub fn events(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Returns the number of rejected events.
    pub fn rejected(&self) -> u64 {
        self.counts.get("rejected").copied().unwrap_or(0)
    }

    /// Returns the text to be printed.
    pub fn text(&self, took: Duration) -> String {
        let (events, seconds) = (self.events(), took.as_secs_f64());
        let rate = if seconds > 0.0 { events as f64 / seconds } else { 0.0 };
        let mut text = format!("{events} events in {seconds:.1} s ({rate:.0} events/s)");
        if events > 0 {
            // Writing to a string cannot fail.
            let _written = write!(text, ", position {}", self.position);
        }
        for (outcome, count) in &self.counts {
            let _written = write!(text, "\n  {outcome:<10}{count:>10}");
        }
        for (n, rejected) in self.rejected.iter().enumerate() {
            let introduction = if n == 0 { "\nfirst rejected events:" } else { "" };
            let _written = write!(text, "{introduction}\n  {rejected}");
        }
        text
    }
}
