//! One request at a time, sent again until it is known to be durable: the service recognises what it had taken.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, StatusCode, Url, redirect};
use serde::Deserialize;

use super::batches::Batch;
use crate::cli::Failure;
use crate::clock::Clock;

/// How long one request may take; the service itself answers sooner.
const ATTEMPT: Duration = Duration::from_secs(30);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a batch is tried without success.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pauses between attempts where the service names none: from, doubled each time, up to.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// What the service says of a batch.
#[derive(Debug, Deserialize)]
pub struct Answer {
    /// The tenant's position after it.
    pub position: u64,
    /// What became of each event, in order.
    pub results: Vec<EventResult>,
}

/// What became of one event.
#[derive(Debug, Deserialize)]
pub struct EventResult {
    /// Its id, where one could be read.
    pub id: Option<String>,
    /// `applied`, `stale`, `duplicate` or `rejected`.
    pub outcome: String,
    /// Why it was rejected.
    pub reason: Option<String>,
}

/// Why an attempt did not succeed.
enum Failed {
    /// Trying again may help: after so long, if the service said so.
    ForNow(String, Option<Duration>),
    /// It never will.
    ForGood(String),
}

/// Posts batches to one service, for one tenant.
pub struct Poster {
    client: Client,
    url: String,
    clock: Clock,
}

impl Poster {
    /// For the service at `url`.
    pub fn new(url: &Url, key: &str, clock: Clock) -> Result<Self, Failure> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {key}"))
            .map_err(|_| Failure::setting("--key (ROLLCALL_KEY) holds characters that no key has"))?;
        bearer.set_sensitive(true);
        let headers = [(AUTHORIZATION, bearer), (CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"))];
        let client = Client::builder()
            .default_headers(HeaderMap::from_iter(headers))
            .timeout(ATTEMPT)
            .connect_timeout(CONNECT)
            .redirect(redirect::Policy::none())
            .build()
            .map_err(Failure::other)?;
        let url = format!("{}/v1/events", url.as_str().trim_end_matches('/'));
        Ok(Poster { client, url, clock })
    }

    /// Posts one batch, again and again while that may help; `waiting` hears why it does not help yet.
    pub async fn post(&self, batch: &Batch, waiting: impl Fn(&str)) -> Result<Answer, Failure> {
        let give_up = self.clock.monotonic() + PATIENCE;
        let mut pause = PAUSE.0;
        loop {
            let (why, after) = match self.attempt(batch).await {
                Ok(answer) => return Ok(answer),
                Err(Failed::ForGood(why)) => return Err(Failure::other(format!("{}: {why}", batch.place()))),
                Err(Failed::ForNow(why, after)) => (why, after),
            };
            let wait = after.unwrap_or(pause);
            if self.clock.monotonic() + wait > give_up {
                return Err(Failure::other(format!(
                    "{}: {why}; gave up after {} s. Whether these lines were taken is unknown: run the same command \
                     again, and what was taken is recognised",
                    batch.place(),
                    PATIENCE.as_secs()
                )));
            }
            waiting(&why);
            self.clock.sleep(wait).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    async fn attempt(&self, batch: &Batch) -> Result<Answer, Failed> {
        let request = self.client.post(&self.url).body(batch.body.clone());
        let response = request.send().await.map_err(|error| unsent(&error))?;
        let (status, after) = (response.status(), retry_after(response.headers()));
        let text = response.text().await.map_err(|error| unsent(&error))?;
        if status == StatusCode::OK {
            let answer: Answer = serde_json::from_str(&text)
                .map_err(|error| Failed::ForGood(format!("the answer is not rollcall's: {error}")))?;
            if answer.results.len() == batch.lines.len() {
                return Ok(answer);
            }
            return Err(Failed::ForGood(String::from("the answer is not one result an event")));
        }
        let why = format!("{status}: {}", detail(&text));
        let may_pass =
            status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
        Err(if may_pass { Failed::ForNow(why, after) } else { Failed::ForGood(why) })
    }
}

/// A request that got no answer. What could not even be put together will not get one later.
fn unsent(error: &reqwest::Error) -> Failed {
    let mut why = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        why = error.to_string();
        cause = error.source();
    }
    if error.is_builder() { Failed::ForGood(why) } else { Failed::ForNow(why, None) }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

/// What a problem document says, or the beginning of whatever else was answered.
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
