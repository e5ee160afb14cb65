//! A pooler in front of PostgreSQL that lends a session of the server to one transaction at a time, as PgBouncer does
//! with `pool_mode=transaction`. The clients need no password.

use std::net::SocketAddr;
use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Error};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::support::tasks::spawn;

/// The code of a request for TLS, which is refused.
const TLS_REQUEST: u32 = 80_877_103;
/// The type of the message that ends a greeting and an answer.
const READY: u8 = b'Z';
/// The state of a session outside of a transaction.
const IDLE: u8 = b'I';

/// A pooler; closed when dropped.
pub struct Pooler {
    accepting: JoinHandle<()>,
}

/// A session of the server, and the messages with which it greeted.
struct Session {
    stream: TcpStream,
    greeting: Vec<u8>,
}

/// The idle sessions. The one used last is lent first.
type Idle = Arc<Mutex<Vec<Session>>>;

impl Pooler {
    /// Starts a pooler in front of the server that `options` name; returns the options for connecting through it.
    pub async fn start(options: &PgConnectOptions) -> (Self, PgConnectOptions) {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = (options.get_host().to_owned(), options.get_port());
        let idle = Idle::default();
        let accepting = spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, idle) = (server.clone(), idle.clone());
                // A connection that breaks ends alone.
                drop(spawn(async move { serve(client, &server, &idle).await.ok() }));
            }
        });
        (Pooler { accepting }, options.clone().host("127.0.0.1").port(port))
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Serves one client until it terminates.
async fn serve(mut client: TcpStream, server: &(String, u16), idle: &Idle) -> Result<(), Error> {
    let mut startup = packet(&mut client).await?;
    if startup[4..8] == TLS_REQUEST.to_be_bytes() {
        client.write_all(b"N").await?;
        startup = packet(&mut client).await?;
    }
    let lend = async || match idle.lock().await.pop() {
        Some(session) => Ok(session),
        None => Session::open(server, &startup).await,
    };
    let greeted = lend().await?;
    client.write_all(&greeted.greeting).await?;
    idle.lock().await.push(greeted);
    let mut lent: Option<Session> = None;
    loop {
        let request = message(&mut client).await?;
        if request[0] == b'X' {
            return Ok(());
        }
        let mut session = match lent.take() {
            Some(session) => session,
            None => lend().await?,
        };
        session.stream.write_all(&request).await?;
        // A simple query and a Sync are answered up to a ReadyForQuery.
        let mut is_idle = false;
        if matches!(request[0], b'Q' | b'S') {
            is_idle = session.answer(&mut client).await? == IDLE;
        }
        if is_idle { idle.lock().await.push(session) } else { lent = Some(session) }
    }
}

impl Session {
    /// Opens a session with a client's own startup packet.
    async fn open((host, port): &(String, u16), startup: &[u8]) -> Result<Self, Error> {
        let mut stream = TcpStream::connect((host.as_str(), *port)).await?;
        stream.write_all(startup).await?;
        let mut greeting = Vec::new();
        loop {
            let part = message(&mut stream).await?;
            greeting.extend_from_slice(&part);
            if part[0] == READY {
                return Ok(Session { stream, greeting });
            }
        }
    }

    /// Passes the server's messages on, up to a ReadyForQuery; returns the state that this names.
    async fn answer(&mut self, client: &mut TcpStream) -> Result<u8, Error> {
        loop {
            let answer = message(&mut self.stream).await?;
            client.write_all(&answer).await?;
            if answer[0] == READY {
                return Ok(answer[5]);
            }
        }
    }
}

/// Reads a packet without a type: its length and its content.
async fn packet(stream: &mut TcpStream) -> Result<Vec<u8>, Error> {
    let length = stream.read_u32().await?;
    let mut packet = length.to_be_bytes().to_vec();
    packet.resize(length as usize, 0);
    stream.read_exact(&mut packet[4..]).await?;
    Ok(packet)
}

/// Reads a message: its type, its length and its content.
async fn message(stream: &mut TcpStream) -> Result<Vec<u8>, Error> {
    let mut message = vec![stream.read_u8().await?];
    message.extend(packet(stream).await?);
    Ok(message)
}
