//! The service below a base path: behind a proxy that leaves the path, and behind one that removes it.

use reqwest::redirect::Policy;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::support::api::{Answer, send};
use crate::support::desks::directory;
use crate::support::sockets::Desk;
use crate::support::{Backend, Home, Service, Setup};

const BASE: &str = "/tools/presence";

async fn start(base: &str) -> Service {
    let setup = Setup { base_path: base.parse().expect("a base path"), ..Setup::default() };
    Service::start_on(Home::new(Backend::Embedded).await, setup).await
}

async fn get(service: &Service, key: &str, path: &str) -> Answer {
    send(service.api.request(Method::GET, path).header("X-API-Key", key)).await.expect("an answer")
}

/// Returns every `_link` in a body.
fn links(body: &Value) -> Vec<String> {
    match body {
        Value::Object(members) => {
            let own = members.get("_link").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(members.values().flat_map(links)).collect()
        }
        Value::Array(values) => values.iter().flat_map(links).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn links_name_the_base_path_however_the_proxy_sends_the_request() {
    let service = start(BASE).await;
    let persona = service.api.persona("tenant").await;
    service.api.put_directory(&persona.key, &directory(2)).await;
    let entity = json!([{ "id": 1, "name": "North" }]);
    service.api.put_directory(&persona.key, &json!({ "groups": entity, "skills": entity })).await;
    for (path, link) in [
        ("/operator", "/operator/1"),
        ("/operator?full=1", "/operator/1"),
        ("/operator/1", "/operator/1"),
        ("/api/2/operator/1", "/operator/1"),
        ("/group", "/group/1"),
        ("/group?full=1", "/group/1"),
        ("/group/1", "/group/1"),
        ("/skill/1", "/skill/1"),
    ] {
        let (left, removed) = (format!("{BASE}{path}"), path.to_owned());
        for sent in [left, removed] {
            let answer = get(&service, &persona.key, &sent).await.ok();
            assert_eq!(links(&answer.json())[0], format!("{BASE}{link}"), "{sent}");
        }
    }
    let made = json!({ "name": "Nora", "email": "nora@contact.example", "website_list": [] });
    let request = service.api.request(Method::POST, &format!("{BASE}/operator")).bearer_auth(&persona.key);
    let made = send(request.json(&made)).await.expect("an answer").ok().json();
    let id = made["data"]["id"].as_u64().expect("an id");
    assert_eq!(made["data"]["_link"], format!("{BASE}/operator/{id}"));
    service.stop().await;
}

#[tokio::test]
async fn requests_below_the_base_path_are_those_at_the_root() {
    let service = start(BASE).await;
    let persona = service.api.persona("tenant").await;
    for path in ["/livez", "/readyz", "/docs/", "/graphiql", "/wallboard", "/docs/swagger-ui.css", "/openapi.json"] {
        for sent in [format!("{BASE}{path}"), path.to_owned()] {
            get(&service, &persona.key, &sent).await.ok();
        }
    }
    let description = get(&service, "", &format!("{BASE}/openapi.json")).await.ok().json();
    assert_eq!(description["servers"], json!([{ "url": BASE }]));
    // Errors have the shape of the path behind the base path.
    let unknown = get(&service, &persona.key, &format!("{BASE}/operator/7")).await;
    assert_eq!((unknown.status, &unknown.json()["meta"]["status"]), (404, &json!("fail")));
    let unknown = get(&service, &persona.key, &format!("{BASE}/stats/nothing")).await;
    assert_eq!(unknown.json(), json!({ "message": "there is no such route" }));
    for path in [format!("{BASE}s/livez"), format!("/tools{BASE}/livez"), String::from("/tools/livez")] {
        assert_eq!(get(&service, &persona.key, &path).await.status, 404, "{path}");
    }
    let client = Client::builder().redirect(Policy::none()).build().expect("a client");
    let moved = client.get(service.url(&format!("{BASE}/docs"))).send().await.expect("an answer");
    assert_eq!((moved.status().as_u16(), moved.headers()["location"].to_str().expect("text")), (308, "docs/"));
    // The page at the root has relative addresses, so its own ends with a slash; a program's links have the base path.
    let html = |path: &str| client.get(service.url(path)).header("Accept", "text/html");
    let moved = html(BASE).send().await.expect("an answer");
    assert_eq!((moved.status().as_u16(), moved.headers()["location"].to_str().expect("text")), (308, "presence/"));
    for path in [format!("{BASE}/"), String::from("/")] {
        let page = html(&path).send().await.expect("an answer");
        assert_eq!(page.status().as_u16(), 200);
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    }
    for path in [BASE.to_owned(), format!("{BASE}/"), String::from("/")] {
        let links = get(&service, "", &path).await.ok().json();
        assert_eq!(links["links"]["docs"], format!("{BASE}/docs/"), "{path}");
    }
    let headers = [("Authorization", &*format!("Bearer {}", persona.key))];
    drop(
        Desk::open(&service.api, &format!("{BASE}/v1/desk"), &headers)
            .await
            .map_err(|(status, _)| status)
            .expect("a desk"),
    );
    service.stop().await;
}

#[tokio::test]
async fn without_a_base_path_nothing_is_below_one() {
    let service = start("/").await;
    let persona = service.api.persona("tenant").await;
    service.api.put_directory(&persona.key, &directory(1)).await;
    assert_eq!(get(&service, &persona.key, &format!("{BASE}/livez")).await.status, 404);
    assert_eq!(links(&get(&service, &persona.key, "/operator").await.json()), ["/operator/1"]);
    let description = get(&service, "", "/openapi.json").await.ok().json();
    assert_eq!(description["servers"], json!([{ "url": "/" }]));
    service.stop().await;
}
