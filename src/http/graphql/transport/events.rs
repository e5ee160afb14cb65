//! GraphQL over SSE: the distinct connections of its protocol, with the events `next` and `complete`.

use std::time::Duration;

use axum::body::Body;
use axum::http::Response;
use bytes::Bytes;

use crate::http::graphql::subscription::question::with_reset;
use crate::http::live::events::{Form, event, response};
use crate::http::live::{Instant, LiveAnswer};

/// The events of a subscription.
#[derive(Default)]
pub struct SubscriptionEvents {
    /// The last answer, which is sent again.
    last: Bytes,
}

impl Form for SubscriptionEvents {
    const STILL_INTERVAL: Duration = Duration::from_secs(10);

    fn answer(&mut self, answer: &LiveAnswer, is_behind: bool) -> Bytes {
        self.last = event("next", &answer.body).into();
        if is_behind { event("next", &with_reset(&answer.body)).into() } else { self.last.clone() }
    }

    fn still(&mut self, _now: Instant) -> Bytes {
        self.last.clone()
    }

    fn refused(&mut self, errors: &Bytes) -> Bytes {
        completed(&with_errors(errors))
    }
}

/// Returns the response to an operation with one answer.
pub fn once(answer: &[u8]) -> Response<Body> {
    response(Body::from(completed(answer)))
}

/// Returns the answer that has a list of errors, which is in JSON already, and no data.
pub fn with_errors(errors: &[u8]) -> Vec<u8> {
    [b"{\"errors\":", errors, b"}"].concat()
}

fn completed(answer: &[u8]) -> Bytes {
    let mut events = event("next", answer);
    events.extend_from_slice(&event("complete", b""));
    events.into()
}
