//! The access log and the metrics of a process: ids of requests, callers, and what is left out.

use reqwest::Method;
use serde_json::Value;

use crate::support::api::{Answer, send};
use crate::support::desks::{connected, directory};
use crate::support::process::{Process, program, store_flags};
use crate::support::tasks::eventually;
use crate::support::{ADMIN, Backend, Home};

/// Sends a request with these ids.
async fn with_ids(process: &Process, key: &str, path: &str, ids: &[&str]) -> Answer {
    let mut request = process.api.request(Method::GET, path).bearer_auth(key);
    for id in ids {
        request = request.header("X-Request-Id", *id);
    }
    send(request).await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_has_an_id_in_its_answer_and_its_line() {
    let home = Home::new(Backend::Embedded).await;
    let mut command = program();
    command.arg("serve").args(store_flags(&home.location)).args(["--admin-token", ADMIN, "--log-format", "json"]);
    let process = Process::start_with(command).await;
    let persona = process.api.persona("tenant").await;
    process.api.put_directory(&persona.key, &directory(2)).await;
    let given = with_ids(&process, &persona.key, "/operator/live", &["client-7.1"]).await;
    assert_eq!((given.status, given.header("x-request-id")), (200, Some("client-7.1")));
    let mut made = Vec::new();
    for (path, ids) in [("/nowhere", &[][..]), ("/operator/live", &["a", "b"]), ("/operator/live", &["two words"])] {
        let answer = with_ids(&process, &persona.key, path, ids).await;
        let id = answer.header("x-request-id").expect("an id").to_owned();
        assert!(uuid::Uuid::parse_str(&id).is_ok(), "{ids:?} became {id}");
        made.push(id);
    }
    assert_eq!(with_ids(&process, "", "/readyz", &["probe-1"]).await.header("x-request-id"), Some("probe-1"));
    let wrong = with_ids(&process, "rk_wrong", "/graphql", &["wrong-1"]).await;
    assert_eq!((wrong.status, wrong.header("x-request-id")), (401, Some("wrong-1")));

    let (_, output) = process.terminate().await;
    let lines: Vec<Value> = output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let line = |id: &str| lines.iter().find(|line| line["id"] == id && line["target"] == "access");
    let read = line("client-7.1").expect("a line");
    assert_eq!(read["tenant"], persona.tenant.as_str());
    assert_eq!((&read["peer"], &read["route"]), (&"127.0.0.1".into(), &"/operator/live".into()));
    assert_eq!((&read["status"], &read["method"]), (&200.into(), &"GET".into()));
    for id in &made {
        assert!(line(id).is_some(), "{id}");
    }
    assert_eq!(line("wrong-1").expect("a line").get("tenant"), None, "the caller is not authenticated");
    assert!(line("probe-1").is_none(), "probes are not logged at info");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_show_the_process_the_build_and_the_store() {
    let home = Home::new(Backend::Embedded).await;
    let process = Process::start(&home.location, &["--checkpoint-seconds", "3600"]).await;
    let persona = process.api.persona("tenant").await;
    process.api.put_directory(&persona.key, &directory(2)).await;
    process.api.apply(&persona.key, &[connected(1, 1, rollcall::clock::Clock::system().now())]).await;
    let mut metrics = String::new();
    // The gauge is set by the engine's next search for due checkpoints.
    eventually("a change is in no checkpoint", async || {
        metrics = process.api.get(ADMIN, "/metrics").await.expect("an answer").ok().text;
        let age = metrics.lines().find_map(|line| line.strip_prefix("rollcall_checkpoint_age_seconds "));
        age.is_some_and(|age| age != "0")
    })
    .await;
    let value = |name: &str| -> f64 {
        let line = metrics.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {metrics}"));
        line.rsplit(' ').next().expect("a value").parse().expect("a number")
    };
    let version = format!("rollcall_build_info{{version=\"{}\"", env!("CARGO_PKG_VERSION"));
    assert_eq!(value(&version), 1.0);
    assert!(value("process_resident_memory_bytes ") > 1e6);
    assert!(value("process_open_fds ") > 3.0);
    assert!(value("process_start_time_seconds ") > 1.7e9);
    assert!(value("rollcall_store_bytes{file=\"database\"}") >= 4_096.0);
    assert!(value("rollcall_store_bytes{file=\"log\"}") > 0.0);
    assert!(value("rollcall_confirmation_age_seconds ") < 60.0);
    for line in metrics.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let name = line.split(['{', ' ']).next().expect("a name");
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        let help = |name: &str| metrics.contains(&format!("# HELP {name} "));
        assert!(help(name) || help(family), "{name} has no description");
    }
}
