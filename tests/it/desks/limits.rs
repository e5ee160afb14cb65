//! Limits of desk connections, and the close codes of their violations.

use std::time::Duration;

use rollcall::clock::Clock;
use rollcall::domain::Time;
use rollcall::limits::{Budget, Budgets, TenantLimits};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::{Stage, seconds};
use crate::on_both_stores;
use crate::support::desks::directory;
use crate::support::raw::RawStore;
use crate::support::sockets::Desk;
use crate::support::tasks::eventually;
use crate::support::{Backend, Home, Service, Setup};

on_both_stores!(connections_without_hello_are_closed);
on_both_stores!(ten_mistakes_close_the_connection);
on_both_stores!(messages_are_limited_in_size);
on_both_stores!(clients_that_do_not_read_are_cut_off);
on_both_stores!(a_user_has_at_most_16_desks);
on_both_stores!(desks_are_bounded_per_tenant_and_exempt_from_http_timeouts);
on_both_stores!(frames_are_rate_limited_per_connection);
on_both_stores!(messages_count_against_the_tenants_rate);
on_both_stores!(heartbeats_fill_neither_queue_nor_journal);

async fn connections_without_hello_are_closed(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let mut desk = stage.connect().await;
    // The deadline begins a moment after the handshake, so the clock may have to be moved more than once.
    eventually("the connection is closed", async || {
        stage.clock.advance(seconds(10));
        tokio::time::timeout(std::time::Duration::from_millis(50), desk.close_code()).await == Ok(Some(1_008))
    })
    .await;
    assert_eq!(stage.position(), 1);
}

async fn ten_mistakes_close_the_connection(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    for greeted in [false, true] {
        let mut desk = if greeted { stage.desk(1, "tab").await } else { stage.connect().await };
        for n in 1..10 {
            match n % 3 {
                0 => desk.send(Message::binary(vec![1, 2, 3])).await,
                1 => desk.send_text("{\"type\":").await,
                _ => desk.send_text(r#"{"type":"event","id":7}"#).await,
            }
            assert_eq!(desk.recv().await["type"], "error", "{n}");
        }
        desk.send_text("and one more").await;
        assert_eq!(desk.close_code().await, Some(1_008));
    }
    stage.gone_in(seconds(45)).await;
}

async fn messages_are_limited_in_size(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let message = |bytes: usize| {
        let empty = json!({ "type": "heartbeat", "more": "" }).to_string().len();
        json!({ "type": "heartbeat", "more": "x".repeat(bytes - empty) }).to_string()
    };
    let mut desk = stage.desk(1, "tab").await;
    desk.send_text(&message(16 * 1024)).await;
    assert_eq!(desk.recv().await["type"], "heartbeat");
    desk.send_text(&message(16 * 1024 + 1)).await;
    assert_eq!(desk.close_code().await, Some(1_009));
    let mut desk = stage.desk(1, "tab").await;
    // The service may cut the connection before the whole message was sent.
    desk.try_send(Message::text(message(1024 * 1024))).await;
    assert_eq!(desk.close_code().await, None, "the connection is cut without a close frame");
    assert_eq!(stage.connected().await, 1, "the user stays connected until the lease ends");
}

async fn clients_that_do_not_read_are_cut_off(backend: Backend) {
    // Without the limit on frames, which would close the connection first.
    let stage = Stage::with(Home::new(backend).await, 1, Budgets::without([Budget::Desks])).await;
    let mut desk = Desk::with_small_buffers(&stage.service.api, &stage.persona.key).await;
    assert_eq!(desk.hello(1, "tab").await["type"], "welcome");
    // The event is rejected, and the answer repeats the id, which JSON escapes to six times its length.
    let message = json!({ "type": "event", "id": "\u{1}".repeat(128), "event": { "type": "unknown" } }).to_string();
    desk.send_until_blocked(&message).await;
    stage.clock.advance(seconds(5));
    desk.send_until_closed(&message).await;
    assert_eq!(stage.connected().await, 1, "the user stays connected until the lease ends");
    stage.clock.advance(seconds(41));
    stage.until_connected(0).await;
}

async fn a_user_has_at_most_16_desks(backend: Backend) {
    let stage = Stage::new(backend, 2).await;
    let mut desks = Vec::new();
    for n in 0..16 {
        desks.push(stage.desk(1, &format!("tab-{n}")).await);
    }
    let mut more = stage.connect().await;
    more.send_text(r#"{"type":"hello","user":"1","session":"one-more"}"#).await;
    assert_eq!(more.close_code().await, Some(1_013));
    stage.desk(2, "tab").await.close(1_000).await;
    stage.desk(1, "tab-0").await.close(1_000).await;
    drop(desks.pop());
    eventually("a desk is free again", async || {
        let mut desk = stage.connect().await;
        desk.send_text(r#"{"type":"hello","user":"1","session":"one-more"}"#).await;
        desk.recv_unless_closed().await.is_some_and(|answer| answer["type"] == "welcome")
    })
    .await;
}

async fn desks_are_bounded_per_tenant_and_exempt_from_http_timeouts(backend: Backend) {
    let header_timeout = Duration::from_millis(300);
    let setup = Setup { max_connections: 4, header_timeout, ..Setup::default() };
    let service = Service::start_on(Home::new(backend).await, setup).await;
    let persona = service.api.persona("tenant").await;
    service.api.put_directory(&persona.key, &directory(2)).await;
    let mut one = Desk::welcomed(&service.api, &persona.key, 1, "tab").await;
    let mut two = Desk::welcomed(&service.api, &persona.key, 2, "tab").await;
    tokio::time::sleep(header_timeout * 3).await;
    for desk in [&mut one, &mut two] {
        assert_eq!(desk.heartbeat().await["type"], "heartbeat", "a desk is not closed as idle");
    }
    // A tenant's desks may take half of all connections.
    let headers = [("Authorization", &*format!("Bearer {}", persona.key))];
    let refused = Desk::open(&service.api, "/v1/desk", &headers).await.err().expect("the connection is rejected");
    assert_eq!(refused.0, 429, "{}", refused.1);
    one.close(1_000).await;
    eventually("a place is free", async || Desk::open(&service.api, "/v1/desk", &headers).await.is_ok()).await;
    assert_eq!(two.heartbeat().await["type"], "heartbeat");
    drop(two);
    service.stop().await;
}

async fn heartbeats_fill_neither_queue_nor_journal(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let mut desk = stage.desk(1, "tab").await;
    let mut raw = RawStore::open(&stage.service.home.location).await;
    let before = stage.service.app.submitter.depth();
    for _ in 0..200 {
        assert_eq!(desk.heartbeat().await["position"], 2);
    }
    assert_eq!(stage.service.app.submitter.depth(), before);
    assert_eq!(raw.journal().await.len(), 2);
}

async fn frames_are_rate_limited_per_connection(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let heartbeat = r#"{"type":"heartbeat"}"#;
    let pong = || Message::Pong(vec![1].into());
    // 190 of each kind are within the limit, and again after 8 seconds.
    let mut desk = stage.desk(1, "tab").await;
    for _ in 0..2 {
        for _ in 0..190 {
            desk.send(pong()).await;
            assert_eq!(desk.heartbeat().await["type"], "heartbeat");
        }
        stage.clock.advance(seconds(8));
    }
    for frame in [Message::text(heartbeat), pong(), Message::Ping(vec![1].into())] {
        let mut desk = stage.desk(1, "tab").await;
        for _ in 0..410 {
            // Sending fails once the service has closed the connection.
            if !desk.try_send(frame.clone()).await {
                break;
            }
        }
        assert_eq!(desk.close_code().await, Some(1_008), "{frame:?}");
    }
}

async fn messages_count_against_the_tenants_rate(backend: Backend) {
    for (budgets, is_counted) in [(Budgets::default(), true), (Budgets::without([Budget::Desks]), false)] {
        let clock = Clock::manual(Time::from_micros(1_614_589_200_000_000));
        let tenant_limits = TenantLimits { rate: 10, ..TenantLimits::default() };
        let setup = Setup { clock: clock.clone(), tenant_limits, budgets, ..Setup::default() };
        let service = Service::start_on(Home::new(backend).await, setup).await;
        let persona = service.api.persona("tenant").await;
        service.api.put_directory(&persona.key, &directory(1)).await;
        // With the document, the connection and its first message, 17 are left.
        let mut desk = Desk::welcomed(&service.api, &persona.key, 1, "tab").await;
        for n in 0..40 {
            let answer = desk.event(&format!("{n}"), "status.changed", json!({ "presence": "Away" })).await;
            let is_refused = answer["type"] == "unavailable";
            assert_eq!(is_refused, is_counted && n >= 17, "{n}: {answer}");
            if is_refused {
                assert_eq!((&answer["id"], &answer["retry_after"]), (&json!(n.to_string()), &json!(1)));
            }
        }
        let answer = service.api.get(&persona.key, "/operator/1/live").await.expect("an answer");
        assert_eq!(answer.status, if is_counted { 429 } else { 200 });
        let heartbeat = desk.heartbeat().await;
        assert_eq!(heartbeat["type"], if is_counted { "unavailable" } else { "heartbeat" });
        service.stop().await;
    }
}
