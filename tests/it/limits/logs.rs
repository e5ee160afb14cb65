//! Log lines that are not read: they are dropped and counted, and no request waits for them.

use std::fs::File;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::Method;

use crate::support::api::{Api, send};
use crate::support::process::{program, store_flags};
use crate::support::tasks::{eventually, eventually_within};
use crate::support::{ADMIN, Backend, Home};

/// Requests whose log lines exceed a pipe's buffer.
const REQUESTS: usize = 2_000;

/// A service whose standard error is a pipe that is not read.
struct Unread {
    child: Child,
    api: Api,
    _home: Home,
}

impl Unread {
    async fn start(flags: &[&str]) -> Self {
        let home = Home::new(Backend::Embedded).await;
        let folder = tempfile::tempdir().expect("a folder");
        let stdout = folder.path().join("stdout");
        let mut command = program();
        command.arg("serve").args(store_flags(&home.location)).args(["--admin-token", ADMIN]).args(flags);
        command.args(["--listen", "127.0.0.1:0"]).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.stdout(File::create(&stdout).expect("a file")).spawn().expect("the service starts");
        let mut address: Option<SocketAddr> = None;
        eventually("the service prints its address", async || {
            assert!(child.try_wait().expect("a process").is_none(), "the service exited");
            let output = std::fs::read_to_string(&stdout).expect("a text");
            address = output.split_once('\n').and_then(|(line, _)| line.rsplit_once("://")?.1.parse().ok());
            address.is_some()
        })
        .await;
        Unread { child, api: Api::at(address.expect("an address")), _home: home }
    }

    /// Returns whether a request is answered within two seconds.
    async fn answers(&self) -> bool {
        let asked = send(self.api.request(Method::GET, "/livez"));
        tokio::time::timeout(Duration::from_secs(2), asked).await.is_ok_and(|answer| answer.is_ok())
    }

    fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success(), "the signal is sent");
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        // Both fail only if the process has already exited.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unread_log_lines_are_dropped_and_counted() {
    let mut unread = Unread::start(&["--log", "debug"]).await;
    for n in 0..2 * REQUESTS {
        assert!(unread.answers().await, "{n}");
    }
    eventually_within(Duration::from_secs(30), "the metric counts dropped lines", async || {
        for _ in 0..REQUESTS {
            assert!(unread.answers().await);
        }
        let metrics = unread.api.get(ADMIN, "/metrics").await.expect("an answer").text;
        let count = metrics.lines().find_map(|line| line.strip_prefix("rollcall_log_lines_dropped_total "));
        count.is_some_and(|count| count != "0")
    })
    .await;
    unread.terminate();
    let mut status = None;
    eventually("the service exits", async || {
        status = unread.child.try_wait().expect("a process");
        status.is_some()
    })
    .await;
    assert!(status.expect("a status").success());
}

/// The control: without the budget requests wait until the log is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_budget_requests_wait_for_the_log_reader() {
    let unread = Unread::start(&["--log", "debug", "--without-budget", "logs"]).await;
    let mut is_stuck = false;
    for _ in 0..2 * REQUESTS {
        is_stuck = !unread.answers().await;
        if is_stuck {
            break;
        }
    }
    assert!(is_stuck, "no request waited for the full pipe");
}
