//! Filters: every filter of every route and of every GraphQL field is taken as it is meant or refused, in every spelling
//! of PHP, axios, jQuery, Postman and JSON clients. The tables of `rest.rs` and `graphql.rs` have a
//! row for each; a filter without a row fails the test.

mod graphql;
mod rest;

use serde_json::{Value, json};

use crate::support::api::{Persona, send};
use crate::support::{Backend, Service};

/// Starts a service whose tenant has the fixture of the vectors, parents of groups and skills, and four conversations.
async fn stage() -> (Service, Persona) {
    let service = Service::start(Backend::Embedded).await;
    let persona = service.api.persona("tenant").await;
    let fixture = include_str!("../../vectors/setup/fixture.json");
    let steps: Vec<Value> = serde_json::from_str(fixture).expect("steps");
    for step in &steps {
        let request = &step["request"];
        let method = request["method"].as_str().expect("a method").parse().expect("a method");
        let request = service.api.request(method, request["path"].as_str().expect("a path")).json(&request["json"]);
        send(request.bearer_auth(&persona.key)).await.expect("an answer").ok();
    }
    let children = |kind: &str| {
        json!([
            { "id": 3, "name": format!("{kind} below 1"), "parent": 1 },
            { "id": 4, "name": format!("{kind} below 2"), "parent": 2 },
        ])
    };
    let document = json!({ "groups": children("group"), "skills": children("skill") });
    service.api.put_directory(&persona.key, &document).await;
    service.api.apply(&persona.key, &conversations()).await;
    (service, persona)
}

/// The id of a conversation of [`conversations`]. 0 and 1 are closed, 2 and 3 are open.
fn conversation(n: usize) -> String {
    format!("c000000{n}-0000-4000-8000-00000000000{n}")
}

/// The events of four conversations that differ in every property by which conversations are filtered. Their users are
/// not available anyway, so that the conversations change no count of users.
fn conversations() -> Vec<Value> {
    let rows = [
        (7, "CHAT", "10000001-0000-4000-9000-000000000001", "105", Some("BOT_TRANSFER_FAILED")),
        (8, "CALL", "10000002-0000-4000-9000-000000000002", "104", Some("END_OF_BOT_SCENARIO")),
        (7, "CHAT", "10000001-0000-4000-9000-000000000001", "105", None),
        (8, "SMS", "10000002-0000-4000-9000-000000000002", "104", None),
    ];
    let mut events = Vec::new();
    for (n, (project, channel, routing_group, user, closed)) in rows.into_iter().enumerate() {
        let mut add = |what: &str, subject: Option<&str>, mut data: Value| {
            data["conversation"] = Value::from(conversation(n));
            let mut event = json!({ "specversion": "1.0", "id": format!("{n}-{what}"), "source": "/parameters",
                "type": format!("conversation.{what}"), "time": format!("2021-03-02T08:0{}:00Z", events.len() % 4),
                "data": data });
            if let Some(subject) = subject {
                event["subject"] = Value::from(subject);
            }
            events.push(event);
        };
        add("started", None, json!({ "project": project, "channel": channel }));
        add("routed", None, json!({ "routing_group": routing_group }));
        add("pushed", Some(user), json!({ "channel": channel }));
        if let Some(reason) = closed {
            add("closed", None, json!({ "reason": reason }));
        }
    }
    events
}
