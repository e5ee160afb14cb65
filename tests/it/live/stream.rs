//! A client of server-sent events.

use std::time::Duration;

use reqwest::{RequestBuilder, Response};
use serde_json::Value;

use crate::support::captured_output;

/// The timeout of every wait for an event.
const EVENT_TIMEOUT: Duration = Duration::from_secs(15);

/// One event, or the fields before the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    pub id: Option<u64>,
    pub name: String,
    pub data: String,
    pub retry: Option<u64>,
}

impl Event {
    fn parse(text: &str) -> Self {
        let mut event = Event::default();
        for line in text.lines() {
            let (field, value) = line.split_once(": ").expect("a field");
            match field {
                "id" => event.id = Some(value.parse().expect("a position")),
                "event" => event.name = value.to_owned(),
                "data" => event.data = value.to_owned(),
                "retry" => event.retry = Some(value.parse().expect("milliseconds")),
                _ => panic!("unexpected field: {line}"),
            }
        }
        event
    }

    /// Returns the data. Panics unless the event has this name.
    pub fn json(&self, name: &str) -> Value {
        assert_eq!(self.name, name, "{self:?}");
        serde_json::from_str(&self.data).expect("JSON")
    }
}

/// A response with events.
pub struct Stream {
    response: Response,
    text: String,
}

impl Stream {
    /// Sends a request. Panics unless it is answered with events.
    pub async fn open(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let header = |name: &str| headers.get(name).map(|value| value.to_str().expect("text").to_owned());
        let stream = Stream { response, text: String::new() };
        if status != 200 {
            panic!("{status} {}", stream.response.text().await.expect("a text"));
        }
        assert_eq!(header("content-type").as_deref(), Some("text/event-stream; charset=utf-8"));
        assert_eq!(header("cache-control").as_deref(), Some("no-store"));
        assert_eq!(header("x-accel-buffering").as_deref(), Some("no"));
        stream
    }

    /// Returns the next event; `None` at the end.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let event = Event::parse(event);
                self.text = rest.to_owned();
                captured_output::record(&format!("{event:?}"));
                return Some(event);
            }
            let chunk = tokio::time::timeout(EVENT_TIMEOUT, self.response.chunk()).await.expect("an event in time");
            self.text.push_str(std::str::from_utf8(&chunk.ok()??).expect("UTF-8"));
        }
    }

    /// Returns the data of the next event, which must have this name.
    pub async fn json(&mut self, name: &str) -> Value {
        self.next().await.expect("an event").json(name)
    }
}
