//! The accept loop: a cap on connections, a deadline for handshakes and headers, and an end that waits for requests under
//! way.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::extract::{Peer, Place};
use crate::lifecycle::Lifecycle;

/// How long a request's headers may take, counted from the connection's start or the answer before. So an idle
/// connection ends here too: later than the 60 seconds after which load balancers give theirs up, since a connection
/// that we close first can lose a request.
pub const HEADER_PATIENCE: Duration = Duration::from_secs(75);
/// How long requests under way are waited for when the service stops; then every connection is cut.
const GRACE: Duration = Duration::from_secs(10);
/// After an accept that failed for want of descriptors, how long until the next.
const PAUSE: Duration = Duration::from_millis(50);
/// Bytes of one request's line and headers.
const HEADER_BYTES: usize = 32 * 1024;

/// Where connections come in.
pub struct Door {
    /// Where they are accepted.
    pub listener: TcpListener,
    /// What they are secured with, if they are.
    pub tls: Option<TlsAcceptor>,
    /// How many there may be at a time.
    pub max_connections: usize,
    /// How long a handshake may take, and then the headers of each request.
    pub header_patience: Duration,
}

/// Serves `router` to whoever comes through the door until `stopping` is cancelled.
pub async fn serve(
    door: Door,
    router: Router,
    lifecycle: Lifecycle,
    stopping: CancellationToken,
) -> Result<(), std::io::Error> {
    let Door { listener, tls, max_connections, header_patience } = door;
    let places = Arc::new(Semaphore::new(max_connections));
    let under_way = TaskTracker::new();
    let cut = CancellationToken::new();
    loop {
        let stream = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = stopping.cancelled() => break,
        };
        let Some((stream, peer, place)) = stream else { continue };
        // Answers are small and written whole; waiting to fill a segment would only delay them.
        let _unimportant = stream.set_nodelay(true);
        let (place, leaving) = (Place::new(place), stopping.clone());
        let talk = Talk { router: router.clone(), peer, place: place.clone(), header_patience, leaving };
        let (tls, cut, stopping) = (tls.clone(), cut.clone(), stopping.clone());
        drop(lifecycle.track(under_way.track_future(async move {
            let talking = async {
                match tls {
                    None => talk.over(stream).await,
                    // In the connection's own task: whoever is slow at it keeps nobody else from being accepted.
                    Some(tls) => {
                        if let Some(stream) = shake_hands(&tls, stream, header_patience, &stopping).await {
                            talk.over(stream).await;
                        }
                    }
                }
            };
            tokio::select! {
                () = talking => {}
                () = cut.cancelled() => {}
            }
            drop(place);
        })));
    }
    drop(listener);
    // What became something else than HTTP is not waited for here: it is told to stop as every task is.
    under_way.close();
    tokio::select! {
        () = under_way.wait() => {}
        () = tokio::time::sleep(GRACE) => {
            tracing::warn!("connections that neither ask nor leave are cut");
            cut.cancel();
        }
    }
    Ok(())
}

/// One connection, about to begin.
struct Talk {
    router: Router,
    peer: Peer,
    place: Place,
    header_patience: Duration,
    /// When the request under way is to be the last.
    leaving: CancellationToken,
}

impl Talk {
    /// Answers whatever comes over the stream, to its end.
    async fn over<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) {
        let Talk { router, peer, place, header_patience, leaving } = self;
        let service = router.map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(place.clone());
            request
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(header_patience)
            .max_buf_size(HEADER_BYTES)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
            .with_upgrades();
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = leaving.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended badly");
        }
    }
}

/// The secured stream; none for whoever takes too long or speaks something else, or when it is time to stop.
async fn shake_hands(
    tls: &TlsAcceptor,
    stream: TcpStream,
    patience: Duration,
    stopping: &CancellationToken,
) -> Option<TlsStream<TcpStream>> {
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(patience, tls.accept(stream)) => shaken,
        () = stopping.cancelled() => return None,
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

/// The next connection, once there is a place for it.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, Peer, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, address)) => Some((stream, Peer(address.ip()), place)),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(PAUSE).await;
            None
        }
    }
}
