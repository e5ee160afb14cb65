//! An HTTP client of one service: requests with credentials, events, directories, GraphQL and administration.

use std::fmt::Display;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder, Response};
use rollcall::http::health::OWN_CHECK;
use serde_json::{Value, json};

use super::tasks::{Stopwatch, TIMEOUT};
use super::{ADMIN, captured_output};

/// The timeout of every request; longer than the service may take for any answer, also on a busy machine.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// A client of the service at one address. A clone shares its connections.
#[derive(Clone)]
pub struct Api {
    base: String,
    client: Client,
}

/// A response with its whole body.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

/// A tenant and one of its keys, which has the scope `*`.
#[derive(Clone, Debug)]
pub struct Persona {
    pub tenant: String,
    pub key: String,
}

impl Answer {
    /// Parses the body. Panics with the body if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// Returns a header's value, if the response has it.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    /// Returns the `Rollcall-Position` header. Panics without it.
    pub fn position(&self) -> u64 {
        self.header("rollcall-position").and_then(|text| text.parse().ok()).expect("a position")
    }

    /// Returns the outcome of each event, in the order of the request. Panics unless this is a response to events.
    pub fn outcomes(&self) -> Vec<String> {
        let body = self.json();
        let results = body["results"].as_array().unwrap_or_else(|| panic!("no results: {}", self.text));
        results.iter().map(|result| result["outcome"].as_str().expect("an outcome").to_owned()).collect()
    }

    /// Returns whether the response is a 503 with a numeric `Retry-After`.
    pub fn is_unavailable(&self) -> bool {
        self.status == 503 && self.header("retry-after").is_some_and(|after| after.parse::<u32>().is_ok())
    }

    /// Panics unless the status is 2xx.
    pub fn ok(self) -> Self {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.text);
        self
    }
}

impl Api {
    /// Returns a client of the service at an address, with a connection pool of its own.
    pub fn at(address: impl Display) -> Self {
        let client = Client::builder().timeout(REQUEST_TIMEOUT).build().expect("a client");
        Api { base: format!("http://{address}"), client }
    }

    /// Returns the underlying client, for requests that this type has no method for.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Returns the URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Returns a request to a path, without a credential or a body.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    /// Returns a POST of a form.
    pub fn form(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.request(Method::POST, path);
        request.header("Content-Type", "application/x-www-form-urlencoded").body(form)
    }

    /// Sends a GET with a bearer token.
    pub async fn get(&self, key: &str, path: &str) -> Result<Answer, reqwest::Error> {
        send(self.request(Method::GET, path).bearer_auth(key)).await
    }

    /// Sends a POST of JSON with a bearer token.
    pub async fn post(&self, key: &str, path: &str, body: &Value) -> Result<Answer, reqwest::Error> {
        send(self.request(Method::POST, path).bearer_auth(key).json(body)).await
    }

    /// Posts events to `/v1/events`.
    pub async fn events(&self, key: &str, events: &[Value]) -> Result<Answer, reqwest::Error> {
        self.post(key, "/v1/events", &Value::from(events)).await
    }

    /// Posts events. Panics unless the outcome of each is `applied`.
    pub async fn apply(&self, key: &str, events: &[Value]) -> Answer {
        let sent = AtomicUsize::new(0);
        let send = || {
            sent.fetch_add(1, Ordering::Relaxed);
            self.events(key, events)
        };
        let answer = until_available(send).await.ok();
        // The outcome of a 503 is unknown: the events may be there.
        let also = if sent.into_inner() > 1 { "duplicate" } else { "applied" };
        let outcomes = answer.outcomes();
        assert!(outcomes.iter().all(|outcome| outcome == "applied" || outcome == also), "{}", answer.text);
        answer
    }

    /// Upserts a directory document. Panics unless it succeeds.
    pub async fn put_directory(&self, key: &str, document: &Value) -> Answer {
        let request = || self.request(Method::PUT, "/v1/directory").bearer_auth(key).json(document);
        until_available(|| send(request())).await.ok()
    }

    /// Sends a GraphQL document without variables.
    pub async fn graphql(&self, key: &str, query: &str) -> Result<Answer, reqwest::Error> {
        self.post(key, "/graphql", &json!({ "query": query })).await
    }

    /// Returns the number of connected users from GraphQL's indicator, and the position of the answer.
    pub async fn connected(&self, key: &str) -> (u64, u64) {
        let query = "{connectedUsersIndicator{connectedUsersCount}}";
        let answer = until_available(|| self.graphql(key, query)).await.ok();
        let count = answer.json()["data"]["connectedUsersIndicator"]["connectedUsersCount"].as_u64();
        (count.expect("a count"), answer.position())
    }

    /// Creates a tenant; returns its id.
    pub async fn tenant(&self, name: &str) -> String {
        let answer = self.post(ADMIN, "/v1/tenants", &json!({ "name": name })).await.expect("an answer").ok();
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    /// Creates a key of a tenant; returns the key's id and the key.
    pub async fn key(&self, tenant: &str, scopes: &[&str]) -> (String, String) {
        let path = format!("/v1/tenants/{tenant}/keys");
        let wanted = json!({ "name": "test", "scopes": scopes });
        // An unused key disturbs no test.
        let made = until_available(|| self.post(ADMIN, &path, &wanted)).await.ok().json();
        let text = |member: &str| made[member].as_str().expect("a text").to_owned();
        (text("id"), text("key"))
    }

    /// Creates a tenant and a key of it with the scope `*`.
    pub async fn persona(&self, name: &str) -> Persona {
        let tenant = self.tenant(name).await;
        let key = self.key(&tenant, &["*"]).await.1;
        Persona { tenant, key }
    }

    /// Returns whether `/readyz` answers 200. Asks as `rollcall healthcheck` does: a load balancer's probe would make each stop
    /// of a process wait.
    pub async fn is_ready(&self) -> bool {
        matches!(send(self.request(Method::GET, "/readyz").header("User-Agent", OWN_CHECK)).await, Ok(answer) if answer.status == 200)
    }
}

/// Sends a request, which may be repeated, until the answer is not 503: on a busy machine the store may be late.
pub async fn until_available<F>(request: impl Fn() -> F) -> Answer
where
    F: Future<Output = Result<Answer, reqwest::Error>>,
{
    let watch = Stopwatch::start();
    loop {
        let answer = request().await.expect("an answer");
        if !answer.is_unavailable() {
            return answer;
        }
        assert!(watch.elapsed() < TIMEOUT, "unavailable for {TIMEOUT:?}: {}", answer.text);
    }
}

/// Sends a request and reads the whole response; of the events of `/v1/live`, which do not end, those up to the first with
/// data. The response is recorded in the captured output.
pub async fn send(request: RequestBuilder) -> Result<Answer, reqwest::Error> {
    let mut response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let path = response.url().path().to_owned();
    let text = if is_endless(&response) { first_event(&mut response).await? } else { response.text().await? };
    captured_output::record_answer(&path, status, &format!("{headers:?} {text}"));
    Ok(Answer { status, headers, text })
}

/// Returns true for a response whose events do not end.
pub fn is_endless(response: &Response) -> bool {
    response.status().as_u16() == 200 && response.url().path().ends_with("/v1/live")
}

/// Reads events up to the first one with data, or to the end of the stream: it ends without one if its credential is
/// revoked just after the status was sent.
pub async fn first_event(response: &mut Response) -> Result<String, reqwest::Error> {
    let mut text = String::new();
    while !text.contains("\ndata: ") || !text.ends_with("\n\n") {
        let Some(chunk) = response.chunk().await? else { break };
        text.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
    }
    Ok(text)
}
