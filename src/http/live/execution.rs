//! One execution: answers its question when the position moved, at most once an interval, and on a tick.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{Computed, LiveAnswer, LiveEnd, LiveQuery, Newest, POSITION_TIMEOUT, Registered, TICK};
use crate::domain::Fault;
use crate::http::state::AppState;
use crate::limits::Owner;

/// An execution, until no operation has it any more.
pub(super) struct Execution {
    pub app: AppState,
    pub query: LiveQuery,
    pub guard: Registered,
}

impl Execution {
    /// Runs the execution to its end.
    pub async fn run(self) {
        let tenant = self.query.authority.tenant();
        let mut positions = self.app.reader().positions(tenant);
        if let Some(least) = self.query.min_position
            && !self.reach(least, &mut positions).await
        {
            return;
        }
        let mut last = None;
        loop {
            let began = self.app.clock().monotonic();
            // Before the view is taken: a position that is published meanwhile leads to a further execution.
            positions.borrow_and_update();
            match self.answer(&mut last).await {
                Ok(None) => {}
                Ok(Some(answer)) => {
                    self.guard.sender.send_replace(Newest { answer: Some(Arc::new(answer)), end: None });
                }
                Err(end) => {
                    self.guard.sender.send_modify(|newest| newest.end = Some(end));
                    return;
                }
            }
            if !self.pause(began, &mut positions).await {
                return;
            }
        }
    }

    /// Waits for the least position, or its timeout. Returns false if the execution ends instead.
    async fn reach(&self, least: u64, positions: &mut watch::Receiver<u64>) -> bool {
        let until = self.app.clock().monotonic() + POSITION_TIMEOUT;
        loop {
            tokio::select! {
                biased;
                // A closed channel shows when the question is answered.
                _ = positions.wait_for(|now| *now >= least) => return true,
                () = self.app.clock().sleep_until(until) => return true,
                () = self.guard.sender.closed() => if self.guard.leave_if_unused() { return false },
                () = self.app.lifecycle().stopping().cancelled() => return false,
            }
        }
    }

    /// Answers the question on the newest view. `None` if the answer does not differ from `last`, or cannot be made now.
    async fn answer(&self, last: &mut Option<[u8; 32]>) -> Result<Option<LiveAnswer>, LiveEnd> {
        let (app, tenant) = (&self.app, self.query.authority.tenant());
        // The process may have been paused, and another server have the store by now.
        app.reader().health().until_certain().await;
        let snapshot = match app.reader().snapshot(tenant) {
            Ok(snapshot) => snapshot,
            Err(Fault::CredentialInvalid) => return Err(LiveEnd::Deleted),
            Err(_) => return Ok(None),
        };
        let position = snapshot.view.position();
        let computed = match self.query.question.clone().answer(snapshot).await {
            Ok(computed) => computed,
            Err(Fault::Internal) => return Err(LiveEnd::Failed),
            Err(_) => return Ok(None),
        };
        let Computed { body, fingerprint, is_refused } = computed;
        if is_refused {
            return Err(LiveEnd::Refused(body));
        }
        if *last == Some(fingerprint) {
            return Ok(None);
        }
        let held = app.answers().map(|budget| budget.take(Owner::Tenant(tenant), body.len())).transpose();
        // Above the tenant's share of bytes the answer waits for the next execution.
        let Ok(held) = held else { return Ok(None) };
        *last = Some(fingerprint);
        Ok(Some(LiveAnswer { position, body, _held: held }))
    }

    /// Waits until the next execution is due. Returns false if the execution ends instead.
    async fn pause(&self, began: Duration, positions: &mut watch::Receiver<u64>) -> bool {
        let (clock, interval) = (self.app.clock(), self.query.interval);
        loop {
            let moved = async {
                let changed = positions.changed().await;
                clock.sleep_until(began + interval).await;
                changed
            };
            tokio::select! {
                biased;
                () = self.app.lifecycle().stopping().cancelled() => return false,
                () = self.guard.sender.closed() => {
                    if self.guard.leave_if_unused() {
                        return false;
                    }
                    // The change that `moved` may have taken must not be lost for the operation that joined.
                    positions.mark_changed();
                }
                changed = moved => {
                    if changed.is_err() {
                        // Out of service, deleted, or in service again: the next view says which.
                        *positions = self.app.reader().positions(self.query.authority.tenant());
                    }
                    return true;
                }
                () = clock.sleep_until(began + interval.max(TICK)) => return true,
            }
        }
    }
}
