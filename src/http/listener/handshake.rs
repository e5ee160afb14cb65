//! TLS handshakes, of which the costly part takes turns.
//!
//! A client needs no cryptography to make the service sign: a recorded first message suffices. So the signature and the
//! key exchange are computed for one handshake at a time, for the networks in turn, on a thread with a low priority. The
//! threads that answer everything else are left alone.

use std::future::poll_fn;
use std::io::{Error, ErrorKind, Result};
use std::net::IpAddr;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::rustls::{HandshakeKind, ServerConnection};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake, TlsAcceptor};

use crate::clock::Clock;
use crate::http::connection::counted::Counted;
use crate::lifecycle::Lifecycle;
use crate::limits::Handshakes;
use crate::limits::throttle::network;

/// A connection after its handshake.
pub type Secure = TlsStream<Counted<TcpStream>>;

/// Records in which a client may repeat its first message. Each takes a turn, and one is usual.
const REPEATED_RECORDS: usize = 8;
/// Bytes before the content of a record of TLS: type, version and length.
const RECORD_HEAD: usize = 5;

/// Performs handshakes.
#[derive(Clone)]
pub struct Shaking {
    /// The certificate and the settings of TLS.
    pub acceptor: TlsAcceptor,
    /// The turns of handshakes; `None` performs each at once, where all requests are answered.
    pub turns: Option<Handshakes>,
    /// Runs the costly part.
    pub lifecycle: Lifecycle,
}

impl Shaking {
    /// Performs the handshake of a client at an address.
    pub async fn shake_hands(&self, stream: Counted<TcpStream>, address: IpAddr) -> Result<Secure> {
        let Some(turns) = &self.turns else { return self.acceptor.accept(stream).await };
        let turn = Turns { turns, lifecycle: &self.lifecycle, network: network(address) };
        // The first message is only parsed here, which costs little.
        let StartHandshake { accepted, io: mut stream, .. } =
            LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let config = self.acceptor.config().clone();
        let mut session = match turn.run(&stream, move || accepted.into_connection(config)).await? {
            Ok(session) => session,
            Err((error, mut alert)) => {
                let mut bytes = Vec::new();
                alert.write(&mut bytes)?;
                stream.write_all(&bytes).await?;
                return Err(Error::new(ErrorKind::InvalidData, error));
            }
        };
        if session.handshake_kind() == Some(HandshakeKind::FullWithHelloRetryRequest) {
            session = repeat(session, &mut stream, &turn).await?;
        }
        // The rest costs about as much as a small request, and only a client that had its turn comes here.
        self.acceptor.accept_with(stream, move |new| *new = session).await
    }
}

/// Takes turns for the handshake of one client.
struct Turns<'t> {
    turns: &'t Handshakes,
    lifecycle: &'t Lifecycle,
    network: IpAddr,
}

impl Turns<'_> {
    /// Runs a costly part of a handshake in its turn, unless the client has gone meanwhile.
    async fn run<T: Send + 'static>(
        &self,
        stream: &Counted<TcpStream>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let turn = self.turns.turn(self.network).await;
        let mut turn = turn.ok_or_else(|| Error::new(ErrorKind::TimedOut, "other handshakes take too long"))?;
        if has_gone(stream.get_ref()).await {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let clock = self.turns.clock().clone();
        let work = move || {
            let began = processor_time(&clock);
            let done = work();
            turn.charge(processor_time(&clock).saturating_sub(began));
            done
        };
        self.lifecycle.spawn_blocking((), work).await.map_err(Error::other)
    }
}

/// Returns the processor time that this thread has taken.
#[cfg(unix)]
fn processor_time(_: &Clock) -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Returns the time of the clock, where a thread's own is not available.
#[cfg(not(unix))]
fn processor_time(clock: &Clock) -> Duration {
    clock.monotonic()
}

/// Returns true if the client has closed the connection.
async fn has_gone(stream: &TcpStream) -> bool {
    let mut byte = [0];
    poll_fn(|cx| Poll::Ready(matches!(stream.poll_peek(cx, &mut ReadBuf::new(&mut byte)), Poll::Ready(Ok(0) | Err(_)))))
        .await
}

/// Sends the request for another first message, and handles that message, which costs as much as the first. Only a client
/// that supports none of the usual key exchanges at once is requested to repeat it.
async fn repeat(
    mut session: ServerConnection,
    stream: &mut Counted<TcpStream>,
    turn: &Turns<'_>,
) -> Result<ServerConnection> {
    send(&mut session, stream).await?;
    for _ in 0..REPEATED_RECORDS {
        // Whole records, so that no turn is taken for a part of one.
        let mut record = vec![0; RECORD_HEAD];
        stream.read_exact(&mut record).await?;
        let length = usize::from(u16::from_be_bytes([record[3], record[4]]));
        record.resize(RECORD_HEAD + length, 0);
        stream.read_exact(&mut record[RECORD_HEAD..]).await?;
        let handled = turn.run(stream, move || {
            let mut rest = record.as_slice();
            let mut handled = Ok(());
            while !rest.is_empty() && handled.is_ok() {
                handled = session.read_tls(&mut rest).map(drop);
                handled = handled.and_then(|()| session.process_new_packets().map(drop).map_err(Error::other));
            }
            (session, handled)
        });
        let (returned, handled) = handled.await?;
        session = returned;
        let has_answer = session.wants_write();
        if handled.is_err() {
            // The alert; that the handshake failed matters more than whether it was sent.
            let _sent = send(&mut session, stream).await;
        }
        handled?;
        if has_answer {
            return Ok(session);
        }
    }
    Err(Error::new(ErrorKind::InvalidData, "the first message is repeated in too many records"))
}

async fn send(session: &mut ServerConnection, stream: &mut Counted<TcpStream>) -> Result<()> {
    let mut bytes = Vec::new();
    while session.wants_write() {
        session.write_tls(&mut bytes)?;
    }
    stream.write_all(&bytes).await
}
