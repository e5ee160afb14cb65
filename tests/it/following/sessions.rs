//! Desks of one user at several servers: a session has one connection, and a user 16 of them, wherever they are.

use super::Pair;
use crate::support::Service;
use crate::support::sockets::Desk;

impl Pair {
    async fn desk(&self, service: &Service, session: &str) -> Desk {
        Desk::welcomed(&service.api, &self.persona.key, 1, session).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_socket_of_a_session_closes_the_first_at_another_server() {
    let pair = Pair::new().await;
    let mut kept = pair.desk(&pair.one, "other").await;
    let mut before = pair.desk(&pair.one, "tab").await;
    for n in 0..6 {
        // By turns, so that a session also goes back to a server where it was before.
        let after = pair.desk(if n % 2 == 0 { &pair.two } else { &pair.one }, "tab").await;
        pair.level().await;
        let ended = before.recv().await;
        assert_eq!((&ended["type"], &ended["reason"]), (&"ended".into(), &"replaced".into()), "{n}: {ended}");
        assert_eq!(before.close_code().await, Some(4_001));
        before = after;
    }
    // The controls: the newest connection and another session go on.
    assert_eq!(before.heartbeat().await["type"], "heartbeat");
    assert_eq!(kept.heartbeat().await["type"], "heartbeat");
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_has_sixteen_sockets_at_all_servers_together() {
    let pair = Pair::new().await;
    let mut desks = Vec::new();
    for n in 0..16 {
        desks.push(pair.desk(if n % 2 == 0 { &pair.one } else { &pair.two }, &format!("tab {n}")).await.run_idle());
    }
    for service in [&pair.one, &pair.two] {
        let mut more = Desk::with_key(&service.api, &pair.persona.key).await;
        more.send_text(r#"{"type":"hello","user":"1","session":"one more"}"#).await;
        assert_eq!(more.close_code().await, Some(1_013));
    }
    // One that is open already takes no place, also at the other server.
    let moved = pair.desk(&pair.two, "tab 0").await;
    pair.level().await;
    assert_eq!(desks.remove(0).await.expect("a desk").1, Some(4_001));
    assert!(desks.iter().all(|desk| !desk.is_finished()));
    moved.close(1_000).await;
    // Its place is free then.
    pair.desk(&pair.one, "one more").await;
    pair.end().await;
}
