//! `rollcall demo` leaves nothing behind that grows for ever, or that is committed or sent to Docker by accident.

use super::{on, stdout};
use crate::support::process::{Process, program, store_flags};
use crate::support::routes::source;
use crate::support::{Backend, Home};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closed_conversations_are_kept_for_a_day_unless_set_otherwise() {
    let home = Home::new(Backend::Embedded).await;
    let days = || {
        let shown = stdout(&on(&home, &["tenant", "show", "Demo"]).code(0));
        let line = shown.lines().find(|line| line.starts_with("conversation days")).expect("a line");
        line.rsplit(' ').next().unwrap_or_default().to_owned()
    };
    let demo = async || {
        let mut command = program();
        command.arg("demo").args(store_flags(&home.location));
        let (status, output) = Process::start_with(command).await.terminate().await;
        assert!(status.success(), "{output}");
    };
    demo().await;
    assert_eq!(days(), "1");
    // A store of an older build is bounded as well, and what its user has set stays.
    for (set, kept) in [("forever", "1"), ("30", "30")] {
        on(&home, &["tenant", "set", "Demo", "--conversation-days", set]).code(0);
        demo().await;
        assert_eq!(days(), kept);
    }
}

#[test]
fn the_stores_of_first_tries_are_ignored() {
    let names = ["data", "demo-data"];
    let ignored = |file: &str, name: &str| source(file).lines().any(|line| line.trim_start_matches('/') == name);
    for name in names {
        assert!(ignored(".gitignore", name) && ignored(".dockerignore", name), "{name}");
    }
}
