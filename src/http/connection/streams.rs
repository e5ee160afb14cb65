//! The streams of an HTTP/2 connection: how many are open, how many were reset, and whether their responses are read.
//! Over HTTP/1.1 the connection itself shows all of it.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Connection;
use super::body::content_bytes;
use super::paced::{WRITE_BYTES, WRITE_WINDOW};
use crate::clock::Clock;

/// Streams that may be reset beyond those that are answered. A client that resets what it opens makes the service begin
/// work without end, while never more than some are open.
const MAX_RESETS: usize = 100;

/// Most bytes of a response that are handed over at once. They are known to be written when all of them are, so that they
/// must be few beside what a client has to read in a window.
const PIECE_BYTES: usize = 8 * 1024;

/// The streams of one connection. Clones share them.
#[derive(Clone)]
pub struct Streams(Arc<Inner>);

struct Inner {
    connection: Connection,
    state: Mutex<State>,
    /// Notified when the first stream begins, when the last ends, and when too many were reset.
    changed: Notify,
}

#[derive(Default)]
struct State {
    next: u64,
    open: HashMap<u64, Arc<Sending>>,
    resets: usize,
}

/// What is known of one response.
#[derive(Default)]
struct Sending {
    /// Bytes handed over for writing, and those of them that were written.
    handed: AtomicUsize,
    written: AtomicUsize,
    /// True while the response itself has nothing to send.
    has_nothing: AtomicBool,
    is_complete: AtomicBool,
}

impl Sending {
    /// Returns true if bytes wait for the client.
    fn waits(&self) -> bool {
        let unwritten = self.handed.load(Ordering::Acquire) > self.written.load(Ordering::Acquire);
        unwritten || !self.has_nothing.load(Ordering::Acquire)
    }

    /// Returns true for a response that has not ended, of which all that there was to send was handed over: events that are
    /// read until the client wants no more of them, which it can only say by a reset.
    fn is_between_events(&self) -> bool {
        self.has_nothing.load(Ordering::Acquire) && self.handed.load(Ordering::Acquire) > 0
    }
}

impl Streams {
    /// The streams of a connection, of which none is open.
    pub fn new(connection: Connection) -> Self {
        connection.multiplex();
        Streams(Arc::new(Inner { connection, state: Mutex::default(), changed: Notify::new() }))
    }

    /// Counts a stream from now on, until what is returned and the response that it went into are dropped.
    pub fn open(&self) -> Stream {
        let sending = Arc::new(Sending::default());
        let mut state = self.0.state.lock();
        state.next += 1;
        let id = state.next;
        let is_first = state.open.is_empty();
        state.open.insert(id, Arc::clone(&sending));
        drop(state);
        if is_first {
            self.0.changed.notify_waiters();
        }
        Stream(Arc::new(Open { streams: self.clone(), id, sending }))
    }

    /// Returns the number of open streams.
    pub fn open_count(&self) -> usize {
        self.0.state.lock().open.len()
    }

    /// Waits until no stream was open for a time.
    pub async fn idle_for(&self, time: Duration) {
        loop {
            let mut changed = std::pin::pin!(self.0.changed.notified());
            // Registered before the number is read, so that no change in between is missed.
            changed.as_mut().enable();
            if self.open_count() > 0 {
                changed.await;
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(time) => return,
                () = changed => {}
            }
        }
    }

    /// Waits until too many streams were reset.
    pub async fn too_many_resets(&self) {
        loop {
            let mut changed = std::pin::pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if self.0.state.lock().resets > MAX_RESETS {
                return;
            }
            changed.await;
        }
    }

    /// Waits until a response is read too slowly: the minimum pace of a connection, shared by its streams that have
    /// something to send. A client can keep one stream waiting and read all others, which the connection does not show.
    /// Without a clock no pace is enforced.
    pub async fn stalled(&self, clock: Option<&Clock>) {
        let Some(clock) = clock else { return std::future::pending().await };
        let mut before: HashMap<u64, usize> = HashMap::new();
        loop {
            clock.sleep_until(clock.monotonic() + WRITE_WINDOW).await;
            let waiting: HashMap<u64, usize> = self
                .0
                .state
                .lock()
                .open
                .iter()
                .filter(|(_, sending)| sending.waits())
                .map(|(id, sending)| (*id, sending.written.load(Ordering::Acquire)))
                .collect();
            let least = WRITE_BYTES / waiting.len().max(1);
            let is_slow = |(id, written): (&u64, &usize)| before.get(id).is_some_and(|then| written - then < least);
            if waiting.iter().any(is_slow) {
                return;
            }
            before = waiting;
        }
    }
}

/// One open stream. Clones share it.
#[derive(Clone)]
pub struct Stream(Arc<Open>);

struct Open {
    streams: Streams,
    id: u64,
    sending: Arc<Sending>,
}

impl Stream {
    /// Wraps the response of this stream, which is open until its last byte is written.
    pub fn answered(self, response: Response<Body>) -> Response<Body> {
        if response.body().is_end_stream() {
            self.0.sending.is_complete.store(true, Ordering::Release);
            return response;
        }
        response.map(|body| Body::new(Sent { body, stream: self, rest: Bytes::new() }))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Inner { connection, state, changed } = &*self.streams.0;
        let mut state = state.lock();
        state.open.remove(&self.id);
        if self.sending.is_complete.load(Ordering::Acquire) {
            state.resets = state.resets.saturating_sub(1);
        } else if !self.sending.is_between_events() {
            state.resets += 1;
        }
        let is_last = state.open.is_empty();
        if is_last {
            // Under the lock: the request of a stream that is opened meanwhile must not run on an idle connection.
            connection.idle();
        }
        let is_misused = state.resets > MAX_RESETS;
        drop(state);
        if is_last || is_misused {
            changed.notify_waiters();
        }
    }
}

/// The body of a response, which notes what is handed over.
struct Sent {
    body: Body,
    stream: Stream,
    /// What is left of the newest chunk.
    rest: Bytes,
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Sent { body, stream, rest } = &mut *self;
        let Open { sending, streams, .. } = &*stream.0;
        let frame = if !rest.is_empty() {
            Some(Ok(Frame::data(std::mem::take(rest))))
        } else if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) {
            frame
        } else {
            sending.has_nothing.store(true, Ordering::Release);
            return Poll::Pending;
        };
        let mut piece = |mut bytes: Bytes| {
            *rest = bytes.split_off(bytes.len().min(PIECE_BYTES));
            bytes
        };
        let frame = frame.map(|frame| frame.map(|frame| frame.map_data(&mut piece)));
        let bytes = content_bytes(frame.as_ref());
        streams.0.connection.content_sent(bytes);
        sending.handed.fetch_add(bytes, Ordering::AcqRel);
        let is_complete = frame.is_none() || (rest.is_empty() && body.is_end_stream());
        sending.has_nothing.store(is_complete, Ordering::Release);
        sending.is_complete.fetch_or(is_complete, Ordering::AcqRel);
        let stream = stream.clone();
        let tracked = |bytes: Bytes| Bytes::from_owner(Piece { bytes, stream });
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(tracked))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, body) = (self.rest.len() as u64, self.body.size_hint());
        let mut all = SizeHint::new();
        all.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            all.set_upper(upper + rest);
        }
        all
    }
}

/// Bytes that the server drops once they are written.
struct Piece {
    bytes: Bytes,
    stream: Stream,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.stream.0.sending.written.fetch_add(self.bytes.len(), Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Barrier;

    use futures_util::StreamExt;
    use http_body_util::BodyExt;
    use uuid::Uuid;

    use super::*;
    use crate::domain::{TenantId, Time};
    use crate::limits::sockets::SocketLimits;
    use crate::limits::{MemoryBudget, Sockets};

    const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn sockets() -> Sockets {
        Sockets::new(SocketLimits::of(1, MemoryBudget::default()), true)
    }

    fn streams() -> Streams {
        Streams::new(Connection::new(sockets().admit(HOME)))
    }

    /// Opens a stream for a request of a tenant.
    fn begun(streams: &Streams) -> Stream {
        let (stream, connection) = (streams.open(), &streams.0.connection);
        assert!(connection.request_started(100, false));
        connection.authenticated(TenantId(Uuid::from_u128(1))).expect("the tenant has room");
        stream
    }

    fn response(length: usize) -> Response<Body> {
        Response::new(Body::from(vec![7; length]))
    }

    #[tokio::test]
    async fn a_stream_is_open_until_its_last_byte_is_written() {
        let streams = streams();
        let mut body = streams.open().answered(response(10)).into_body();
        let piece = body.frame().await.expect("a frame").expect("data").into_data().expect("data");
        drop(body);
        assert_eq!(streams.open_count(), 1);
        drop(piece);
        assert_eq!((streams.open_count(), streams.0.state.lock().resets), (0, 0));
        // Dropped before its end, as at a reset; then one that is answered.
        drop(streams.open().answered(response(10)));
        drop(streams.open());
        assert_eq!((streams.open_count(), streams.0.state.lock().resets), (0, 2));
        drop(streams.open().answered(response(0)));
        assert_eq!(streams.0.state.lock().resets, 1);
    }

    #[tokio::test]
    async fn a_stream_of_events_that_is_closed_is_no_reset() {
        let streams = streams();
        let events = |first: &'static str| {
            let first =
                futures_util::stream::iter((!first.is_empty()).then(|| Ok::<_, axum::Error>(Bytes::from(first))));
            Response::new(Body::from_stream(first.chain(futures_util::stream::pending())))
        };
        for (first, resets) in [("data: 1\n\n", 0), ("", 1)] {
            let mut body = streams.open().answered(events(first)).into_body();
            if !first.is_empty() {
                drop(body.frame().await.expect("an event").expect("data"));
            }
            let moment = Duration::from_millis(5);
            assert!(tokio::time::timeout(moment, body.frame()).await.is_err(), "it waits for the next event");
            drop(body);
            assert_eq!((streams.open_count(), streams.0.state.lock().resets), (0, resets));
        }
    }

    #[test]
    fn streams_that_begin_at_once_move_to_a_free_place() {
        let sockets = sockets();
        let busy = Streams::new(Connection::new(sockets.admit(HOME)));
        let request = begun(&busy);
        let reserved = Streams::new(Connection::new(sockets.admit(HOME)));
        let streams = [reserved.open(), reserved.open()];
        assert!(!reserved.0.connection.request_started(100, false), "only health probes");
        drop((request, busy));
        assert!(reserved.0.connection.request_started(100, false));
        drop(streams);
    }

    #[test]
    fn a_connection_is_busy_until_its_last_stream_ends() {
        // The second stream begins while the first ends, in any order of their steps.
        for _ in 0..2_000 {
            let sockets = sockets();
            let streams = Streams::new(Connection::new(sockets.admit(HOME)));
            let (first, together) = (begun(&streams), Barrier::new(2));
            let second = std::thread::scope(|scope| {
                scope.spawn(|| {
                    together.wait();
                    drop(first);
                });
                together.wait();
                begun(&streams)
            });
            let cut = streams.0.connection.permit().cut();
            drop(sockets.admit(HOME));
            assert!(!cut.is_cancelled(), "a request runs");
            drop(second);
            drop(sockets.admit(HOME));
            assert!(cut.is_cancelled(), "it is idle");
        }
    }

    #[tokio::test]
    async fn resets_beyond_the_answers_are_too_many() {
        let streams = streams();
        for _ in 0..MAX_RESETS {
            drop(streams.open());
        }
        let moment = Duration::from_millis(10);
        assert!(tokio::time::timeout(moment, streams.too_many_resets()).await.is_err());
        drop(streams.open());
        streams.too_many_resets().await;
    }

    /// Returns whether a connection is too slow on which one response is read at the pace, one has nothing to send, and
    /// maybe one is not read.
    async fn is_slow(has_unread: bool) -> bool {
        let (streams, clock) = (streams(), Clock::manual(Time::from_micros(0)));
        let mut read = streams.open().answered(Response::new(Body::new(Endless))).into_body();
        let mut live = streams.open().answered(Response::new(Body::new(NothingYet))).into_body();
        let _unread = has_unread.then(|| streams.open().answered(response(10)).into_body());
        let advancing = async {
            for _ in 0..4 {
                for _ in 0..WRITE_BYTES / PIECE_BYTES {
                    drop(read.frame().await.expect("a frame"));
                }
                assert!(tokio::time::timeout(Duration::from_millis(5), live.frame()).await.is_err(), "it has nothing");
                clock.advance(WRITE_WINDOW);
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = streams.stalled(Some(&clock)) => true,
            () = advancing => false,
        }
    }

    #[tokio::test]
    async fn a_response_that_is_not_read_is_noticed_beside_others() {
        assert!(is_slow(true).await);
        assert!(!is_slow(false).await);
    }

    #[tokio::test]
    async fn what_is_read_of_a_large_chunk_counts() {
        let (streams, all) = (streams(), 3 * PIECE_BYTES + 1);
        let stream = streams.open();
        let sending = stream.0.sending.clone();
        let mut body = stream.answered(response(all)).into_body();
        for read in [PIECE_BYTES, 2 * PIECE_BYTES, 3 * PIECE_BYTES, all] {
            let before = sending.written.load(Ordering::Acquire);
            assert_eq!(body.size_hint().exact(), Some((all - before) as u64));
            drop(body.frame().await.expect("a frame").expect("data"));
            assert_eq!(sending.written.load(Ordering::Acquire), read);
            assert_eq!(sending.is_complete.load(Ordering::Acquire), read == all);
        }
        assert!(body.is_end_stream());
    }

    /// A body that always has more.
    struct Endless;

    impl HttpBody for Endless {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
            Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![7; WRITE_BYTES])))))
        }
    }

    /// A body that never has anything.
    struct NothingYet;

    impl HttpBody for NothingYet {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
            Poll::Pending
        }
    }
}
