//! The address of the client behind a trusted proxy: the limits by address count it, and not the proxy's.

use std::net::IpAddr;

use rollcall::domain::settings::proxies::{ClientHeader, TrustedProxies};
use rollcall::limits::throttle::UNAUTHENTICATED_AT_ONCE;

use crate::support::api::{Answer, send};
use crate::support::{Backend, Home, Service, Setup};

/// A service that trusts the address of the usual test client as a proxy, and no other of this machine.
async fn service(header: ClientHeader) -> Service {
    let networks = ["127.0.0.1", "10.0.0.0/8", "2001:db8:1::/48"].map(|text| text.parse().expect("a network"));
    let proxies = Some(TrustedProxies { networks: networks.into(), header });
    // The clock stands still, so that no limit recovers.
    let clock = rollcall::clock::Clock::manual(rollcall::domain::Time::from_micros(1_614_589_200_000_000));
    Service::start_on(Home::new(Backend::Embedded).await, Setup { proxies, clock, ..Setup::default() }).await
}

/// Sends a log-in with these header lines, from an address of this machine.
async fn log_in(service: &Service, from: [u8; 4], lines: &[(&str, &str)]) -> Answer {
    let client = reqwest::Client::builder().local_address(IpAddr::from(from)).build().expect("a client");
    let form = "grant_type=password&username=ann@example.com&password=wrong";
    let mut request = client.post(service.url("/oauth2/token")).body(form);
    request = request.header("Content-Type", "application/x-www-form-urlencoded");
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    send(request).await.expect("an answer")
}

const PROXY: [u8; 4] = [127, 0, 0, 1];
const ELSEWHERE: [u8; 4] = [127, 0, 0, 2];

/// Checks that requests with any of these headers count for one client: ten log-ins pass, and no more.
async fn is_one_client(service: &Service, from: [u8; 4], headers: &[&[(&str, &str)]]) {
    for n in 0..10 {
        let answer = log_in(service, from, headers[n % headers.len()]).await;
        assert_eq!(answer.status, 400, "{n}: {}", answer.text);
    }
    for lines in headers {
        assert_eq!(log_in(service, from, lines).await.status, 429, "{lines:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_ins_are_limited_by_the_client_in_x_forwarded_for() {
    const NAME: &str = "X-Forwarded-For";
    let service = service(ClientHeader::XForwardedFor).await;
    is_one_client(
        &service,
        PROXY,
        &[
            &[(NAME, "198.51.100.1")],
            &[(NAME, "203.0.113.1, 198.51.100.1")],
            &[(NAME, "203.0.113.2"), (NAME, "198.51.100.1, 10.1.1.1"), (NAME, "2001:db8:1::5")],
            &[(NAME, "::ffff:198.51.100.1"), ("Forwarded", "for=203.0.113.3")],
        ],
    )
    .await;
    // A client of IPv6 is its network of 64 bits.
    is_one_client(&service, PROXY, &[&[(NAME, "2001:db8:9::1")], &[(NAME, "2001:db8:9::2")]]).await;
    // Malformed and absent: the proxy itself.
    is_one_client(&service, PROXY, &[&[(NAME, "unknown")], &[(NAME, "203.0.113.4, x")], &[]]).await;
    // The header of a peer that is no trusted proxy is ignored.
    is_one_client(&service, ELSEWHERE, &[&[(NAME, "203.0.113.5")], &[(NAME, "203.0.113.6")], &[]]).await;
    assert_eq!(log_in(&service, PROXY, &[(NAME, "203.0.113.5")]).await.status, 400, "another client");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_ins_are_limited_by_the_client_in_forwarded() {
    const NAME: &str = "Forwarded";
    let service = service(ClientHeader::Forwarded).await;
    is_one_client(
        &service,
        PROXY,
        &[
            &[(NAME, "for=198.51.100.1;proto=https")],
            &[(NAME, "for=203.0.113.1, For=\"198.51.100.1:4711\";by=10.1.1.1, for=10.1.1.1")],
            &[(NAME, "for=203.0.113.2"), (NAME, "for=198.51.100.1"), (NAME, "for=\"[2001:db8:1::5]\"")],
            &[(NAME, "for=\", for=198.51.100.1"), ("X-Forwarded-For", "203.0.113.3")],
        ],
    )
    .await;
    is_one_client(&service, PROXY, &[&[(NAME, "for=unknown")], &[("X-Forwarded-For", "203.0.113.4")], &[]]).await;
    is_one_client(&service, ELSEWHERE, &[&[(NAME, "for=203.0.113.5")], &[]]).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_without_a_credential_are_limited_by_the_client() {
    let service = service(ClientHeader::XForwardedFor).await;
    let get = async |client: &str| {
        let request = service.api.request(reqwest::Method::GET, "/v1/directory").header("X-Forwarded-For", client);
        send(request).await.expect("an answer").status
    };
    for n in 0..UNAUTHENTICATED_AT_ONCE.get() {
        assert_eq!(get("198.51.100.1").await, 401, "{n}");
    }
    assert_eq!((get("198.51.100.1").await, get("198.51.100.2").await), (429, 401));
    service.stop().await;
}
