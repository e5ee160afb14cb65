//! `GET /v1/tenants`: pages in a stable order.

use serde_json::{Value, json};

use crate::on_both_stores;
use crate::support::api::{Persona, send};
use crate::support::desks::directory;
use crate::support::raw::RawStore;
use crate::support::{ADMIN, Backend, Service, Setup};

on_both_stores!(tenants_are_listed_page_by_page);
on_both_stores!(tenants_in_quarantine_are_marked_and_can_be_deleted);

/// Returns the pages of this size, from the first to the last.
async fn pages(service: &Service, limit: usize) -> Vec<Vec<Value>> {
    let (mut pages, mut after) = (Vec::new(), String::new());
    loop {
        let page = service.api.get(ADMIN, &format!("/v1/tenants?limit={limit}{after}")).await.unwrap().ok().json();
        pages.push(page["tenants"].as_array().expect("tenants").clone());
        let Some(next) = page["next"].as_str() else { return pages };
        after = format!("&after={next}");
    }
}

async fn tenants_are_listed_page_by_page(backend: Backend) {
    let service = Service::start(backend).await;
    let empty = service.api.get(ADMIN, "/v1/tenants").await.unwrap().ok();
    assert_eq!(
        (empty.json(), empty.header("cache-control")),
        (json!({ "tenants": [], "next": null }), Some("no-store"))
    );
    let mut ids = Vec::new();
    for name in ["c", "a", "e", "b", "d"] {
        ids.push(service.tenant(name).await);
    }
    ids.sort();
    for limit in [1, 2, 3, 5, 6] {
        let pages = pages(&service, limit).await;
        assert_eq!(pages.len(), 5_usize.div_ceil(limit));
        let listed: Vec<_> = pages.concat().iter().map(|tenant| tenant["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(listed, ids, "by id, which is the order of creation");
    }
    let all = service.api.get(ADMIN, "/v1/tenants").await.unwrap().ok().json();
    let first = &all["tenants"][0];
    assert_eq!(first.as_object().unwrap().keys().collect::<Vec<_>>(), ["created", "id", "name", "quarantined"]);
    assert_eq!(first["quarantined"], false);
    // A page goes on after a tenant that was deleted meanwhile.
    let request = service.api.request(reqwest::Method::DELETE, &format!("/v1/tenants/{}", ids[1])).bearer_auth(ADMIN);
    assert_eq!(send(request).await.unwrap().status, 204);
    let rest = service.api.get(ADMIN, &format!("/v1/tenants?after={}", ids[1])).await.unwrap().ok().json();
    let rest: Vec<_> =
        rest["tenants"].as_array().unwrap().iter().map(|tenant| tenant["id"].as_str().unwrap()).collect();
    assert_eq!(rest, ids[2..]);
    service.stop().await;
}

/// Starts a service with a tenant in quarantine, which lost rows, and one in service.
pub async fn one_in_quarantine(backend: Backend) -> (Service, Persona, Persona) {
    let service = Service::start(backend).await;
    let (broken, sound) = (service.api.persona("broken").await, service.api.persona("sound").await);
    for persona in [&broken, &sound] {
        service.api.put_directory(&persona.key, &directory(2)).await;
    }
    let home = service.stop().await;
    RawStore::open(&home.location)
        .await
        .run(&format!("DELETE FROM state_row WHERE tenant = '{}' AND kind = 'user'", broken.tenant))
        .await;
    let service = Service::start_on(home, Setup::default()).await;
    (service, broken, sound)
}

async fn tenants_in_quarantine_are_marked_and_can_be_deleted(backend: Backend) {
    let (service, broken, sound) = one_in_quarantine(backend).await;
    let listed = service.api.get(ADMIN, "/v1/tenants").await.unwrap().ok().json();
    let marks: Vec<_> = listed["tenants"].as_array().unwrap().iter().map(|tenant| &tenant["quarantined"]).collect();
    assert_eq!(marks, [true, false]);
    assert_eq!(service.api.get(&broken.key, "/v1/directory").await.unwrap().status, 503);
    let request = service.api.request(reqwest::Method::DELETE, &format!("/v1/tenants/{}", broken.tenant));
    assert_eq!(send(request.bearer_auth(ADMIN)).await.unwrap().status, 204);
    assert_eq!(service.api.get(&broken.key, "/v1/directory").await.unwrap().status, 401);
    let service = service.restart(Setup::default()).await;
    assert!(service.app.reader.out_of_service(crate::support::tenant_id(&broken.tenant)).is_none());
    service.api.get(&sound.key, "/v1/directory").await.unwrap().ok();
    service.stop().await;
}
