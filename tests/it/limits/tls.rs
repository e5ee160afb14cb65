//! HTTPS with the operator's certificate: answers, incomplete handshakes and renewal.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::{Certificate, Client};
use rollcall::clock::Clock;
use rollcall::domain::Time;
use rollcall::http::tls::TlsFiles;
use tempfile::TempDir;

use crate::support::process::{Process, program, store_flags};
use crate::support::tasks::{Stopwatch, eventually};
use crate::support::wire::Wire;
use crate::support::{Backend, Home, Service, Setup};

/// The timeout of handshakes in these tests' services.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_millis(700);
/// The timeout of answers and closes, long enough for a busy machine.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const REQUEST: &str = "GET /livez HTTP/1.1\r\nHost: rollcall\r\n\r\n";

/// A folder with a certificate and its key.
struct Pair(TempDir);

impl Pair {
    fn new() -> Self {
        let pair = Pair(tempfile::tempdir().expect("a folder"));
        pair.renew();
        pair
    }

    /// Replaces the files with a new certificate; returns it, for clients to trust.
    fn renew(&self) -> Certificate {
        let made = rcgen::generate_simple_self_signed([String::from("localhost")]).expect("a certificate");
        std::fs::write(self.files().certificate, made.cert.pem()).expect("a file");
        std::fs::write(self.files().key, made.signing_key.serialize_pem()).expect("a file");
        self.trusted()
    }

    fn trusted(&self) -> Certificate {
        let pem = std::fs::read(self.files().certificate).expect("a file");
        Certificate::from_pem(&pem).expect("a certificate")
    }

    fn files(&self) -> TlsFiles {
        TlsFiles { certificate: self.0.path().join("certificate.pem"), key: self.0.path().join("key.pem") }
    }
}

/// Returns a client that trusts only this certificate and reuses no connection.
fn client(trusted: Certificate, address: SocketAddr) -> Client {
    let builder = Client::builder().tls_certs_only([trusted]).resolve("localhost", address);
    builder.timeout(ANSWER_TIMEOUT).pool_max_idle_per_host(0).build().expect("a client")
}

/// Returns whether the service answers this client over HTTP/1.1.
async fn answers(client: &Client, address: SocketAddr) -> bool {
    let asked = client.get(format!("https://localhost:{}/livez", address.port())).send().await;
    asked.is_ok_and(|answer| answer.status() == 200 && answer.version() == reqwest::Version::HTTP_11)
}

async fn service(pair: &Pair, max_connections: usize, clock: Clock) -> Service {
    let tls = Some(pair.files());
    let setup = Setup { header_timeout: HANDSHAKE_TIMEOUT, max_connections, tls, clock, ..Setup::default() };
    Service::start_on(Home::new(Backend::Embedded).await, setup).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_trusting_https_clients_are_answered() {
    let pair = Pair::new();
    let service = service(&pair, 100, Clock::system()).await;
    let address = service.app.address;
    assert!(service.app.url().starts_with("https://"));
    let trusting = client(pair.trusted(), address);
    assert!(answers(&trusting, address).await);
    let other = rcgen::generate_simple_self_signed([String::from("localhost")]).expect("a certificate");
    let other = Certificate::from_pem(other.cert.pem().as_bytes()).expect("a certificate");
    assert!(!answers(&client(other, address), address).await, "the client trusts another certificate");
    for bytes in [REQUEST, "\r\n", "\u{16}\u{3}\u{1}\u{0}\u{5}hello", "SSH-2.0-x\r\n"] {
        let mut wire = Wire::to(address).await;
        wire.send(bytes).await;
        let rest = wire.read_to_end(ANSWER_TIMEOUT).await.unwrap_or_else(|| panic!("{bytes:?} is not closed"));
        assert!(!rest.contains("HTTP/1.1 2"), "{bytes:?}: {rest}");
    }
    assert!(answers(&trusting, address).await);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_handshakes_time_out_and_block_no_other_client() {
    let pair = Pair::new();
    let service = service(&pair, 4, Clock::system()).await;
    let address = service.app.address;
    let trusting = client(pair.trusted(), address);
    let mut halves = Vec::new();
    // Nothing, and the first bytes of a handshake record.
    for half in ["", "\u{16}", "\u{16}\u{3}\u{1}"] {
        let mut wire = Wire::to(address).await;
        wire.send(half).await;
        halves.push(wire);
    }
    let watch = Stopwatch::start();
    assert!(answers(&trusting, address).await, "a connection is free, and not blocked by the halves");
    let mut wire = Wire::to(address).await;
    wire.send("\u{16}").await;
    halves.push(wire);
    assert!(answers(&trusting, address).await, "the oldest half is closed for it");
    assert!(watch.elapsed() < HANDSHAKE_TIMEOUT, "it took {:?}", watch.elapsed());
    for mut half in halves {
        assert!(half.read_to_end(ANSWER_TIMEOUT).await.is_some(), "the half is closed");
    }
    // A stop does not wait for an incomplete handshake.
    let mut last = Wire::to(address).await;
    last.send("\u{16}").await;
    let watch = Stopwatch::start();
    service.stop().await;
    assert!(watch.elapsed() < ANSWER_TIMEOUT, "it took {:?}", watch.elapsed());
    assert!(last.read_to_end(ANSWER_TIMEOUT).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renewed_certificates_are_loaded() {
    let pair = Pair::new();
    let clock = Clock::manual(Time::from_micros(1_614_589_200_000_000));
    let service = service(&pair, 100, clock.clone()).await;
    let address = service.app.address;
    // A new client each time, since an earlier one would resume its session.
    let shown = async |trusted: &Certificate| answers(&client(trusted.clone(), address), address).await;
    let minute = || clock.advance(Duration::from_secs(60));
    let old = pair.trusted();
    assert!(shown(&old).await);
    let new = pair.renew();
    assert!(shown(&old).await, "the files are read once a minute");
    eventually("the new certificate is served", async || {
        minute();
        shown(&new).await
    })
    .await;
    assert!(!shown(&old).await);
    // Invalid and missing files leave the certificate in use.
    std::fs::write(pair.files().key, "nothing").expect("a file");
    for _ in 0..3 {
        minute();
        assert!(shown(&new).await);
    }
    std::fs::remove_file(pair.files().certificate).expect("a file");
    minute();
    assert!(shown(&new).await);
    let newest = pair.renew();
    eventually("the newest certificate is served", async || {
        minute();
        shown(&newest).await
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_https_address_is_printed_and_passes_the_healthcheck() {
    let pair = Pair::new();
    let home = Home::new(Backend::Embedded).await;
    let TlsFiles { certificate, key } = pair.files();
    let mut command = program();
    command.arg("serve").args(store_flags(&home.location));
    command.env("ROLLCALL_TLS_CERT", &certificate).env("ROLLCALL_TLS_KEY", &key);
    let process = Process::start_unprobed(command).await;
    let address = process.address;
    assert!(process.output().contains(&format!("https://{address}/graphiql")), "{}", process.output());
    assert!(answers(&client(pair.trusted(), address), address).await);
    let healthcheck = async || {
        let mut command = program();
        command.args(["healthcheck", "--listen", &address.to_string()]).env("ROLLCALL_TLS_CERT", &certificate);
        command.status().expect("the program runs").success()
    };
    eventually("the service is ready", healthcheck).await;
    let (status, output) = process.terminate().await;
    assert!(status.success(), "{output}");
}
