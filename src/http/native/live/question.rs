//! A breakdown as a live question: it is counted again on each view.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::super::breakdown::answer::Answer;
use super::super::breakdown::parameters::Asked;
use crate::domain::{Fault, TenantId};
use crate::engine::Snapshot;
use crate::http::live::authority::Authority;
use crate::http::live::{Answering, Computed, LiveQuery, Question};
use crate::http::state::AppState;
use crate::limits::TurnKey;

/// A breakdown, counted again on each view. Its ids and names were looked up when it was requested: what is deleted or
/// renamed later does not end it.
pub struct BreakdownQuestion {
    pub app: AppState,
    pub tenant: TenantId,
    pub asked: Asked,
}

impl BreakdownQuestion {
    /// Returns the live query of the breakdown.
    pub fn live(self, authority: Authority, interval: Duration) -> LiveQuery {
        // The text shows every part of it, so it is equal for equal breakdowns, however their parameters are spelled.
        let id = Sha256::digest(format!("{:?} {interval:?}", self.asked)).into();
        LiveQuery { authority, id, question: Arc::new(self), interval, min_position: None }
    }

    fn computed(&self, snapshot: &Snapshot) -> Result<Computed, Fault> {
        let Asked { question, users, .. } = &self.asked;
        match Answer::text(snapshot, self.app.clock().now(), users, question) {
            Ok((body, lasting)) => {
                let fingerprint = Sha256::digest(&body[lasting..]).into();
                Ok(Computed { body, fingerprint, is_refused: false })
            }
            // More combinations than can be counted.
            Err(Fault::Malformed(detail)) => {
                let body = json!({ "detail": detail }).to_string().into();
                Ok(Computed { body, fingerprint: [0; 32], is_refused: true })
            }
            Err(fault) => Err(fault),
        }
    }
}

impl Question for BreakdownQuestion {
    fn answer(self: Arc<Self>, snapshot: Snapshot) -> Answering {
        let (app, key) = (self.app.clone(), TurnKey::Tenant(self.tenant));
        // A late turn lengthens the interval: only what is requested once is rejected for the length of the queue.
        Box::pin(async move { app.lifecycle().continue_cpu_bound(key, move || self.computed(&snapshot)).await? })
    }
}
