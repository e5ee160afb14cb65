//! PostgreSQL is unavailable: docs/promises.md R3, S2, and "Faults".

use std::time::Duration;

use reqwest::Method;
use rollcall::clock::Clock;
use rollcall::domain::Time;
use rollcall::store::Location;
use serde_json::json;

use super::{REJECTION_TIMEOUT, recovers};
use crate::support::api::{Answer, Persona, send};
use crate::support::audit::audit;
use crate::support::desks::{connected, directory, heartbeat, leased};
use crate::support::postgres::proxy::{Link, Proxy};
use crate::support::requests::request;
use crate::support::routes::Route;
use crate::support::signing::enable_webhooks;
use crate::support::tasks::{Stopwatch, eventually};
use crate::support::{ADMIN, Home, Service, Setup, postgres};

const STALENESS: &str = "rollcall-staleness-ms";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_fail_and_reads_continue_when_the_store_is_cut_off() {
    survives(Link::Cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_fail_and_reads_continue_when_the_store_is_frozen() {
    survives(Link::Frozen).await;
}

/// A service whose connection to the store can be cut, and a manual clock.
struct Stage {
    service: Service,
    persona: Persona,
    proxy: Proxy,
    clock: Clock,
}

async fn survives(link: Link) {
    let direct = postgres::new_database().await;
    let (proxy, through) = Proxy::start(&direct).await;
    let clock = Clock::manual(Time::from_micros(1_614_589_200_000_000));
    let home = Home::at(Location::Postgres(Box::new(through)));
    let service = Service::start_on(home, Setup { clock: clock.clone(), ..Setup::default() }).await;
    let persona = service.api.persona("tenant").await;
    service.api.put_directory(&persona.key, &directory(10)).await;
    enable_webhooks(&service.api, &persona.tenant).await;
    let stage = Stage { service, persona, proxy, clock };
    stage.connect_users().await;
    assert!(stage.service.api.is_ready().await);

    stage.proxy.set(link);
    stage.writes_are_rejected().await;
    stage.reads_succeed(None).await;
    stage.staleness_is_reported().await;
    stage.stale_state_is_not_served_to_routers().await;
    stage.proxy.set(Link::Open);
    stage.writes_and_reads_succeed().await;
    stage.users_are_still_connected().await;
    // Again, on the new connections.
    stage.proxy.set(link);
    stage.writes_are_rejected().await;
    stage.proxy.set(Link::Open);
    stage.writes_and_reads_succeed().await;
    stage.service.stop().await;
    assert_eq!(audit(&Location::Postgres(Box::new(direct)), &[]).await, [""; 0]);
}

impl Stage {
    async fn connect_users(&self) {
        let now = self.clock.now();
        let events = [connected("one", 1, now), leased("two", 2, "desk", now, 5)];
        self.service.api.apply(&self.persona.key, &events).await;
    }

    async fn writes_are_rejected(&self) {
        for n in 0..4 {
            let watch = Stopwatch::start();
            let events = [connected(format!("away-{n}"), 3, self.clock.now())];
            let answer = self.service.api.events(&self.persona.key, &events).await.expect("the service answers");
            assert!(answer.is_unavailable(), "{} {}", answer.status, answer.text);
            assert!(watch.elapsed() < REJECTION_TIMEOUT, "rejected after {:?}", watch.elapsed());
        }
        // The lock, and with it the lease, may be another server's by now.
        let beat = [heartbeat("beat-away", 2, "desk", self.clock.now())];
        let answer = self.service.api.events(&self.persona.key, &beat).await.expect("the service answers");
        assert!(answer.is_unavailable(), "{} {}", answer.status, answer.text);
        let path = "/operator/1/live";
        let put = self.service.api.request(Method::PUT, path).bearer_auth(&self.persona.key);
        let answer = send(put.json(&json!({ "chat": { "available": 0 } }))).await.expect("the service answers");
        assert!(answer.is_unavailable(), "{} {}", answer.status, answer.text);
        assert_eq!(answer.json()["meta"]["status"], "error", "the rejection has the dialect's form");
        let webhook = Route { method: "POST", path: String::from("/v1/webhooks/iadvize") };
        let answer = send(request(&self.service.api, &webhook, Some(&self.persona.key), "3")).await;
        let answer = answer.expect("the service answers");
        assert!(answer.is_unavailable(), "the vendor sends it again after a 503: {} {}", answer.status, answer.text);
        let mutation =
            "mutation{userAvailabilityStatusUpdate(input:{userId:1,channel:CHAT,status:UNAVAILABLE}){user{id}}}";
        let answer = self.service.api.graphql(&self.persona.key, mutation).await.expect("the service answers");
        assert!(answer.is_unavailable(), "{} {}", answer.status, answer.text);
        assert_eq!(answer.json()["errors"][0]["extensions"]["name"], "SERVICE_UNAVAILABLE", "{}", answer.text);
        let tenant = format!("/v1/tenants/{}", self.persona.tenant);
        for (method, path, body) in [
            (Method::POST, "/v1/tenants", json!({ "name": "late" })),
            (Method::POST, &*format!("{tenant}/keys"), json!({ "name": "late", "scopes": ["*"] })),
            (Method::PATCH, &*tenant, json!({ "conversation_text": true })),
        ] {
            let watch = Stopwatch::start();
            let request = self.service.api.request(method, path).bearer_auth(ADMIN).json(&body);
            let answer = send(request).await.expect("the service answers");
            assert!(answer.is_unavailable(), "{} {}", answer.status, answer.text);
            assert!(watch.elapsed() < REJECTION_TIMEOUT, "{path} was rejected after {:?}", watch.elapsed());
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.service.api.get(&self.persona.key, path).await.expect("the service answers")
    }

    async fn graphql(&self) -> Answer {
        let query = "{connectedUsersIndicator{connectedUsersCount}}";
        self.service.api.graphql(&self.persona.key, query).await.expect("the service answers")
    }

    /// Requests everything that routers act on, in each dialect.
    async fn router_reads(&self) -> Vec<Answer> {
        let vonage = |request: reqwest::RequestBuilder| {
            let accept = "application/vnd.newvoicemedia.v1+json";
            send(request.header("Accept", accept).bearer_auth(&self.persona.key))
        };
        let api = &self.service.api;
        let key = &self.persona.key;
        let convoso = json!({ "auth_token": key });
        let rule = "{routingRule(id:\"20000000-0000-4000-9000-000000000001\"){availability{chat{isAvailable}}}}";
        vec![
            api.graphql(key, rule).await.expect("an answer"),
            self.get("/operator/live").await,
            self.get("/api/2/operator/1/live").await,
            vonage(api.request(Method::POST, "/agents-availability").json(&json!({}))).await.expect("an answer"),
            vonage(api.request(Method::GET, "/agents-availability?skillNames=skill")).await.expect("an answer"),
            send(api.request(Method::GET, &format!("/user-activity/search?auth_token={key}")))
                .await
                .expect("an answer"),
            send(api.request(Method::POST, "/v1/user-activity/search").json(&convoso)).await.expect("an answer"),
        ]
    }

    async fn reads_succeed(&self, staleness: Option<&str>) {
        let mut answers = self.router_reads().await;
        answers.extend([self.graphql().await, self.get("/v1/directory").await]);
        for answer in answers {
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert_eq!(answer.header(STALENESS), staleness, "{}", answer.text);
        }
        assert_eq!(self.service.api.connected(&self.persona.key).await.0, 2);
    }

    /// Advances the manual clock; nothing else moves it, so the staleness is exact.
    async fn staleness_is_reported(&self) {
        self.clock.advance(Duration::from_millis(1_999));
        assert!(self.service.api.is_ready().await);
        self.reads_succeed(None).await;
        self.clock.advance(Duration::from_millis(1));
        assert!(!self.service.api.is_ready().await, "the state has not been confirmed for two seconds");
        self.reads_succeed(Some("2000")).await;
        assert_eq!(self.get("/livez").await.status, 200, "liveness does not depend on the store");
    }

    async fn stale_state_is_not_served_to_routers(&self) {
        self.clock.advance(Duration::from_millis(8_000));
        self.reads_succeed(Some("10000")).await;
        self.clock.advance(Duration::from_millis(1));
        for answer in self.router_reads().await {
            assert!(answer.is_unavailable(), "{} {}", answer.status, answer.text);
        }
        for answer in [self.graphql().await, self.get("/v1/directory").await] {
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert_eq!(answer.header(STALENESS), Some("10001"));
        }
    }

    async fn writes_and_reads_succeed(&self) {
        let event = connected("away-0", 3, self.clock.now());
        recovers(&self.service.api, &self.persona, &event).await;
        eventually("the service is ready", || self.service.api.is_ready()).await;
        for answer in self.router_reads().await {
            assert_eq!((answer.status, answer.header(STALENESS)), (200, None), "{}", answer.text);
        }
        // Tenants and keys are stored through other connections than events.
        let (_, key) = self.service.api.key(&self.persona.tenant, &["operators:read"]).await;
        assert_eq!(self.service.api.get(&key, "/operator/live").await.expect("an answer").status, 200);
    }

    /// The outage was longer than the lease of 5 seconds, and gave it a full term afterwards.
    async fn users_are_still_connected(&self) {
        assert_eq!(self.service.api.connected(&self.persona.key).await.0, 3);
        self.clock.advance(Duration::from_millis(4_999));
        let beat = [heartbeat("beat", 2, "desk", self.clock.now())];
        let answer = self.service.api.events(&self.persona.key, &beat).await.expect("an answer").ok();
        assert_eq!(answer.outcomes(), ["applied"], "the lease has a full term after the outage");
        self.clock.advance(Duration::from_secs(5));
        eventually("the lease ends", async || self.service.api.connected(&self.persona.key).await.0 == 2).await;
        self.service.api.apply(&self.persona.key, &[leased("again", 2, "desk", self.clock.now(), 3_600)]).await;
    }
}
