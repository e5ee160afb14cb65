//! HTTPS with a certificate of one's own: who speaks it is answered, and who does not harms nobody.

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

/// How long a handshake may take in these tests.
const PATIENCE: Duration = Duration::from_millis(700);
/// Until when something has surely come to pass, on a busy machine.
const SURELY: Duration = Duration::from_secs(10);
const REQUEST: &str = "GET /livez HTTP/1.1\r\nHost: rollcall\r\n\r\n";

/// A folder with a certificate and its key.
struct Pair(TempDir);

impl Pair {
    fn new() -> Self {
        let pair = Pair(tempfile::tempdir().expect("a folder"));
        pair.renew();
        pair
    }

    /// Writes another certificate over the one there is; answers what its clients trust.
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

/// A client that trusts this certificate and no other, and keeps no connection.
fn client(trusted: Certificate, address: SocketAddr) -> Client {
    let builder = Client::builder().tls_certs_only([trusted]).resolve("localhost", address);
    builder.timeout(SURELY).pool_max_idle_per_host(0).build().expect("a client")
}

/// Whether the service answers this client.
async fn answers(client: &Client, address: SocketAddr) -> bool {
    let asked = client.get(format!("https://localhost:{}/livez", address.port())).send().await;
    asked.is_ok_and(|answer| answer.status() == 200 && answer.version() == reqwest::Version::HTTP_11)
}

async fn service(pair: &Pair, max_connections: usize, clock: Clock) -> Service {
    let tls = Some(pair.files());
    let setup = Setup { header_timeout: PATIENCE, max_connections, tls, clock, ..Setup::default() };
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
    assert!(!answers(&client(other, address), address).await, "it trusts another certificate");
    for said in [REQUEST, "\r\n", "\u{16}\u{3}\u{1}\u{0}\u{5}hello", "SSH-2.0-x\r\n"] {
        let mut wire = Wire::to(address).await;
        wire.send(said).await;
        let rest = wire.read_to_end(SURELY).await.unwrap_or_else(|| panic!("{said:?} is not cut"));
        assert!(!rest.contains("HTTP/1.1 2"), "{said:?}: {rest}");
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
    // What a record of a handshake begins with, or nothing at all.
    for half in ["", "\u{16}", "\u{16}\u{3}\u{1}"] {
        let mut wire = Wire::to(address).await;
        wire.send(half).await;
        halves.push(wire);
    }
    let watch = Stopwatch::start();
    assert!(answers(&trusting, address).await, "there is a place, and nobody stands before it");
    let mut wire = Wire::to(address).await;
    wire.send("\u{16}").await;
    halves.push(wire);
    assert!(answers(&trusting, address).await, "the oldest of them has made room");
    assert!(watch.elapsed() < PATIENCE, "it took {:?}", watch.elapsed());
    for mut half in halves {
        assert!(half.read_to_end(SURELY).await.is_some(), "it is cut");
    }
    // A service that stops does not wait for them.
    let mut last = Wire::to(address).await;
    last.send("\u{16}").await;
    let watch = Stopwatch::start();
    service.stop().await;
    assert!(watch.elapsed() < SURELY, "it took {:?}", watch.elapsed());
    assert!(last.read_to_end(SURELY).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renewed_certificates_are_loaded() {
    let pair = Pair::new();
    let clock = Clock::manual(Time::from_micros(1_614_589_200_000_000));
    let service = service(&pair, 100, clock.clone()).await;
    let address = service.app.address;
    // A client of its own each time: one that was here before goes on with what was agreed then.
    let shown = async |trusted: &Certificate| answers(&client(trusted.clone(), address), address).await;
    let minute = || clock.advance(Duration::from_secs(60));
    let old = pair.trusted();
    assert!(shown(&old).await);
    let new = pair.renew();
    assert!(shown(&old).await, "nobody has looked yet");
    eventually("the new one is shown", async || {
        minute();
        shown(&new).await
    })
    .await;
    assert!(!shown(&old).await);
    // What cannot be used changes nothing, and neither do files that are gone.
    std::fs::write(pair.files().key, "nothing").expect("a file");
    for _ in 0..3 {
        minute();
        assert!(shown(&new).await);
    }
    std::fs::remove_file(pair.files().certificate).expect("a file");
    minute();
    assert!(shown(&new).await);
    let newest = pair.renew();
    eventually("the newest is shown", async || {
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
        command.status().expect("it runs").success()
    };
    eventually("it is ready", healthcheck).await;
    let (status, said) = process.terminate().await;
    assert!(status.success(), "{said}");
}
