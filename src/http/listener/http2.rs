//! HTTP/2: requests of one connection at the same time (docs/decisions/0124-http2.md). Extended CONNECT is off, so that
//! browsers open WebSockets over connections of HTTP/1.1.

use std::pin::pin;
use std::time::Duration;

use axum::http::Request;
use axum::http::header::CONNECTION;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{FirstHead, HEAD_BYTES, MAX_HEADERS, Requests, host, without_request};
use crate::clock::Clock;
use crate::http::connection::Connection;
use crate::http::connection::paced::Paced;
use crate::http::connection::streams::Streams;
use crate::lifecycle::Lifecycle;

/// Most streams of a connection at a time.
const MAX_STREAMS: u32 = 100;
/// Most bytes of a response that a stream holds unsent.
const UNSENT_BYTES: usize = 64 * 1024;
/// Bytes of bodies that a client may send ahead of what is read, on a stream. No budget counts them.
const WINDOW: u32 = 65_535;
/// The same on a connection. The library ends a connection with many small frames that are not read yet: each of less than
/// 256 bytes counts as what it lacks of these, and half of this window is allowed. With four times a stream's window an
/// upload in lines of 100 bytes never reaches that by one stream.
const CONNECTION_WINDOW: u32 = 4 * WINDOW;
/// Most bytes of a request's headers as the protocol counts them: 32 more for each.
const HEADER_LIST_BYTES: u32 = (HEAD_BYTES + 32 * MAX_HEADERS) as u32;
/// Streams that may be reset by us for errors of the client's, and that may be reset by the client before we see them.
const RESETS: usize = 20;
/// Time for the client to answer that it knows of the end of an idle connection.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);

/// Starts the tasks of streams.
#[derive(Clone)]
struct StreamTasks(Lifecycle);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for StreamTasks {
    fn execute(&self, stream: F) {
        drop(self.0.spawn_tracked(stream));
    }
}

impl Requests {
    /// Answers the requests of HTTP/2 that arrive on the stream until it ends, or was idle for the time of headers.
    pub(super) async fn over_http2<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        self,
        stream: S,
        first: FirstHead,
    ) {
        let (accepted, header_timeout, clock) =
            (self.connection.clone(), self.header_timeout, self.write_clock.clone());
        let (streams, leaving, tasks) =
            (Streams::new(accepted.clone()), self.leaving.child_token(), StreamTasks(self.lifecycle.clone()));
        let stream = Paced::new(stream, accepted.clone(), clock.clone());
        let service = {
            let (streams, leaving) = (streams.clone(), leaving.clone());
            service_fn(move |mut request: Request<Incoming>| {
                let (stream, leaving) = (streams.open(), leaving.clone());
                host::add(&mut request);
                let answering = self.answered(request);
                async move {
                    answering.await.map(|mut response| {
                        // The header is one of HTTP/1.1.
                        if response.headers_mut().remove(CONNECTION).is_some() {
                            leaving.cancel();
                        }
                        stream.answered(response)
                    })
                }
            })
        };
        let mut connection = pin!(settings(tasks).serve_connection(TokioIo::new(stream), service));
        let mut misused = pin!(misused(&streams, &accepted, first, clock.as_ref()));
        let mut is_leaving = false;
        let ended = loop {
            let done = async {
                tokio::select! {
                    () = leaving.cancelled() => {}
                    () = streams.idle_for(header_timeout) => {}
                }
            };
            tokio::select! {
                ended = &mut connection => break ended,
                why = &mut misused => return tracing::debug!(why, "a connection is closed"),
                () = done, if !is_leaving => {
                    is_leaving = true;
                    connection.as_mut().graceful_shutdown();
                }
                // A client that is gone does not answer; requests that came before our end are answered.
                () = tokio::time::sleep(GOODBYE_TIMEOUT), if is_leaving => {
                    if streams.open_count() == 0 {
                        return;
                    }
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended badly");
        }
    }
}

/// Returns the settings of a connection.
fn settings(tasks: StreamTasks) -> http2::Builder<StreamTasks> {
    let mut settings = http2::Builder::new(tasks);
    settings
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_send_buf_size(UNSENT_BYTES)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEADER_LIST_BYTES)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(RESETS);
    settings
}

/// Waits until a connection must be closed at once, and returns the reason.
async fn misused(streams: &Streams, connection: &Connection, first: FirstHead, clock: Option<&Clock>) -> &'static str {
    tokio::select! {
        () = streams.stalled(clock) => "a response is not read",
        () = streams.too_many_resets() => "too many streams are reset",
        () = without_request(first, connection) => "no request began",
    }
}
