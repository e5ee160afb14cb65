//! The format of a vector file, and its runner.
//!
//! A file has an `about`, `setup` and `steps`. Each name in `setup` is a file of `tests/vectors/setup`, a list of steps
//! that run first. Every file has two new tenants of its own, both empty. Steps run in order, and all of them, whatever
//! fails. A step has:
//!
//! * `name`, and where it helps `why`: the clause or decision that the expectation follows from.
//! * `request`: `method`, `path`, `headers`, and at most one body. `json` is sent as `application/json` and `form` as
//!   `application/x-www-form-urlencoded`, unless `headers` has a type; `body` is sent as it is, and `repeat` (`prefix`,
//!   `text`, `times`, `suffix`) as one long text, both without a type. `sign` adds a header (`header`, `secret`,
//!   `prefix`) with the HMAC-SHA256 of the body, or of `other_body`.
//! * `expect`: `status`; `headers`, and `absent_headers`; the body as `text`, as `json`, or as `json_has`, which
//!   compares only the members that it names. Without an expected `status` every status below 500 passes.
//! * `unchanged`: the first tenant's position must not change.
//! * `save`: values of the response to use in later steps, as `{name: JSON pointer}`.
//!
//! Requests may contain `{{key}}` and `{{tenant}}` of the first tenant, `{{key_b}}` and `{{tenant_b}}` of the second,
//! `{{key:SCOPE}}`, a key of the first with one scope; `{{revoked}}`, a revoked key; `{{admin}}`, the administrator's
//! token; `{{saved:NAME}}`; `{{base64:TEXT}}`; and `{{now}}`, or `{{now-60}}` with an offset in seconds. Expectations
//! may contain `{{any}}`, `{{int}}`, `{{string}}` and `{{uuid}}`, each for any value of its kind, and in JSON
//! `{{saved:NAME}}`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine};
use rollcall::domain::{TenantId, Time};
use serde::Deserialize;
use serde_json::Value;

use super::compare::{differs, is_placeholder};
use crate::support::api::{first_event, is_endless};
use crate::support::signing::hmac;
use crate::support::{ADMIN, Service};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vectors {
    #[serde(rename = "about")]
    _about: String,
    #[serde(default)]
    setup: Vec<String>,
    pub steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    name: String,
    #[serde(default, rename = "why")]
    _why: Option<String>,
    request: Request,
    #[serde(default)]
    expect: Expect,
    #[serde(default)]
    unchanged: bool,
    #[serde(default)]
    save: HashMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    method: String,
    path: String,
    #[serde(default)]
    headers: HashMap<String, String>,
    json: Option<Value>,
    body: Option<String>,
    form: Option<String>,
    repeat: Option<Repeat>,
    sign: Option<Sign>,
}

/// A header with the HMAC-SHA256 of the body, or of another text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sign {
    header: String,
    secret: String,
    #[serde(default)]
    prefix: String,
    other_body: Option<String>,
}

#[derive(Deserialize)]
struct Repeat {
    text: String,
    times: usize,
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    suffix: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    status: Option<u16>,
    #[serde(default)]
    headers: HashMap<String, String>,
    json: Option<Value>,
    json_has: Option<Value>,
    text: Option<String>,
    #[serde(default)]
    absent_headers: Vec<String>,
}

/// The two tenants of one file, and the values that its requests may contain.
struct Runner<'s> {
    service: &'s Service,
    tenant: String,
    texts: HashMap<String, String>,
    keys: HashMap<String, String>,
}

/// Returns the folder of the vectors.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// Reads a file by its name without the extension.
pub fn read_vectors(name: &str) -> Vectors {
    read(&folder().join(format!("{name}.json")))
}

/// Runs a file; returns the number of its steps and a message for each that failed.
pub async fn run_file(service: &Service, name: &str) -> (usize, Vec<String>) {
    let vectors = read_vectors(name);
    let mut runner = Runner::new(service, name).await;
    let mut failures = Vec::new();
    for setup in &vectors.setup {
        let steps: Vec<Step> = read(&folder().join(format!("setup/{setup}.json")));
        for step in &steps {
            if let Err(error) = runner.run(step).await {
                failures.push(format!("{name}, set-up {setup}, {}: {error}", step.name));
            }
        }
    }
    for step in &vectors.steps {
        if let Err(error) = runner.run(step).await {
            failures.push(format!("{name}, {}: {error}", step.name));
        }
    }
    (vectors.steps.len(), failures)
}

fn read<T: for<'de> Deserialize<'de>>(file: &Path) -> T {
    let text = std::fs::read_to_string(file).expect("a readable file");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

impl<'s> Runner<'s> {
    async fn new(service: &'s Service, name: &str) -> Self {
        let (tenant, tenant_b) =
            (service.tenant(&format!("{name} a")).await, service.tenant(&format!("{name} b")).await);
        let (revoked_id, revoked) = service.key(&tenant, &["*"]).await;
        let path = service.url(&format!("/v1/tenants/{tenant}/keys/{revoked_id}"));
        let response = service.client.delete(path).bearer_auth(ADMIN).send().await.expect("an answer");
        assert_eq!(response.status(), 204);
        let texts = HashMap::from([
            (String::from("key"), service.key(&tenant, &["*"]).await.1),
            (String::from("key_b"), service.key(&tenant_b, &["*"]).await.1),
            (String::from("revoked"), revoked),
            (String::from("admin"), ADMIN.to_owned()),
            (String::from("tenant"), tenant.clone()),
            (String::from("tenant_b"), tenant_b),
        ]);
        Runner { service, tenant, texts, keys: HashMap::new() }
    }

    /// Returns the first tenant's position.
    fn position(&self) -> u64 {
        let tenant = TenantId(self.tenant.parse().expect("an id"));
        self.service.app.reader.snapshot(tenant).unwrap().view.position()
    }

    /// Sends a step's request and checks the response; returns what differs.
    async fn run(&mut self, step: &Step) -> Result<(), String> {
        let before = self.position();
        let request = self.build(&step.request).await?;
        let mut response = self.service.client.execute(request).await.map_err(|error| format!("{error:?}"))?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let read = if is_endless(&response) { first_event(&mut response).await } else { response.text().await };
        let body = read.map_err(|error| error.to_string())?;
        let shown = || format!("{status} {}", body.chars().take(600).collect::<String>());
        if step.expect.status.is_some_and(|expected| expected != status) {
            return Err(format!("expected {:?}, got {}", step.expect.status, shown()));
        }
        if status >= 500 && step.expect.status != Some(status) {
            return Err(format!("a 5xx: {}", shown()));
        }
        for (name, expected) in &step.expect.headers {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            let value = value.ok_or_else(|| format!("no header {name}"))?;
            let as_json = value.parse::<i64>().map_or_else(|_| Value::from(value), Value::from);
            if value != expected && !is_placeholder(expected, &as_json) {
                return Err(format!("header {name}: expected {expected}, got {value}"));
            }
        }
        if let Some(name) = step.expect.absent_headers.iter().find(|name| headers.contains_key(name.as_str())) {
            return Err(format!("the response has the header {name}"));
        }
        if step.expect.text.as_ref().is_some_and(|text| *text != body) {
            return Err(format!("a different text: {}", shown()));
        }
        // The JSON of events is the data of the first.
        let data = body.lines().find_map(|line| line.strip_prefix("data: "));
        let json = serde_json::from_str::<Value>(data.unwrap_or(&body));
        for (expected, exactly) in [(&step.expect.json, true), (&step.expect.json_has, false)] {
            let Some(expected) = expected else { continue };
            let got = json.as_ref().map_err(|error| format!("no JSON ({error}): {}", shown()))?;
            differs(&self.with_saved(expected), got, exactly, "")
                .map_or(Ok(()), |at| Err(format!("{at}; the whole response: {}", shown())))?;
        }
        for (name, pointer) in &step.save {
            let value = json.as_ref().ok().and_then(|json| json.pointer(pointer)).and_then(Value::as_str);
            let value = value.ok_or_else(|| format!("no text at {pointer}"))?;
            self.texts.insert(format!("saved:{name}"), value.to_owned());
        }
        if step.unchanged && self.position() != before {
            return Err(format!("the position changed from {before} to {}", self.position()));
        }
        Ok(())
    }

    async fn build(&mut self, request: &Request) -> Result<reqwest::Request, String> {
        let url = self.service.url(&self.expand(&request.path).await?);
        let method: reqwest::Method = request.method.parse().map_err(|_| String::from("a method"))?;
        let mut builder = self.service.client.request(method, url);
        let has_type = request.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type"));
        for (name, value) in &request.headers {
            builder = builder.header(name, self.expand(value).await?);
        }
        let (body, media_type) = if let Some(json) = &request.json {
            (Some(self.expand(&json.to_string()).await?), Some("application/json"))
        } else if let Some(form) = &request.form {
            (Some(self.expand(form).await?), Some("application/x-www-form-urlencoded"))
        } else if let Some(repeat) = &request.repeat {
            let prefix = self.expand(&repeat.prefix).await?;
            (Some(format!("{prefix}{}{}", repeat.text.repeat(repeat.times), repeat.suffix)), None)
        } else if let Some(body) = &request.body {
            (Some(self.expand(body).await?), None)
        } else {
            (None, None)
        };
        if let Some(media_type) = media_type.filter(|_| !has_type) {
            builder = builder.header("content-type", media_type);
        }
        if let Some(Sign { header, secret, prefix, other_body }) = &request.sign {
            let signed = other_body.as_deref().or(body.as_deref()).unwrap_or_default();
            builder = builder.header(header, format!("{prefix}{}", hmac(&self.expand(secret).await?, signed)));
        }
        if let Some(body) = body {
            builder = builder.body(body);
        }
        builder.build().map_err(|error| error.to_string())
    }

    /// Returns the expected JSON with saved texts in the place of their names.
    fn with_saved(&self, expected: &Value) -> Value {
        let mut text = expected.to_string();
        for (name, value) in self.texts.iter().filter(|(name, _)| name.starts_with("saved:")) {
            let escaped = Value::from(value.as_str()).to_string();
            text = text.replace(&format!("{{{{{name}}}}}"), &escaped[1..escaped.len() - 1]);
        }
        serde_json::from_str(&text).expect("the JSON that it was")
    }

    /// Replaces each `{{…}}` by its value, the innermost first.
    async fn expand(&mut self, text: &str) -> Result<String, String> {
        let mut text = text.to_owned();
        while let Some(start) = text.rfind("{{") {
            let Some(length) = text[start..].find("}}") else { break };
            let name = text[start + 2..start + length].to_owned();
            // Braces without a known name, as in nested JSON, stay as they are.
            let Some(value) = self.value(&name).await else { break };
            text.replace_range(start..start + length + 2, &value);
        }
        Ok(text)
    }

    async fn value(&mut self, name: &str) -> Option<String> {
        if let Some(text) = self.texts.get(name) {
            return Some(text.clone());
        }
        if let Some(scope) = name.strip_prefix("key:") {
            if !self.keys.contains_key(scope) {
                let (_, key) = self.service.key(&self.tenant, &[scope]).await;
                self.keys.insert(scope.to_owned(), key);
            }
            return self.keys.get(scope).cloned();
        }
        if let Some(text) = name.strip_prefix("base64:") {
            return Some(BASE64_STANDARD.encode(text));
        }
        let offset = name.strip_prefix("now")?;
        let seconds: i64 = if offset.is_empty() { 0 } else { offset.parse().ok()? };
        Some(now().plus_seconds(seconds).to_string())
    }
}

#[expect(clippy::disallowed_methods, reason = "the service under test runs on the machine's clock")]
fn now() -> Time {
    jiff::Timestamp::now().into()
}
