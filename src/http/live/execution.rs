//! One execution: answers its question when the position moved, at most once an interval, on a tick, and at once when an
//! operation joins.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;

use super::{Computed, LiveAnswer, LiveEnd, LiveQuery, Newest, POSITION_TIMEOUT, Registered, TICK};
use crate::clock::Clock;
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
        let mut joins = self.guard.shared.joined.subscribe();
        let (mut last, mut served) = (None, 0);
        loop {
            let began = self.app.clock().monotonic();
            // Before the view is taken: a position that is published meanwhile leads to a further execution.
            positions.borrow_and_update();
            let joined = *joins.borrow_and_update();
            match self.answer().await {
                Ok(None) => {}
                Ok(Some(answer)) => {
                    let position = answer.position;
                    if last != Some(answer.fingerprint) || joined > served {
                        (last, served) = (Some(answer.fingerprint), joined);
                        let answer = Some(Arc::new(answer));
                        self.guard.shared.newest.send_replace(Newest { answer, joined, ..Newest::default() });
                    }
                    // After the answer, so that an operation that reads this position finds it.
                    self.guard.shared.answered.store(position, Ordering::Release);
                }
                Err(end) => {
                    self.guard.shared.newest.send_modify(|newest| newest.end = Some(end));
                    return;
                }
            }
            // An operation without its first answer does not wait for a long interval.
            let until = began + if joined > served { TICK } else { self.query.interval.max(TICK) };
            if !self.pause([began, until], &mut positions, &mut joins).await {
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
                () = reached(self.app.clock(), positions, least, until) => return true,
                () = self.guard.shared.newest.closed() => if self.guard.leave_if_unused() { return false },
                () = self.app.lifecycle().stopping().cancelled() => return false,
            }
        }
    }

    /// Answers the question on the newest view. `None` if the answer cannot be made now.
    async fn answer(&self) -> Result<Option<LiveAnswer>, LiveEnd> {
        let (app, tenant) = (&self.app, self.query.authority.tenant());
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
        let held = app.answers().map(|budget| budget.take(Owner::Tenant(tenant), body.len())).transpose();
        // Above the tenant's share of bytes the answer waits for the next execution.
        let Ok(held) = held else { return Ok(None) };
        Ok(Some(LiveAnswer { position, body, fingerprint, _held: held }))
    }

    /// Waits until the next execution is due, or an operation joins. Returns false if the execution ends instead.
    async fn pause(
        &self,
        [began, until]: [Duration; 2],
        positions: &mut watch::Receiver<u64>,
        joins: &mut watch::Receiver<u64>,
    ) -> bool {
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
                () = self.guard.shared.newest.closed() => {
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
                _ = joins.changed() => return true,
                () = clock.sleep_until(until) => return true,
            }
        }
    }
}

/// Waits until a position is reached, or until a monotonic time.
pub(super) async fn reached(clock: &Clock, positions: &mut watch::Receiver<u64>, least: u64, until: Duration) {
    tokio::select! {
        biased;
        // A closed channel shows when the question is answered.
        _ = positions.wait_for(|now| *now >= least) => {}
        () = clock.sleep_until(until) => {}
    }
}
