//! The drain of the program: its length, and signals.

use std::process::Command;

use reqwest::Method;

use crate::support::api::send;
use crate::support::process::{Process, program, store_flags};
use crate::support::tasks::eventually;
use crate::support::{ADMIN, Backend, Home};

/// Returns the command of a service with these flags.
fn service(home: &Home, flags: &[&str]) -> Command {
    let mut command = program();
    command.arg("serve").args(store_flags(&home.location)).args(["--admin-token", ADMIN]).args(flags);
    command
}

/// Sends a signal to a service, and checks that it drains: it answers and is not ready. A second signal ends it.
async fn drains_until_a_second_signal(process: Process, seconds: u64) {
    process.signal("-TERM");
    eventually("not ready", async || !process.api.is_ready().await).await;
    // The log is written by a thread of its own.
    eventually("the drain is logged", async || process.output().contains("a second signal stops at once")).await;
    assert!(process.output().contains(&format!("seconds={seconds}")), "{}", process.output());
    process.api.tenant("made in the drain").await;
    let (status, output) = process.terminate().await;
    assert!(status.success(), "{status} {output}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_the_drain() {
    let home = Home::new(Backend::Embedded).await;
    let command = service(&home, &["--drain-seconds", "3600"]);
    drains_until_a_second_signal(Process::start_with(command).await, 3_600).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_a_balancer_looks_at_drains_for_ten_seconds() {
    let home = Home::new(Backend::Embedded).await;
    let process = Process::start_with(service(&home, &[])).await;
    send(process.api.request(Method::GET, "/readyz")).await.expect("an answer").ok();
    drains_until_a_second_signal(process, 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_without_a_balancer_stops_at_once() {
    let home = Home::new(Backend::Embedded).await;
    let process = Process::start_with(service(&home, &[])).await;
    let check = program().args(["healthcheck", "--listen", &process.address.to_string()]).status();
    assert!(check.expect("the check runs").success(), "a check of its own");
    let (status, output) = process.terminate().await;
    assert!(status.success() && output.contains("stopping") && !output.contains("draining"), "{status} {output}");
}
