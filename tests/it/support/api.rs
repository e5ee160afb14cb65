//! A service as its clients see it: an address that answers HTTP.

use std::fmt::Display;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use super::{ADMIN, told};

/// Longer than any answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A service at an address.
#[derive(Clone)]
pub struct Api {
    base: String,
    client: Client,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

/// A tenant and a key of its that may do everything.
#[derive(Clone, Debug)]
pub struct Persona {
    pub tenant: String,
    pub key: String,
}

impl Answer {
    /// The body.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// A header, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    /// The position that the answer describes.
    pub fn position(&self) -> u64 {
        self.header("rollcall-position").and_then(|text| text.parse().ok()).expect("a position")
    }

    /// The outcome of each event of a request with events.
    pub fn outcomes(&self) -> Vec<String> {
        let body = self.json();
        let results = body["results"].as_array().unwrap_or_else(|| panic!("no results: {}", self.text));
        results.iter().map(|result| result["outcome"].as_str().expect("an outcome").to_owned()).collect()
    }

    /// Refused for now, and told when to come again.
    pub fn is_unavailable(&self) -> bool {
        self.status == 503 && self.header("retry-after").is_some_and(|after| after.parse::<u32>().is_ok())
    }

    /// Panics unless it is a success.
    pub fn ok(self) -> Self {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.text);
        self
    }
}

impl Api {
    /// The service at an address, with connections of its own.
    pub fn at(address: impl Display) -> Self {
        let client = Client::builder().timeout(PATIENCE).build().expect("a client");
        Api { base: format!("http://{address}"), client }
    }

    /// What the requests go through.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// A request to be filled in.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    /// A POST of a form.
    pub fn form(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.request(Method::POST, path);
        request.header("Content-Type", "application/x-www-form-urlencoded").body(form)
    }

    /// A GET with a bearer token.
    pub async fn get(&self, key: &str, path: &str) -> Result<Answer, reqwest::Error> {
        send(self.request(Method::GET, path).bearer_auth(key)).await
    }

    /// A POST of JSON with a bearer token.
    pub async fn post(&self, key: &str, path: &str, body: &Value) -> Result<Answer, reqwest::Error> {
        send(self.request(Method::POST, path).bearer_auth(key).json(body)).await
    }

    /// Posts events.
    pub async fn events(&self, key: &str, events: &[Value]) -> Result<Answer, reqwest::Error> {
        self.post(key, "/v1/events", &Value::from(events)).await
    }

    /// Posts events, all of which must be taken.
    pub async fn told(&self, key: &str, events: &[Value]) -> Answer {
        let answer = self.events(key, events).await.expect("an answer").ok();
        let outcomes = answer.outcomes();
        assert!(outcomes.iter().all(|outcome| outcome == "applied"), "{}", answer.text);
        answer
    }

    /// Upserts a directory; panics unless it succeeds.
    pub async fn put_directory(&self, key: &str, document: &Value) -> Answer {
        let request = self.request(Method::PUT, "/v1/directory").bearer_auth(key).json(document);
        send(request).await.expect("an answer").ok()
    }

    /// A GraphQL request.
    pub async fn graphql(&self, key: &str, query: &str) -> Result<Answer, reqwest::Error> {
        self.post(key, "/graphql", &json!({ "query": query })).await
    }

    /// How many are connected, as GraphQL has it, and the position of that.
    pub async fn connected(&self, key: &str) -> (u64, u64) {
        let answer = self.graphql(key, "{connectedUsersIndicator{connectedUsersCount}}").await.expect("an answer").ok();
        let count = answer.json()["data"]["connectedUsersIndicator"]["connectedUsersCount"].as_u64();
        (count.expect("a count"), answer.position())
    }

    /// Adds a tenant; answers its id.
    pub async fn tenant(&self, name: &str) -> String {
        let answer = self.post(ADMIN, "/v1/tenants", &json!({ "name": name })).await.expect("an answer").ok();
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    /// Gives a tenant a key; answers its id and the key.
    pub async fn key(&self, tenant: &str, scopes: &[&str]) -> (String, String) {
        let path = format!("/v1/tenants/{tenant}/keys");
        let wanted = json!({ "name": "test", "scopes": scopes });
        let made = self.post(ADMIN, &path, &wanted).await.expect("an answer").ok().json();
        let text = |member: &str| made[member].as_str().expect("a text").to_owned();
        (text("id"), text("key"))
    }

    /// A tenant with a key for everything.
    pub async fn persona(&self, name: &str) -> Persona {
        let tenant = self.tenant(name).await;
        let key = self.key(&tenant, &["*"]).await.1;
        Persona { tenant, key }
    }

    /// Whether the service says that it is ready.
    pub async fn is_ready(&self) -> bool {
        matches!(send(self.request(Method::GET, "/readyz")).await, Ok(answer) if answer.status == 200)
    }
}

/// Sends a request and reads the answer to its end.
pub async fn send(request: RequestBuilder) -> Result<Answer, reqwest::Error> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let path = response.url().path().to_owned();
    let text = response.text().await?;
    told::keep_answer(&path, status, &format!("{headers:?} {text}"));
    Ok(Answer { status, headers, text })
}
