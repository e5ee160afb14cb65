//! The time of a presence, and that a restart keeps it.

use std::time::Duration;

use reqwest::Method;
use rollcall::domain::time::InMillis;
use serde_json::{Value, json};

use super::Stage;
use crate::on_both_stores;
use crate::support::Backend;
use crate::support::api::{Answer, send};
use crate::support::desks::{BREAK, connected, leased, user_guid};
use crate::support::tasks::eventually;

on_both_stores!(presence_times_survive_a_restart);
on_both_stores!(routable_and_settings_survive_a_restart);

/// The GUID of a ready definition that is not routable.
const OUTBOUND: &str = "70000009-0000-4000-8000-000000000009";

impl Stage {
    /// Sends a request to a route of the agents.
    async fn agents(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = self.service.api.request(method, &format!("/agents/{path}")).bearer_auth(&self.persona.key);
        let request = request.header("Accept", "application/vnd.newvoicemedia.v1+json");
        let request = if let Some(body) = body { request.json(&body) } else { request };
        send(request).await.expect("an answer").ok()
    }

    /// Returns the presences of the first three users.
    async fn presences(&self) -> Value {
        let users = [1, 2, 3].map(user_guid).join(",");
        self.agents(Method::GET, &format!("presences/users?userId={users}"), None).await.json()
    }

    /// Returns Vonage's counts, and the directory.
    async fn counts(&self) -> (Value, Value) {
        let api = &self.service.api;
        let request = api.request(Method::POST, "/agents-availability").bearer_auth(&self.persona.key);
        let request = request.header("Accept", "application/vnd.newvoicemedia.v1+json").json(&json!({}));
        let directory = api.get(&self.persona.key, "/v1/directory").await.expect("an answer").ok();
        (send(request).await.expect("an answer").ok().json(), directory.json())
    }

    /// Returns the description and the time of a user's presence.
    async fn shows(&self, user: usize) -> (String, Value) {
        let shown = &self.presences().await[user - 1];
        (shown["presence"]["description"].as_str().expect("a text").to_owned(), shown["updated"].clone())
    }
}

async fn presence_times_survive_a_restart(backend: Backend) {
    let mut stage = Stage::new(backend, 3).await;
    stage.apply(leased(1, 1, "desk", stage.now(), 10)).await;
    stage.apply(connected(2, 2, stage.now())).await;
    let came = json!(InMillis(stage.now()).to_string());
    stage.clock.advance(Duration::from_micros(2_500_900));
    let chosen = json!(InMillis(stage.now()).to_string());
    let path = format!("{}/presence", user_guid(1));
    let answer = stage.agents(Method::PATCH, &path, Some(json!({ "presenceId": BREAK }))).await;
    assert_eq!(answer.position(), stage.position(), "the answer is as of its own write");
    assert_eq!(answer.json(), stage.presences().await[0]);
    assert_eq!(stage.shows(1).await, (String::from("Break"), chosen.clone()), "the time of the choice");
    assert_eq!(stage.shows(2).await, (String::from("Ready"), came), "the time of the connection");

    stage.clock.advance(Duration::from_secs(10));
    eventually("the lease ends", async || stage.connected().await == 1).await;
    let gone = String::from("Logged out");
    let missed = json!(InMillis(stage.now()).to_string());
    assert_eq!(stage.shows(1).await, (gone.clone(), missed), "the time of the expiry");
    let path = "/operator/2/live";
    let request = stage.service.api.request(Method::PUT, path).header("X-API-Key", &stage.persona.key);
    send(request.json(&json!({ "connected": 0 }))).await.expect("an answer").ok();
    let left = json!(InMillis(stage.now()).to_string());
    assert_eq!(stage.shows(2).await, (gone.clone(), left), "the time of the disconnection");
    assert_eq!(stage.shows(3).await, (gone, Value::Null), "no event about the user");

    let before = stage.presences().await;
    stage = stage.restart().await;
    assert_eq!(stage.presences().await, before);
    stage.apply(connected(3, 1, stage.now())).await;
    let again = json!(InMillis(stage.now()).to_string());
    assert_eq!(stage.shows(1).await, (String::from("Break"), again), "the choice outlives the disconnection");
    stage.service.stop().await;
}

async fn routable_and_settings_survive_a_restart(backend: Backend) {
    let mut stage = Stage::new(backend, 3).await;
    let document = json!({
        "settings": { "reference_channel": "chat", "capacity": { "live": 60, "semi_live": 41 } },
        "presence_definitions": [{ "guid": OUTBOUND, "category": "Ready", "description": "Out", "routable": false }],
        "users": [{ "id": 2, "capacity": { "non_live": 7 } }],
    });
    stage.service.api.put_directory(&stage.persona.key, &document).await;
    for n in [1, 2] {
        stage.apply(connected(n, n, stage.now())).await;
    }
    let path = format!("{}/presence", user_guid(1));
    stage.agents(Method::PATCH, &path, Some(json!({ "presenceId": OUTBOUND }))).await;
    let (counts, directory) = stage.counts().await;
    assert_eq!(counts["presenceSummary"]["Ready"], 2, "{counts}");
    assert_eq!(counts["availabilitySummary"]["incompatiblePresence"], 2, "one is not routable, one offline: {counts}");
    assert_eq!(directory["settings"], document["settings"]);
    assert_eq!(directory["users"][1]["capacity"], json!({ "non_live": 7 }));
    stage = stage.restart().await;
    assert_eq!(stage.counts().await, (counts, directory.clone()));
    let again = stage.service.api.put_directory(&stage.persona.key, &directory).await.json();
    assert_eq!(again["updated"], 0, "the directory as it was returned changes nothing: {again}");
    stage.service.stop().await;
}
