//! Isolation of tenants. The vectors `isolation*.json` test the answers of every route and filter; these tests check
//! that the vectors cover every route, and that errors, metrics and administration reveal no other tenant.

use std::collections::BTreeSet;
use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use crate::on_both_stores;
use crate::support::api::{Answer, Persona, send};
use crate::support::desks::{connected, taken};
use crate::support::process::Process;
use crate::support::requests::{ADMINISTRATION, Dialect, PUBLIC, dialect, is_answered, request};
use crate::support::routes::{Route, table};
use crate::support::signing::enable_webhooks;
use crate::support::{ADMIN, Api, Backend, Home, Service};

on_both_stores!(answers_reveal_nothing_of_another_tenant);
on_both_stores!(metrics_reveal_nothing_of_tenants_but_their_ids);
on_both_stores!(foreign_objects_are_404);
on_both_stores!(keys_are_listed_and_revoked_within_their_tenant);

/// Tenant routes without vector steps, with the reason. The list may only become shorter.
const WITHOUT_A_STEP: [(&str, &str, &str); 2] = [
    ("PUT", "/api/2/operator/{id}/live", "the same handler as without the vendor's base path, which has steps"),
    ("POST", "/user-activity/search", "the same handler as with the version in the path, which has steps"),
];

#[test]
fn every_tenant_route_has_vector_steps_with_both_keys() {
    let apart: BTreeSet<&str> = PUBLIC.iter().chain(&ADMINISTRATION).map(|(path, _)| *path).collect();
    let routes = table();
    let paths: BTreeSet<&str> = routes.iter().map(|route| route.path.as_str()).collect();
    assert_eq!(apart.difference(&paths).count(), 0, "a listed route does not exist: {apart:?}");
    let steps = steps();
    assert!(steps.len() > 200, "only {} steps were found", steps.len());
    let mut missing = BTreeSet::new();
    for route in routes.iter().filter(|route| !apart.contains(route.path.as_str())) {
        let of_route = steps.iter().filter(|step| step.method == route.method && route.takes(&step.path));
        let tenants: BTreeSet<char> = of_route.map(|step| step.tenant).collect();
        if tenants != BTreeSet::from(['A', 'B']) {
            missing.insert((route.method, route.path.as_str()));
        }
    }
    let known = WITHOUT_A_STEP.iter().map(|(method, path, _)| (*method, *path)).collect();
    assert_eq!(missing, known, "add steps to tests/vectors/isolation*.json, or shorten the list");
}

/// The request of a vector step, and the tenant of its key.
struct Step {
    method: String,
    path: String,
    tenant: char,
}

fn steps() -> Vec<Step> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let files = std::fs::read_dir(folder).expect("the vectors").map(|entry| entry.expect("an entry").path());
    let is_ours = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("isolation"));
    let mut steps = Vec::new();
    for file in files.filter(|path| is_ours(path)) {
        let vectors: Value = serde_json::from_str(&std::fs::read_to_string(&file).expect("a file")).expect("JSON");
        for step in vectors["steps"].as_array().expect("steps") {
            let request = &step["request"];
            let text = |member: &str| request[member].as_str().expect("a text").to_owned();
            let tenant = if request.to_string().contains("{{key_b}}") { 'B' } else { 'A' };
            steps.push(Step { method: text("method"), path: text("path"), tenant });
        }
    }
    steps
}

/// Two tenants. Every name of the second contains a word that occurs nowhere else.
struct Tenants {
    ours: Persona,
    theirs: Persona,
}

const CANARY: &str = "xanthippe";
/// Ids that only the other tenant has.
const THEIR_USER: i64 = 990_017;
const THEIR_GUID: &str = "0b5e55ed-0000-4000-8000-000000990017";
const THEIR_GROUP: &str = "0b5e55ed-0000-4000-8000-000000000033";

impl Tenants {
    async fn on(api: &Api) -> Self {
        let ours = api.persona("ours").await;
        let theirs = api.persona(&format!("{CANARY} inc")).await;
        for tenant in [&ours.tenant, &theirs.tenant] {
            enable_webhooks(api, tenant).await;
        }
        api.put_directory(&ours.key, &crate::support::desks::directory(2)).await;
        let document = json!({
            "groups": [{ "id": 33, "guid": THEIR_GROUP, "name": format!("{CANARY} group") }],
            "skills": [{ "id": 34, "name": format!("{CANARY} skill") }],
            "queues": [{ "id": 35, "name": format!("{CANARY} queue") }],
            "users": [{ "id": THEIR_USER, "guid": THEIR_GUID, "name": format!("{CANARY} user"),
                        "external_id": format!("{CANARY}-1"), "email": format!("{CANARY}@their.example"),
                        "groups": [33], "skills": [34], "queues": [35],
                        "channels": { "chat": { "enabled": true, "max_slots": 3 }, "call": { "enabled": true } } }],
        });
        api.put_directory(&theirs.key, &document).await;
        let now = rollcall::clock::Clock::system().now();
        let conversation = format!("{CANARY}-talk");
        let events = [connected(1, THEIR_USER, now), taken(2, THEIR_USER, &conversation, now)];
        api.apply(&theirs.key, &events).await;
        Tenants { ours, theirs }
    }

    /// Returns whether an answer contains data of the second tenant.
    fn reveals_theirs(&self, answer: &Answer) -> bool {
        let text = format!("{} {:?}", answer.text, answer.headers).to_lowercase();
        [CANARY, &self.theirs.tenant, &self.theirs.key].into_iter().any(|word| text.contains(word))
    }
}

async fn answers_reveal_nothing_of_another_tenant(backend: Backend) {
    let service = Service::start(backend).await;
    let api = &service.api;
    let tenants = Tenants::on(api).await;
    let apart: BTreeSet<&str> = PUBLIC.iter().chain(&ADMINISTRATION).map(|(path, _)| *path).collect();
    let their_user = THEIR_USER.to_string();
    let mut asked = 0;
    for route in table() {
        if apart.contains(route.path.as_str()) {
            continue;
        }
        for key in [Some(tenants.ours.key.as_str()), None, Some("rk_nobody")] {
            for user in ["1", &their_user, THEIR_GUID, "99", "x", "%00", "-1", ""] {
                let good = request(api, &route, key, user);
                let bad = request(api, &route, key, user).body("{\"");
                let other = request(api, &route, key, user).header("Content-Type", "text/plain").body("x");
                for request in [good, bad, other] {
                    let answer = send(request).await.expect("an answer");
                    assert!(!tenants.reveals_theirs(&answer), "{route:?} {user:?}: {}", answer.text);
                    assert!(answer.status < 500, "{route:?} {user:?}: {}", answer.text);
                    asked += 1;
                }
            }
        }
    }
    assert!(asked > 500, "{asked}");
    for path in ["/", "/livez", "/readyz", "/metrics", "/nowhere", "/graphiql", "/v1/tenants", "/v1/tenants/x/keys"] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let request = api.request(method, path).bearer_auth(&tenants.ours.key);
            let answer = send(request).await.expect("an answer");
            assert!(!tenants.reveals_theirs(&answer), "{path}: {}", answer.text);
        }
    }
    service.stop().await;
}

/// Metrics label tenants by their ids only. The service runs as a process of its own, since metrics are per process.
async fn metrics_reveal_nothing_of_tenants_but_their_ids(backend: Backend) {
    let home = Home::new(backend).await;
    let process = Process::start(&home.location, &[]).await;
    let tenants = Tenants::on(&process.api).await;
    let about_people = |route: &Route| route.path.starts_with("/v1/user") || route.path.contains("{id}");
    for route in table().iter().filter(|route| about_people(route) && route.method != "DELETE") {
        for key in [&tenants.ours.key, &tenants.theirs.key] {
            let asked = request(&process.api, route, Some(key), &THEIR_USER.to_string());
            send(asked).await.expect("an answer");
        }
    }
    let metrics = process.api.get(ADMIN, "/metrics").await.unwrap().ok().text;
    let connected = format!("rollcall_connected_users{{tenant=\"{}\"}} 1", tenants.theirs.tenant);
    assert!(metrics.contains(&connected), "{metrics}");
    for measured in ["rollcall_http_requests_total", "rollcall_tasks", "rollcall_queue_waiting"] {
        assert!(metrics.contains(measured), "{measured} in {metrics}");
    }
    for word in [CANARY, &tenants.ours.key, &tenants.theirs.key, ADMIN, &THEIR_USER.to_string()] {
        assert!(!metrics.to_lowercase().contains(word), "{word} is in {metrics}");
    }
    let mut labelled = metrics.lines().filter(|line| line.contains(&tenants.theirs.tenant));
    assert!(labelled.all(|line| line.starts_with("rollcall_connected_users{")), "{metrics}");
    for key in ["", &tenants.ours.key] {
        let refused = process.api.get(key, "/metrics").await.unwrap();
        assert!(refused.status == 401 && !tenants.reveals_theirs(&refused), "{}", refused.text);
    }
}

async fn foreign_objects_are_404(backend: Backend) {
    let service = Service::start(backend).await;
    let api = &service.api;
    let tenants = Tenants::on(api).await;
    let before = (service.position(&tenants.ours.tenant), service.position(&tenants.theirs.tenant));
    for route in table() {
        if !route.path.contains("{id}") {
            continue;
        }
        for user in [THEIR_USER.to_string(), THEIR_GUID.to_owned()] {
            // Vonage's dialect knows GUIDs only: a number is malformed there.
            let is_known_form = dialect(&route) != Dialect::Vonage || user == THEIR_GUID;
            if !is_known_form {
                continue;
            }
            let answer = send(request(api, &route, Some(&tenants.ours.key), &user)).await.expect("an answer");
            assert_eq!(answer.status, 404, "{route:?}: {}", answer.text);
            let never = if user == THEIR_GUID { THEIR_GUID.replace("17", "18") } else { String::from("990018") };
            let unknown = send(request(api, &route, Some(&tenants.ours.key), &never)).await.expect("an answer");
            assert_eq!(
                answer.text.replace(&user, ""),
                unknown.text.replace(&never, ""),
                "the answer equals that of an unknown id"
            );
        }
    }
    for (method, path) in [
        ("GET", "/operator/live"),
        ("POST", "/graphql"),
        ("GET", "/user-activity/search"),
        ("POST", "/v1/user-activity/search"),
    ] {
        let route = Route { method, path: path.to_owned() };
        for (key, expected) in [(&tenants.ours.key, 0), (&tenants.theirs.key, 1)] {
            let answer = send(request(api, &route, Some(key), &THEIR_USER.to_string())).await.expect("an answer");
            assert!(is_answered(dialect(&route), &answer), "{route:?}: {}", answer.text);
            assert_eq!(count(dialect(&route), &answer.json()), expected, "{route:?}: {}", answer.text);
        }
    }
    for (key, expected) in [(&tenants.ours.key, 0), (&tenants.theirs.key, 1)] {
        let vonage = api.request(Method::POST, "/agents-availability").bearer_auth(key);
        let vonage = vonage.header("Accept", "application/vnd.newvoicemedia.v1+json");
        let answer = send(vonage.json(&json!({ "groupGuids": [THEIR_GROUP] }))).await.expect("an answer").ok();
        assert_eq!(answer.json()["presenceSummary"]["Ready"], expected, "{}", answer.text);
        let route = Route { method: "GET", path: String::from("/agents/presences/users") };
        let answer = send(request(api, &route, Some(key), THEIR_GUID)).await.expect("an answer").ok();
        assert_eq!(answer.json().as_array().map(Vec::len), Some(expected), "{}", answer.text);
    }
    let now = rollcall::clock::Clock::system().now();
    let after = (service.position(&tenants.ours.tenant), service.position(&tenants.theirs.tenant));
    assert_eq!(before, after, "no request changed a tenant");
    let answer = api.events(&tenants.ours.key, &[connected(1, THEIR_USER, now)]).await.unwrap().ok();
    assert_eq!(answer.outcomes(), ["rejected"], "the event id is new in this tenant, and its user unknown");
    assert_eq!(service.position(&tenants.theirs.tenant), before.1);
    service.stop().await;
}

/// Returns the number of users that an answer shows.
fn count(dialect: Dialect, body: &Value) -> u64 {
    let number = match dialect {
        Dialect::Iadvize => Some(body["data"].as_array().expect("a list").len() as u64),
        Dialect::Graphql => body["data"]["connectedUsersIndicator"]["connectedUsersCount"].as_u64(),
        Dialect::Convoso => body["data"]["logged_in_agents"].as_u64(),
        Dialect::Vonage | Dialect::Native | Dialect::Oauth => None,
    };
    number.unwrap_or_else(|| panic!("no number: {body}"))
}

async fn keys_are_listed_and_revoked_within_their_tenant(backend: Backend) {
    let service = Service::start(backend).await;
    let api = &service.api;
    let tenants = Tenants::on(api).await;
    let (id, key) = api.key(&tenants.theirs.tenant, &["operators:read"]).await;
    let path = format!("/v1/tenants/{}/keys", tenants.ours.tenant);
    let listed = api.get(ADMIN, &path).await.unwrap().ok();
    assert!(!listed.text.contains(&id) && !tenants.reveals_theirs(&listed), "{}", listed.text);
    assert_eq!(listed.json()["keys"].as_array().map(Vec::len), Some(1));
    let answer = send(api.request(Method::DELETE, &format!("{path}/{id}")).bearer_auth(ADMIN)).await.unwrap();
    assert_eq!(answer.status, 404, "{}", answer.text);
    assert_eq!(api.get(&key, "/operator/live").await.unwrap().status, 200, "the key is still valid");
    service.stop().await;
}
