//! Databases that cannot be used: the message names the place, the setting and the cause, and never the password.

use rollcall::store::{Location, Store};

use super::{run, stderr, stdout};
use crate::support::postgres::pooler::Pooler;
use crate::support::postgres::{new_database, server};
use crate::support::process::store_flags;

/// Runs commands on a database, and returns their messages.
fn refused(url: &str, status: i32) -> [String; 3] {
    let commands: [&[&str]; 3] = [&["tenant", "list"], &["migrate"], &["serve", "--listen", "127.0.0.1:0"]];
    commands.map(|arguments| {
        let ended = run(arguments, &[("DATABASE_URL", url)]).code(status);
        assert_eq!(stdout(&ended), "");
        let message = stderr(&ended);
        assert!(message.contains("--database-url (DATABASE_URL)") && !message.contains("canary"), "{message}");
        message
    })
}

#[test]
fn an_unreachable_database_is_named() {
    for message in refused("postgres://user:canary@127.0.0.1:1/presence", 1) {
        assert!(message.contains("database presence at 127.0.0.1:1: ") && message.contains("refused"), "{message}");
    }
}

#[test]
fn a_password_that_is_not_encoded_is_explained() {
    for message in refused("postgres://user:canary/1@host/presence", 2) {
        assert!(message.contains("write %2F for /"), "{message}");
    }
}

#[tokio::test]
async fn what_the_server_rejects_is_reported_with_its_place() {
    let server = server();
    let place = format!("{}:{}", server.get_host(), server.get_port());
    let url = |user: &str, database: &str| format!("postgres://{user}:canary@{place}/{database}");
    for message in refused(&url(server.get_username(), "no_such_database"), 2) {
        let place = format!("database no_such_database at {place}: ");
        assert!(message.contains(&place) && message.contains("does not exist"), "{message}");
    }
    for message in refused(&url("no_such_role", "postgres"), 2) {
        assert!(message.contains(&format!("database postgres at {place}: ")), "{message}");
        assert!(message.contains("no_such_role"), "{message}");
    }
}

/// The lock of the only server would be on a session that other connections use as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_of_transactions_is_refused() {
    let direct = new_database().await;
    let (_pooler, options) = Pooler::start(&direct).await;
    let location = Location::Postgres(Box::new(options));
    let [_, url] = store_flags(&location);
    for message in refused(&url, 2) {
        assert!(message.contains("pool_mode=session") && message.contains(&location.to_string()), "{message}");
    }
    // Nothing was left behind that keeps a server from starting.
    let direct = Location::Postgres(Box::new(direct));
    assert!(run(&["verify", "--database-url", &store_flags(&direct)[1]], &[]).get_output().status.code() == Some(2));
    drop(Store::open(&direct).await.expect("the database itself"));
    run(&["verify", "--database-url", &store_flags(&direct)[1]], &[]).code(0);
}
