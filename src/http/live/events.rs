//! Live answers as server-sent events: the body of a response that ends with the client, its credential or the service.

use std::convert::Infallible;
use std::time::Duration;

use async_graphql::futures_util::stream::{StreamExt, iter, unfold};
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Response};
use bytes::Bytes;
use tokio::sync::watch;

use super::authority::{Authority, CheckedAuthority};
use super::late::LateOperation;
use super::permits::LivePermit;
use super::{Instant, LiveAnswer, LiveEnd};
use crate::http::connection::departure::Departure;
use crate::http::state::AppState;

/// The media type of events.
pub const EVENT_STREAM: &str = "text/event-stream";
/// Lets nginx pass each event on at once.
const NO_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The events of one protocol.
pub trait Form: Send + Sync + 'static {
    /// The time without an event after which [`Form::still`] is sent.
    const STILL_INTERVAL: Duration;

    /// Writes what comes before all events; nothing by default.
    fn begin(&self) -> Bytes {
        Bytes::new()
    }

    /// Writes an answer. `is_behind` is true for a first answer whose position is less than the one waited for.
    fn answer(&mut self, answer: &LiveAnswer, is_behind: bool) -> Bytes;

    /// Writes what shows that nothing differs at an instant; nothing if that is not shown.
    fn still(&mut self, now: Instant) -> Bytes;

    /// Writes the last events of a question that cannot be answered.
    fn refused(&mut self, errors: &Bytes) -> Bytes;
}

/// The events of one operation.
pub struct Events<F> {
    app: AppState,
    authority: CheckedAuthority,
    operation: LateOperation,
    form: F,
    revocations: watch::Receiver<()>,
    next_still: Duration,
    has_ended: bool,
    departure: Departure,
    _permit: LivePermit,
}

impl<F: Form> Events<F> {
    /// Makes the events of an operation. `permit` counts the connection.
    pub fn new(
        app: AppState,
        authority: Authority,
        operation: impl Into<LateOperation>,
        form: F,
        permit: LivePermit,
    ) -> Self {
        let operation = operation.into();
        let (now, revocations) = (app.clock().monotonic(), app.credentials().revocations(authority.tenant()));
        // The authority is checked at once: from here on no revocation is missed.
        let (authority, next_still) = (CheckedAuthority::new(authority, now), now + F::STILL_INTERVAL);
        let (has_ended, departure, _permit) = (false, app.drain().departure(), permit);
        Events { app, authority, operation, form, revocations, next_still, has_ended, departure, _permit }
    }

    /// Returns the response that has the events as its body.
    pub fn into_response(self) -> Response<Body> {
        let begin = Some(self.form.begin()).filter(|begin| !begin.is_empty());
        let events = unfold(self, |mut events| async move {
            let event = events.next().await?;
            Some((Ok::<_, Infallible>(event), events))
        });
        response(Body::from_stream(iter(begin.map(Ok)).chain(events)))
    }

    /// Waits for the next event; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if self.has_ended {
            return None;
        }
        loop {
            self.authority.check_if_due(&self.app).ok()?;
            let (until, app) = (self.next_still.min(self.authority.due()), self.app.clone());
            tokio::select! {
                biased;
                () = self.departure.due() => return None,
                changed = self.revocations.changed() => {
                    changed.ok()?;
                    self.authority.check(&self.app).ok()?;
                }
                newest = self.operation.next() => {
                    self.next_still = self.app.clock().monotonic() + F::STILL_INTERVAL;
                    self.authority.check(&self.app).ok()?;
                    match (newest.end, newest.answer) {
                        (None, Some(answer)) => return Some(self.form.answer(&answer, newest.is_behind)),
                        (Some(LiveEnd::Refused(errors)), _) => {
                            self.has_ended = true;
                            return Some(self.form.refused(&errors));
                        }
                        (Some(LiveEnd::Deleted | LiveEnd::Failed), _) => return None,
                        (None, None) => {}
                    }
                }
                () = app.clock().sleep_until(until) => {
                    let now = app.clock().monotonic();
                    if now >= self.next_still {
                        self.next_still = now + F::STILL_INTERVAL;
                        // None for an account that is out of service.
                        let snapshot = app.reader().snapshot(self.authority.tenant()).ok()?;
                        let now = Instant::of(&snapshot, app.clock().now()).answered(self.operation.answered());
                        let still = self.form.still(now);
                        if !still.is_empty() {
                            return Some(still);
                        }
                    }
                }
            }
        }
    }
}

/// Returns a response with events.
pub fn response(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(NO_BUFFERING, HeaderValue::from_static("no"));
    response
}

/// Writes an event whose data is one line.
pub fn event(name: &str, data: &[u8]) -> Vec<u8> {
    [b"event: ", name.as_bytes(), b"\ndata: ", data, b"\n\n"].concat()
}
