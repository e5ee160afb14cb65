//! Notifications between the servers on a database: which tenants have new entries.
//!
//! They only shorten the time until a server looks at the heads, and any of them may be lost. They are sent on a session
//! of their own, after the commit: a commit that notifies takes a lock of the whole server
//! (`tests/it/hazards/notify.rs`).

use std::time::Duration;

use sqlx::postgres::{PgConnection, PgListener, PgPoolOptions};
use uuid::Uuid;

use super::Sessions;
use crate::domain::TenantId;

/// The channel of the notifications. A database has its own channels.
const CHANNEL: &str = "rollcall-heads";
/// The most bytes of a notification: PostgreSQL rejects 8,000.
const MAX_BYTES: usize = 7_999;
/// Stands for all tenants, where they have no room.
const ALL: &str = "*";
/// The time without a notification after which the listening session is checked.
const QUIET_TIME: Duration = Duration::from_secs(30);
/// The longest wait for an answer of the database.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// The tenants that a notification names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// These have new entries.
    Tenants(Vec<TenantId>),
    /// Any may have new entries: more than a notification can name, or notifications may have been lost.
    All,
}

/// Sends and receives the notifications of one server.
#[derive(Debug)]
pub struct Signals {
    sessions: Sessions,
    replica: Uuid,
    sending: Option<PgConnection>,
    listening: Option<PgListener>,
}

impl Signals {
    pub(super) const fn new(sessions: Sessions, replica: Uuid) -> Self {
        Signals { sessions, replica, sending: None, listening: None }
    }

    /// Splits the sender off, which runs in a task of its own.
    pub fn sender(&self) -> Self {
        Signals::new(self.sessions.clone(), self.replica)
    }

    /// Notifies the other servers of new entries of these tenants, which were committed before. An error closes the session;
    /// the next call opens another.
    pub async fn send(&mut self, tenants: &[TenantId]) -> Result<(), sqlx::Error> {
        let payload = payload(self.replica, tenants);
        // Taken out while the statement runs: a call that is cancelled leaves no session in the middle of one.
        let sending = self.sending.take();
        let send = async {
            let mut connection = match sending {
                Some(connection) => connection,
                None => self.sessions.connect().await?,
            };
            sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(payload).execute(&mut connection).await?;
            Ok(connection)
        };
        let sent = tokio::time::timeout(ANSWER_TIMEOUT, send).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        self.sending = Some(sent?);
        Ok(())
    }

    /// Waits for a notification of another server. [`Signal::All`] after a session was opened, since notifications before
    /// that were lost. After an error the next call opens a session.
    pub async fn receive(&mut self) -> Result<Signal, sqlx::Error> {
        let Some(listening) = &mut self.listening else {
            let listen = tokio::time::timeout(ANSWER_TIMEOUT, listen(&self.sessions)).await;
            self.listening = Some(listen.unwrap_or(Err(sqlx::Error::PoolTimedOut))?);
            return Ok(Signal::All);
        };
        loop {
            match tokio::time::timeout(QUIET_TIME, listening.try_recv()).await {
                Ok(Ok(Some(notification))) => {
                    if let Some(signal) = parse(self.replica, notification.payload()) {
                        return Ok(signal);
                    }
                }
                Ok(Ok(None)) => {
                    self.listening = None;
                    return Ok(Signal::All);
                }
                Ok(Err(error)) => {
                    self.listening = None;
                    return Err(error);
                }
                // The other side may be gone without a word.
                Err(_) => {
                    let check = tokio::time::timeout(ANSWER_TIMEOUT, sqlx::query("SELECT 1").execute(&mut *listening));
                    if !matches!(check.await, Ok(Ok(_))) {
                        self.listening = None;
                        return Err(sqlx::Error::PoolTimedOut);
                    }
                }
            }
        }
    }
}

/// Opens a session that listens.
async fn listen(sessions: &Sessions) -> Result<PgListener, sqlx::Error> {
    let settings = sessions.clone();
    // sqlx listens on sessions of a pool only; this one has no other use.
    let pool = PgPoolOptions::new().max_connections(1).after_connect(move |connection, _| {
        let settings = settings.clone();
        Box::pin(async move { settings.apply(connection).await })
    });
    let mut listener = PgListener::connect_with(&pool.connect_lazy_with(sessions.options().clone())).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// Returns the text of a notification: the sender's id, a space, and the tenants, separated by commas.
fn payload(replica: Uuid, tenants: &[TenantId]) -> String {
    let named: Vec<String> = tenants.iter().map(|tenant| tenant.0.simple().to_string()).collect();
    let payload = format!("{} {}", replica.simple(), named.join(","));
    if payload.len() > MAX_BYTES { format!("{} {ALL}", replica.simple()) } else { payload }
}

/// Returns the signal of a notification; `None` for one of this server. One in another form may be of a newer release, and
/// stands for all tenants.
fn parse(replica: Uuid, payload: &str) -> Option<Signal> {
    let Some((sender, tenants)) = payload.split_once(' ') else { return Some(Signal::All) };
    if sender.parse() == Ok(replica) {
        return None;
    }
    let tenants: Result<Vec<Uuid>, _> = tenants.split(',').map(str::parse).collect();
    Some(tenants.map_or(Signal::All, |tenants| Signal::Tenants(tenants.into_iter().map(TenantId).collect())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_names_tenants_as_long_as_they_have_room() {
        let (ours, theirs) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let tenants: Vec<TenantId> = (0..1_000).map(|n| TenantId(Uuid::from_u128(n))).collect();
        for (count, is_named) in [(1, true), (241, true), (242, false), (1_000, false)] {
            let text = payload(ours, &tenants[..count]);
            assert!(text.len() < 8_000, "{count}: {}", text.len());
            let expected = if is_named { Signal::Tenants(tenants[..count].to_vec()) } else { Signal::All };
            assert_eq!(parse(theirs, &text), Some(expected), "{count}");
            assert_eq!(parse(ours, &text), None, "a notification of its own");
        }
        for text in ["", "x", "x y", "00000000000000000000000000000001x z"] {
            assert_eq!(parse(theirs, text), Some(Signal::All), "{text:?}");
        }
    }
}
