//! Sockets that are cut at once. The service is a process of its own, so that its metrics count no other test.

use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::json;
use tokio::task::JoinHandle;

use super::COUNT;
use super::socket::Graphql;
use crate::support::desks::directory;
use crate::support::process::Process;
use crate::support::tasks::{eventually_within, spawn};
use crate::support::{ADMIN, Api, Backend, Home};

/// As many sockets as a tenant may have.
const SOCKETS: usize = 1_000;
/// Operations of each, together as many as a tenant may have.
const OPERATIONS: usize = 4;
/// Sockets that are opened at a time: fewer than a network may have without a credential.
const AT_A_TIME: usize = 25;

/// What the service holds by its own count.
#[derive(Debug)]
struct Held {
    sockets: u64,
    operations: u64,
    answer_bytes: u64,
    tasks: u64,
    files: u64,
    /// Resident bytes.
    memory: u64,
}

impl Held {
    async fn by(process: &Process) -> Self {
        let text = process.api.get(ADMIN, "/metrics").await.expect("an answer").ok().text;
        let value = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            // A gauge that never changed is not shown.
            value.map_or(0, |value| value.parse().expect("a whole number"))
        };
        Held {
            sockets: value("rollcall_live_sockets"),
            operations: value("rollcall_live_operations"),
            answer_bytes: value("rollcall_answer_bytes"),
            tasks: value("rollcall_tasks"),
            files: value("process_open_fds"),
            memory: value("process_resident_memory_bytes"),
        }
    }

    /// Returns true if nothing of the sockets is left. The service itself has a few tasks and files more or less.
    fn is_as_before(&self, before: &Held) -> bool {
        let counts = [self.sockets, self.operations, self.answer_bytes];
        counts == [0; 3] && self.tasks < before.tasks + 20 && self.files < before.files + 20
    }
}

/// Raises the limit on open files of this process, which has the clients' sockets; the service raises its own.
fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    assert!(limit.maximum.is_none_or(|files| files >= 4_096), "the hard limit on open files must be 4,096 or more");
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("a process may raise its limit to the hard one");
}

/// Opens a socket, and waits for the first answer of each of its operations.
async fn open(api: &Api, key: &str) -> Graphql {
    let mut socket = Graphql::with_key(api, key).await;
    for id in 0..OPERATIONS {
        socket.subscribe(&format!("{id}"), COUNT).await;
    }
    for _ in 0..OPERATIONS {
        assert_eq!(socket.recv().await["type"], "next");
    }
    socket
}

/// Opens a number of sockets, and answers their pings until their tasks are aborted.
async fn open_many(api: &Api, key: &str, count: usize) -> Vec<JoinHandle<()>> {
    let openers = (0..AT_A_TIME).map(|at| {
        let (api, key) = (api.clone(), key.to_owned());
        let share = count / AT_A_TIME + usize::from(at < count % AT_A_TIME);
        spawn(async move {
            let mut open_ones = Vec::new();
            for _ in 0..share {
                let mut socket = open(&api, &key).await;
                open_ones.push(spawn(async move {
                    loop {
                        socket.recv().await;
                    }
                }));
            }
            open_ones
        })
    });
    let mut all = Vec::new();
    for opener in openers.collect::<Vec<_>>() {
        all.extend(opener.await.expect("the sockets are open"));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_that_are_cut_at_once_return_what_they_held() {
    raise_open_files();
    let home = Home::new(Backend::Embedded).await;
    let process = Process::start(&home.location, &[]).await;
    let persona = process.api.persona("tenant").await;
    process.api.put_directory(&persona.key, &directory(9)).await;
    let before = Held::by(&process).await;
    let mut memory = vec![before.memory];
    // The second time as many fit again: nothing that limits them is left of the first.
    for _ in 0..2 {
        let clients = open_many(&process.api, &persona.key, SOCKETS - 1).await;
        let mut last = open(&process.api, &persona.key).await;
        let held = Held::by(&process).await;
        assert_eq!((held.sockets, held.operations), (1_000, 4_000));
        assert!(held.answer_bytes > 0, "{held:?}");
        assert!(held.tasks >= before.tasks + 1_000 && held.files >= before.files + 1_000, "{held:?} {before:?}");
        let mut more = Graphql::connect(&process.api).await;
        more.init(json!({ "authorization": format!("Bearer {}", persona.key) })).await;
        assert_eq!(more.close_code().await, Some(1_013), "one socket more");
        last.subscribe("more", COUNT).await;
        assert_eq!(last.close_code().await, Some(1_013), "one operation more");
        drop((more, last));
        for client in &clients {
            client.abort();
        }
        eventually_within(Duration::from_secs(60), "nothing is left of the sockets", async || {
            Held::by(&process).await.is_as_before(&before)
        })
        .await;
        memory.push(held.memory);
    }
    // What is freed stays with the process, to be used again: the second time needs hardly more.
    let grown = |at: usize| memory[at].saturating_sub(memory[at - 1]);
    assert!(grown(2) < grown(1) / 2, "{memory:?}");
    let (status, output) = process.terminate().await;
    assert!(status.success(), "{output}");
}
