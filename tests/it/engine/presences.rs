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
