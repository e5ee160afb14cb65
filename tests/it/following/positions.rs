//! Reads that wait for a position: docs/promises.md R2.

use reqwest::Method;
use rollcall::clock::Clock;

use super::{Pair, start_on};
use crate::support::api::{Answer, Api, send, until_available};
use crate::support::desks::{connected, directory, toggled};
use crate::support::tasks::spawn;
use crate::support::{Backend, Home};

/// Reads the state of a user's channels at a position or later.
async fn read_at(api: &Api, key: &str, user: i64, position: u64) -> Result<Answer, reqwest::Error> {
    let request = api.request(Method::GET, &format!("/operator/{user}/live")).header("X-API-Key", key);
    send(request.header("Rollcall-Min-Position", position)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_names_a_position_looks_at_the_head_at_once() {
    let mut pair = Pair::new().await;
    pair.one.api.apply(&pair.persona.key, &[connected("first", 1, pair.now())]).await;
    pair.quiet().await;
    let before = pair.positions()[1];
    let head = pair.append_unnoticed(10).await;
    // The control: a read that names none does not look. The clocks stand still, so that the server does not poll either.
    assert_eq!(pair.two.api.connected(&pair.persona.key).await.1, before);
    let reads: Vec<_> = (0..32)
        .map(|_| {
            let (api, key) = (pair.two.api.clone(), pair.persona.key.clone());
            spawn(async move { until_available(|| read_at(&api, &key, 1, head)).await.ok().position() })
        })
        .collect();
    for read in reads {
        assert_eq!(read.await.expect("an answer"), head);
    }
    pair.level().await;
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_that_is_not_there_is_503_postgres() {
    let home = Home::new(Backend::Postgres).await;
    let service = start_on(home, &Clock::system()).await;
    let persona = service.api.persona("tenant").await;
    let position = service.api.put_directory(&persona.key, &directory(1)).await.position();
    let beyond = read_at(&service.api, &persona.key, 1, position + 1).await.expect("an answer");
    assert!(beyond.is_unavailable(), "{} {}", beyond.status, beyond.text);
    assert_eq!(until_available(|| read_at(&service.api, &persona.key, 1, position)).await.status, 200);
    service.stop().await;
}

/// Toggles a user's chat at one server and reads it at the other, alternately.
async fn write_here_and_read_there(apis: [Api; 2], key: String, user: i64) {
    let clock = Clock::system();
    for n in 0..20 {
        let [here, there] = if n % 2 == 0 { [&apis[0], &apis[1]] } else { [&apis[1], &apis[0]] };
        let on = n % 3 == 0;
        let event = [toggled(format!("{user}-{n}"), user, clock.now(), on)];
        let position = until_available(|| here.events(&key, &event)).await.ok().position();
        let read = until_available(|| read_at(there, &key, user, position)).await.ok();
        assert!(read.position() >= position);
        assert_eq!(read.json()["data"]["chat"]["available"], on, "{}", read.text);
    }
}

/// Clients that write at one server and read at another see what they wrote, while others write to the same tenant.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_is_read_at_the_other_server() {
    const CLIENTS: i64 = 6;
    let clock = Clock::system();
    let home = Home::new(Backend::Postgres).await;
    let location = home.location.clone();
    let one = start_on(home, &clock).await;
    let two = start_on(Home::at(location), &clock).await;
    let persona = one.api.persona("tenant").await;
    one.api.put_directory(&persona.key, &directory(CLIENTS)).await;
    let desks: Vec<_> = (1..=CLIENTS).map(|user| connected(user, user, clock.now())).collect();
    one.api.apply(&persona.key, &desks).await;
    let clients: Vec<_> = (1..=CLIENTS)
        .map(|user| spawn(write_here_and_read_there([one.api.clone(), two.api.clone()], persona.key.clone(), user)))
        .collect();
    for client in clients {
        client.await.expect("a client sees what it wrote");
    }
    two.stop().await;
    one.stop().await;
}
