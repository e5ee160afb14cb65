//! The accept loop, which never stops accepting; timeouts for handshakes and headers; and a shutdown that waits for
//! requests under way. Connections of HTTP/2 are served in `http2`.

pub mod base_path;
pub mod handshake;
mod headers;
pub mod host;
mod http2;
mod preface;

use std::convert::Infallible;
use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use handshake::{Secure, Shaking};

use super::connection::Connection;
use super::connection::body::counted_body;
use super::connection::counted::Counted;
use super::connection::paced::Paced;
use super::dialect::Dialect;
use super::extract::Peer;
use super::health;
use super::tls::HTTP2;
use crate::clock::Clock;
use crate::domain::Fault;
use crate::domain::settings::base_path::BasePath;
use crate::domain::settings::proxies::TrustedProxies;
use crate::lifecycle::Lifecycle;
use crate::limits::Sockets;
use crate::limits::throttle::network;

/// Longest time for a request's headers, counted from the start of the connection or from the response before. It also
/// ends idle connections, and exceeds the 60 seconds after which load balancers close theirs: a request sent at the
/// moment when we close first would be lost.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(75);
/// Time that requests under way have to finish when the service stops; then every connection is cut.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after a failed accept. The usual cause is a lack of file descriptors, and an immediate retry would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Most bytes of a request's line and headers.
const HEAD_BYTES: usize = 32 * 1024;
/// Most headers of a request, as the server has it for HTTP/1.1.
const MAX_HEADERS: usize = 100;

/// Most bytes of responses that a connection may hold in the kernel unsent. More would be memory that no budget counts, up
/// to 4 MiB a connection whose client reads nothing, and beyond `net.ipv4.tcp_mem` the kernel slows every connection of
/// the machine. Bytes on their way to the client are not limited.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 128 * 1024;

/// Settings of the accept loop.
pub struct ListenerConfig {
    /// The bound socket.
    pub listener: TcpListener,
    /// Performs TLS handshakes; `None` serves plain HTTP.
    pub tls: Option<Shaking>,
    /// Limits the number of connections.
    pub sockets: Sockets,
    /// Longest time for a TLS handshake, and then for the headers of each request.
    pub header_timeout: Duration,
    /// Clock by which responses must be read at a minimum pace; `None` enforces no pace.
    pub write_clock: Option<Clock>,
    /// Proxies that name their clients.
    pub proxies: Option<Arc<TrustedProxies>>,
    /// Path below which requests are answered, besides the root.
    pub base_path: BasePath,
}

/// Serves `router` on every accepted connection until `stopping` is cancelled.
pub async fn serve(
    config: ListenerConfig,
    router: Router,
    lifecycle: Lifecycle,
    stopping: CancellationToken,
) -> Result<(), std::io::Error> {
    let ListenerConfig { listener, tls, sockets, header_timeout, write_clock, proxies, base_path } = config;
    let under_way = TaskTracker::new();
    let cut = CancellationToken::new();
    loop {
        let stream = tokio::select! {
            accepted = accept(&listener, &sockets) => accepted,
            () = stopping.cancelled() => break,
        };
        let Some((stream, peer, connection)) = stream else { continue };
        set_options(&stream);
        let stream = Counted::new(stream, connection.clone());
        let requests = Requests {
            router: router.clone(),
            peer,
            connection: connection.clone(),
            header_timeout,
            write_clock: write_clock.clone(),
            proxies: proxies.clone(),
            base_path: base_path.clone(),
            is_secure: tls.is_some(),
            leaving: stopping.clone(),
            lifecycle: lifecycle.clone(),
        };
        let (tls, cut) = (tls.clone(), cut.clone());
        drop(lifecycle.spawn_tracked(under_way.track_future(async move {
            let serving = async {
                match tls {
                    None => requests.over_plain(stream).await,
                    // In the connection's own task: a slow handshake delays no other connection.
                    Some(tls) => {
                        if let Some(turns) = &tls.turns {
                            connection.secured(turns.clone(), network(peer.0));
                        }
                        if let Some(stream) = shake_hands(&tls, stream, &requests).await {
                            requests.connection.handshake_ended();
                            let first = Box::pin(tokio::time::sleep(header_timeout));
                            if stream.get_ref().1.alpn_protocol() == Some(HTTP2) {
                                requests.over_http2(stream, first).await;
                            } else {
                                requests.over_http1(stream, first).await;
                            }
                        }
                    }
                }
            };
            tokio::select! {
                () = serving => {}
                () = cut.cancelled() => {}
                () = connection.permit().cut().cancelled() => tracing::debug!("a connection is closed to make room"),
            }
        })));
    }
    drop(listener);
    // Upgraded connections are not waited for here: each has a tracked task of its own, which ends on `stopping`.
    under_way.close();
    tokio::select! {
        () = under_way.wait() => {}
        () = tokio::time::sleep(STOP_TIMEOUT) => {
            tracing::warn!("connections still open after the stop timeout are cut");
            cut.cancel();
        }
    }
    Ok(())
}

/// Sets the options of an accepted connection. Failing to set one is no reason to refuse the connection.
fn set_options(stream: &TcpStream) {
    // Responses are small and written whole; Nagle's algorithm would only delay them.
    let _unimportant = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _unimportant = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES);
}

/// Everything needed to serve one connection.
struct Requests {
    router: Router,
    peer: Peer,
    connection: Connection,
    header_timeout: Duration,
    write_clock: Option<Clock>,
    proxies: Option<Arc<TrustedProxies>>,
    base_path: BasePath,
    /// True if the connection is encrypted.
    is_secure: bool,
    /// Cancelled when the request under way is to be the connection's last.
    leaving: CancellationToken,
    lifecycle: Lifecycle,
}

/// The end of the time for the headers of a connection's first request.
type FirstHead = Pin<Box<Sleep>>;

impl Requests {
    /// Answers requests of the version with which the client begins: without TLS nothing else names it.
    async fn over_plain(self, stream: Counted<TcpStream>) {
        let mut first = Box::pin(tokio::time::sleep(self.header_timeout));
        let begun = tokio::select! {
            begun = preface::read(stream) => begun,
            () = &mut first => return,
            () = self.leaving.cancelled() => return,
        };
        match begun {
            Ok((preface::Version::Http2, stream)) => self.over_http2(stream, first).await,
            Ok((preface::Version::Http1, stream)) => self.over_http1(stream, first).await,
            Err(error) => tracing::debug!(%error, "a connection ended badly"),
        }
    }

    /// Answers the requests of HTTP/1.1 that arrive on the stream until it ends.
    async fn over_http1<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S, first: FirstHead) {
        let (header_timeout, leaving, accepted) = (self.header_timeout, self.leaving.clone(), self.connection.clone());
        let stream = Paced::new(stream, accepted.clone(), self.write_clock.clone());
        let service = service_fn(move |request: Request<Incoming>| self.answered(request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(header_timeout)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            // The server counts from its own first byte, which may be later than the client's.
            () = without_request(first, &accepted) => return,
            () = leaving.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended badly");
        }
    }

    /// Answers one request.
    fn answered(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Body>, Infallible>> + Send + use<> {
        let request = base_path::stripped(request, &self.base_path);
        let client = client(self.peer, self.proxies.as_deref(), &request);
        let request = request.map(|body| counted_body(body, &self.connection));
        let answering = answer(self.router.clone(), request, client, self.connection.clone());
        let is_secure = self.is_secure;
        async move { answering.await.map(|response| headers::secured(response, is_secure)) }
    }
}

/// Waits until the time for the headers of a connection's first request ends without them. Never returns if they came.
async fn without_request(first: FirstHead, connection: &Connection) {
    first.await;
    if connection.has_begun() {
        pending::<()>().await;
    }
}

/// Returns the address that a request came from: the peer's, or the one that the peer names if it is a trusted proxy.
/// Everything about a request uses this address. The connection is the peer's: its handshake precedes every header, and
/// it may carry the requests of many clients.
fn client(peer: Peer, proxies: Option<&TrustedProxies>, request: &Request<Incoming>) -> Peer {
    let Some(proxies) = proxies else { return peer };
    let lines = request.headers().get_all(proxies.header.name()).iter();
    Peer(proxies.client(peer.0, lines.map(HeaderValue::as_bytes)))
}

/// Answers one request once the responses before it are written, so that a client that pipelines its requests does not
/// pile up responses in memory.
async fn answer(
    router: Router,
    mut request: Request<Body>,
    peer: Peer,
    connection: Connection,
) -> Result<Response<Body>, Infallible> {
    connection.written().await;
    let path = request.uri().path();
    let head_bytes = head_bytes(&request);
    let is_admitted = connection.request_started(head_bytes, health::is_probe(path));
    // Over HTTP/1.1 the server counts the headers itself.
    if head_bytes > HEAD_BYTES || request.headers().len() > MAX_HEADERS {
        return Ok(too_long_a_head());
    }
    if !is_admitted {
        let mut response = Dialect::of(path).answer(Fault::Unavailable("too many connections"));
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        return Ok(response);
    }
    request.extensions_mut().insert(peer);
    request.extensions_mut().insert(connection);
    router.oneshot(request).await
}

/// Returns the bytes of a request's line and headers, with one space after each colon. The server's buffer may hold more
/// than its bound, so that it accepts longer ones.
fn head_bytes(request: &Request<Body>) -> usize {
    let uri = request.uri();
    let authority = uri.authority().map_or(0, |authority| authority.as_str().len());
    let target = uri.path_and_query().map_or(0, |target| target.as_str().len());
    let line = request.method().as_str().len() + authority + target + "  HTTP/1.1\r\n".len();
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    line + headers.sum::<usize>() + "\r\n".len()
}

/// Returns the response that the server gives when its buffer is full.
fn too_long_a_head() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Performs the TLS handshake. Returns `None` if it fails or exceeds the timeout, or if the service stops.
async fn shake_hands(tls: &Shaking, stream: Counted<TcpStream>, requests: &Requests) -> Option<Secure> {
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(requests.header_timeout, tls.shake_hands(stream, requests.peer.0)) => shaken,
        () = requests.leaving.cancelled() => return None,
    };
    match shaken {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a handshake failed");
            None
        }
        Err(_) => None,
    }
}

/// Accepts the next connection and gives it a permit. Returns `None` after a pause if accepting failed.
async fn accept(listener: &TcpListener, sockets: &Sockets) -> Option<(TcpStream, Peer, Connection)> {
    // Returns at once unless the limits are not enforced: then a connection waits instead of replacing another.
    sockets.room().await;
    match listener.accept().await {
        Ok((stream, address)) => Some((stream, Peer(address.ip()), Connection::new(sockets.admit(address.ip())))),
        Err(error) => {
            let has_made_room = sockets.make_room();
            tracing::warn!(%error, has_made_room, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}
