//! Keys appear in neither logs nor metrics, whatever the log level, the place of the key and the damage to the request.

use base64::prelude::{BASE64_STANDARD, Engine};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::{run, stderr, stdout};
use crate::live::socket::Graphql;
use crate::on_both_stores;
use crate::support::api::{Persona, send};
use crate::support::desks::{connected, directory};
use crate::support::process::{Process, program, store_flags};
use crate::support::signing::signed;
use crate::support::wire::Wire;
use crate::support::{ADMIN, Api, Backend, Home};

on_both_stores!(keys_are_never_logged);

/// Unknown keys in the form of keys. Each request has its own, so that a leaked one identifies the request.
struct Canaries(Vec<String>);

impl Canaries {
    fn next(&mut self, place: &str) -> String {
        let canary = format!("rk_canary{:04}{}", self.0.len(), place.replace(|c: char| !c.is_alphanumeric(), ""));
        self.0.push(canary.clone());
        canary
    }
}

async fn keys_are_never_logged(backend: Backend) {
    let home = Home::new(backend).await;
    for format in ["pretty", "json"] {
        let mut command = program();
        command.arg("serve").args(store_flags(&home.location)).env("ROLLCALL_ADMIN_TOKEN", ADMIN);
        command.args(["--log", "trace", "--log-format", format]);
        let process = Process::start_with(command).await;
        let mut canaries = Canaries(Vec::new());
        let persona = process.api.persona(&format!("tenant {format}")).await;
        process.api.put_directory(&persona.key, &directory(2)).await;
        let event = connected(1, 1, rollcall::clock::Clock::system().now());
        process.api.apply(&persona.key, &[event]).await;
        for key in [Some(persona.key.as_str()), None] {
            for request in carried(&process.api, key, &mut canaries) {
                let answer = send(request).await.expect("an answer");
                assert!(answer.status < 500, "{}", answer.text);
            }
        }
        broken(&process, &mut canaries).await;
        live(&process.api, &persona, &mut canaries).await;
        signing(&process.api, &persona, &mut canaries).await;
        let metrics = process.api.get(ADMIN, "/metrics").await.unwrap().ok().text;
        let (status, output) = process.terminate().await;
        assert!(status.success());
        assert!(output.contains("DEBUG"), "the log is at its finest level");
        assert!(output.contains("/operator/{id}/live"), "routes are logged, so keys could be as well");
        assert!(canaries.0.len() > 40, "only {}", canaries.0.len());
        for secret in canaries.0.iter().chain([&persona.key, &ADMIN.to_owned()]) {
            // Neither as they are nor in base64, as Basic authentication encodes them.
            let encoded = [BASE64_STANDARD.encode(secret), BASE64_STANDARD.encode(format!("{secret}:"))];
            for form in [secret, encoded[0].trim_end_matches('='), encoded[1].trim_end_matches('=')] {
                let line = output.lines().find(|line| line.contains(form));
                assert_eq!(line, None, "{form} is in the log");
                assert!(!metrics.contains(form), "{form} is in the metrics");
            }
        }
    }
}

/// Opens WebSockets for live queries, with a credential of each kind in their first message.
async fn live(api: &Api, persona: &Persona, canaries: &mut Canaries) {
    drop(Graphql::with_key(api, &persona.key).await);
    for member in ["authorization", "ticket", "link"] {
        let mut socket = Graphql::connect(api).await;
        socket.init(json!({ member: canaries.next(member) })).await;
        assert_eq!(socket.close_code().await, Some(4_403), "{member}");
    }
}

const TYPE: &str = "Content-Type";
const FORM: &str = "application/x-www-form-urlencoded";

/// Returns requests with a key in every place that some dialect reads, and in some that none does.
fn carried(api: &Api, key: Option<&str>, canaries: &mut Canaries) -> Vec<RequestBuilder> {
    // The response names an unknown operator, so this place never gets a valid key.
    let operator = format!("/operator/{}/live", canaries.next("operator"));
    let mut key = |place: &str| key.map_or_else(|| canaries.next(place), str::to_owned);
    let get = |path: &str| api.request(Method::GET, path);
    let post = |path: &str| api.request(Method::POST, path);
    let put = |path: &str| api.request(Method::PUT, path);
    let vonage = "application/vnd.newvoicemedia.v1+json";
    let query = json!({ "query": "{connectedUsersIndicator{connectedUsersCount}}" });
    vec![
        get("/operator/live").header("X-API-Key", key("api key")),
        get("/operator/1/live").header("X-API-Key", key("api key of one")),
        get(&format!("/operator/live?key={}", key("query"))),
        get(&format!("/api/2/operator/1/live?key={}", key("query of one"))),
        get(&format!("/operator/live?key={}&key={}", key("query twice"), key("query twice again"))),
        get("/operator/live").basic_auth(key("basic"), Some("x")),
        get("/operator/live").basic_auth("x", Some(key("basic password"))),
        get("/operator/live").header("Authorization", format!("Basic {}", key("basic not encoded"))),
        put("/operator/1/live").header("X-API-Key", key("api key of a write")).json(&json!({ "chat": {} })),
        put(&format!("/operator/1/live?key={}", key("query of a write"))).header(TYPE, FORM).body("chat[available]=1"),
        put("/operator/1/live").header("X-API-Key", key("api key of a bad write")).body("chat[available]=2"),
        get(&format!("/user-activity/search?auth_token={}", key("auth token"))),
        get(&format!("/v1/user-activity/search?auth_token={}&user_id=x", key("auth token and a bad id"))),
        post("/v1/user-activity/search").header(TYPE, FORM).body(format!("auth_token={}", key("form"))),
        post("/user-activity/search").json(&json!({ "auth_token": key("json") })),
        post("/user-activity/search").json(&json!({ "auth_token": [key("json list")] })),
        post("/user-activity/search").body(format!("auth_token={}", key("no type"))),
        post("/agents-availability").header("Accept", vonage).bearer_auth(key("vonage")).json(&json!({})),
        post("/agents-availability").header("Accept", vonage).header("Authorization", key("bare")).json(&json!({})),
        get("/agents-availability?skillNames=skill").bearer_auth(key("vonage without a version")),
        post("/graphql").bearer_auth(key("graphql")).json(&query),
        post("/graphql").header("Authorization", key("graphql bare")).json(&query),
        post("/graphql").bearer_auth(key("graphql bad")).json(&json!({ "query": "{" })),
        post(&format!("/graphql?access_token={}", key("graphql query"))).json(&query),
        post("/v1/events").bearer_auth(key("events")).json(&json!([])),
        post("/v1/events").header("X-API-Key", key("events api key")).json(&json!([{ "id": "1" }])),
        put("/v1/directory").bearer_auth(key("directory")).json(&json!({ "users": [{ "id": "x" }] })),
        get("/v1/directory").bearer_auth(key("directory read")),
        get("/v1/directory").header("Authorization", format!("bearer   {}", key("spaces"))),
        get("/v1/directory").header("Authorization", format!("Token {}", key("another scheme"))),
        get("/v1/directory").header("Cookie", format!("key={}", key("cookie"))),
        get("/metrics").bearer_auth(key("metrics")),
        post("/v1/tenants").bearer_auth(key("administrator")).json(&json!({ "name": "x" })),
        get(&format!("/v1/tenants/{}/keys", key("tenant"))).bearer_auth(ADMIN),
        api.request(Method::PATCH, "/v1/tenants/x").bearer_auth(key("settings")).json(&json!({})),
        post(&format!("/v1/webhooks/iadvize?key={}", key("webhook"))).json(&json!({ "eventType": "x" })),
        signed(post("/v1/webhooks/iadvize").basic_auth(key("webhook basic"), Some("")), &key("webhook secret"), "{}"),
        post("/v1/webhooks/iadvize").header("X-Iadvize-Signature", key("signature")).json(&json!({})),
        get("/_authenticated").bearer_auth(key("authenticated")),
        api.form("/oauth2/token", &[("grant_type", "password"), ("username", "x"), ("password", &key("password"))]),
        post("/oauth2/token").header(TYPE, FORM).body(format!("grant_type={}&password=x", key("grant"))),
        api.form("/oauth2/revoke", &[("token", &key("token"))]),
        api.form("/Auth/connect/token", &[("grant_type", "client_credentials"), ("client_secret", &key("secret"))]),
        api.form("/Auth/connect/token", &[("grant_type", "client_credentials")]).basic_auth("x", Some(key("client"))),
        api.form("/Auth/connect/revocation", &[("token", &key("other token")), ("token", &key("token twice"))]),
        get(&format!("/{}", key("path"))),
        get(&operator).header("X-API-Key", key("of an odd operator")),
    ]
}

/// Checks that a webhook secret is not returned to the administrator either, valid or rejected.
async fn signing(api: &Api, persona: &Persona, canaries: &mut Canaries) {
    let path = format!("/v1/tenants/{}", persona.tenant);
    let secret = canaries.next("secret of webhooks");
    let long = canaries.next(&"x".repeat(300));
    let texts =
        [json!(long), json!([canaries.next("secret in a list")]), json!({ canaries.next("secret as a name"): 1 })];
    let mut answers = Vec::new();
    for value in texts.into_iter().chain([json!(secret)]) {
        let request = api.request(Method::PATCH, &path).bearer_auth(ADMIN);
        answers.push(send(request.json(&json!({ "iadvize_secret": value }))).await.expect("an answer"));
    }
    let half = format!("{{\"iadvize_secret\": \"{}\"", canaries.next("half a secret"));
    let request = api.request(Method::PATCH, &path).bearer_auth(ADMIN).header(TYPE, "application/json");
    answers.push(send(request.body(half)).await.expect("an answer"));
    answers.push(api.get(ADMIN, &path).await.expect("an answer").ok());
    assert!(answers.iter().any(|answer| answer.text.contains("\"iadvize_webhooks\":true")));
    for (body, status) in [("{\"eventType\":\"x\"}", 200), ("{", 400)] {
        let request = api.request(Method::POST, "/v1/webhooks/iadvize").bearer_auth(&persona.key);
        answers.push(send(signed(request, &secret, body)).await.expect("an answer"));
        assert_eq!(answers.last().map(|answer| answer.status), Some(status));
    }
    for answer in &answers {
        let shown = canaries.0.iter().find(|canary| answer.text.contains(*canary));
        assert_eq!(shown, None, "{}", answer.text);
    }
}

/// Sends malformed HTTP that no client library sends.
async fn broken(process: &Process, canaries: &mut Canaries) {
    let address = process.api.url("").replace("http://", "").parse().expect("an address");
    let timeout = std::time::Duration::from_millis(500);
    let requests = [
        format!("GET /operator/live?key={} HTTP/9.9\r\n\r\n", canaries.next("version")),
        format!("GET /operator/live HTTP/1.1\r\nHost: x\r\nX-API-Key {}\r\n\r\n", canaries.next("no colon")),
        format!("GET /operator/live HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\u{1}\r\n\r\n", canaries.next("control")),
        format!("GET /operator/live?key={} é HTTP/1.1\r\nHost: x\r\n\r\n", canaries.next("space")),
        format!(
            "POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: x\r\n\r\n",
            canaries.next("length")
        ),
        format!(
            "POST /user-activity/search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{{\"auth_token\":\"{}\"",
            canaries.next("half a body")
        ),
        format!("{} /livez HTTP/1.1\r\nHost: x\r\n\r\n", canaries.next("method")),
    ];
    for request in requests {
        let mut wire = Wire::to(address).await;
        wire.send(request).await;
        wire.finish().await;
        let _ignored = wire.read_to_end(timeout).await;
    }
}

#[test]
fn secret_settings_are_not_printed() {
    let canary = "canary canary canary";
    for arguments in [[].as_slice(), &["serve"], &["--help"], &["serve", "--help"]] {
        let variables = [("ROLLCALL_ADMIN_TOKEN", canary), ("DATABASE_URL", "postgres://u:canary@h:x/d")];
        let assert = run(arguments, &variables);
        let output = stderr(&assert) + &stdout(&assert);
        assert!(!output.contains("canary"), "{arguments:?}: {output}");
    }
    let help = stdout(&run(&["ingest", "--help"], &[("ROLLCALL_KEY", "canary")]).code(0));
    assert!(!help.contains("canary"), "{help}");
    let unreachable = "postgres://user:canary@127.0.0.1:1/database?password=canary";
    let assert = run(&["tenant", "list", "--database-url", unreachable], &[]).code(1);
    let output = stderr(&assert) + &stdout(&assert);
    assert!(!output.contains("canary"), "{output}");
}
