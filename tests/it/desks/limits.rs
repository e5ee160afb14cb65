//! What a desk may not do, and what becomes of it then.

use std::time::Duration;

use rollcall::clock::Clock;
use rollcall::domain::Time;
use rollcall::limits::{Budget, Budgets, TenantLimits};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::{Stage, seconds};
use crate::on_both_stores;
use crate::support::desks::directory;
use crate::support::raw::Raw;
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
    let mut desk = stage.guest().await;
    // The connection is up before its task has looked at the clock.
    eventually("its time is over", async || {
        stage.clock.advance(seconds(10));
        tokio::time::timeout(std::time::Duration::from_millis(50), desk.close_code()).await == Ok(Some(1_008))
    })
    .await;
    assert_eq!(stage.position(), 1);
}

async fn ten_mistakes_close_the_connection(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    for greeted in [false, true] {
        let mut desk = if greeted { stage.desk(1, "tab").await } else { stage.guest().await };
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
    desk.send_text(&message(1024 * 1024)).await;
    assert_eq!(desk.close_code().await, None, "cut");
    assert_eq!(stage.connected().await, 1, "and not logged off");
}

async fn clients_that_do_not_read_are_cut_off(backend: Backend) {
    // With a pace it would be closed for saying too much.
    let stage = Stage::with(Home::new(backend).await, 1, Budgets::without([Budget::Desks])).await;
    let mut desk = Desk::with_small_buffers(&stage.service.api, &stage.persona.key).await;
    assert_eq!(desk.hello(1, "tab").await["type"], "welcome");
    // Refused, and the refusal repeats the id, which JSON makes six times as long.
    let said = json!({ "type": "event", "id": "\u{1}".repeat(128), "event": { "type": "unknown" } }).to_string();
    desk.send_until_blocked(&said).await;
    stage.clock.advance(seconds(5));
    desk.send_until_closed(&said).await;
    assert_eq!(stage.connected().await, 1, "and not logged off");
    stage.clock.advance(seconds(41));
    stage.until_connected(0).await;
}

async fn a_user_has_at_most_16_desks(backend: Backend) {
    let stage = Stage::new(backend, 2).await;
    let mut desks = Vec::new();
    for n in 0..16 {
        desks.push(stage.desk(1, &format!("tab-{n}")).await);
    }
    let mut more = stage.guest().await;
    more.send_text(r#"{"type":"hello","user":"1","session":"one-more"}"#).await;
    assert_eq!(more.close_code().await, Some(1_013));
    stage.desk(2, "tab").await.close(1_000).await;
    stage.desk(1, "tab-0").await.close(1_000).await;
    drop(desks.pop());
    eventually("there is a seat again", async || {
        let mut desk = stage.guest().await;
        desk.send_text(r#"{"type":"hello","user":"1","session":"one-more"}"#).await;
        desk.recv_unless_closed().await.is_some_and(|told| told["type"] == "welcome")
    })
    .await;
}

async fn desks_are_bounded_per_tenant_and_exempt_from_http_timeouts(backend: Backend) {
    let patience = Duration::from_millis(300);
    let setup = Setup { max_connections: 4, header_timeout: patience, ..Setup::default() };
    let service = Service::start_on(Home::new(backend).await, setup).await;
    let persona = service.api.persona("tenant").await;
    service.api.put_directory(&persona.key, &directory(2)).await;
    let mut one = Desk::welcomed(&service.api, &persona.key, 1, "tab").await;
    let mut two = Desk::welcomed(&service.api, &persona.key, 2, "tab").await;
    tokio::time::sleep(patience * 3).await;
    for desk in [&mut one, &mut two] {
        assert_eq!(desk.heartbeat().await["type"], "heartbeat", "its connection is not an idle one");
    }
    // A tenant leaves as many places as its desks have.
    let headers = [("Authorization", &*format!("Bearer {}", persona.key))];
    let refused = Desk::open(&service.api, "/v1/desk", &headers).await.err().expect("it is refused");
    assert_eq!(refused.0, 429, "{}", refused.1);
    one.close(1_000).await;
    eventually("there is a place", async || Desk::open(&service.api, "/v1/desk", &headers).await.is_ok()).await;
    assert_eq!(two.heartbeat().await["type"], "heartbeat");
    drop(two);
    service.stop().await;
}

async fn heartbeats_fill_neither_queue_nor_journal(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let mut desk = stage.desk(1, "tab").await;
    let mut raw = Raw::open(&stage.service.home.location).await;
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
    // Both together are few enough, once and again.
    let mut desk = stage.desk(1, "tab").await;
    for _ in 0..2 {
        for _ in 0..190 {
            desk.send(pong()).await;
            assert_eq!(desk.heartbeat().await["type"], "heartbeat");
        }
        stage.clock.advance(seconds(8));
    }
    for said in [Message::text(heartbeat), pong(), Message::Ping(vec![1].into())] {
        let mut desk = stage.desk(1, "tab").await;
        for _ in 0..410 {
            // What comes after the close is not taken.
            if !desk.try_send(said.clone()).await {
                break;
            }
        }
        assert_eq!(desk.close_code().await, Some(1_008), "{said:?}");
    }
}

/// Messages count as the requests of their tenant do.
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
            let heard = desk.event(&format!("{n}"), "status.changed", json!({ "presence": "Away" })).await;
            let is_refused = heard["type"] == "unavailable";
            assert_eq!(is_refused, is_counted && n >= 17, "{n}: {heard}");
            if is_refused {
                assert_eq!((&heard["id"], &heard["retry_after"]), (&json!(n.to_string()), &json!(1)));
            }
        }
        let answer = service.api.get(&persona.key, "/operator/1/live").await.expect("an answer");
        assert_eq!(answer.status, if is_counted { 429 } else { 200 });
        let heard = desk.heartbeat().await;
        assert_eq!(heard["type"], if is_counted { "unavailable" } else { "heartbeat" });
        service.stop().await;
    }
}
