//! Walls: a link's socket shows its board, and nothing else.

use std::time::Duration;

use reqwest::Method;
use rollcall::clock::Clock;
use rollcall::domain::Time;
use serde_json::{Value, json};

use super::{LINKS, link, listed, put};
use crate::live::Stage;
use crate::live::socket::Graphql;
use crate::on_both_stores;
use crate::support::api::send;
use crate::support::{ADMIN, Backend, Setup};

on_both_stores!(a_link_shows_its_board_and_nothing_else);
on_both_stores!(links_of_different_names_share_no_answer);
on_both_stores!(a_revoked_link_goes_dark_and_no_other);
on_both_stores!(links_end_at_their_time);
on_both_stores!(a_deleted_board_comes_back_when_it_is_put);
on_both_stores!(a_link_for_a_page_shows_no_more_than_its_key);
on_both_stores!(no_wall_shows_an_id_or_an_address_of_a_user);

/// The document of the page.
const DOCUMENT: &str =
    "subscription{board{name title theme rotationSeconds position time stalenessMs serverVersion severity breachCount
  breaches{key page tile severity text}
  pages{title severity tiles{type title width severity problem unknownIds unknownUsers
    number{column{metric label unit}cell{value severity}of{column{metric label unit}value}}
    rows{columns{metric label unit}rows{key label severity cells{value severity}}rowCount}
    people{people{label reason since}peopleCount}
    chart{hours series{column{metric label unit}value}}}}}}";

impl Stage {
    async fn link(&self, wanted: &Value) -> (String, String) {
        link(&self.service, &self.persona.key, wanted).await
    }

    /// Connects a socket with a link. Panics unless it is accepted.
    async fn wall(&self, token: &str) -> Graphql {
        let mut socket = Graphql::connect(&self.service.api).await;
        socket.init(json!({ "link": token })).await;
        assert_eq!(socket.recv().await, json!({ "type": "connection_ack" }));
        socket
    }

    async fn delete(&self, path: &str, key: &str) {
        send(self.service.api.request(Method::DELETE, path).bearer_auth(key)).await.expect("an answer").ok();
    }

    /// Returns the code with which a socket is closed that presents a payload.
    async fn refused(&self, payload: Value) -> Option<u16> {
        let mut socket = Graphql::connect(&self.service.api).await;
        socket.init(payload).await;
        socket.close_code().await
    }
}

/// Returns the labels of the people on a board.
fn labels(answer: &Value) -> Vec<String> {
    let tiles = answer["data"]["board"]["pages"][0]["tiles"].as_array().expect("tiles");
    let people = tiles.iter().find(|tile| tile["type"] == "PEOPLE").expect("people");
    let people = people["people"]["people"].as_array().expect("people").iter();
    people.map(|person| person["label"].as_str().expect("a label").to_owned()).collect()
}

async fn a_link_shows_its_board_and_nothing_else(backend: Backend) {
    let stage = Stage::at(backend, Clock::system()).await;
    stage.user(1).await;
    let (id, token) = stage.link(&json!({})).await;
    let mut wall = stage.wall(&token).await;
    wall.subscribe("1", DOCUMENT).await;
    let first = wall.next("1").await;
    let board = &first["data"]["board"];
    assert_eq!((&board["name"], &board["title"]), (&json!("default"), &json!("Wallboard")), "{first}");
    assert_eq!(board["serverVersion"], env!("CARGO_PKG_VERSION"));
    let tiles = &board["pages"][0]["tiles"];
    assert_eq!(tiles.as_array().expect("tiles").len(), 9, "{first}");
    assert_eq!(tiles[3]["number"]["cell"]["value"], 1.0, "{first}");
    assert_eq!(tiles[3]["number"]["of"]["value"], 9.0, "{first}");
    stage.user(2).await;
    let second = wall.next("1").await;
    assert_eq!(second["data"]["board"]["pages"][0]["tiles"][3]["number"]["cell"]["value"], 2.0, "{second}");
    for (n, query) in [
        "{now{position}}",
        "{__schema{types{name}}}",
        "subscription{live{position}}",
        "subscription{__typename}",
        "mutation{__typename}",
        "subscription{a:board{name} b:board{name}}",
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("other {n}");
        wall.subscribe(&id, query).await;
        wall.error(&id).await;
    }
    // The socket is still there.
    stage.user(3).await;
    let third = wall.next("1").await;
    assert_eq!(third["data"]["board"]["pages"][0]["tiles"][3]["number"]["cell"]["value"], 3.0, "{third}");
    let links = stage.service.api.get(&stage.persona.key, LINKS).await.expect("an answer").json();
    assert_eq!((&links["links"][0]["id"], links["links"][0]["seen"].is_string()), (&json!(id), true), "{links}");
    // A key shows no board: what a wall shows is decided by its link.
    let mut of_key = Graphql::with_key(&stage.service.api, &stage.persona.key).await;
    of_key.subscribe("1", DOCUMENT).await;
    assert_eq!(of_key.error("1").await[0]["extensions"]["name"], "PERMISSION_DENIED");
    for payload in [
        json!({ "link": format!("{token}0") }),
        json!({ "link": "wl_x" }),
        json!({ "link": stage.persona.key }),
        json!({ "authorization": format!("Bearer {token}") }),
    ] {
        assert_eq!(stage.refused(payload.clone()).await, Some(4403), "{payload}");
    }
    let two = json!({ "link": token, "authorization": format!("Bearer {}", stage.persona.key) });
    assert_eq!(stage.refused(two).await, Some(4400));
    stage.service.stop().await;
}

async fn links_of_different_names_share_no_answer(backend: Backend) {
    let stage = Stage::at(backend, Clock::system()).await;
    let users = json!([{ "id": 1, "name": "Byron", "first_name": "Ada" }, { "id": 2, "name": "Grace Hopper" }]);
    stage.service.api.put_directory(&stage.persona.key, &json!({ "users": users })).await;
    // The one who is available longest comes first.
    stage.user(2).await;
    stage.user(1).await;
    let mut walls = Vec::new();
    for (names, expected) in
        [("first", ["Grace", "Ada"]), ("full", ["Grace Hopper", "Ada Byron"]), ("hidden", ["Agent 1", "Agent 2"])]
    {
        let (_, token) = stage.link(&json!({ "names": names })).await;
        let mut wall = stage.wall(&token).await;
        wall.subscribe("1", DOCUMENT).await;
        assert_eq!(labels(&wall.next("1").await), expected);
        walls.push((wall, expected));
    }
    // Nor later: each execution is of one kind of link.
    stage.user(3).await;
    for (wall, expected) in &mut walls {
        assert_eq!(labels(&wall.next("1").await)[..2], expected[..]);
    }
    stage.service.stop().await;
}

async fn a_revoked_link_goes_dark_and_no_other(backend: Backend) {
    let stage = Stage::at(backend, Clock::system()).await;
    let scopes = ["graphql:read", "users:read", "wallboards:write"];
    let (key_id, key) = stage.service.api.key(&stage.persona.tenant, &scopes).await;
    let (id, revoked) = stage.link(&json!({})).await;
    let (_, of_key) = link(&stage.service, &key, &json!({})).await;
    let (_, kept) = link(&stage.service, &key, &json!({ "keep": true })).await;
    let mut walls = Vec::new();
    // Their rights are equal, and so they share an execution.
    for token in [&revoked, &of_key, &kept] {
        let mut wall = stage.wall(token).await;
        wall.subscribe("1", DOCUMENT).await;
        wall.next("1").await;
        walls.push(wall);
    }
    stage.delete(&format!("{LINKS}/{id}"), &stage.persona.key).await;
    assert_eq!(walls[0].close_code().await, Some(4403));
    assert_eq!(stage.refused(json!({ "link": revoked })).await, Some(4403));
    stage.user(1).await;
    for wall in &mut walls[1..] {
        wall.next("1").await;
    }
    stage.delete(&format!("/v1/tenants/{}/keys/{key_id}", stage.persona.tenant), ADMIN).await;
    assert_eq!(walls[1].close_code().await, Some(4403));
    stage.user(2).await;
    walls[2].next("1").await;
    let service = stage.service.restart(Setup { clock: stage.clock.clone(), ..Setup::default() }).await;
    let stage = Stage { service, ..stage };
    assert_eq!(stage.refused(json!({ "link": of_key })).await, Some(4403));
    let mut wall = stage.wall(&kept).await;
    wall.subscribe("1", DOCUMENT).await;
    wall.next("1").await;
    stage.service.stop().await;
}

async fn links_end_at_their_time(backend: Backend) {
    let stage = Stage::at(backend, Clock::manual(Time::from_micros(1_614_589_200_000_000))).await;
    let (_, token) = stage.link(&json!({ "hours": 1 })).await;
    let mut wall = stage.wall(&token).await;
    wall.subscribe("1", DOCUMENT).await;
    wall.next("1").await;
    stage.clock.advance(Duration::from_secs(60 * 60 - 2));
    stage.user(1).await;
    stage.clock.advance(Duration::from_secs(1));
    wall.next("1").await;
    stage.clock.advance(Duration::from_secs(1));
    assert_eq!(wall.close_code().await, Some(4403), "within a second");
    assert_eq!(stage.refused(json!({ "link": token })).await, Some(4403));
    assert!(listed(&stage.service, &stage.persona).await.is_empty());
    stage.service.stop().await;
}

async fn a_deleted_board_comes_back_when_it_is_put(backend: Backend) {
    let stage = Stage::at(backend, Clock::system()).await;
    let board =
        |title: &str| json!({ "title": title, "pages": [{ "tiles": [{ "type": "number", "metric": "people" }] }] });
    put(&stage.service, &stage.persona.key, "floor", &board("before")).await;
    let made = stage.service.api.post(&stage.persona.key, "/v1/wallboards/floor/links", &json!({})).await;
    let token = made.expect("an answer").ok().json()["link"].as_str().expect("a token").to_owned();
    let mut wall = stage.wall(&token).await;
    wall.subscribe("1", "subscription{board{title}}").await;
    assert_eq!(wall.next("1").await, json!({ "data": { "board": { "title": "before" } } }));
    stage.delete("/v1/wallboards/floor", &stage.persona.key).await;
    let gone = wall.next("1").await;
    assert_eq!((&gone["data"], &gone["errors"][0]["extensions"]["name"]), (&Value::Null, &json!("RESOURCE_NOT_FOUND")));
    put(&stage.service, &stage.persona.key, "floor", &board("after")).await;
    assert_eq!(wall.next("1").await, json!({ "data": { "board": { "title": "after" } } }));
    stage.service.stop().await;
}

async fn a_link_for_a_page_shows_no_more_than_its_key(backend: Backend) {
    let stage = Stage::at(backend, Clock::system()).await;
    let (_, key) = stage.service.api.key(&stage.persona.tenant, &["graphql:read"]).await;
    let (_, token) = link(&stage.service, &key, &json!({ "hours": 12 })).await;
    let mut wall = stage.wall(&token).await;
    wall.subscribe("1", "subscription{board{pages{tiles{type}}}}").await;
    let answer = wall.next("1").await;
    let tiles = answer["data"]["board"]["pages"][0]["tiles"].as_array().expect("tiles");
    assert!(tiles.len() == 8 && tiles.iter().all(|tile| tile["type"] != "PEOPLE"), "{answer}");
    stage.service.stop().await;
}

async fn no_wall_shows_an_id_or_an_address_of_a_user(backend: Backend) {
    let stage = Stage::at(backend, Clock::system()).await;
    let address = "kim.lee@example.com";
    let users = json!([
        { "id": 11, "name": address },
        { "id": 12, "name": "Lee", "first_name": "Kim", "external_id": address },
    ]);
    let groups = json!([{ "id": 1, "name": "North" }]);
    stage.service.api.put_directory(&stage.persona.key, &json!({ "users": users, "groups": groups })).await;
    let user = format!("external:{address}");
    let board = json!({ "pages": [{ "tiles": [
        { "type": "people", "filters": { "user": [11, user.clone()] }, "reasons": ["offline"] },
        { "type": "number", "metric": "people", "filters": { "user": [user], "group": ["North"] } },
    ] }] });
    put(&stage.service, &stage.persona.key, "default", &board).await;
    let mut walls = Vec::new();
    for (names, expected) in
        [("first", ["Agent 1", "Kim"]), ("full", ["Agent 1", "Kim Lee"]), ("hidden", ["Agent 1", "Agent 2"])]
    {
        let (_, token) = stage.link(&json!({ "names": names })).await;
        let mut wall = stage.wall(&token).await;
        wall.subscribe("1", DOCUMENT).await;
        let answer = wall.next("1").await;
        assert_eq!(labels(&answer), expected);
        assert!(!answer.to_string().contains('@'), "{answer}");
        walls.push(wall);
    }
    stage.delete("/operator/12", &stage.persona.key).await;
    for wall in &mut walls {
        let answer = wall.next("1").await;
        let tiles = &answer["data"]["board"]["pages"][0]["tiles"];
        for tile in [&tiles[0], &tiles[1]] {
            assert_eq!((&tile["unknownIds"], &tile["unknownUsers"]), (&json!([]), &json!(1)), "{answer}");
        }
        assert!(!answer.to_string().contains('@'), "{answer}");
    }
    stage.service.stop().await;
}

/// The largest board that can be put would take twenty times what an answer may, and is cut.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_board_is_shown() {
    let stage = Stage::at(Backend::Embedded, Clock::system()).await;
    let groups: Vec<Value> =
        (1..=500).map(|id| json!({ "id": id, "name": format!("{id}{}", "\"".repeat(250)) })).collect();
    stage.service.api.put_directory(&stage.persona.key, &json!({ "groups": groups })).await;
    let columns = ["people", "connected", "available", "full", "blocked", "away", "disabled", "offline"];
    let long = json!({ "type": "rows", "by": "group", "first": 500, "columns": columns });
    let short = json!({ "type": "rows", "by": "channel" });
    let page = |tiles: usize, tile: &Value| json!({ "tiles": vec![tile; tiles] });
    let mut pages = vec![page(24, &long); 9];
    pages.push(page(24, &short));
    put(&stage.service, &stage.persona.key, "default", &json!({ "pages": pages })).await;
    let (_, token) = stage.link(&json!({})).await;
    let mut wall = stage.wall(&token).await;
    wall.subscribe("1", DOCUMENT).await;
    let answer = wall.next("1").await;
    assert!(answer.get("errors").is_none(), "{}", answer["errors"]);
    let pages = answer["data"]["board"]["pages"].as_array().expect("pages");
    let rows = |page: usize| {
        let tiles = pages[page]["tiles"].as_array().expect("tiles").iter().map(|tile| &tile["rows"]);
        tiles.map(|rows| (rows["rows"].as_array().expect("rows").len(), rows["rowCount"].as_u64())).collect::<Vec<_>>()
    };
    let long = rows(0);
    assert!(long[0].0 > 5 && long[0].0 < 500 && long.iter().all(|one| *one == (long[0].0, Some(500))), "{long:?}");
    assert_eq!(rows(9), vec![(4, Some(4)); 24], "short lists stay whole");
    stage.service.stop().await;
}
