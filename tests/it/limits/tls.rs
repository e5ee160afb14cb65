//! HTTPS with the operator's certificate: answers, incomplete handshakes, floods of handshakes, and renewal.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::{Certificate, Client};
use rollcall::clock::Clock;
use rollcall::domain::Time;
use rollcall::http::tls::TlsFiles;
use rollcall::limits::{Budget, Budgets};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, HandshakeKind, ProtocolVersion, RootCertStore, SupportedProtocolVersion};

use crate::support::process::{Process, program, store_flags};
use crate::support::tasks::{Stopwatch, eventually, spawn};
use crate::support::wire::Wire;
use crate::support::{Backend, Home, Service, Setup};

/// The timeout of handshakes in these tests' services.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_millis(700);
/// The timeout of answers and closes, long enough for a busy machine.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const REQUEST: &str = "GET /livez HTTP/1.1\r\nHost: rollcall\r\n\r\n";

/// A folder with a certificate and its key.
pub(crate) struct Pair(TempDir);

impl Pair {
    pub(crate) fn new() -> Self {
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

    pub(crate) fn files(&self) -> TlsFiles {
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
    asked.is_ok_and(|answer| {
        assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");
        answer.status() == 200 && answer.version() == reqwest::Version::HTTP_11
    })
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

/// A TLS client with settings of its own.
fn connector(pair: &Pair, versions: &[&'static SupportedProtocolVersion], repeats: bool) -> TlsConnector {
    let mut provider = default_provider();
    if repeats {
        // The service supports the second one only, so that it requests another first message.
        provider.kx_groups = vec![kx_group::MLKEM768, kx_group::X25519];
    }
    let pem = std::fs::read(pair.files().certificate).expect("a file");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem).expect("a certificate")).expect("a root");
    let builder = ClientConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(versions);
    TlsConnector::from(Arc::new(builder.expect("versions").with_root_certificates(roots).with_no_client_auth()))
}

/// Sends a request over a new connection. Returns the kind of handshake and the version.
async fn handshake(connector: &TlsConnector, address: SocketAddr) -> (HandshakeKind, ProtocolVersion) {
    let stream = TcpStream::connect(address).await.expect("a connection");
    let name = ServerName::try_from("localhost").expect("a name");
    let mut stream = connector.connect(name, stream).await.expect("a handshake");
    stream.write_all(REQUEST.as_bytes()).await.expect("it is open");
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    let (_, session) = stream.get_ref();
    (session.handshake_kind().expect("a handshake"), session.protocol_version().expect("a version"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_handshake_has_its_turn() {
    let pair = Pair::new();
    let service = service(&pair, 100, Clock::system()).await;
    let address = service.app.address;
    for (version, name) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let connector = connector(&pair, &[version], false);
        assert_eq!(handshake(&connector, address).await, (HandshakeKind::Full, name));
        assert_eq!(handshake(&connector, address).await, (HandshakeKind::Resumed, name));
    }
    let repeating = connector(&pair, &[&TLS13], true);
    let kind = HandshakeKind::FullWithHelloRetryRequest;
    assert_eq!(handshake(&repeating, address).await, (kind, ProtocolVersion::TLSv1_3));
    service.stop().await;
}

/// Returns the first message of a client, as anyone on the way can record it.
async fn recorded_hello(pair: &Pair) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let connector = connector(pair, &[&TLS13], false);
    let connecting = spawn(async move {
        let stream = TcpStream::connect(address).await.expect("a connection");
        let _failed = connector.connect(ServerName::try_from("localhost").expect("a name"), stream).await;
    });
    let (mut stream, _) = listener.accept().await.expect("a connection");
    let mut hello = vec![0; 5];
    stream.read_exact(&mut hello).await.expect("a record");
    hello.resize(5 + usize::from(u16::from_be_bytes([hello[3], hello[4]])), 0);
    stream.read_exact(&mut hello[5..]).await.expect("a record");
    drop(stream);
    connecting.await.expect("a task");
    hello
}

/// Replays a recorded first message on many connections from one address, and connects from another. Returns how many
/// handshakes of the flood were begun during each of the other's connections, in ascending order.
async fn overtaken(budgets: Budgets) -> Vec<usize> {
    let pair = Pair::new();
    let setup = Setup { tls: Some(pair.files()), budgets, ..Setup::default() };
    let service = Service::start_on(Home::new(Backend::Embedded).await, setup).await;
    let address = service.app.address;
    let (hello, answered) = (Arc::new(recorded_hello(&pair).await), Arc::new(AtomicUsize::new(0)));
    let mut flood = Vec::new();
    for _ in 0..FLOOD {
        let (hello, answered) = (hello.clone(), answered.clone());
        flood.push(spawn(async move {
            loop {
                let mut wire = Wire::from([127, 0, 0, 2].into(), address).await;
                wire.send(hello.as_slice()).await;
                // Without reading: the rest of the handshake is of no interest.
                let is_answered = wire.is_answered(ANSWER_TIMEOUT).await;
                answered.fetch_add(usize::from(is_answered), Ordering::Relaxed);
            }
        }));
    }
    eventually("the flood is running", async || answered.load(Ordering::Relaxed) > FLOOD).await;
    let connector = connector(&pair, &[&TLS13], false);
    let mut overtaken = Vec::new();
    for _ in 0..15 {
        let before = answered.load(Ordering::Relaxed);
        handshake(&connector, address).await;
        overtaken.push(answered.load(Ordering::Relaxed) - before);
    }
    for one in flood {
        one.abort();
    }
    service.stop().await;
    overtaken.sort_unstable();
    overtaken
}

/// Connections of the flood at a time.
const FLOOD: usize = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_handshakes_delays_only_its_own() {
    let overtaken = overtaken(Budgets::default()).await;
    assert!(overtaken[overtaken.len() / 2] < FLOOD / 3, "{overtaken:?}");
}

/// The control: without turns a client waits until every handshake before its own is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_budget_handshakes_wait_for_the_flood() {
    let overtaken = overtaken(Budgets::without([Budget::Handshakes])).await;
    assert!(overtaken[overtaken.len() / 2] >= FLOOD / 3, "{overtaken:?}");
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
