//! A stream that fails when its peer reads slower than a minimum pace.

use std::future::Future;
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Connection;
use crate::clock::Clock;

/// Length of the window in which the pace of a blocked write is measured.
pub const WRITE_WINDOW: Duration = Duration::from_secs(20);
/// Bytes that the peer must take within one window, unless it has taken everything: 4 KiB a second.
pub const WRITE_BYTES: usize = 80 * 1024;

/// The stream of one connection, with an error for writes that the peer takes too slowly.
pub struct Paced<S> {
    stream: S,
    connection: Connection,
    /// Without a clock no pace is enforced.
    clock: Option<Clock>,
    /// The current window; `None` while no write is blocked.
    window: Option<Window>,
}

struct Window {
    end: Pin<Box<dyn Future<Output = ()> + Send>>,
    written: usize,
}

impl<S> Paced<S> {
    /// Wraps a stream; by `clock`, writes fail once the peer falls below the minimum pace.
    pub fn new(stream: S, connection: Connection, clock: Option<Clock>) -> Self {
        Paced { stream, connection, clock, window: None }
    }

    /// Passes on the result of a write, or returns [`ErrorKind::TimedOut`] once a window ended with too little written.
    fn watch(&mut self, cx: &mut Context<'_>, written: Poll<Result<usize>>) -> Poll<Result<usize>> {
        let Some(clock) = &self.clock else { return written };
        if let (Poll::Ready(Ok(bytes)), Some(window)) = (&written, &mut self.window) {
            window.written += bytes;
        }
        if written.is_pending() || self.window.is_some() {
            let window = self.window.get_or_insert_with(|| Window::begin(clock));
            if window.end.as_mut().poll(cx).is_ready() {
                if window.written < WRITE_BYTES {
                    return Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the response is not read")));
                }
                let mut next = Window::begin(clock);
                // Polled once, so that its end wakes this task.
                let _just_begun = next.end.as_mut().poll(cx);
                self.window = Some(next);
            }
        }
        written
    }
}

impl Window {
    fn begin(clock: &Clock) -> Self {
        let (clock, until) = (clock.clone(), clock.monotonic() + WRITE_WINDOW);
        Window { end: Box::pin(async move { clock.sleep_until(until).await }), written: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        // A TLS stream buffers bytes of its own, which can be blocked as well.
        if flushed.is_pending() {
            let nothing = Poll::Pending;
            ready!(self.watch(cx, nothing))?;
            return Poll::Pending;
        }
        // The server flushes once it has nothing left to write.
        self.window = None;
        self.connection.flushed();
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;
    use crate::domain::Time;
    use crate::limits::sockets::SocketLimits;
    use crate::limits::{MemoryBudget, Sockets};

    fn stage() -> (Clock, Paced<DuplexStream>, DuplexStream) {
        let clock = Clock::manual(Time::from_micros(0));
        let connection = Connection::new(
            Sockets::new(SocketLimits::of(1, MemoryBudget::default()), true).admit([127, 0, 0, 1].into()),
        );
        let (ours, theirs) = duplex(1_024);
        (clock.clone(), Paced::new(ours, connection, Some(clock)), theirs)
    }

    #[tokio::test]
    async fn a_write_that_is_not_read_times_out() {
        let (clock, mut paced, _theirs) = stage();
        let writing = paced.write_all(&[0; 2_000]);
        let waiting = async {
            tokio::task::yield_now().await;
            clock.advance(WRITE_WINDOW - Duration::from_millis(1));
            tokio::task::yield_now().await;
            clock.advance(Duration::from_millis(1));
        };
        let (written, ()) = tokio::join!(writing, waiting);
        assert_eq!(written.unwrap_err().kind(), ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_slow_reader_that_keeps_the_pace_is_not_cut() {
        let (clock, mut paced, mut theirs) = stage();
        let all = vec![0; 4 * WRITE_BYTES];
        let reading = async {
            let mut piece = vec![0; WRITE_BYTES + 2_048];
            for _ in 0..3 {
                theirs.read_exact(&mut piece).await.unwrap();
                clock.advance(WRITE_WINDOW);
                tokio::task::yield_now().await;
            }
            // From here on the peer reads too little.
            theirs.read_exact(&mut piece[..4_096]).await.unwrap();
            clock.advance(WRITE_WINDOW);
        };
        let (written, ()) = tokio::join!(paced.write_all(&all), reading);
        assert_eq!(written.unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(theirs.read(&mut [0]).await.is_ok());
    }

    #[tokio::test]
    async fn written_returns_after_the_flush() {
        let (_clock, mut paced, mut theirs) = stage();
        let connection = paced.connection.clone();
        connection.writing();
        let moment = Duration::from_millis(10);
        assert!(tokio::time::timeout(moment, connection.written()).await.is_err());
        paced.write_all(b"answer").await.unwrap();
        paced.flush().await.unwrap();
        connection.written().await;
        theirs.read_exact(&mut [0; 6]).await.unwrap();
    }
}
