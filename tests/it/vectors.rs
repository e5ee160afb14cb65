//! The acceptance vectors of `tests/vectors`, over HTTP, on both stores. Every file is a test of its own name, so that
//! it can be run alone: `cargo embedded oauth_client`. docs/testing.md describes the files.

mod shared;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine};
use rollcall::domain::{TenantId, Time};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::support::signing::hmac;
use crate::support::{ADMIN, Service};

/// Makes a test of each file for each store.
macro_rules! vectors {
    ($($name:ident)*) => {
        /// The files that are tests, in the order of their names.
        const FILES: &[&str] = &[$(stringify!($name)),*];

        mod embedded {
            $(#[test]
            fn $name() {
                super::shared::run(crate::support::Backend::Embedded, stringify!($name));
            })*
        }

        mod postgres {
            $(#[test]
            fn $name() {
                super::shared::run(crate::support::Backend::Postgres, stringify!($name));
            })*
        }
    };
}

vectors! {
    agents_count_v0
    agents_definitions
    agents_presence
    agents_presences
    bad_input_agents
    bad_input_agents_queries
    bad_input_agents_values
    bad_input_convoso
    bad_input_convoso_ids
    bad_input_desk
    bad_input_graphql
    bad_input_graphql_documents
    bad_input_graphql_limits
    bad_input_graphql_users
    bad_input_iadvize
    bad_input_iadvize_one
    bad_input_native
    bad_input_operator
    bad_input_vonage
    bad_input_vonage_body
    bad_input_webhooks
    conversations_bad_input
    conversations_lists
    conversations_seed
    conversations_slots
    conversations_text
    convoso_agent_monitor
    directory_live
    directory_operator_fields
    directory_refusals
    directory_upsert
    events_envelope
    events_envelope_values
    events_leases
    events_outcomes
    events_sessions
    events_slots
    events_slots_more
    events_status
    events_sync
    events_transport
    events_unknown_users
    fixture_convoso
    fixture_graphql
    fixture_graphql_forms
    fixture_rest_live
    fixture_vonage
    graphql_routing_rule
    graphql_user_availability
    graphql_users
    isolation
    isolation_agent_monitor
    isolation_agents
    isolation_conversations
    isolation_desk
    isolation_graphql
    isolation_live
    isolation_operator
    isolation_routing
    isolation_webhooks
    isolation_writes
    mutants
    oauth_client
    oauth_operator_password
    oauth_password
    oauth_revoke
    positions
    rest_grouping
    rest_operator_change
    rest_operator_create
    rest_operator_get
    rest_operator_list
    rest_set_live
    seeds_convoso
    seeds_graphql
    seeds_iadvize_live
    seeds_vonage
    seeds_vonage_summary
    tenants_keys
    tenants_keys_refusals
    tenants_limits
    tenants_settings
    webhooks_iadvize
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    #[serde(rename = "about")]
    _about: String,
    #[serde(default)]
    setup: Vec<String>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
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

/// A header with the HMAC-SHA256 of the body as it is sent, or of another text than is sent.
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

/// Two tenants and their keys, for one file of vectors.
struct Cast<'s> {
    service: &'s Service,
    tenant: String,
    texts: HashMap<String, String>,
    keys: HashMap<String, String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// A file that is added to the folder is added to the list above.
#[test]
fn files_are_those_of_the_folder() {
    let entries = std::fs::read_dir(folder()).expect("the vectors").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    files.sort();
    let stems: Vec<_> = files.iter().filter_map(|file| file.file_stem()?.to_str()).collect();
    assert_eq!(stems, FILES);
    let steps: usize = files.iter().map(|file| read::<Vectors>(file).steps.len()).sum();
    assert!(steps > 1_000, "only {steps} steps were found");
}

/// Runs one file for two tenants of its own. Returns the number of its steps, and what is wrong with each that failed.
async fn run_file(service: &Service, stem: &str) -> (usize, Vec<String>) {
    let vectors: Vectors = read(&folder().join(format!("{stem}.json")));
    let mut cast = Cast::new(service, stem).await;
    let mut failures = Vec::new();
    for setup in &vectors.setup {
        let steps: Vec<Step> = read(&folder().join(format!("setup/{setup}.json")));
        for step in &steps {
            if let Err(error) = cast.run(step).await {
                failures.push(format!("{stem}, set-up {setup}, {}: {error}", step.name));
            }
        }
    }
    for step in &vectors.steps {
        if let Err(error) = cast.run(step).await {
            failures.push(format!("{stem}, {}: {error}", step.name));
        }
    }
    (vectors.steps.len(), failures)
}

fn read<T: for<'de> Deserialize<'de>>(file: &Path) -> T {
    let text = std::fs::read_to_string(file).expect("a readable file");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

impl<'s> Cast<'s> {
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
        Cast { service, tenant, texts, keys: HashMap::new() }
    }

    fn position(&self) -> u64 {
        let tenant = TenantId(self.tenant.parse().expect("an id"));
        self.service.app.reader.snapshot(tenant).view.position()
    }

    async fn run(&mut self, step: &Step) -> Result<(), String> {
        let before = self.position();
        let request = self.build(&step.request).await?;
        let response = self.service.client.execute(request).await.map_err(|error| format!("{error:?}"))?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.text().await.map_err(|error| error.to_string())?;
        let told = || format!("{status} {}", body.chars().take(600).collect::<String>());
        if step.expect.status.is_some_and(|expected| expected != status) {
            return Err(format!("expected {:?}, got {}", step.expect.status, told()));
        }
        if status >= 500 && step.expect.status != Some(status) {
            return Err(format!("a 5xx: {}", told()));
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
            return Err(format!("header {name} is there"));
        }
        if step.expect.text.as_ref().is_some_and(|text| *text != body) {
            return Err(format!("another text: {}", told()));
        }
        let json = serde_json::from_str::<Value>(&body);
        for (expected, exactly) in [(&step.expect.json, true), (&step.expect.json_has, false)] {
            let Some(expected) = expected else { continue };
            let got = json.as_ref().map_err(|error| format!("no JSON ({error}): {}", told()))?;
            differs(expected, got, exactly, "").map_or(Ok(()), |at| Err(format!("{at}; all of it: {}", told())))?;
        }
        for (name, pointer) in &step.save {
            let value = json.as_ref().ok().and_then(|json| json.pointer(pointer)).and_then(Value::as_str);
            let value = value.ok_or_else(|| format!("nothing at {pointer}"))?;
            self.texts.insert(format!("saved:{name}"), value.to_owned());
        }
        if step.unchanged && self.position() != before {
            return Err(format!("the position moved from {before} to {}", self.position()));
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

    /// Puts values in the place of `{{…}}`, the innermost first.
    async fn expand(&mut self, text: &str) -> Result<String, String> {
        let mut text = text.to_owned();
        while let Some(start) = text.rfind("{{") {
            let Some(length) = text[start..].find("}}") else { break };
            let name = text[start + 2..start + length].to_owned();
            // Braces that are no template, as in nested JSON, are left alone.
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

/// Where two values differ; a placeholder stands for any value of its kind.
fn differs(expected: &Value, got: &Value, exactly: bool, at: &str) -> Option<String> {
    let unequal = || Some(format!("at {at}/: expected {expected}, got {got}"));
    match (expected, got) {
        (Value::String(text), _) if text.starts_with("{{") => {
            if is_placeholder(text, got) {
                None
            } else {
                unequal()
            }
        }
        (Value::Object(expected), Value::Object(got)) => object_differs(expected, got, exactly, at),
        (Value::Array(expected_items), Value::Array(items)) => {
            if expected_items.len() != items.len() {
                return unequal();
            }
            let pairs = expected_items.iter().zip(items).enumerate();
            pairs.into_iter().find_map(|(n, (e, g))| differs(e, g, exactly, &format!("{at}/{n}")))
        }
        (Value::Number(e), Value::Number(g)) if e.is_f64() || g.is_f64() => {
            let (e, g) = (e.as_f64()?, g.as_f64()?);
            let close = (e - g).abs() <= 1e-9 * e.abs().max(1.0);
            if close && expected.is_f64() == got.is_f64() { None } else { unequal() }
        }
        _ if expected == got => None,
        _ => unequal(),
    }
}

fn object_differs(expected: &Map<String, Value>, got: &Map<String, Value>, exactly: bool, at: &str) -> Option<String> {
    for (name, value) in expected {
        let Some(other) = got.get(name) else { return Some(format!("no member {at}/{name}")) };
        if let Some(difference) = differs(value, other, exactly, &format!("{at}/{name}")) {
            return Some(difference);
        }
    }
    let extra = got.keys().find(|name| exactly && !expected.contains_key(*name))?;
    Some(format!("a member too many: {at}/{extra}"))
}

fn is_placeholder(expected: &str, got: &Value) -> bool {
    match expected {
        "{{any}}" => true,
        "{{int}}" => got.is_i64() || got.is_u64(),
        "{{string}}" => got.is_string(),
        "{{uuid}}" => got.as_str().is_some_and(|text| uuid::Uuid::try_parse(text).is_ok()),
        _ => false,
    }
}

#[test]
fn a_difference_is_noticed() {
    let got = serde_json::json!({ "a": 1, "b": [1.5, "x"] });
    for (expected, exactly, same) in [
        (serde_json::json!({ "a": 1, "b": [1.5, "x"] }), true, true),
        (serde_json::json!({ "a": 1 }), false, true),
        (serde_json::json!({ "a": 1 }), true, false),
        (serde_json::json!({ "a": 1.0, "b": [1.5, "x"] }), true, false),
        (serde_json::json!({ "b": ["{{any}}", "{{string}}"] }), false, true),
        (serde_json::json!({ "b": ["{{int}}", "x"] }), false, false),
        (serde_json::json!({ "b": [1.5] }), false, false),
    ] {
        assert_eq!(differs(&expected, &got, exactly, "").is_none(), same, "{expected}");
    }
}
