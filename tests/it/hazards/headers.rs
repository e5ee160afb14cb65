//! Headers that every response has, and the host that every request names.

use reqwest::Method;

use crate::support::api::{Answer, send};
use crate::support::requests::{ADMINISTRATION, PUBLIC, request};
use crate::support::routes::table;
use crate::support::wire::{Wire, status};
use crate::support::{Backend, Service};

const ANSWER_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

fn is_secured(answer: &Answer, what: &str) {
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}");
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{what}");
    assert_eq!(answer.header("strict-transport-security"), None, "only over TLS: {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_response_has_the_security_headers() {
    let service = Service::start(Backend::Embedded).await;
    let persona = service.api.persona("tenant").await;
    let apart: Vec<&str> = PUBLIC.iter().chain(&ADMINISTRATION).map(|(path, _)| *path).collect();
    for route in table() {
        if apart.contains(&route.path.as_str()) {
            let method: Method = route.method.parse().unwrap();
            is_secured(&send(service.api.request(method, &route.path)).await.unwrap(), &route.path);
        } else {
            for key in [None, Some(persona.key.as_str())] {
                is_secured(&send(request(&service.api, &route, key, "1")).await.unwrap(), &route.path);
            }
        }
    }
    for (method, path) in [
        (Method::GET, "/nowhere"),
        (Method::PUT, "/livez"),
        (Method::HEAD, "/readyz"),
        (Method::OPTIONS, "/graphql"),
        (Method::GET, "/graphiql/none"),
        (Method::GET, "/operator/%ff"),
    ] {
        is_secured(&send(service.api.request(method, path)).await.unwrap(), path);
    }
    service.stop().await;
}

/// Paths of each dialect, and a text of the dialect's shape of errors.
const SHAPES: [(&str, &str); 7] = [
    ("/v1/directory", "\"type\":\"urn:rollcall:problem:malformed\""),
    ("/livez", "\"type\":\"urn:rollcall:problem:malformed\""),
    ("/graphql", "\"extensions\":{\"name\":"),
    ("/operator/live", "{\"meta\":{\"status\":\"fail\",\"message\":\"the Host header"),
    ("/v1/user-activity/search", "{\"success\":false,\"code\":400,\"text\":\"the Host header"),
    ("/agents-availability", "{\"detail\":\"the Host header"),
    ("/oauth2/token", "{\"error\":\"invalid_request\",\"error_description\":\"the Host header"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_without_one_host_is_400_in_its_dialect() {
    let service = Service::start(Backend::Embedded).await;
    for (path, shape) in SHAPES {
        for hosts in ["", "Host: rollcall\r\nHost: rollcall\r\n", "Host: rollcall\r\nhost: other\r\n", "Host: a b\r\n"]
        {
            let mut wire = Wire::to(service.app.address).await;
            wire.send(format!("GET {path} HTTP/1.1\r\n{hosts}\r\n")).await;
            let answer = wire.read_some(ANSWER_TIMEOUT).await.expect("an answer");
            assert_eq!(status(&answer), Some(400), "{path} {hosts:?}: {answer}");
            assert!(answer.contains(shape) && answer.contains("nosniff"), "{path} {hosts:?}: {answer}");
            // The connection is kept, and the next request is answered.
            wire.send("GET /livez HTTP/1.1\r\nHost: rollcall\r\n\r\n").await;
            assert_eq!(status(&wire.read_some(ANSWER_TIMEOUT).await.expect("an answer")), Some(200), "{path}");
        }
    }
    for request in ["GET /livez HTTP/1.0\r\n\r\n", "GET /livez HTTP/1.1\r\nHost:\r\n\r\n"] {
        let mut wire = Wire::to(service.app.address).await;
        wire.send(request).await;
        let answer = wire.read_some(ANSWER_TIMEOUT).await.expect("an answer");
        assert!(answer.contains(" 200 OK"), "{request:?}: {answer}");
    }
    service.stop().await;
}
