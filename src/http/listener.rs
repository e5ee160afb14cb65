//! The accept loop: a cap on connections, a deadline for headers, and an end that waits for requests under way.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
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

/// Serves `router` on `listener` until `stopping` is cancelled, to at most `max_connections` at a time.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    (max_connections, header_patience): (usize, Duration),
    lifecycle: Lifecycle,
    stopping: CancellationToken,
) -> Result<(), std::io::Error> {
    let places = Arc::new(Semaphore::new(max_connections));
    let under_way = TaskTracker::new();
    let cut = CancellationToken::new();
    loop {
        let stream = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = stopping.cancelled() => break,
        };
        let Some((stream, peer, place)) = stream else { continue };
        let place = Place::new(place);
        // Answers are small and written whole; waiting to fill a segment would only delay them.
        let _unimportant = stream.set_nodelay(true);
        let of_requests = place.clone();
        let service = router.clone().map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(of_requests.clone());
            request
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(header_patience)
            .max_buf_size(HEADER_BYTES)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
            .with_upgrades();
        let (leaving, cut) = (stopping.clone(), cut.clone());
        drop(lifecycle.track(under_way.track_future(async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = &mut connection => ended,
                () = leaving.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    tokio::select! {
                        ended = connection => ended,
                        () = cut.cancelled() => Ok(()),
                    }
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended badly");
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
