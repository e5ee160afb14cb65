//! Posts one request at a time, and repeats it until it is known to be durable. Repeating is safe, since the service
//! recognises events that it has already taken.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, StatusCode, Url, redirect};
use serde::Deserialize;

use super::batches::Batch;
use crate::cli::Failure;
use crate::clock::Clock;

/// Longest time for one request; the service answers sooner.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time for opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time for which a batch is repeated without success.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);
/// First pause between two attempts, doubled after each; used where the service sends no `Retry-After`.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause between two attempts that is chosen here.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The service's response to a batch.
#[derive(Debug, Deserialize)]
pub struct Answer {
    /// The tenant's position after the batch.
    pub position: u64,
    /// The outcome of each event, in order.
    pub results: Vec<EventResult>,
}

/// The outcome of one event.
#[derive(Debug, Deserialize)]
pub struct EventResult {
    /// The event's id, if one could be read.
    pub id: Option<String>,
    /// `applied`, `stale`, `duplicate` or `rejected`.
    pub outcome: String,
    /// The reason, if the event was rejected.
    pub reason: Option<String>,
    /// The member, what was found there and what fits, with some rejected events.
    pub detail: Option<String>,
}

/// The reason why an attempt failed.
enum PostError {
    /// A later attempt may succeed; with the pause from `Retry-After`, if there is one.
    Temporary(String, Option<Duration>),
    /// No later attempt can succeed.
    Permanent(String),
}

/// Posts batches to one service, for one tenant.
pub struct Poster {
    client: Client,
    url: String,
    clock: Clock,
}

impl Poster {
    /// A poster for the service at `url`. Fails if the key cannot be sent in a header.
    pub fn new(url: &Url, key: &str, clock: Clock) -> Result<Self, Failure> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {key}"))
            .map_err(|_| Failure::setting("--key (ROLLCALL_KEY) contains characters that no key has"))?;
        bearer.set_sensitive(true);
        let headers = [(AUTHORIZATION, bearer), (CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"))];
        let client = Client::builder()
            .default_headers(HeaderMap::from_iter(headers))
            .timeout(REQUEST_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            // The key must not be sent to another address.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(Failure::other)?;
        let url = format!("{}/v1/events", url.as_str().trim_end_matches('/'));
        Ok(Poster { client, url, clock })
    }

    /// Posts one batch, and repeats it while a later attempt may succeed. `waiting` is called with the reason before
    /// each pause.
    pub async fn post(&self, batch: &Batch, waiting: impl Fn(&str)) -> Result<Answer, Failure> {
        let give_up = self.clock.monotonic() + RETRY_TIMEOUT;
        let mut pause = FIRST_PAUSE;
        loop {
            let (why, after) = match self.attempt(batch).await {
                Ok(answer) => return Ok(answer),
                Err(PostError::Permanent(why)) => return Err(Failure::other(format!("{}: {why}", batch.place()))),
                Err(PostError::Temporary(why, after)) => (why, after),
            };
            let wait = after.unwrap_or(pause);
            if self.clock.monotonic() + wait > give_up {
                return Err(Failure::other(format!(
                    "{}: {why}; gave up after {} s. It is unknown whether these lines were stored: run the same \
                     command again, which skips events that were stored before",
                    batch.place(),
                    RETRY_TIMEOUT.as_secs()
                )));
            }
            waiting(&why);
            self.clock.sleep(wait).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn attempt(&self, batch: &Batch) -> Result<Answer, PostError> {
        let request = self.client.post(&self.url).body(batch.body.clone());
        let response = request.send().await.map_err(|error| unsent(&error))?;
        let (status, after) = (response.status(), retry_after(response.headers()));
        let text = response.text().await.map_err(|error| unsent(&error))?;
        if status == StatusCode::OK {
            let answer: Answer = serde_json::from_str(&text)
                .map_err(|error| PostError::Permanent(format!("the response is not rollcall's: {error}")))?;
            if answer.results.len() == batch.lines.len() {
                return Ok(answer);
            }
            return Err(PostError::Permanent(String::from("the response does not have one result per event")));
        }
        let why = format!("{status}: {}", detail(&text));
        let may_pass =
            status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
        Err(if may_pass { PostError::Temporary(why, after) } else { PostError::Permanent(why) })
    }
}

/// Classifies a request without a response by its innermost error. A request that could not be built never succeeds.
fn unsent(error: &reqwest::Error) -> PostError {
    let mut why = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        why = error.to_string();
        cause = error.source();
    }
    if error.is_builder() { PostError::Permanent(why) } else { PostError::Temporary(why, None) }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

/// Returns the detail of a problem document, or the beginning of any other response.
fn detail(text: &str) -> String {
    #[derive(Deserialize)]
    struct Problem {
        detail: String,
    }
    match serde_json::from_str::<Problem>(text) {
        Ok(problem) => problem.detail,
        Err(_) => text.trim().chars().take(200).collect(),
    }
}
