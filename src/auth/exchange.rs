//! Attempts to log in are counted at all servers on a database (docs/decisions/0127-log-ins-at-all-servers.md).

use std::convert::Infallible;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::limits::Throttle;
use crate::store::{LogInTable, StoreError};

/// The interval at which servers exchange attempts.
const INTERVAL: Duration = Duration::from_secs(1);
/// The time limit of one exchange. Attempts of one that takes longer may be counted at this server alone.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Adds this server's attempts to the table and counts those of others, once a second, until `stopping` is cancelled. An
/// error is logged once per outage.
pub async fn exchange_log_ins(
    throttle: Throttle,
    mut table: LogInTable,
    clock: Clock,
    stopping: CancellationToken,
) -> Result<(), Infallible> {
    let mut is_failing = false;
    loop {
        tokio::select! {
            () = clock.sleep(INTERVAL) => {}
            () = stopping.cancelled() => return Ok(()),
        }
        let own = throttle.take_log_ins();
        let exchanged = tokio::select! {
            exchanged = tokio::time::timeout(TIMEOUT, table.exchange(&own)) => exchanged.unwrap_or(Err(StoreError::TimedOut)),
            () = stopping.cancelled() => return Ok(()),
        };
        match exchanged {
            Ok(others) => {
                is_failing = false;
                others.iter().for_each(|(from, attempts)| throttle.count_log_ins(from, *attempts));
            }
            Err(error) if !is_failing => {
                tracing::warn!(%error, "attempts to log in cannot be exchanged; each server counts its own");
                is_failing = true;
            }
            Err(_) => {}
        }
    }
}
