//! Keys, tokens and tickets are in nothing that a run of the tests says: `scripts/test` looks in all of it at the end
//! (`scripts/lib/told.sh`). Here is the control: one key, of nobody, is told in each of the ways that a leak could take,
//! and the search must find each of them and nothing else.

use super::{complained, run};
use crate::support::desks::directory;
use crate::support::sockets::Desk;
use crate::support::{Backend, Service};

/// A key of nobody. The search knows them by their beginning.
fn control(way: u8) -> String {
    format!("rk_c0ffee{way:058x}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_control_leaks_four_keys() {
    let service = Service::start(Backend::Embedded).await;
    let persona = service.api.persona("tenant").await;
    tracing::trace!(key = control(1), "a log line");
    let answer = service.api.graphql(&persona.key, &format!("{{ {} }}", control(2))).await.expect("an answer");
    assert!(answer.text.contains(&control(2)), "an unknown field is named: {}", answer.text);
    let complaint = run(&[&format!("--{}", control(3))], &[]).failure();
    assert!(complained(&complaint).contains(&control(3)), "an unknown flag is named");
    service.api.put_directory(&persona.key, &directory(1)).await;
    let mut desk = Desk::with_key(&service.api, &persona.key).await;
    let welcome = desk.hello(1, &control(4)).await;
    assert!(welcome.to_string().contains(&control(4)), "a session is named: {welcome}");
    service.stop().await;
}
