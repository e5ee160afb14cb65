//! Rejected events are counted by reason and logged for each source, whichever way they came.

use std::time::Duration;

use reqwest::Method;
use rollcall::clock::Clock;
use serde_json::json;

use crate::support::api::{Persona, send};
use crate::support::desks::{SOURCE, directory, event, taken};
use crate::support::process::Process;
use crate::support::signing::{SECRET, enable_webhooks, signed};
use crate::support::sockets::Desk;
use crate::support::tasks::eventually;
use crate::support::{ADMIN, Backend, Home};

/// A value that is in every rejected event, and belongs in no log.
const PRIVATE: &str = "private-4711";

/// Returns the metric's value for a reason.
async fn count(process: &Process, reason: &str) -> u64 {
    let metrics = process.api.get(ADMIN, "/metrics").await.expect("an answer").text;
    let label = format!("rollcall_rejections_total{{reason=\"{reason}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&label)).map_or(0, |value| value.parse().expect("a number"))
}

/// Returns the log lines about rejections of a source.
fn lines(process: &Process, source: &str) -> Vec<String> {
    let output = process.output();
    let named = format!("source={source:?}");
    let lines = output.lines().filter(|line| line.contains("events were rejected") && line.contains(&named));
    lines.map(str::to_owned).collect()
}

async fn post_webhook(process: &Process, persona: &Persona, conversation: &str) {
    let now = Clock::system().now().to_string();
    let webhook = json!({ "eventId": PRIVATE, "eventType": "v2.conversation.closed", "platform": "ha", "clientId": 1,
                          "createdAt": now, "conversationId": conversation });
    let request = process.api.request(Method::POST, "/v1/webhooks/iadvize").bearer_auth(&persona.key);
    send(signed(request, SECRET, &webhook.to_string())).await.expect("an answer").ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejected_events_are_counted_and_their_sources_logged() {
    let home = Home::new(Backend::Embedded).await;
    let process = Process::start(&home.location, &[]).await;
    let persona = process.api.persona("Acme").await;
    process.api.put_directory(&persona.key, &directory(1)).await;
    enable_webhooks(&process.api, &persona.tenant).await;
    let now = Clock::system().now();
    // At admission, at apply, and one that is applied.
    let unknown = event(PRIVATE, "nope", Some(1), now, json!({ "session": PRIVATE }));
    let misfit = event("2", "slot.taken", Some(1), now, json!({ "channel": PRIVATE, "conversation": PRIVATE }));
    let of_no_user = event("3", "desk.connected", Some(99), now, json!({ "session": PRIVATE }));
    let events = [unknown.clone(), misfit, of_no_user, taken("4", 1, PRIVATE, now), json!({ "id": PRIVATE })];
    let answer = process.api.events(&persona.key, &events).await.expect("an answer").ok();
    assert_eq!(answer.outcomes(), ["rejected", "rejected", "rejected", "applied", "rejected"]);
    for reason in ["unknown_type", "data", "unknown_user", "not_an_event"] {
        assert_eq!(count(&process, reason).await, 1, "{reason}");
    }
    eventually("a line names the source", async || lines(&process, SOURCE).len() == 1).await;
    let line = lines(&process, SOURCE).remove(0);
    assert!(line.contains("WARN") && line.contains(&persona.tenant), "{line}");
    assert!(line.contains("rejected=3") && line.contains("data 1, unknown_type 1, unknown_user 1"), "{line}");
    assert_eq!(lines(&process, "").len(), 1, "an event without a source");

    // Within the minute there is no other line.
    process.api.events(&persona.key, &[unknown.clone(), unknown]).await.expect("an answer").ok();
    assert_eq!(count(&process, "unknown_type").await, 3);

    post_webhook(&process, &persona, PRIVATE).await;
    assert_eq!(count(&process, "conversation_uuid").await, 1);
    eventually("a line names the webhooks", async || lines(&process, "iadvize:ha/1").len() == 1).await;

    let mut desk = Desk::welcomed(&process.api, &persona.key, 1, PRIVATE).await;
    assert_eq!(desk.event("1", "desk.connected", json!({})).await["outcome"], "rejected");
    assert_eq!(desk.event("2", "status.changed", json!({ "presence_id": BREAK_OF_NONE })).await["outcome"], "rejected");
    desk.send_text(PRIVATE).await;
    assert_eq!(desk.recv().await["type"], "error");
    for reason in ["desk_type", "unknown_presence", "desk_message"] {
        assert_eq!(count(&process, reason).await, 1, "{reason}");
    }
    eventually("a line names the desks", async || lines(&process, "desk").len() == 1).await;

    assert_eq!(lines(&process, SOURCE).len(), 1);
    let (status, output) = process.terminate_within(Duration::from_secs(20)).await;
    assert!(status.success());
    // What was not logged yet is logged at the end.
    assert_eq!(output.matches("unknown_type 2").count(), 1, "{output}");
    assert!(!output.contains(PRIVATE), "{output}");
}

/// The GUID of a presence definition that the directory does not have.
const BREAK_OF_NONE: &str = "b4ea4000-0000-4000-8000-00000000ffff";
