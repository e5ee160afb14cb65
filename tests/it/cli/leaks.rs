//! The control of the search for secrets: at its end `scripts/test` searches everything that a run of the tests printed,
//! logged and answered for keys, tokens and tickets (`scripts/lib/secrets_in_output.sh`). This test leaks a key in each of the four
//! ways that a leak could take, and the search must find these keys and no others.

use super::{run, stderr};
use crate::support::desks::directory;
use crate::support::sockets::Desk;
use crate::support::{Backend, Service};

/// Returns a key that no tenant has. The search recognizes these keys by their beginning.
fn control(way: u8) -> String {
    format!("rk_c0ffee{way:058x}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_control_leaks_four_keys() {
    let service = Service::start(Backend::Embedded).await;
    let persona = service.api.persona("tenant").await;
    tracing::trace!(key = control(1), "a log line");
    let answer = service.api.graphql(&persona.key, &format!("{{ {} }}", control(2))).await.expect("an answer");
    assert!(answer.text.contains(&control(2)), "the error names the unknown field: {}", answer.text);
    let failed = run(&[&format!("--{}", control(3))], &[]).failure();
    assert!(stderr(&failed).contains(&control(3)), "the error names the unknown flag");
    service.api.put_directory(&persona.key, &directory(1)).await;
    let mut desk = Desk::with_key(&service.api, &persona.key).await;
    let welcome = desk.hello(1, &control(4)).await;
    assert!(welcome.to_string().contains(&control(4)), "the answer names the session: {welcome}");
    service.stop().await;
}
